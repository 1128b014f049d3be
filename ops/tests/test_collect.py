"""Facts: complete, never doubled, whatever happens to the log and the collector in between."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import platformdirs
import yaml
from meltano_ops import logfiles, store
from meltano_ops.collect import collect

from ops.tests.life import BEIJING, PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from ops.tests.life import Life

# A collector in a process of its own.
COLLECT = """
import pathlib, sys
from meltano_ops import collect, settings, store
project = settings.load_settings(pathlib.Path(sys.argv[1]))
collect.collect(store.connect(project.database, project.timezone), project)
"""
NOW = datetime(2026, 11, 22, 10, 2, tzinfo=BEIJING)


def _collect(life: Life, at: datetime = NOW) -> int:
    return collect(life.facts, life.settings, at.timestamp())


def test_a_run_leaves_its_rows_windows_requests_and_duration(life: Life) -> None:
    run_id = life.good_run(NOW, rows=120)
    life.metric(run_id, NOW, "http_retry_count", 1, reason="http_429")
    life.metric(run_id, NOW, "quarantined", 2, plugin="target-life", reason="value too long")
    life.metric(run_id, NOW, "api_calls", 17, month="2026-11", month_total=417, budget=5000)
    _collect(life)
    [run] = life.all("SELECT * FROM runs")
    assert (run["state"], run["rows_read"], run["rows_loaded"], run["requests"]) == ("SUCCESS", 120, 120, 3)
    assert (run["retries"], run["quarantined"], run["ended_at"] - run["started_at"]) == (1, 2, 40)
    assert run["triggered_by"] == "schedule:life-2h"
    [window] = life.all("SELECT * FROM windows")
    assert window["end_at"] == int((NOW - timedelta(minutes=2)).timestamp())
    assert (window["source_total"], window["distinct_keys"], window["verified"]) == (5, 5, 1)
    assert life.all("SELECT stream, table_name FROM streams") == [{"stream": "tickets", "table_name": "life_tickets"}]
    assert life.all("SELECT month, month_total, budget FROM api_calls") == [
        {"month": "2026-11", "month_total": 417, "budget": 5000}
    ]


def test_collecting_again_changes_nothing(life: Life) -> None:
    life.good_run(NOW)
    _collect(life)
    tables = ("runs", "metrics", "windows", "errors", "coverage", "streams")
    before = {table: life.all(f"SELECT * FROM {table}") for table in tables}
    assert _collect(life) == 0
    assert {table: life.all(f"SELECT * FROM {table}") for table in tables} == before


def test_a_line_that_is_still_being_written_waits_for_its_end(life: Life) -> None:
    run_id = life.good_run(NOW)
    whole = life.log.read_bytes()
    life.log.write_bytes(whole[:-20])
    _collect(life)
    assert life.all("SELECT rows_read, rows_loaded FROM runs") == [{"rows_read": 50, "rows_loaded": None}]
    with life.log.open("ab") as file:
        file.write(whole[-20:])
    _collect(life)
    assert life.all("SELECT rows_read, rows_loaded FROM runs WHERE run_id = ?", run_id) == [
        {"rows_read": 50, "rows_loaded": 50}
    ]


def test_a_renamed_log_is_read_to_its_end_and_the_new_one_from_its_begin(life: Life) -> None:
    life.good_run(NOW)
    _collect(life)
    life.good_run(NOW + timedelta(hours=2))
    life.log.rename(life.log.with_name(f"{life.log.name}.1"))
    life.good_run(NOW + timedelta(hours=4))
    _collect(life)
    assert [run["rows_read"] for run in life.all("SELECT rows_read FROM runs ORDER BY id")] == [50, 50, 50]


def test_a_large_log_is_rotated_and_a_writer_that_has_it_open_goes_on_in_the_new_one(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfiles, "ROTATE_BYTES", 2000)
    # The shipped handler, as Meltano would open it, with a formatter that needs no Meltano.
    config = yaml.safe_load((life.root / "logging.yaml").read_text(encoding="utf-8"))
    handler = config["handlers"]["facts"]
    assert handler["class"] == "logging.handlers.WatchedFileHandler"
    writer = logging.handlers.WatchedFileHandler(life.root / handler["filename"], encoding="utf-8", delay=True)
    for number in range(60):
        writer.emit(logging.LogRecord("x", logging.INFO, "", 0, json.dumps({"n": number, "pad": "x" * 60}), (), None))
        _collect(life)
    writer.close()
    rotated = sorted(life.log.parent.glob(f"{life.log.name}.*"))
    assert 1 <= len(rotated) <= logfiles.ROTATED_KEPT
    assert life.log.stat().st_size < 3000
    positions = life.all("SELECT position FROM log_files")
    assert sum(row["position"] for row in positions) >= 60 * 70


def test_a_log_that_was_removed_and_begun_again_is_read_from_its_begin(life: Life) -> None:
    life.good_run(NOW)
    life.good_run(NOW + timedelta(hours=1))
    _collect(life)
    life.log.write_bytes(b"")
    life.good_run(NOW + timedelta(hours=2))
    _collect(life)
    assert [run["rows_read"] for run in life.all("SELECT rows_read FROM runs ORDER BY id")] == [50, 50, 50]


def test_runs_are_found_again_after_meltanos_own_database_was_removed(life: Life) -> None:
    # `rm -rf .meltano` begins Meltano's numbers again; what came after was not seen any more.
    for hour in range(3):
        life.good_run(NOW + timedelta(hours=hour))
    _collect(life)
    with life.history() as history:
        history.execute("DELETE FROM runs")
    life.good_run(NOW + timedelta(hours=9))
    _collect(life)
    assert len(life.all("SELECT * FROM runs")) == 4


def test_a_running_run_is_followed_until_it_has_ended(life: Life) -> None:
    run_id = life.start(NOW)
    _collect(life)
    assert life.all("SELECT state FROM runs") == [{"state": "RUNNING"}]
    life.end(run_id, NOW + timedelta(minutes=5), "FAIL", "Loader failed")
    _collect(life)
    assert life.all("SELECT state, error FROM runs") == [{"state": "FAIL", "error": "Loader failed"}]


def test_two_blocks_of_one_run_keep_their_figures_apart(life: Life) -> None:
    other = "prod:tap-other-to-target-life"
    run_id = life.start(NOW)
    life.start(NOW, other, run_id)
    life.metric(run_id, NOW, "record_count", 10)
    life.metric(run_id, NOW, "record_count", 20, pipeline=other, plugin="tap-other")
    _collect(life)
    assert life.all("SELECT pipeline, rows_read FROM runs ORDER BY id") == [
        {"pipeline": PIPELINE, "rows_read": 10},
        {"pipeline": other, "rows_read": 20},
    ]


def test_state_edits_are_no_runs(life: Life) -> None:
    run_id = life.start(NOW)
    life.end(run_id, NOW, "STATE_EDIT")
    _collect(life)
    assert life.all("SELECT * FROM runs") == []


def test_without_a_json_log_the_rows_come_from_meltanos_own_log(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_log_path", lambda _name: tmp_path / "log")
    (life.root / "logging.yaml").unlink()
    run_id = life.start(NOW)
    folder = tmp_path / "log" / "elt" / "prodtap-life-to-target-life" / str(UUID(run_id))
    folder.mkdir(parents=True)
    (folder / "elt.log").write_text(
        "2026-11-22T02:02:06.908033Z [info     ] tap-life METRIC      metric_name=record_count metric_value=5\n"
        "2026-11-22T02:02:07.000000Z [error    ] tap-life Session expired\n"
    )
    life.end(run_id, NOW, "FAIL")
    _collect(life)
    _collect(life)
    assert life.all("SELECT rows_read, rows_loaded FROM runs") == [{"rows_read": 5, "rows_loaded": None}]
    assert [error["message"] for error in life.all("SELECT message FROM errors")] == ["Session expired"]


def test_a_window_is_resolved_when_later_windows_have_covered_all_of_it(life: Life) -> None:
    run_id = life.start(NOW)
    start = NOW - timedelta(hours=6)
    life.window(run_id, NOW, start, start + timedelta(hours=4), verified=False, distinct_keys=4, repeats=3)
    life.end(run_id, NOW, "FAIL")
    _collect(life)
    repair = f"{PIPELINE}:repair"
    life.window(run_id, NOW, start - timedelta(hours=1), start + timedelta(hours=2), pipeline=repair)
    _collect(life)
    assert life.all("SELECT resolved_at FROM windows WHERE verified = 0") == [{"resolved_at": None}]
    life.window(run_id, NOW, start + timedelta(hours=2), start + timedelta(hours=5), pipeline=repair)
    _collect(life, NOW + timedelta(minutes=1))
    [window] = life.all("SELECT resolved_at FROM windows WHERE verified = 0")
    assert window["resolved_at"] == int((NOW + timedelta(minutes=1)).timestamp())


def test_errors_of_one_run_are_bounded(life: Life) -> None:
    run_id = life.start(NOW)
    for number in range(300):
        life.say(run_id, NOW, f"error {number}", level="error")
    _collect(life)
    messages = [row["message"] for row in life.all("SELECT message FROM errors ORDER BY id")]
    assert messages == [f"error {number}" for number in range(50)]


def test_old_facts_are_forgotten_and_open_questions_are_not(life: Life) -> None:
    long_ago = NOW - timedelta(days=200)
    run_id = life.good_run(long_ago)
    life.window(run_id, long_ago, long_ago, long_ago + timedelta(hours=1), verified=False)
    life.failed_run(long_ago + timedelta(hours=2), "boom")
    life.good_run(NOW)
    _collect(life)
    assert [row["verified"] for row in life.all("SELECT verified FROM windows ORDER BY id")] == [0, 1]
    assert len(life.all("SELECT * FROM runs")) == 1
    assert life.all("SELECT * FROM errors") == []


def test_kill_nine_of_the_collector_neither_loses_nor_doubles_a_line(make_life: Callable[..., Life]) -> None:
    life = make_life()
    run_id = life.start(NOW)
    lines = 60_000
    entry = {
        "event": "METRIC",
        "metric_info": {"metric": "record_count", "value": 1, "tags": {"stream": "tickets"}},
        "run_id": str(UUID(run_id)),
        "job_name": PIPELINE,
        "string_id": "tap-life",
        "producer": True,
        "timestamp": "2026-11-22T02:02:00Z",
    }
    life.log.write_text((json.dumps(entry) + "\n") * lines, encoding="utf-8")
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", COLLECT, str(life.root)])
        # Killed as soon as it has moved on, wherever that is.
        before = life.all("SELECT coalesce(sum(position), 0) AS n FROM log_files")[0]["n"]
        while process.poll() is None:
            if life.all("SELECT coalesce(sum(position), 0) AS n FROM log_files")[0]["n"] != before:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        process.wait()
    _collect(life)
    assert life.all("SELECT rows_read FROM runs") == [{"rows_read": lines}]


def test_two_collectors_at_once_count_every_line_once(life: Life) -> None:
    for hour in range(40):
        life.good_run(NOW + timedelta(hours=hour))
    processes = [subprocess.Popen([sys.executable, "-c", COLLECT, str(life.root)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert {row["rows_read"] for row in life.all("SELECT rows_read FROM runs")} == {50}
    assert life.all("SELECT count(*) AS n FROM windows") == [{"n": 40}]


def test_the_facts_file_can_be_read_while_it_is_written(life: Life) -> None:
    life.good_run(NOW)
    _collect(life)
    with store.transaction(life.facts):
        life.facts.execute("DELETE FROM runs")
        reader = store.connect(life.settings.database, life.settings.timezone, read_only=True)
        assert reader.execute("SELECT count(*) FROM runs").fetchone()[0] == 1
        reader.close()


def test_the_facts_file_is_readable_by_its_owner_only(life: Life) -> None:
    _collect(life)
    assert os.stat(life.settings.database).st_mode & 0o077 == 0  # noqa: PTH116 - the mode is the point
