"""Facts on their way into the facts' file: summed up while log lines are read, then written at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meltano_ops import facts
from meltano_ops.project import split_pipeline

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.facts import Fact, Metric

ERRORS_PER_RUN = 50

_COUNTERS = {
    "rows_read": "metric = 'record_count' AND role = 'tap'",
    "retries": "metric = 'http_retry_count'",
    "quarantined": "metric = 'quarantined'",
}


@dataclass
class Batch:
    """Facts of one transaction, counters already summed, so that a million lines cost few statements."""

    metrics: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    windows: list[tuple[object, ...]] = field(default_factory=list)
    errors: dict[str, list[tuple[object, ...]]] = field(default_factory=lambda: defaultdict(list))
    streams: dict[tuple[str, str], tuple[str | None, int]] = field(default_factory=dict)
    api_calls: list[tuple[object, ...]] = field(default_factory=list)
    last_log: dict[str, int] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        """Take one more fact."""
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
                value = facts.number(fact.metric.tags.get(tag))
                if value is not None:
                    self._count(fact, name, value)
        if fact.metric.stream and fact.role in {"tap", "target"}:
            table = fact.metric.tags.get("table") if fact.role == "target" else None
            known = self.streams.get((fact.pipeline, fact.metric.stream), (None, 0))
            table_name = facts.clean(table) if table else known[0]
            self.streams[fact.pipeline, fact.metric.stream] = (table_name, fact.logged_at)

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
        month = facts.clean(metric.tags.get("month") or "")
        total = facts.whole(metric.tags.get("month_total"))
        if month and total is not None:
            self.api_calls.append((month, fact.pipeline, total, facts.whole(metric.tags.get("budget")), fact.logged_at))

    def write(self, connection: sqlite3.Connection) -> None:
        """Write everything; call it inside a transaction."""
        connection.executemany(
            """INSERT INTO metrics (run_id, pipeline, plugin, role, metric, stream, tag, lines, total, last, at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (run_id, pipeline, plugin, metric, stream, tag) DO UPDATE SET lines = lines + excluded.lines,
                 total = total + excluded.total, last = excluded.last, at = max(at, excluded.at)""",
            [(*key, *total) for key, total in self.metrics.items()],
        )
        connection.executemany(
            """INSERT INTO windows (run_id, pipeline, destination, stream, start_at, end_at, source_total,
                                    distinct_keys, repeats, verified, logged_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            self.windows,
        )
        connection.executemany(
            """INSERT INTO coverage VALUES (?, ?, ?, ?) ON CONFLICT (pipeline, stream) DO UPDATE SET
                 covered_to_at = max(covered_to_at, excluded.covered_to_at),
                 logged_at = max(logged_at, excluded.logged_at)""",
            [(row[1], row[3], row[5], row[10]) for row in self.windows if row[9]],
        )
        connection.executemany(
            """INSERT INTO streams VALUES (?, ?, ?, ?) ON CONFLICT (pipeline, stream) DO UPDATE SET
                 table_name = coalesce(excluded.table_name, table_name), seen_at = max(seen_at, excluded.seen_at)""",
            [(*key, *value) for key, value in self.streams.items()],
        )
        connection.executemany(
            """INSERT INTO api_calls VALUES (?, ?, ?, ?, ?) ON CONFLICT (month, pipeline) DO UPDATE SET
                 month_total = excluded.month_total, budget = excluded.budget, logged_at = excluded.logged_at
               WHERE excluded.logged_at >= api_calls.logged_at""",
            self.api_calls,
        )
        for run_id, errors in self.errors.items():
            _write_errors(connection, run_id, errors)
        connection.executemany(
            """INSERT INTO run_logs VALUES (?, ?) ON CONFLICT (run_id) DO UPDATE SET
                 last_log_at = max(last_log_at, excluded.last_log_at)""",
            self.last_log.items(),
        )
        for run_id in self.last_log:
            sum_up(connection, run_id)


def _write_errors(connection: sqlite3.Connection, run_id: str, errors: list[tuple[object, ...]]) -> None:
    kept = connection.execute("SELECT count(*) FROM errors WHERE run_id = ?", (run_id,)).fetchone()[0]
    connection.executemany(
        "INSERT INTO errors (run_id, pipeline, plugin, level, message, logged_at) VALUES (?, ?, ?, ?, ?, ?)",
        errors[: max(0, ERRORS_PER_RUN - kept)],
    )


def sum_up(connection: sqlite3.Connection, run_id: str) -> None:
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
