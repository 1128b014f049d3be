"""Whatever the platform answers: nothing is lost, the bookmark is honest, and no call is repeated for ever."""

from __future__ import annotations

import functools
import json
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tap_dingtalk_approval.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LISTIDS = "/topapi/processinstance/listids"
GET = "/topapi/processinstance/get"
QUERY = "/v1.0/workflow/processes/instanceIds/query"
INSTANCES = "/v1.0/workflow/processInstances"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are a hundredth of what they are, and the limiter's clock goes as much faster."""
    wait, clock = threading.Event.wait, time.monotonic
    monkeypatch.setattr(threading.Event, "wait", lambda event, timeout=None: wait(event, timeout and timeout / 100))
    quick = functools.partialmethod(Limiter.__init__, clock=lambda: clock() * 100)
    monkeypatch.setattr(Limiter, "__init__", quick)


def assert_complete(office: Any, *runs: Any) -> None:
    rows = {row["process_instance_id"]: row for run in runs for row in run.records["expense"]}
    truth = office.truth(office.sandbox.expense)
    assert {one: row["status"] for one, row in rows.items()} == {one: row["status"] for one, row in truth.items()}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "bad_token", "layout": "wrapped"},
        {"kind": "bad_token", "layout": "top"},
        {"kind": "bad_token", "layout": "text"},
        {"kind": "error", "code": "42001", "layout": "top"},
        {"kind": "app_qps", "layout": "wrapped", "times": 3},
        {"kind": "app_qps", "layout": "text", "times": 3},
        {"kind": "api_qps", "layout": "top", "seconds": 2},
        {"kind": "app_qpm"},
        {"kind": "busy", "times": 3},
        {"kind": "unavailable", "times": 2},
        {"kind": "ban", "layout": "html"},
        {"kind": "ban", "layout": "json", "times": 2},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "reset"},
        {"kind": "reset_after"},
        {"kind": "truncated"},
        {"kind": "cut"},
        {"kind": "html"},
        {"kind": "empty"},
        {"kind": "error", "code": "400001"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
@pytest.mark.parametrize("api", [LISTIDS, GET])
def test_the_old_generations_faults_are_survived(office: Any, fault: dict[str, Any], api: str) -> None:
    office.sandbox.fault(**{"api": api, "at": 2, **fault})
    run = office.run()
    assert not run.failed, run.log
    assert_complete(office, run)
    assert '"metric":"http_retry_count"' in run.log


@pytest.mark.parametrize("kind", ["bad_token", "app_qps", "api_qps", "app_qpm", "busy", "unavailable", "html", "cut"])
@pytest.mark.parametrize("api", [QUERY, INSTANCES])
def test_the_new_generations_faults_are_survived(office: Any, kind: str, api: str) -> None:
    office.sandbox.fault(kind, api=api, at=2)
    run = office.run(api_version="v1.0")
    assert not run.failed, run.log
    assert_complete(office, run)


def test_an_expired_token_is_renewed_once_for_all_threads(office: Any) -> None:
    first = office.run()
    office.sandbox.clear_requests()
    office.sandbox.expire_tokens()
    assert not office.run(first.state).failed
    assert len(office.sandbox.requests(api="/gettoken")) == 1


def test_a_token_that_is_refused_for_good_ends_the_run(office: Any) -> None:
    office.sandbox.fault("bad_token", api=LISTIDS, times=None)
    run = office.run()
    assert run.failed
    assert len(office.sandbox.requests(api="/gettoken")) == 2
    assert len(office.sandbox.requests(api=LISTIDS)) == 2


@pytest.mark.parametrize("kind", ["denied", "address"])
def test_what_only_a_person_can_mend_is_tried_once_and_explained(office: Any, kind: str) -> None:
    office.sandbox.fault(kind, api=LISTIDS, times=None)
    run = office.run()
    assert run.failed
    assert office.calls == 1
    assert "developer console" in run.log


@pytest.mark.parametrize("api", [LISTIDS, GET])
def test_a_run_that_fails_leaves_an_honest_bookmark_and_the_next_one_completes_it(office: Any, api: str) -> None:
    office.sandbox.fault("status", status=500, api=api, at=2 if api == LISTIDS else 12, times=None)
    first = office.run(max_retries=1)
    assert first.failed
    bookmark = first.bookmark("expense")
    assert "replication_key_value" not in bookmark
    office.sandbox.clear_faults()
    office.sandbox.clear_requests()
    second = office.run(first.state)
    assert not second.failed
    assert_complete(office, first, second)
    read_before = {row["process_instance_id"] for row in first.records["expense"]}
    assert len(office.sandbox.details()) == len(office.truth(office.sandbox.expense)) - len(read_before) + len(
        bookmark["open_approvals"]
    )
    assert second.bookmark("expense")["replication_key_value"] == "2026-09-30T12:00:00+08:00"


def test_a_process_that_cannot_be_read_does_not_stop_the_others(office: Any) -> None:
    wrong = {"process_code": "PROC-UNKNOWN", "name": "a_wrong_one"}
    run = office.run(processes=[wrong, *office.config["processes"]])
    assert run.failed
    assert_complete(office, run)
    assert "process_code" in run.log


def test_faults_at_random_lose_nothing(office: Any, tables: Any) -> None:
    sandbox = office.sandbox
    for kind in ("bad_token", "app_qps", "busy", "unavailable", "truncated", "reset", "html"):
        sandbox.fault(kind, times=None, probability=0.04)
    sandbox.fault("status", status=500, times=None, probability=0.04)
    state = None
    for _ in range(10):
        run = office.run(state, max_retries=2)
        tables.load(run)
        state = run.state
        if not run.failed and not run.bookmark("expense")["unread_approvals"]:
            break
    assert not run.failed
    assert {key[0] for key in tables["expense"]} == set(office.truth(sandbox.expense))


@pytest.mark.parametrize("status", [200, 403])
def test_a_page_of_html_after_good_answers_is_the_ban_of_an_address_whatever_its_status(
    office: Any, status: int
) -> None:
    office.sandbox.fault("ban", layout="html", status=status, api=GET, at=3, times=2)
    run = office.run(max_retries=0)
    assert not run.failed, run.log
    assert_complete(office, run)


def test_a_listing_that_goes_round_in_circles_fails_without_moving_the_bookmark(office: Any) -> None:
    office.sandbox.set_options(stuck_cursor=True)
    run = office.run()
    assert run.failed
    assert "round in circles" in run.log
    assert "replication_key_value" not in run.bookmark("expense")
    assert len(office.sandbox.listings()) == 3


@pytest.mark.parametrize(
    "switches",
    [
        {"full_page_cursor": False},
        {"full_page_cursor": True},
        {"empty_list_key": False},
        {"end_inclusive": False},
        {"order": "oldest"},
        {"order": "newest"},
        {"over_cap": "error"},
        {"error_layout": "text"},
    ],
    ids=str,
)
@pytest.mark.parametrize("api_version", ["topapi", "v1.0"])
def test_what_is_not_documented_is_survived_either_way(office: Any, switches: dict[str, Any], api_version: str) -> None:
    office.sandbox.set_options(**switches)
    truth = office.truth(office.sandbox.expense)
    size = next(size for size in (12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1) if len(truth) % size == 0)  # a full last page
    run = office.run(api_version=api_version, page_size=size)
    assert not run.failed, run.log
    assert_complete(office, run)
    assert office.run(run.state, api_version=api_version).records["expense_totals"]


def test_windows_older_than_a_year_are_left_out_loudly(office: Any) -> None:
    run = office.run(start_date="2024-01-01")
    assert not run.failed
    assert "CANNOT BE READ" in run.log
    assert_complete(office, run)


def run_and_kill(office: Any, folder: Path, config: Path, state: Path | None, delay: float) -> tuple[str, int]:
    arguments = ["--config", str(config), *(["--state", str(state)] if state else [])]
    with (folder / "out").open("w+") as out, (folder / "log").open("w") as log:
        line = [sys.executable, "-m", "tap_dingtalk_approval", *arguments]
        process = subprocess.Popen(line, stdout=out, stderr=log)
        seen = 0
        while process.poll() is None and seen < delay:
            time.sleep(0.05)
            seen = office.calls
        process.send_signal(signal.SIGKILL)
        process.wait()
        out.seek(0)
        return out.read(), process.returncode


@pytest.mark.slow
def test_killed_at_any_moment_the_next_run_completes_the_tables(
    new_office: Callable[..., Any], tables: Any, tmp_path: Path, read_messages: Callable[..., Any]
) -> None:
    office = new_office(approvals=60, days=30)
    office.sandbox.set_latency(0.01)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**office.config, "end_date": office.sandbox.now()}))
    dice = random.Random(5)
    state: Path | None = None
    for number in range(4):
        office.sandbox.clear_requests()
        text, _ = run_and_kill(office, tmp_path, config, state, dice.randrange(2, 40))
        # A target loads what it got and passes on the last STATE; half a line it cannot read.
        whole = text[: text.rfind("\n") + 1]
        run = read_messages(whole, "", failed=True)
        tables.load(run)
        if run.states:
            state = tmp_path / f"state{number}.json"
            state.write_text(json.dumps(run.state))
    final = office.run(json.loads(state.read_text()) if state else None)
    tables.load(final)
    assert not final.failed
    truth = office.truth(office.sandbox.expense)
    assert {key[0]: row["status"] for key, row in tables["expense"].items()} == {
        one: row["status"] for one, row in truth.items()
    }
    running = {one for one, row in truth.items() if row["status"] == "RUNNING"}
    assert set(final.bookmark("expense")["open_approvals"]) == running


@pytest.mark.slow
def test_told_to_stop_it_finishes_its_line_writes_the_state_and_ends_well(
    new_office: Callable[..., Any], tmp_path: Path, read_messages: Callable[..., Any]
) -> None:
    office = new_office(approvals=80, days=30)
    office.sandbox.set_latency(0.05)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**office.config, "end_date": office.sandbox.now(), "max_concurrency": 2}))
    line = [sys.executable, "-m", "tap_dingtalk_approval", "--config", str(config)]
    with (tmp_path / "out").open("w") as out, (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(line, stdout=out, stderr=log)
        while office.calls < 50 and process.poll() is None:
            time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=60) == 0
    run = read_messages((tmp_path / "out").read_text(), "", failed=False)
    assert run.messages[-1]["type"] == "STATE"
    assert 0 < len(run.records["expense"]) < len(office.truth(office.sandbox.expense))
    second = office.run(run.state)
    assert_complete(office, run, second)
