"""What the state remembers survives being written, and is forgotten when it may be."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_dingtalk_approval.progress import Progress
from tap_dingtalk_approval.topapi import TopApi
from tap_dingtalk_approval.values import BEIJING
from tap_dingtalk_approval.windows import Window

if TYPE_CHECKING:
    from tap_dingtalk_approval.approval import Approval

NOON = datetime(2026, 9, 30, 12, tzinfo=BEIJING)
DAY = timedelta(days=1)

ids = st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("-_"), min_size=1, max_size=36)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(BEIJING)).map(  # noqa: DTZ001 -- added
    lambda moment: moment.replace(microsecond=0)
)


def approval(instance_id: str, created: datetime, status: str = "COMPLETED") -> Approval:
    content = {"status": status, "create_time": f"{created:%Y-%m-%d %H:%M:%S}"}
    return TopApi().approval_of(instance_id, {"process_instance": content})


progresses = st.builds(
    Progress,
    bookmark=st.just(NOON),
    listed_until=st.just(NOON + DAY),
    unread=st.dictionaries(ids, st.none(), min_size=1, max_size=4),
    open=st.dictionaries(ids, st.sampled_from(["", "create=1542 records=1542,4004 tasks=1543-4004,4004-"]), max_size=4),
    settled=st.dictionaries(ids, moments, max_size=4),
    settled_since=st.none() | moments,
    days=st.dictionaries(st.dates(date(2025, 1, 1), date(2027, 1, 1)), st.integers(0, 999), max_size=4),
    failing=st.dictionaries(ids, st.integers(1, 2), max_size=4),
)


@given(progresses)
def test_what_is_written_is_read_again(progress: Progress) -> None:
    assert Progress.from_state(json.loads(json.dumps(progress.to_state()))) == progress


@given(progresses)
def test_the_state_holds_scalars_and_lists_of_text_only(progress: Progress) -> None:
    # Meltano merges objects of two states, and would bring back what was removed.
    for value in progress.to_state().values():
        assert value is None or isinstance(value, str) or all(isinstance(one, str) for one in value)


def test_a_bookmark_alone_is_enough() -> None:
    progress = Progress.from_state(
        {"replication_key": "create_time", "replication_key_value": "2026-09-30T12:00:00+08:00"}
    )
    assert (progress.bookmark, progress.listed_until, progress.open) == (NOON, NOON, {})


def test_a_bookmark_that_was_set_counts_more_than_what_was_listed() -> None:
    state = Progress(bookmark=NOON, listed_until=NOON).to_state()
    assert (
        Progress.from_state({**state, "replication_key_value": "2026-09-01T00:00:00+08:00"}).listed_until
        == NOON - 29.5 * DAY
    )


def test_the_bookmark_waits_until_everything_listed_was_read() -> None:
    progress = Progress(bookmark=NOON - DAY, listed_until=NOON - DAY)
    progress.listed(Window(NOON - 2 * DAY, NOON), ["a", "b"], DAY)
    progress.read(approval("a", NOON - timedelta(hours=3)))
    assert progress.bookmark == NOON - DAY
    progress.read(approval("b", NOON - timedelta(hours=2), "RUNNING"))
    assert progress.bookmark == NOON
    assert list(progress.open) == ["b"]


def test_a_final_approval_is_remembered_while_it_is_listed_again() -> None:
    progress = Progress()
    progress.listed(Window(NOON - 3 * DAY, NOON), ["old", "new"], DAY)
    progress.read(approval("old", NOON - 2 * DAY))
    progress.read(approval("new", NOON - timedelta(hours=1)))
    assert list(progress.settled) == ["new"]
    assert progress.listed(Window(NOON - DAY, NOON + DAY), ["new", "newer"], DAY) == 1
    assert progress.listed(Window(NOON + DAY, NOON + 3 * DAY), [], DAY) == 0
    assert progress.settled == {}


def test_the_one_read_longest_ago_comes_first() -> None:
    progress = Progress(bookmark=NOON, listed_until=NOON, open={"a": "", "b": "", "c": ""})
    progress.read(approval("a", NOON, "RUNNING"))
    assert list(progress.open) == ["b", "c", "a"]


def test_days_are_closed_when_the_listing_has_passed_them_and_everything_is_read() -> None:
    progress = Progress()
    progress.open_days(Window(NOON - 3 * DAY, NOON))
    progress.listed(Window(NOON - 3 * DAY, NOON), ["a", "b"], DAY)
    progress.read(approval("a", NOON - DAY))
    assert progress.closed_days() == {}
    progress.read(approval("b", NOON))
    assert progress.closed_days() == {date(2026, 9, 28): 0, date(2026, 9, 29): 1}
    progress.forget_past_days()
    assert progress.days == {date(2026, 9, 29): 1, date(2026, 9, 30): 1}


def test_an_approval_is_given_up_after_some_runs_and_not_before() -> None:
    progress = Progress(bookmark=NOON, listed_until=NOON, open={"a": ""})
    assert [progress.failed("a", patience=3) for _ in range(3)] == [1, 2, 3]
    assert "a" not in progress.open


def test_with_more_patience_it_is_followed_and_the_bookmark_moves_on() -> None:
    progress = Progress(bookmark=NOON - DAY, listed_until=NOON, unread={"a": None})
    for _ in range(2):
        progress.failed("a", patience=10)
    assert (progress.unread, list(progress.open), progress.bookmark) == ({}, ["a"], NOON)


def test_success_ends_the_count_of_failures() -> None:
    progress = Progress(bookmark=NOON, listed_until=NOON, open={"a": ""})
    progress.failed("a", patience=3)
    progress.read(approval("a", NOON, "RUNNING"))
    assert progress.failing == {}


@pytest.mark.parametrize("state", [{"replication_key_value": "yesterday"}, {"created_per_day": ["soon 1"]}])
def test_a_state_that_cannot_be_read_says_so(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Progress.from_state(state)
