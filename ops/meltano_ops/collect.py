"""Bring the facts' file up to date with what Meltano has left behind since the last time.

Every step reads its position and writes facts and the new position in one transaction: a collector that is killed, or
two that run at once, neither lose nor double a line.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from meltano_ops import facts, logfiles, store
from meltano_ops.batches import Batch, sum_up
from meltano_ops.cron import due_times, parse_interval
from meltano_ops.history import History
from meltano_ops.project import Project, load_project, split_pipeline
from meltano_ops.settings import OpsError
from meltano_ops.windows import uncovered

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.facts import Fact
    from meltano_ops.history import Run
    from meltano_ops.settings import Settings

LINES_PER_TRANSACTION = 20_000
_FORGET_EVERY_SECONDS = 6 * 3600
# An `elt.log` is read once its run has ended, and only where no JSON log told of it.
_ELT_LOGS_PER_ROUND = 50


def collect(connection: sqlite3.Connection, settings: Settings, now: float | None = None) -> int:
    """Read what is new and return how many log lines and runs that was.

    A run history that cannot be read now (locked, damaged) is noted, for the check `unreadable`; the rest is
    collected all the same.

    Args:
        connection: The facts' file, writable.
        settings: The project.
        now: Seconds since 1970; the clock where it is not given.

    Raises:
        OpsError: `meltano.yml` has a mistake.
    """
    now_at = int(time.time() if now is None else now)
    project = load_project(settings.root, settings.environment)
    count = _collect_logs(connection, settings, project, now_at)
    try:
        count += _collect_runs(connection, History(settings, project.database_uri))
        failure = None
    except OpsError as error:
        failure = str(error)
    count += _collect_elt_logs(connection, project)
    with store.transaction(connection):
        _note(connection, "history", failure, now_at)
        _note(connection, "schedule", _write_schedules(connection, project, settings, now_at), now_at)
        _resolve_windows(connection, now_at)
        _set_meta(connection, "collected_at", now_at)
        forgotten_at = _meta(connection, "forgotten_at") or 0
    if now_at - forgotten_at >= _FORGET_EVERY_SECONDS:
        store.forget(connection, now_at - settings.retention_days * 86400)
        with store.transaction(connection):
            _set_meta(connection, "forgotten_at", now_at)
    return count


def _note(connection: sqlite3.Connection, what: str, failure: str | None, now_at: int) -> None:
    """Keep what could not be read, and since when."""
    if failure is None:
        connection.execute("DELETE FROM unreadable WHERE what = ?", (what,))
        return
    connection.execute(
        "INSERT INTO unreadable VALUES (?, ?, ?) ON CONFLICT (what) DO UPDATE SET cause = excluded.cause",
        (what, failure, now_at),
    )


def unreadable(connection: sqlite3.Connection) -> list[str]:
    """Return what the last collection could not read, as lines for the operator."""
    return [row[0] for row in connection.execute("SELECT cause FROM unreadable ORDER BY what")]


def _meta(connection: sqlite3.Connection, name: str) -> int | None:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def _set_meta(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def _collect_logs(connection: sqlite3.Connection, settings: Settings, project: Project, now_at: int) -> int:
    count = 0
    named = settings.variables.get("MELTANO_CLI_LOG_CONFIG") or project.log_config
    for file in logfiles.log_files(settings.root, named):
        while True:
            with store.transaction(connection):
                position = _position(connection, file)
                lines, reached = logfiles.new_lines(file, position, LINES_PER_TRANSACTION)
                if not lines:
                    if file.rotate and reached >= logfiles.ROTATE_BYTES:
                        logfiles.rotate(file.path)
                    break
                batch = Batch()
                for line in lines:
                    if fact := facts.read_json_line(line):
                        batch.add(fact)
                batch.write(connection)
                connection.execute(
                    "INSERT INTO log_files VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (device, inode) DO UPDATE SET "
                    "head = excluded.head, path = excluded.path, position = excluded.position, "
                    "read_at = excluded.read_at",
                    (file.device, file.inode, file.head, str(file.path), reached, now_at),
                )
            count += len(lines)
    return count


def _position(connection: sqlite3.Connection, file: logfiles.LogFile) -> int:
    row = connection.execute(
        "SELECT head, position FROM log_files WHERE device = ? AND inode = ?", (file.device, file.inode)
    ).fetchone()
    if row is None or row["position"] > file.size:
        return 0
    if row["head"] and file.head and row["head"] != file.head:
        return 0
    return int(row["position"])


def _collect_runs(connection: sqlite3.Connection, history: History) -> int:
    """Take over new runs, and again those that were running the last time."""
    count = 0
    while True:
        with store.transaction(connection):
            running = [row[0] for row in connection.execute("SELECT DISTINCT run_id FROM runs WHERE state = 'RUNNING'")]
            after = _meta(connection, "meltano_run") or 0
            if history.last_id() < after:
                after = 0  # `.meltano` was removed, and its numbers begin again
            found = history.after(after)
            for run in [*history.again(running), *found]:
                _write_run(connection, run)
            if not found:
                return count
            _set_meta(connection, "meltano_run", found[-1].id)
        count += len(found)


def _write_run(connection: sqlite3.Connection, run: Run) -> None:
    connection.execute(
        """INSERT INTO runs (run_id, pipeline, state, started_at, ended_at, heartbeat_at, triggered_by, error)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (run_id, pipeline) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,
             ended_at = excluded.ended_at, heartbeat_at = excluded.heartbeat_at, error = excluded.error""",
        (
            run.run_id,
            run.pipeline,
            run.state,
            run.started_at,
            run.ended_at,
            run.heartbeat_at,
            run.triggered_by,
            run.error,
        ),
    )
    sum_up(connection, run.run_id)


def _collect_elt_logs(connection: sqlite3.Connection, project: Project) -> int:
    """Read the text logs of ended runs of which no JSON log told."""
    count = 0
    waiting = connection.execute(
        """SELECT run_id, group_concat(pipeline, char(10)), max(coalesce(ended_at, started_at)) FROM runs
           WHERE run_id NOT IN (SELECT run_id FROM run_logs)
           GROUP BY run_id HAVING sum(state = 'RUNNING') = 0 ORDER BY max(id) DESC LIMIT ?""",
        (_ELT_LOGS_PER_ROUND,),
    ).fetchall()
    for run_id, pipelines, ended_at in waiting:
        path = logfiles.elt_log(run_id)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path else []
        with store.transaction(connection):
            if not connection.execute("INSERT OR IGNORE INTO run_logs VALUES (?, ?)", (run_id, ended_at)).rowcount:
                continue
            batch = Batch()
            for line in lines:
                for fact in _elt_facts(line, run_id, pipelines.split("\n"), project):
                    batch.add(fact)
            batch.write(connection)
        count += len(lines)
    return count


def _elt_facts(line: str, run_id: str, pipelines: list[str], project: Project) -> list[Fact]:
    """Return the line as a fact of the pipeline that its plugin belongs to (a run may have several blocks)."""
    fact = facts.read_text_line(line, run_id, "")
    if fact is None:
        return []
    role = project.role(fact.plugin) or ""
    for pipeline in pipelines:
        name = split_pipeline(pipeline)
        if len(pipelines) == 1 or fact.plugin in {name.tap, name.target}:
            return [
                facts.Fact(run_id, pipeline, fact.plugin, role, fact.level, fact.logged_at, fact.metric, fact.error)
            ]
    return [fact]


def _write_schedules(connection: sqlite3.Connection, project: Project, settings: Settings, now_at: int) -> str | None:
    """Keep the schedules of `meltano.yml` beside the facts, with the last and the next time each is due.

    Returns:
        What is wrong with an interval, if anything; such a schedule is kept without a time.
    """
    now = datetime.fromtimestamp(now_at, settings.timezone)
    wanted = set()
    mistake = None
    for schedule in project.schedules:
        try:
            cron = parse_interval(schedule.interval)
        except OpsError as error:
            cron, mistake = None, f"Schedule {schedule.name}: {error}"
        due, following = due_times(cron.trigger(settings.timezone), now) if cron else (None, None)
        before = due_times(cron.trigger(settings.timezone), due - timedelta(seconds=1))[0] if cron and due else None
        seconds = int((following - due).total_seconds()) if due and following else None
        for pipeline in schedule.pipelines:
            wanted.add((schedule.name, pipeline))
            connection.execute(
                """INSERT INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                   ON CONFLICT (name, pipeline) DO UPDATE SET
                     job = excluded.job, cron = excluded.cron, triggered_by = excluded.triggered_by,
                     previous_due_at = excluded.previous_due_at, due_at = excluded.due_at,
                     next_due_at = excluded.next_due_at, interval_seconds = excluded.interval_seconds""",
                (
                    schedule.name,
                    pipeline,
                    " ".join(schedule.command),
                    schedule.interval,
                    schedule.env.get("MELTANO_JOB_TRIGGER") or f"schedule:{schedule.name}",
                    int(before.timestamp()) if before else None,
                    int(due.timestamp()) if due else None,
                    int(following.timestamp()) if following else None,
                    seconds,
                    now_at,
                ),
            )
    for name, pipeline in connection.execute("SELECT name, pipeline FROM schedules").fetchall():
        if (name, pipeline) not in wanted:
            connection.execute("DELETE FROM schedules WHERE name = ? AND pipeline = ?", (name, pipeline))
    return mistake


def _resolve_windows(connection: sqlite3.Connection, now_at: int) -> None:
    """Close unverified windows that later verified ones of the same stream and destination have covered."""
    unresolved = connection.execute(
        """SELECT id, destination, stream, start_at, end_at, logged_at FROM windows
           WHERE verified = 0 AND resolved_at IS NULL"""
    ).fetchall()
    for window in unresolved:
        later = connection.execute(
            """SELECT start_at, end_at FROM windows WHERE destination = ? AND stream = ? AND verified = 1
               AND end_at > ? AND start_at < ? AND logged_at >= ?""",
            (window["destination"], window["stream"], window["start_at"], window["end_at"], window["logged_at"]),
        )
        if not uncovered(window["start_at"], window["end_at"], [(start, end) for start, end in later]):
            connection.execute("UPDATE windows SET resolved_at = ? WHERE id = ?", (now_at, window["id"]))
