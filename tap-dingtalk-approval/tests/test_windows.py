"""Windows cover what they must, exactly."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_dingtalk_approval.values import BEIJING, format_instant, parse_instant, parse_setting
from tap_dingtalk_approval.windows import (
    LONGEST,
    OLDEST,
    SHORTEST,
    Window,
    first_part,
    first_whole_day,
    later_start,
    listing_range,
    longer_than,
    midnight,
    rest_after,
    shorter_than,
)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(BEIJING)).map(  # noqa: DTZ001 -- hypothesis adds it
    lambda moment: moment.replace(microsecond=0)
)
lengths = st.timedeltas(SHORTEST, LONGEST).map(lambda length: timedelta(seconds=int(length.total_seconds())))


@given(moments, st.timedeltas(timedelta(seconds=1), timedelta(days=800)), lengths)
def test_pieces_cover_a_range_without_gap_or_overlap(start: datetime, span: timedelta, longest: timedelta) -> None:
    longest = max(longest, span / 500)
    left: Window | None = Window(start, start + span)
    at = start
    while left:
        part = first_part(left, longest)
        assert part.start == at
        assert timedelta(0) < part.length <= longest
        at = part.end
        left = rest_after(left, part)
    assert at == start + span


@given(moments, moments, st.timedeltas(timedelta(0), timedelta(days=90)), moments)
def test_the_range_begins_a_lookback_before_the_bookmark_and_never_before_start_date(
    bookmark: datetime, start_date: datetime, lookback: timedelta, end: datetime
) -> None:
    found = listing_range(bookmark, start_date, lookback, end)
    begin = max(start_date, bookmark - lookback).replace(microsecond=0)
    assert found == (Window(begin, end) if begin < end else None)
    assert listing_range(None, start_date, lookback, end) == (Window(start_date, end) if start_date < end else None)


@given(moments, lengths)
def test_a_window_that_is_too_full_gets_shorter_until_it_cannot(start: datetime, length: timedelta) -> None:
    tries = 0
    while (shorter := shorter_than(Window(start, start + length))) is not None:
        assert shorter < length
        length, tries = shorter, tries + 1
    assert length <= SHORTEST
    assert tries < 20


@given(moments, moments)
def test_after_a_refusal_for_age_the_listing_begins_later_but_not_later_than_a_year_ago(
    end: datetime, now: datetime
) -> None:
    refused = Window(end - timedelta(days=3000), end)
    start = later_start(refused, end, now)
    assert start is None or refused.start < start < end
    if now >= end:
        assert start is not None
        assert end - start >= OLDEST - timedelta(hours=1)


@given(moments)
def test_the_first_whole_day_begins_at_or_after_a_moment(moment: datetime) -> None:
    assert timedelta(0) <= midnight(first_whole_day(moment)) - moment < timedelta(days=1)


def test_bounds_are_true_epoch_milliseconds() -> None:
    window = Window(parse_instant("2026-09-01 10:15:42").at, parse_instant("2026-09-01T10:16:42+08:00").at)
    assert (window.start_ms, window.end_ms) == (1788228942000, 1788229002000)


@pytest.mark.parametrize("text", ["2026-09-01T02:15:42Z", "2026-09-01 10:15:42", "2026-09-01T03:15:42+01:00"])
def test_in_a_setting_a_z_is_true(text: str) -> None:
    assert format_instant(parse_setting(text).at) == "2026-09-01T10:15:42+08:00"


@given(moments, lengths, st.integers(0, 10_000))
def test_windows_grow_again_where_there_is_little(start: datetime, length: timedelta, found: int) -> None:
    window = Window(start, start + min(length, LONGEST))
    longer = longer_than(window, found, 10_000)
    assert window.length <= longer <= LONGEST
    assert (longer > window.length) == (found < 2_500 and window.length < LONGEST)
