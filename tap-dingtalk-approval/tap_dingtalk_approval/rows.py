"""An approval as rows of the streams. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.progress import REPLICATION_KEY
from tap_dingtalk_approval.values import Instant, format_instant
from tap_dingtalk_approval.windows import midnight, next_midnight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    from tap_dingtalk_approval.approval import Approval
    from tap_dingtalk_approval.forms import Form

Row = dict[str, Any]


def revision_of(approval: Approval) -> int:
    """The version of an approval and of all its rows: how many operations have been recorded.

    Everything that happens to an approval, a row struck out of a table by an approver as well, comes with a record,
    and records are never taken back. So the number grows with every change, is the same in both generations of the
    API, and stays the same when nothing happened: reading twice gives the same row.
    """
    return len(approval.records)


def approval_row(approval: Approval, process_code: str, form: Form) -> Row:
    """The row of the process's own stream."""
    return {
        "process_instance_id": approval.id,
        "process_code": process_code,
        **_rendered(approval.columns),
        "form_component_values": [component.raw() for component in approval.components],
        "revision": revision_of(approval),
        **form.columns,
    }


def table_rows(approval: Approval, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of a TableField, numbered from 1."""
    for number, row in enumerate(rows, start=1):
        yield {**_of(approval), "row_number": number, **row}


def record_rows(approval: Approval) -> Iterator[Row]:
    """The operations, numbered from 1 in the order of time.

    A record has no id. Records are only ever added, and later ones behind earlier ones, so that a number stays.
    """
    for number, record in enumerate(approval.records, start=1):
        yield {**_of(approval), "record_number": number, **_rendered(record)}


def task_rows(approval: Approval) -> Iterator[Row]:
    """The tasks."""
    for task in approval.tasks:
        yield {**_of(approval), **_rendered(task)}


def total_rows(process_code: str, days: Mapping[date, int], counted_at: datetime) -> Iterator[Row]:
    """How many approvals the platform listed, for each closed day of creation."""
    for day, count in sorted(days.items()):
        yield {
            "process_code": process_code,
            "window_start": format_instant(midnight(day)),
            "window_end": format_instant(next_midnight(day)),
            "time_field": REPLICATION_KEY,
            "source_total": count,
            "counted_at": format_instant(counted_at),
        }


def _of(approval: Approval) -> Row:
    return {"process_instance_id": approval.id, "revision": revision_of(approval)}


def _rendered(values: Mapping[str, Any]) -> Row:
    return {column: str(value) if isinstance(value, Instant) else value for column, value in values.items()}
