"""The tap run against the stand-in of the platform, and the tables that a target would make of its messages."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_dingtalk_approval.tap import RunFailedError, TapDingTalkApproval
from tests.sandbox.dingtalk.client import DingTalkSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXPENSE_FIELDS = {
    "expense_title": {"label": "标题"},
    "tickets": {"label": "票据张数", "type": "number"},
    "amount": {"label": "金额（元）", "type": "number"},
    "total": {"label": "合计", "type": "number"},
    "tags": {"label": "标签", "type": "json"},
    "day": {"label": "发生日期", "type": "date"},
    "leaves_at": {"label": "出发时间", "type": "datetime"},
    "companions": {"label": "同行人"},
    "companion_ids": {"label": "同行人", "type": "json"},
    "department": {"id": "DepartmentField_1EX0DEPT"},
}
EXPENSE_ITEMS = {
    "item": {"label": "事项"},
    "money": {"label": "金额", "type": "number"},
    "tags": {"label": "标签", "type": "json"},
    "day": {"label": "日期", "type": "date"},
}

Row = dict[str, Any]


@dataclass
class Run:
    """What one run wrote."""

    records: dict[str, list[Row]]
    keys: dict[str, list[str]]
    state: Row
    states: list[Row]
    messages: list[Row]
    log: str
    failed: bool

    def bookmark(self, name: str) -> Row:
        """The bookmark of a stream."""
        bookmark: Row = self.state["bookmarks"][name]
        return bookmark


@dataclass
class Tables:
    """Tables as REPLACE and `prune` of a target make them."""

    rows: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=dict)

    def load(self, run: Run) -> None:
        """Load a run."""
        for stream, records in run.records.items():
            table = self.rows.setdefault(stream, {})
            for row in records:
                table[tuple(row[key] for key in run.keys[stream])] = row

    def __getitem__(self, stream: str) -> dict[tuple[Any, ...], Row]:
        """A table by key."""
        return self.rows.get(stream, {})

    def current(self, stream: str, parent: str) -> list[Row]:
        """The rows of a child table that are as new as their parent's row, in the order of their keys."""
        return [
            row
            for key, row in sorted(self[stream].items(), key=lambda item: item[0])
            if row["revision"] >= self[parent][key[:1]]["revision"]
        ]

    def of(self, stream: str, parent: str) -> dict[str, list[Row]]:
        """The same by approval."""
        found: dict[str, list[Row]] = {}
        for row in self.current(stream, parent):
            found.setdefault(row["process_instance_id"], []).append(row)
        return found


def read_messages(text: str, log: str, *, failed: bool) -> Run:
    messages = [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
    run = Run({}, {}, {}, [], messages, log, failed)
    for message in messages:
        if message["type"] == "SCHEMA":
            run.keys[message["stream"]] = message["key_properties"]
            run.records.setdefault(message["stream"], [])
        elif message["type"] == "RECORD":
            run.records[message["stream"]].append(message["record"])
        elif message["type"] == "STATE":
            run.state = message["value"]
            run.states.append(message["value"])
    return run


def sync(config: Row, state: Row | None = None, catalog: Row | None = None) -> Run:
    """Run the tap in this process."""
    out, log = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    root.addHandler(handler)
    level, failed = root.level, False
    root.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(out):
            tap = TapDingTalkApproval(
                config=json.loads(json.dumps(config)), state=json.loads(json.dumps(state or {})), catalog=catalog
            )
            try:
                tap.sync_all()
            except RunFailedError:
                failed = True
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    out.seek(0)
    return read_messages(out.read(), log.getvalue(), failed=failed)


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the tap's command line as a user does."""
    line = [sys.executable, "-m", "tap_dingtalk_approval", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, **options)


@dataclass
class Office:
    """A stand-in, the configuration that reads it, and short ways to both."""

    sandbox: DingTalkSandbox
    config: Row

    def run(self, state: Row | None = None, catalog: Row | None = None, **overrides: Any) -> Run:
        """Run the tap up to the stand-in's present."""
        return sync({**self.config, "end_date": self.sandbox.now().replace(" ", "T"), **overrides}, state, catalog)

    def truth(self, code: str, *, api_version: str | None = None) -> dict[str, Row]:
        """What is readable now, of what the configuration asks for."""
        return self.sandbox.truth(code, api_version=api_version, since=self.config["start_date"])

    @property
    def calls(self) -> int:
        """Calls for pages and approvals so far."""
        return len(self.sandbox.listings()) + len(self.sandbox.details())


def configuration(sandbox: DingTalkSandbox, **overrides: Any) -> Row:
    return {
        "app_key": sandbox.app_key,
        "app_secret": sandbox.app_secret,
        "api_url": sandbox.origin,
        "start_date": "2026-08-01",
        "max_requests_per_second": 2000,
        "page_size": 5,
        "processes": [
            {
                "process_code": sandbox.expense,
                "name": "expense",
                "fields": EXPENSE_FIELDS,
                "tables": {"items": {"label": "明细", "fields": EXPENSE_ITEMS}},
            }
        ],
        **overrides,
    }


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[DingTalkSandbox]:
    """One stand-in for the tests of a module; `office` sets it back for each."""
    with DingTalkSandbox(approvals=16, days=30, still_open=2, now="2026-09-30 12:00:00") as sandbox:
        sandbox.set_clock("2026-09-30 12:00:00", frozen=True)
        yield sandbox


@pytest.fixture
def office(shared_sandbox: DingTalkSandbox) -> Office:
    """The module's stand-in without faults and with an empty log. What a test does to approvals stays."""
    shared_sandbox.reset()
    shared_sandbox.set_options(calls_per_second=0, calls_per_month=0)
    return Office(shared_sandbox, configuration(shared_sandbox))


@pytest.fixture
def new_office() -> Iterator[Callable[..., Office]]:
    """Makes stand-ins of a test's own."""
    with contextlib.ExitStack() as stack:

        def make(now: str = "2026-09-30 12:00:00", **arguments: Any) -> Office:
            sandbox = DingTalkSandbox(now=now, **arguments)
            stack.enter_context(sandbox)
            sandbox.set_clock(now, frozen=True)
            return Office(sandbox, configuration(sandbox))

        yield make


@pytest.fixture
def tap_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The tap's command line."""
    return command


@pytest.fixture(name="read_messages")
def _read_messages() -> Callable[..., Run]:
    """Reads what a run wrote."""
    return read_messages


@pytest.fixture
def tables() -> Tables:
    """Empty tables."""
    return Tables()
