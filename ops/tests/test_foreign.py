"""Projects that were not made for `meltano-ops`, and files that are broken: it still shows what can be known."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from meltano_ops import logfiles
from meltano_ops.cli import cli
from meltano_ops.collect import collect
from meltano_ops.facts import pipeline_name
from meltano_ops.project import load_project
from meltano_ops.settings import find_project, load_settings

from ops.tests.life import BEIJING, PIPELINE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.tests.life import Life

NOW = datetime(2026, 11, 22, 10, 2, tzinfo=BEIJING)
MINUTE = timedelta(minutes=1)


def _ops(root: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["--project", str(root), *arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize("broken", ["garbage", "pages"])
def test_a_damaged_facts_file_is_set_aside_and_the_facts_are_collected_again(life: Life, broken: str) -> None:
    life.good_run(NOW)
    life.check(NOW)
    life.facts.close()
    for suffix in ("-wal", "-shm"):
        life.settings.database.with_name(f"ops.db{suffix}").unlink(missing_ok=True)
    whole = life.settings.database.read_bytes()
    life.settings.database.write_bytes(b"no database" * 99 if broken == "garbage" else whole[:200] + b"\xff" * 60_000)
    code, output = _ops(life.root, "status")
    assert (code, PIPELINE in output) == (0, True)
    assert len([path for path in life.root.glob("ops.db.damaged-*") if path.suffix != "-wal"]) >= 1


def test_a_history_that_cannot_be_read_is_told_after_five_minutes_and_what_was_known_is_still_shown(
    life: Life,
) -> None:
    life.good_run(NOW)
    life.check(NOW)
    path = life.root / ".meltano" / "meltano.db"
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 99)
    assert life.check(NOW + MINUTE).problems == ()
    [problem] = life.check(NOW + 8 * MINUTE).problems
    assert "Meltano 的运行记录从 2026-11-22 10:03 起读不到" in problem.message.zh
    code, output = _ops(life.root, "status")
    assert code == 0
    assert PIPELINE in output
    assert "file is not a database" in output
    path.write_bytes(whole)
    assert life.check(NOW + 9 * MINUTE).problems == ()


HOSTILE = [
    '{"metric": "record_count", "type": "counter", "value": NaN, "tags": {"stream": "t"}}',
    '{"metric": "record_count", "type": "counter", "value": 1e999, "tags": {"stream": "t"}}',
    '{"metric": "record_count", "type": "counter", "value": 1' + "0" * 400 + ', "tags": {"stream": "t"}}',
    '{"metric": "window", "value": 1, "tags": {"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59-14:00"}}',
    '{"metric": "window", "value": 1, "tags": {"repeats": NaN, "distinct_keys": 9' + "9" * 30
    + ', "start": "2026-11-01T00:00:00Z", "end": "2026-11-01T01:00:00Z", "stream": "half \\ud83d"}}',
    '{"metric": "batch_written", "value": 1, "tags": {"bytes": -Infinity, "table": "half \\ud83d", "stream": ["a"]}}',
    '{"metric": "api_calls", "value": 1, "tags": {"month": "\\ud83d", "month_total": Infinity}}',
]  # fmt: skip


def test_no_line_of_the_log_stops_the_collector(life: Life) -> None:
    run_id = life.start(NOW)
    life.say(run_id, NOW, "half an emoji \ud83d", level="error", string_id="tap-life\udc00")
    life.say(run_id, NOW, "x", exception={"a": 1}, plugin_exception={"traceback": [1, None], "type": 5})
    with life.log.open("ab") as file:
        for hostile in HOSTILE:
            line = {"event": "METRIC", "run_id": run_id, "timestamp": "2026-11-22T02:02:00Z", "job_name": PIPELINE}
            file.write(json.dumps(line).encode()[:-1] + b', "metric_info": ' + hostile.encode() + b"}\n")
        file.writelines([b"\xff\xfe\x00\n", b"[" * 50_000 + b"\n", b"\x00" * 300 + b"\n"])
    life.good_run(NOW)
    collect(life.facts, life.settings, NOW.timestamp())
    assert [run["rows_read"] for run in life.all("SELECT rows_read FROM runs ORDER BY id")] == [0, 50]
    assert "half an emoji ?" in str(life.all("SELECT message FROM errors"))
    assert _ops(life.root, "status")[0] == 0


def test_a_run_of_meltano_el_without_a_state_id_is_no_pipeline_of_its_own(life: Life) -> None:
    for hour in range(3):
        at = NOW + timedelta(hours=hour)
        life.good_run(at, pipeline=f"{at:%Y-%m-%dT%H%M%S}--tap-a--target-b")
    collect(life.facts, life.settings, NOW.timestamp())
    assert life.all("SELECT DISTINCT pipeline FROM runs UNION SELECT DISTINCT pipeline FROM metrics") == [
        {"pipeline": "tap-a--target-b"}
    ]
    assert pipeline_name(PIPELINE) == PIPELINE
    assert pipeline_name("2026-11-22T100200--mine") == "2026-11-22T100200--mine"


@pytest.mark.parametrize("mistake", ["jobs: [{tasks: [a]}]", "schedules: {a: b}", "jobs: 5", "plugins: {loaders: [5]}"])
def test_an_entry_of_the_wrong_shape_is_one_line_and_no_traceback(life: Life, mistake: str) -> None:
    (life.root / "meltano.yml").write_text(mistake, encoding="utf-8")
    code, output = _ops(life.root, "status")
    assert code == 2
    assert output.startswith("meltano-ops: meltano.yml")
    assert output.count("\n") == 1


def test_an_interval_that_cannot_be_understood_hides_no_run_and_is_a_problem(make_life: Callable[..., Life]) -> None:
    life = make_life(project=PROJECT.replace("'2 */2 * * *'", "every day"))
    life.good_run(NOW)
    [problem] = life.check(NOW).problems
    assert "life-2h" in problem.message.zh
    assert "every day" in problem.message.zh
    assert PIPELINE in _ops(life.root, "status")[1]


def test_a_logging_configuration_of_another_name_is_followed(make_life: Callable[..., Life]) -> None:
    life = make_life(project=PROJECT + "\ncli: {log_config: logs/mine.yaml}\n")
    (life.root / "logs").mkdir()
    (life.root / "logging.yaml").rename(life.root / "logs" / "mine.yaml")
    life.good_run(NOW)
    collect(life.facts, life.settings, NOW.timestamp())
    assert life.all("SELECT rows_read FROM runs") == [{"rows_read": 50}]
    # Formatters and handlers of any shape are passed over.
    (life.root / "logs" / "mine.yaml").write_text("handlers: {a: 5, b: {filename: [1]}}\nformatters: []")
    assert logfiles.configured_logs(life.root, "logs/mine.yaml") == []


def test_a_database_named_in_meltano_yml_is_read(make_life: Callable[..., Life]) -> None:
    life = make_life(project=PROJECT + "\ndatabase_uri: sqlite:///$MELTANO_PROJECT_ROOT/else/where.db\n")
    life.good_run(NOW)
    (life.root / "else").mkdir()
    for path in (life.root / ".meltano").glob("meltano.db*"):
        path.rename(life.root / "else" / path.name.replace("meltano", "where"))
    collect(life.facts, life.settings, NOW.timestamp())
    assert len(life.all("SELECT * FROM runs")) == 1
    assert load_project(life.root).database_uri is not None


def test_the_project_is_found_as_meltano_finds_it(life: Life, tmp_path: Path) -> None:
    (life.root / "a" / "b").mkdir(parents=True)
    assert find_project(life.root / "a" / "b", {}) == life.root
    assert find_project(tmp_path, {"MELTANO_PROJECT_ROOT": str(life.root)}) == life.root


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_project_keeps_its_facts_with_the_user(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    life.facts.close()
    life.settings.database.unlink()
    life.root.chmod(0o555)
    try:
        assert load_settings(life.root, {}).database.is_relative_to(tmp_path / "state")
        assert _ops(life.root, "status")[0] == 0
    finally:
        life.root.chmod(0o755)
