"""The scheduler with a real Meltano: runs what is due, survives kill -9, stops gently, tries again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from meltano_ops import export, processes, store
from meltano_ops.collect import collect
from meltano_ops.launcher import project_mark
from meltano_ops.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(sys.executable).with_name("meltano").exists(), reason="Meltano is not installed here"),
]
PIPELINE = "dev:tap-life-to-target-life"
PROJECT = """
default_environment: dev
project_id: 00000000-0000-0000-0000-0000000000ab
send_anonymous_usage_stats: false
cli: {disable_version_check: true}
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-life
    namespace: tap_life
    executable: plugins/tap_life.py
    capabilities: [discover, catalog, state, structured-logging]
    settings:
    - {name: rows, kind: integer, value: 5}
    - {name: sleep}
    - {name: fail}
    - {name: start_date}
    - {name: end_date}
    - {name: windows, kind: array}
  loaders:
  - name: target-life
    namespace: target_life
    executable: plugins/target_life.py
    settings: [{name: path}]
    config: {path: $MELTANO_PROJECT_ROOT/out.jsonl}
jobs:
- {name: life, tasks: [tap-life target-life]}
schedules:
- {name: life-daily, interval: '@daily', job: life}
- {name: life-remedy, interval: '30 3 * * *', job: life, env: {MELTANO_RUN_STATE_ID_SUFFIX: remedy}}
"""


class Project:
    """A real Meltano project, and the `meltano-ops` processes started in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(Path(__file__).with_name("plugins"), root / "plugins")
        (root / "meltano.yml").write_text(PROJECT, encoding="utf-8")
        (root / "logging.yaml").write_text(export.logging_yaml(), encoding="utf-8")
        self.settings = load_settings(root)
        self.started: list[subprocess.Popen[bytes]] = []

    def ops(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start `meltano-ops`."""
        environment = {**os.environ, "MELTANO_OPS_STOP_GRACE_SECONDS": "20", **environ}
        process = subprocess.Popen([sys.executable, "-m", "meltano_ops", *arguments], cwd=self.root, env=environment)
        self.started.append(process)
        return process

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what the facts' file has."""
        facts = store.connect(self.settings.database, self.settings.timezone)
        try:
            return [dict(row) for row in facts.execute(query)]
        finally:
            facts.close()

    def known_for_days(self) -> None:
        """Make the schedules known since two days ago, so that their last time has been missed."""
        facts = store.connect(self.settings.database, self.settings.timezone)
        collect(facts, self.settings)
        facts.execute("UPDATE schedules SET first_seen_at = first_seen_at - 172800")
        facts.close()

    def between_rows(self) -> bool:
        """Return whether the tap has sent a row and sleeps, as its log says."""
        log = self.root / ".meltano" / "meltano-ops.jsonl"
        return log.exists() and "sleeps" in log.read_text(encoding="utf-8")

    def let_the_heart_stop(self) -> None:
        """Make the last heartbeat of running runs a minute old, as it is when a killed run is found later."""
        with closing(sqlite3.connect(self.root / ".meltano" / "meltano.db", timeout=30)) as history, history:
            history.execute(
                "UPDATE runs SET last_heartbeat_at = datetime(last_heartbeat_at, '-60 seconds') WHERE state = 'RUNNING'"
            )

    def state(self) -> list[tuple[str, ...]]:
        """Return the main pipeline's bookmark."""
        with closing(sqlite3.connect(self.root / ".meltano" / "meltano.db")) as history:
            return history.execute("SELECT * FROM state WHERE state_id = ?", (PIPELINE,)).fetchall()

    def left(self) -> list[str]:
        """Return the command lines of living processes that belong to runs of this project."""
        return [_command(process) for process in processes.marked(project_mark(self.root))]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "ended while it was looked at"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project that is cleaned up after the test, whatever it left."""
    project = Project(tmp_path)
    yield project
    for process in project.started:
        if process.poll() is None:
            process.kill()
        process.wait()
    processes.end_orphans(project_mark(project.root), 1)


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)


def _launches(project: Project) -> list[tuple[str, str | None]]:
    return [(row["schedule"], row["outcome"]) for row in project.rows("SELECT * FROM launches ORDER BY id")]


def test_what_was_missed_is_made_up_for_one_after_the_other_with_its_trigger_and_rows(project: Project) -> None:
    project.known_for_days()
    scheduler = project.ops("schedule")
    _until(lambda: [outcome for _, outcome in _launches(project)] == ["success"] * 2, "both have run")
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    runs = project.rows("SELECT * FROM runs ORDER BY started_at")
    assert {run["pipeline"]: run["triggered_by"] for run in runs} == {
        PIPELINE: "schedule:life-daily",
        f"{PIPELINE}:remedy": "schedule:life-remedy",
    }
    assert [(run["state"], run["rows_read"], run["rows_loaded"]) for run in runs] == [("SUCCESS", 5, 5)] * 2
    # They write to the same table: the second began after the first had ended.
    launches = project.rows("SELECT * FROM launches ORDER BY started_at")
    assert launches[0]["ended_at"] <= launches[1]["started_at"]
    assert {launch["run_id"] for launch in launches} == {run["run_id"] for run in runs}


def test_after_kill_nine_of_everything_it_continues_without_a_second_run_beside_or_an_orphan(project: Project) -> None:
    # Meltano itself refuses to start for five minutes after its run was killed.
    (project.root / "meltano.yml").write_text(PROJECT.split("- {name: life-remedy", maxsplit=1)[0], encoding="utf-8")
    project.known_for_days()
    scheduler = project.ops("schedule", TAP_LIFE_SLEEP="60", TAP_LIFE_ROWS="30")
    _until(project.between_rows, "the tap has sent a row")
    scheduler.kill()
    scheduler.wait()
    for process in processes.marked(project_mark(project.root)):
        if "plugins" not in _command(process):
            processes.kill(process)
    assert [line for line in project.left() if "tap_life.py" in line], "the tap is still there"
    project.let_the_heart_stop()
    again = project.ops("schedule")
    _until(lambda: _launches(project)[-1:] == [("life-daily", "success")], "it has made up for it")
    assert [outcome for _, outcome in _launches(project)] == [None, "success"]
    assert project.left() == []
    again.send_signal(signal.SIGTERM)
    assert again.wait(60) == 0


def test_stop_lets_the_run_end_gently_and_is_no_failure(project: Project) -> None:
    (project.root / "meltano.yml").write_text(PROJECT.split("- {name: life-remedy", maxsplit=1)[0], encoding="utf-8")
    project.known_for_days()
    scheduler = project.ops("schedule", TAP_LIFE_SLEEP="60", TAP_LIFE_ROWS="30")
    _until(project.between_rows, "the tap has sent a row")
    second = project.ops("schedule")
    assert second.wait(60) == 2, "a second scheduler is refused"
    scheduler.send_signal(signal.SIGTERM)
    assert scheduler.wait(60) == 0
    assert _launches(project) == [("life-daily", "stopped")]
    assert project.left() == []
    assert json.loads((project.root / "out.jsonl").read_text(encoding="utf-8"))["id"] == "T0", "the batch was written"
    assert project.ops("check").wait() == 0, "what the operator stopped is no failure"


def test_a_failed_run_is_tried_again_after_growing_pauses_and_then_told(project: Project) -> None:
    (project.root / "meltano.yml").write_text(PROJECT.split("- {name: life-remedy", maxsplit=1)[0], encoding="utf-8")
    project.known_for_days()
    scheduler = project.ops(
        "schedule", TAP_LIFE_FAIL="会话已过期 access_token=s3cr3tvalue", MELTANO_OPS_RETRY_PAUSES="0.2"
    )
    _until(lambda: [outcome for _, outcome in _launches(project)] == ["failed"] * 2, "both attempts")
    scheduler.send_signal(signal.SIGTERM)
    scheduler.wait(60)
    assert [row["attempt"] for row in project.rows("SELECT attempt FROM launches ORDER BY id")] == [1, 2]
    check = project.ops("check")
    assert check.wait() == 1
    [problem] = project.rows("SELECT * FROM problems WHERE recovered_at IS NULL")
    assert "连续失败 2 次：授权会话已失效。会话已过期 access_token=***" in problem["message"]
    assert b"s3cr3tvalue" not in project.settings.database.read_bytes()


def test_one_schedule_runs_once_and_a_repair_reads_its_range_and_leaves_the_bookmark_alone(project: Project) -> None:
    # Meltano reads it itself: what is renewed there counts without a restart of the scheduler.
    (project.root / ".env").write_text("TAP_LIFE_ROWS=4\n", encoding="utf-8")
    assert project.ops("schedule", "--once", "nothing").wait() == 2
    assert project.ops("schedule", "--once", "life-daily").wait() == 0
    assert _launches(project) == [("life-daily", "success")]
    assert len(project.state()) == 1
    assert project.rows("SELECT rows_read FROM runs") == [{"rows_read": 4}]
    before = (project.root / "out.jsonl").read_text(encoding="utf-8")
    states = project.state()
    repair = project.ops("repair", "--stream", "tickets", "--from", "2026-11-01 01:00", "--to", "2026-11-01 03:00")
    assert repair.wait() == 0
    again = (project.root / "out.jsonl").read_text(encoding="utf-8").removeprefix(before)
    assert [json.loads(line)["id"] for line in again.splitlines()] == ["T1", "T2"]
    assert project.state() == states
    pipelines = [run["pipeline"] for run in project.rows("SELECT pipeline FROM runs ORDER BY started_at")]
    assert pipelines == [PIPELINE, f"{PIPELINE}:repair"]
    assert json.loads(before.splitlines()[0])["id"] == "T0"
