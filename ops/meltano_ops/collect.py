"""Bring the facts' file up to date with what Meltano has left behind since the last time.

Every step reads its position and writes facts and the new position in one transaction: a collector that is killed, or
two that run at once, neither lose nor double a line.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from meltano_ops import facts, logfiles, store
from meltano_ops.cron import due_times, parse_interval
from meltano_ops.history import History
from meltano_ops.project import Project, load_project, split_pipeline
from meltano_ops.windows import uncovered

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.facts import Fact, Metric
    from meltano_ops.history import Run
    from meltano_ops.settings import Settings

LINES_PER_TRANSACTION = 20_000
ERRORS_PER_RUN = 50
_FORGET_EVERY_SECONDS = 6 * 3600
# An `elt.log` is read once its run has ended, and only where no JSON log told of it.
_ELT_LOGS_PER_ROUND = 50

_COUNTERS = {
    "rows_read": "metric = 'record_count' AND role = 'tap'",
    "retries": "metric = 'http_retry_count'",
    "quarantined": "metric = 'quarantined'",
}


@dataclass
class _Batch:
    """Facts of one transaction, counters already summed, so that a million lines cost few statements."""

    metrics: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    windows: list[tuple[object, ...]] = field(default_factory=list)
    errors: dict[str, list[tuple[object, ...]]] = field(default_factory=lambda: defaultdict(list))
    streams: dict[tuple[str, str], tuple[str | None, int]] = field(default_factory=dict)
    api_calls: list[tuple[object, ...]] = field(default_factory=list)
    last_log: dict[str, int] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        self.last_log[fact.run_id] = max(fact.logged_at, self.last_log.get(fact.run_id, 0))
        if fact.error:
            self.errors[fact.run_id].append(
                (fact.run_id, fact.pipeline or None, fact.plugin, fact.level, fact.error, fact.logged_at)
            )
        if fact.metric is None:
            return
        self._count(fact, fact.metric.name, fact.metric.value)
        if fact.metric.name == "window":
            self._window(fact, fact.metric)
        elif fact.metric.name == "api_calls":
            self._calls(fact, fact.metric)
        elif fact.metric.name == "batch_written":
            for name, tag in (("batch_bytes", "bytes"), ("batch_retries", "retries"), ("batch_seconds", "seconds")):
                value = fact.metric.tags.get(tag)
                if isinstance(value, (int, float)):
                    self._count(fact, name, float(value))
        if fact.metric.stream and fact.role in {"tap", "target"}:
            table = fact.metric.tags.get("table") if fact.role == "target" else None
            known = self.streams.get((fact.pipeline, fact.metric.stream), (None, 0))
            self.streams[fact.pipeline, fact.metric.stream] = (str(table) if table else known[0], fact.logged_at)

    def _count(self, fact: Fact, name: str, value: float) -> None:
        metric = fact.metric
        if metric is None:
            return
        key = (fact.run_id, fact.pipeline, fact.plugin, fact.role, name, metric.stream, metric.tag)
        total = self.metrics.setdefault(key, [0, 0.0, 0.0, 0])
        total[0] += 1
        total[1] += value
        total[2] = value
        total[3] = fact.logged_at

    def _window(self, fact: Fact, metric: Metric) -> None:
        tags = metric.tags
        start, end = facts.instant(tags.get("start")), facts.instant(tags.get("end"))
        if start is None or end is None:
            return
        keys = facts.whole(tags.get("distinct_keys"))
        self.windows.append(
            (
                fact.run_id,
                fact.pipeline,
                split_pipeline(fact.pipeline).destination,
                metric.stream,
                start,
                end,
                facts.whole(tags.get("source_total")),
                int(metric.value) if keys is None else keys,
                facts.whole(tags.get("repeats")) or 0,
                int(tags.get("verified") is True),
                fact.logged_at,
            )
        )

    def _calls(self, fact: Fact, metric: Metric) -> None:
        month = str(metric.tags.get("month") or "")
        total = facts.whole(metric.tags.get("month_total"))
        if month and total is not None:
            self.api_calls.append((month, fact.pipeline, total, facts.whole(metric.tags.get("budget")), fact.logged_at))


def collect(connection: sqlite3.Connection, settings: Settings, now: float | None = None) -> int:
    """Read what is new and return how many log lines and runs that was.

    Args:
        connection: The facts' file, writable.
        settings: The project.
        now: Seconds since 1970; the clock where it is not given.
    """
    now_at = int(time.time() if now is None else now)
    project = load_project(settings.root, settings.environment)
    history = History(settings)
    count = _collect_logs(connection, settings, now_at) + _collect_runs(connection, history)
    count += _collect_elt_logs(connection, project)
    with store.transaction(connection):
        _write_schedules(connection, project, settings, now_at)
        _resolve_windows(connection, now_at)
        _set_meta(connection, "collected_at", now_at)
        forgotten_at = _meta(connection, "forgotten_at") or 0
    if now_at - forgotten_at >= _FORGET_EVERY_SECONDS:
        store.forget(connection, now_at - settings.retention_days * 86400)
        with store.transaction(connection):
            _set_meta(connection, "forgotten_at", now_at)
    return count


def _meta(connection: sqlite3.Connection, name: str) -> int | None:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def _set_meta(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def _collect_logs(connection: sqlite3.Connection, settings: Settings, now_at: int) -> int:
    count = 0
    for file in logfiles.log_files(settings.root):
        while True:
            with store.transaction(connection):
                position = _position(connection, file)
                lines, reached = logfiles.new_lines(file, position, LINES_PER_TRANSACTION)
                if not lines:
                    if file.rotate and reached >= logfiles.ROTATE_BYTES:
                        logfiles.rotate(file.path)
                    break
                batch = _Batch()
                for line in lines:
                    if fact := facts.read_json_line(line):
                        batch.add(fact)
                _write(connection, batch)
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
    _sum_up(connection, run.run_id)


def _write(connection: sqlite3.Connection, batch: _Batch) -> None:
    connection.executemany(
        """INSERT INTO metrics (run_id, pipeline, plugin, role, metric, stream, tag, lines, total, last, at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (run_id, pipeline, plugin, metric, stream, tag) DO UPDATE SET lines = lines + excluded.lines,
             total = total + excluded.total, last = excluded.last, at = max(at, excluded.at)""",
        [(*key, *total) for key, total in batch.metrics.items()],
    )
    connection.executemany(
        """INSERT INTO windows (run_id, pipeline, destination, stream, start_at, end_at, source_total, distinct_keys,
                                repeats, verified, logged_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        batch.windows,
    )
    connection.executemany(
        """INSERT INTO coverage VALUES (?, ?, ?, ?) ON CONFLICT (pipeline, stream) DO UPDATE SET
             covered_to_at = max(covered_to_at, excluded.covered_to_at),
             logged_at = max(logged_at, excluded.logged_at)""",
        [(row[1], row[3], row[5], row[10]) for row in batch.windows if row[9]],
    )
    connection.executemany(
        """INSERT INTO streams VALUES (?, ?, ?, ?) ON CONFLICT (pipeline, stream) DO UPDATE SET
             table_name = coalesce(excluded.table_name, table_name), seen_at = max(seen_at, excluded.seen_at)""",
        [(*key, *value) for key, value in batch.streams.items()],
    )
    connection.executemany(
        """INSERT INTO api_calls VALUES (?, ?, ?, ?, ?) ON CONFLICT (month, pipeline) DO UPDATE SET
             month_total = excluded.month_total, budget = excluded.budget, logged_at = excluded.logged_at
           WHERE excluded.logged_at >= api_calls.logged_at""",
        batch.api_calls,
    )
    for run_id, errors in batch.errors.items():
        _write_errors(connection, run_id, errors)
    connection.executemany(
        """INSERT INTO run_logs VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET
             last_log_at = max(last_log_at, excluded.last_log_at)""",
        batch.last_log.items(),
    )
    for run_id in batch.last_log:
        _sum_up(connection, run_id)


def _write_errors(connection: sqlite3.Connection, run_id: str, errors: list[tuple[object, ...]]) -> None:
    kept = connection.execute("SELECT count(*) FROM errors WHERE run_id = ?", (run_id,)).fetchone()[0]
    connection.executemany(
        "INSERT INTO errors (run_id, pipeline, plugin, level, message, logged_at) VALUES (?, ?, ?, ?, ?, ?)",
        errors[: max(0, ERRORS_PER_RUN - kept)],
    )


def _sum_up(connection: sqlite3.Connection, run_id: str) -> None:
    """Bring a run's own figures up to date with its metrics.

    A target that reports its batches (`batch_written`) is believed rather than its count of records, which also counts
    those that were never committed. Without a role (text logs) the plugin's name tells.
    """
    sums = ", ".join(
        f"{column} = (SELECT coalesce(sum(total), 0) FROM metrics m"  # noqa: S608 - from the constants above
        f" WHERE m.run_id = runs.run_id AND m.pipeline = runs.pipeline AND {condition})"
        for column, condition in _COUNTERS.items()
    )
    # The SDK counts requests and times each of them; a tap with a quota counts its calls.
    requests = (
        "requests = (SELECT CAST(coalesce(sum(CASE WHEN metric = 'http_request_count' THEN total END),"
        " sum(CASE WHEN metric = 'http_request_duration' THEN lines END),"
        " sum(CASE WHEN metric = 'api_calls' THEN total END), 0) AS INTEGER) FROM metrics m"
        " WHERE m.run_id = runs.run_id AND m.pipeline = runs.pipeline)"
    )
    loaded = (
        "rows_loaded = (SELECT coalesce(sum(CASE WHEN metric = 'batch_written' THEN total END),"
        " sum(CASE WHEN metric = 'record_count' AND role = 'target' THEN total END)) FROM metrics m"
        " WHERE m.run_id = runs.run_id AND m.pipeline = runs.pipeline)"
    )
    connection.execute(f"UPDATE runs SET {sums}, {requests}, {loaded} WHERE run_id = ?", (run_id,))  # noqa: S608 - constants above


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
            batch = _Batch()
            for line in lines:
                for fact in _elt_facts(line, run_id, pipelines.split("\n"), project):
                    batch.add(fact)
            _write(connection, batch)
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


def _write_schedules(connection: sqlite3.Connection, project: Project, settings: Settings, now_at: int) -> None:
    """Keep the schedules of `meltano.yml` beside the facts, with the last and the next time each is due."""
    now = datetime.fromtimestamp(now_at, settings.timezone)
    wanted = set()
    for schedule in project.schedules:
        cron = parse_interval(schedule.interval)
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
