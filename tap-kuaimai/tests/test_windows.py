"""Windows: cut and split so that every moment is asked for exactly once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from tap_kuaimai.values import BEIJING
from tap_kuaimai.windows import Window, bookmark_after, cut, span_to_read, split

ZONES = st.sampled_from([BEIJING, timezone.utc, timezone(timedelta(hours=-9, minutes=-30))])
MIN, MAX = datetime.fromisoformat("2015-01-01"), datetime.fromisoformat("2035-01-01")
moments = st.datetimes(MIN, MAX, timezones=ZONES).map(lambda moment: moment.replace(microsecond=0))
lengths = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))


def covers(windows: list[Window], start: datetime, end: datetime) -> bool:
    """Whether the windows are `[start, end)`, without a gap and without an overlap."""
    edges = [start, *(edge for window in windows for edge in (window.start, window.end)), end]
    return all(a == b for a, b in zip(edges[::2], edges[1::2], strict=True)) and all(
        window.start < window.end for window in windows
    )


@given(moments, st.integers(0, 5 * 10**7), st.integers(60, 10**6))
def test_cut_covers_the_span_exactly(start: datetime, seconds: int, length: int) -> None:
    end = start + timedelta(seconds=seconds)
    length = max(length, seconds // 500)

    windows = list(cut(start, end, timedelta(seconds=length)))

    assert covers(windows, start, end) if seconds else not windows
    assert all(window.seconds <= length for window in windows)


@given(moments, st.integers(1, 10**7), st.integers(-3, 400))
def test_split_covers_the_window_exactly_in_pieces_of_the_same_length(
    start: datetime, seconds: int, pieces: int
) -> None:
    window = Window(start, start + timedelta(seconds=seconds))

    parts = split(window, pieces)

    assert covers(parts, window.start, window.end)
    assert len(parts) == max(1, min(pieces, seconds))
    assert max(part.seconds for part in parts) - min(part.seconds for part in parts) <= 1


def test_windows_of_a_day_are_calendar_days_in_beijing() -> None:
    start = datetime(2026, 2, 27, 15, 30, tzinfo=timezone.utc)

    windows = list(cut(start, start + timedelta(days=2), timedelta(days=1)))

    edges = [window.start.astimezone(BEIJING).isoformat() for window in windows]
    assert edges == ["2026-02-27T23:30:00+08:00", "2026-02-28T00:00:00+08:00", "2026-03-01T00:00:00+08:00"]


@given(moments, st.none() | moments, st.none() | moments, moments, lengths, lengths)
def test_nothing_outside_start_date_end_date_and_settled_time_is_read(  # noqa: PLR0917 -- hypothesis passes them by name
    start_date: datetime,
    end_date: datetime | None,
    bookmark: datetime | None,
    now: datetime,
    lookback: timedelta,
    settle: timedelta,
) -> None:
    start, end = span_to_read(
        bookmark=bookmark, start_date=start_date, end_date=end_date, now=now, lookback=lookback, settle=settle
    )

    assert start >= start_date
    assert end <= now - settle
    assert end_date is None or end <= end_date
    assert bookmark is None or start == max(start_date, bookmark - lookback)


def test_a_fraction_of_a_second_is_cut_off_so_that_no_moment_is_claimed_that_was_not_asked_for() -> None:
    now = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=BEIJING)

    _, end = span_to_read(
        bookmark=None,
        start_date=now - timedelta(days=1),
        end_date=None,
        now=now,
        lookback=timedelta(0),
        settle=timedelta(0),
    )

    assert end == datetime(2026, 3, 1, 12, 0, 0, tzinfo=BEIJING)


def test_a_window_in_the_servers_future_counts_only_up_to_its_clock() -> None:
    now = datetime(2026, 3, 10, 12, 5, tzinfo=BEIJING)
    end = datetime(2026, 3, 10, 12, 3, tzinfo=BEIJING)
    settle = timedelta(minutes=2)

    assert bookmark_after(end, now=now, clock_ahead=300, settle=settle) == end - timedelta(minutes=5)
    for agreed in (None, 0.9, -300, 86400):
        assert bookmark_after(end, now=now, clock_ahead=agreed, settle=settle) == end
    assert bookmark_after(end - timedelta(days=1), now=now, clock_ahead=300, settle=settle) == end - timedelta(days=1)
