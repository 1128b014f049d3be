"""Fixtures: a stand-in of the platform, and the tap run against it in this process or in one of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_kuaimai.tap import RunFailedError, TapKuaimai

from tests.sandbox.client import KuaimaiSandbox
from tests.sandbox.kuaimai.session import ACCESS_TOKEN, APP_KEY, APP_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = "2026-03-10 12:00:00"


@dataclass
class Run:
    """What a run of the tap has written.

    Attributes:
        messages: all messages, in order.
        records: stream → its records, in order.
        states: the values of the STATE messages, in order.
        failed: the error that ended the run, None for success.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    states: list[dict[str, Any]] = field(default_factory=list)
    failed: str | None = None

    def read(self, output: str) -> Run:
        """Take in what was written to stdout."""
        for line in output.splitlines():
            message = json.loads(line, parse_float=Decimal)
            self.messages.append(message)
            if message["type"] == "RECORD":
                self.records[message["stream"]].append(message["record"])
            if message["type"] == "STATE":
                self.states.append(message["value"])
        return self

    def by_id(self, stream: str, key: str = "id") -> dict[Any, dict[str, Any]]:
        """The last record of each id, as a target that replaces would keep it."""
        return {record[key]: record for record in self.records[stream]}

    @property
    def state(self) -> dict[str, Any]:
        """The last state; empty if there was none."""
        return self.states[-1] if self.states else {}

    def bookmark(self, stream: str) -> str:
        """The bookmark of a stream in the last state."""
        return str(self.state["bookmarks"][stream]["replication_key_value"])


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[KuaimaiSandbox]:
    """A stand-in with 300 tickets in 3 days, for all tests that do not change its data."""
    with KuaimaiSandbox(tickets=300, trades=60, days=3, now=NOW) as sandbox:
        sandbox.freeze()
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: KuaimaiSandbox) -> KuaimaiSandbox:
    """The stand-in as at its start, with no limit of its own on the pace. A test that changes data needs its own."""
    shared_sandbox.reset()
    shared_sandbox.set_options(rate_per_second=None)
    return shared_sandbox


@pytest.fixture
def changing_sandbox() -> Iterator[KuaimaiSandbox]:
    """A stand-in of the test's own, whose data it may change."""
    with KuaimaiSandbox(tickets=300, trades=60, days=3, now=NOW) as sandbox:
        sandbox.freeze()
        sandbox.set_options(rate_per_second=None)
        yield sandbox


class Runner:
    """The tap in this process.

    Args:
        sandbox: what it reads.
    """

    def __init__(self, sandbox: KuaimaiSandbox) -> None:
        self._sandbox = sandbox

    def config(self, **settings: object) -> dict[str, Any]:
        """Settings that read everything the stand-in has, in one window and at full speed."""
        return {
            "api_url": self._sandbox.url,
            "app_key": APP_KEY,
            "app_secret": APP_SECRET,
            "access_token": ACCESS_TOKEN,
            "start_date": "2026-03-01",
            "end_date": NOW,
            "window_minutes": 1440 * 366,
            "max_requests_per_second": 500,
            **settings,
        }

    def catalog(self, *streams: str, **settings: object) -> dict[str, Any]:
        """The discovered catalog with only these streams selected."""
        catalog: dict[str, Any] = TapKuaimai(config=self.config(**settings), setup_mapper=False).catalog_dict
        for stream in catalog["streams"]:
            root = next(entry for entry in stream["metadata"] if not entry["breadcrumb"])
            root["metadata"]["selected"] = stream["tap_stream_id"] in streams
        return catalog

    def run(
        self,
        *streams: str,
        state: dict[str, Any] | None = None,
        catalog: dict[str, Any] | None = None,
        **settings: object,
    ) -> Run:
        """Run the tap with only these streams selected, or with this catalog."""
        run = Run()
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with redirect_stdout(out):
            tap = TapKuaimai(
                config=self.config(**settings), catalog=catalog or self.catalog(*streams, **settings), state=state
            )
            try:
                tap.sync_all()
            except RunFailedError as error:
                run.failed = str(error)
        out.flush()
        out.seek(0)
        return run.read(out.read())


@pytest.fixture
def tap(sandbox: KuaimaiSandbox) -> Runner:
    """The tap in this process, reading the stand-in."""
    return Runner(sandbox)


class Cli:
    """The tap as a program.

    Args:
        folder: for its files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, config: dict[str, Any], *arguments: str, **files: dict[str, Any]) -> list[str]:
        """The command line; `catalog` and `state` are written to files."""
        command = [sys.executable, "-m", "tap_kuaimai", *arguments]
        for name, content in {"config": config, **files}.items():
            path = self._folder / f"{name}.json"
            path.write_text(json.dumps(content))
            command += [f"--{name}", str(path)]
        return command

    def run(self, config: dict[str, Any], *arguments: str, **files: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(config, *arguments, **files), capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The tap as a program."""
    return Cli(tmp_path)
