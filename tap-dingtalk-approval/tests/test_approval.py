"""The normal form of an approval, and the seconds that only one generation tells."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_dingtalk_approval.rows import record_rows, revision_of, task_rows
from tap_dingtalk_approval.topapi import TopApi
from tap_dingtalk_approval.v1 import V1Api
from tap_dingtalk_approval.values import BEIJING, format_instant, parse_instant


@pytest.mark.parametrize(
    ("told", "expected", "exact"),
    [
        ("2026-09-01 10:15:42", "2026-09-01T10:15:42+08:00", True),
        ("2026-09-01T10:15Z", "2026-09-01T10:15:00+08:00", False),
        # Three answers whose ids end in the unix seconds of their creation.
        ("2023-05-09T19:23Z", datetime.fromtimestamp(1683631426 // 60 * 60, BEIJING).isoformat(), False),
        ("2023-04-07T16:51Z", datetime.fromtimestamp(1680857502 // 60 * 60, BEIJING).isoformat(), False),
        ("2024-04-18T14:27Z", datetime.fromtimestamp(1713421651 // 60 * 60, BEIJING).isoformat(), False),
        (1788228942000, "2026-09-01T10:15:42+08:00", True),
        ("1788228942", "2026-09-01T10:15:42+08:00", True),
        ("2026-09-01T02:15:42+00:00", "2026-09-01T10:15:42+08:00", True),
        ("2026-09-01", "2026-09-01T00:00:00+08:00", False),
    ],
)
def test_instants_of_all_spellings_are_beijing_time(told: object, expected: str, *, exact: bool) -> None:
    assert (str(parse_instant(told)), parse_instant(told).exact) == (expected, exact)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 -- Beijing's wall clock
def test_what_is_written_is_read_again(moment: datetime) -> None:
    at = moment.replace(microsecond=0, tzinfo=BEIJING)
    assert parse_instant(format_instant(at)).at == at
    assert parse_instant(f"{at:%Y-%m-%d %H:%M:%S}").at == at


if TYPE_CHECKING:
    from tap_dingtalk_approval.approval import Approval

seconds = st.integers(0, 10_000)


def both(records: list[int], tasks: list[tuple[int, int | None]]) -> tuple[Approval, Approval]:
    start = datetime(2026, 9, 1, 10, tzinfo=BEIJING)

    def old(offset: int) -> str:
        return f"{start + timedelta(seconds=offset):%Y-%m-%d %H:%M:%S}"

    def new(offset: int) -> str:
        return f"{start + timedelta(seconds=offset):%Y-%m-%dT%H:%MZ}"

    def ends(at: Any, key: str, end: int | None) -> dict[str, Any]:
        return {} if end is None else {key: at(end)}

    topapi = {
        "status": "RUNNING",
        "create_time": old(0),
        "operation_records": [{"userid": f"u{n}", "date": old(one)} for n, one in enumerate(records)],
        "tasks": [
            {"taskid": str(n), "create_time": old(one), **ends(old, "finish_time", end)}
            for n, (one, end) in enumerate(tasks)
        ],
    }
    v1 = {
        "status": "RUNNING",
        "createTime": new(0),
        "operationRecords": [{"userId": f"u{n}", "date": new(one)} for n, one in enumerate(records)],
        "tasks": [
            {"taskId": n, "createTime": new(one), **ends(new, "finishTime", end)} for n, (one, end) in enumerate(tasks)
        ],
    }
    return TopApi().approval_of("i", {"process_instance": topapi}), V1Api().approval_of("i", {"result": v1})


def rows(approval: Approval) -> list[Any]:
    return [str(approval.create_time), *record_rows(approval), *task_rows(approval)]


@given(st.lists(seconds, max_size=6), st.lists(st.tuples(seconds, st.none() | seconds), max_size=4))
def test_seconds_once_told_are_never_lost(records: list[int], tasks: list[tuple[int, int | None]]) -> None:
    old, new = both(records, tasks)
    known = old.known_seconds()
    assert new.known_seconds() == ""
    new.restore_seconds(known)
    assert rows(new) == rows(old)
    assert new.known_seconds() == known
    old.restore_seconds("create=0099 records=0001 tasks=-")
    assert rows(old) == rows(new)


@given(st.lists(seconds, min_size=1, max_size=6), st.lists(seconds, max_size=3))
def test_the_numbers_of_records_stay_when_the_list_grows(records: list[int], more: list[int]) -> None:
    latest = max(records) + 60
    before, after = both(records, [])[0], both(records + [latest + one for one in more], [])[0]
    assert list(record_rows(after))[: len(records)] == [
        {**row, "revision": revision_of(after)} for row in record_rows(before)
    ]


@given(st.from_regex(r"create=\S{0,5} records=[0-9, ]{0,9} tasks=[0-9,-]{0,12}") | st.text(max_size=40))
def test_a_memory_that_somebody_edited_breaks_nothing(known: str) -> None:
    _, new = both([5, 65], [(3, 4)])
    new.restore_seconds(known)
    assert [row["date"][:16] for row in record_rows(new)] == ["2026-09-01T10:00", "2026-09-01T10:01"]
