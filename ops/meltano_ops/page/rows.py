"""The rows behind every number: filtered, sorted, paged views of the facts' tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from meltano_ops.texts import Text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

PAGE_ROWS = 100
# Counting goes no further: "more than" is enough to page by.
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class View:
    """A table that can be looked at.

    Attributes:
        title: Its name for people.
        table: Table or view in the facts' file.
        columns: The columns shown, which can also be filtered by equality.
        order: ORDER BY, newest first.
        moment: The column that the filter `day=2026-11-22` is about.
        states: Named conditions for the filter `state=`.
    """

    title: Text
    table: str
    columns: tuple[str, ...]
    order: str
    moment: str
    states: dict[str, str] = field(default_factory=dict)


VIEWS = {
    "runs": View(
        Text("运行", "Runs"),
        "runs",
        (
            "pipeline",
            "state",
            "started_at",
            "ended_at",
            "rows_read",
            "rows_loaded",
            "quarantined",
            "requests",
            "retries",
            "triggered_by",
            "error",
            "run_id",
        ),
        "started_at DESC, id DESC",
        "started_at",
        {"failed": "state IN ('FAIL', 'DEAD')", "succeeded": "state = 'SUCCESS'"},
    ),
    "windows": View(
        Text("窗口", "Windows"),
        "windows",
        (
            "pipeline",
            "stream",
            "start_at",
            "end_at",
            "source_total",
            "distinct_keys",
            "repeats",
            "verified",
            "logged_at",
            "resolved_at",
            "run_id",
        ),
        "logged_at DESC, id DESC",
        "logged_at",
        {"unresolved": "verified = 0 AND resolved_at IS NULL", "repeated": "repeats > 0"},
    ),
    "metrics": View(
        Text("指标", "Metrics"),
        "metrics",
        ("pipeline", "plugin", "role", "metric", "stream", "tag", "total", "last", "lines", "at", "run_id"),
        "at DESC",
        "at",
        {
            "rows": "metric IN ('record_count', 'batch_written')",
            "quarantined": "metric = 'quarantined'",
            "requests": "metric IN ('http_request_count', 'http_retry_count', 'api_calls')",
        },
    ),
    "errors": View(
        Text("错误", "Errors"),
        "errors",
        ("logged_at", "pipeline", "plugin", "level", "message", "run_id"),
        "logged_at DESC, id DESC",
        "logged_at",
    ),
    "problems": View(
        Text("问题", "Problems"),
        "problems",
        (
            "severity",
            "message",
            "opened_at",
            "recovered_at",
            "alerted_at",
            "alerts",
            "recovery_alerted_at",
            "name",
            "subject",
        ),
        "id DESC",
        "opened_at",
        {"open": "recovered_at IS NULL"},
    ),
    "launches": View(
        Text("调度记录", "Launches"),
        "launches",
        ("schedule", "due_at", "started_at", "ended_at", "attempt", "outcome", "exit_code", "retry_at", "run_id"),
        "id DESC",
        "started_at",
    ),
    "schedules": View(
        Text("计划", "Schedules"),
        "schedules",
        ("name", "pipeline", "cron", "job", "due_at", "next_due_at", "triggered_by"),
        "name",
        "due_at",
    ),
    "deliveries": View(
        Text("告警投递", "Alert deliveries"),
        "deliveries",
        ("sent_at", "address", "accepted", "title", "detail"),
        "id DESC",
        "sent_at",
        {"failed": "accepted = 0"},
    ),
    "check_history": View(
        Text("检查记录", "Check history"),
        "check_history",
        ("checked_at", "name", "status", "failing", "detail"),
        "id DESC",
        "checked_at",
    ),
    "api_calls": View(
        Text("接口调用", "API calls"),
        "api_calls",
        ("month", "pipeline", "month_total", "budget", "logged_at"),
        "month DESC, pipeline",
        "logged_at",
    ),
    "streams": View(
        Text("流与表", "Streams and tables"),
        "streams",
        ("pipeline", "stream", "table_name", "seen_at"),
        "pipeline, stream",
        "seen_at",
    ),
}


@dataclass(frozen=True)
class Rows:
    """One page of a view. `total` stops at `COUNT_LIMIT` + 1."""

    view: View
    filters: dict[str, str]
    rows: list[dict[str, Any]]
    page: int
    total: int

    @property
    def last_page(self) -> int:
        """The number of the last page, from 1."""
        return max(1, -(-min(self.total, COUNT_LIMIT) // PAGE_ROWS))


def read_rows(connection: sqlite3.Connection, view: View, query: Mapping[str, str], zone: ZoneInfo) -> Rows:
    """Return the rows that a query string asks for; parameters that name no column are left out.

    Args:
        connection: The facts' file.
        view: What is looked at.
        query: `column=value`, `day=2026-11-22`, `state=…`, `page=2`.
        zone: The zone of `day`.
    """
    conditions: list[str] = []
    values: list[Any] = []
    filters: dict[str, str] = {}
    for name, value in query.items():
        if name in view.columns:
            conditions.append(f"{name} = ?")
            values.append(value)
        elif name == "state" and value in view.states:
            conditions.append(f"({view.states[value]})")
        elif name == "day" and (bounds := _day(value, zone)):
            conditions.append(f"{view.moment} >= ? AND {view.moment} < ?")
            values += bounds
        else:
            continue
        filters[name] = value
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # Names come from VIEWS, values are bound.
    counted = f"SELECT count(*) FROM (SELECT 1 FROM {view.table} {where} LIMIT {COUNT_LIMIT + 1})"  # noqa: S608
    total = connection.execute(counted, values).fetchone()[0]
    last = max(1, -(-min(total, COUNT_LIMIT) // PAGE_ROWS))
    page = min(int(query.get("page", "1")), last) if query.get("page", "1").isdigit() else 1
    page = max(1, page)
    found = connection.execute(
        f"SELECT {', '.join(view.columns)} FROM {view.table} {where} ORDER BY {view.order} LIMIT ? OFFSET ?",  # noqa: S608
        (*values, PAGE_ROWS, (page - 1) * PAGE_ROWS),
    )
    return Rows(view, filters, [dict(row) for row in found], page, total)


def _day(text: str, zone: ZoneInfo) -> tuple[float, float] | None:
    try:
        start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError:
        return None
    return start.timestamp(), (start + timedelta(days=1)).timestamp()
