"""Time windows: how a span of time is cut into the pieces that are asked for one by one.

Everything here is pure. Times are aware, in Beijing, and whole seconds, because the platform takes its windows as
`yyyy-MM-dd HH:mm:ss` in GMT+8. Whether a window's ends are inclusive is not documented: neighbours share their
boundary, so a row on it is found whichever way the platform counts, and is written twice at worst.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from tap_kuaimai.values import BEIJING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORIGIN = datetime(1970, 1, 1, tzinfo=BEIJING)
_SECOND = timedelta(seconds=1)

_CLOCKS_AGREE = 10.0
_CLOCKS_APART = 900.0
"""Seconds. HTTP tells a server's time in whole seconds; from 600 on the platform takes no call: more is no clock."""


@dataclass(frozen=True)
class Window:
    """A span of time that is read, proved and bookmarked as one.

    Attributes:
        start: first second of the window.
        end: the second after its last one; always later than `start`.
    """

    start: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        """Length in whole seconds."""
        return (self.end - self.start) // _SECOND


def whole_seconds(moment: datetime) -> datetime:
    """The moment in Beijing time with its fraction of a second cut off."""
    return moment.astimezone(BEIJING).replace(microsecond=0)


def cut(start: datetime, end: datetime, length: timedelta) -> Iterator[Window]:
    """Cut `[start, end)` at the multiples of `length` since Beijing midnight, 1970-01-01.

    Cutting at fixed places and not at `start + n × length` makes the windows of different runs comparable: with the
    default of a day, each is a calendar day in Beijing.

    Args:
        start: where to begin, whole seconds.
        end: where to stop, whole seconds; nothing is yielded unless it is later than `start`.
        length: the longest window, at least a second, whole seconds.

    Yields:
        Windows in order, each ending where the next one starts.
    """
    while start < end:
        boundary = _ORIGIN + ((start - _ORIGIN) // length + 1) * length
        yield Window(start, min(boundary, end))
        start = boundary


def split(window: Window, pieces: int) -> list[Window]:
    """Split a window into at most `pieces` windows of about the same length.

    Args:
        window: what to split.
        pieces: how many are wanted; fewer come back when the window has fewer seconds than that.

    Returns:
        Windows in order that cover exactly `window`; itself alone when it is one second long.
    """
    pieces = max(1, min(pieces, window.seconds))
    edges = [window.start + timedelta(seconds=window.seconds * i // pieces) for i in range(pieces + 1)]
    return [Window(start, end) for start, end in pairwise(edges)]


def span_to_read(
    *,
    bookmark: datetime | None,
    start_date: datetime,
    end_date: datetime | None,
    now: datetime,
    lookback: timedelta,
    settle: timedelta,
) -> tuple[datetime, datetime]:
    """The span a run has to read: from a little before the bookmark to a little before now.

    Rows can become visible a little after the time they carry; `lookback` finds those of the last run, `settle` keeps
    this run away from the newest ones.

    Args:
        bookmark: end of the last proved window, None on a first run.
        start_date: nothing before it is read.
        end_date: nothing after it is read; None for now.
        now: the current time.
        lookback: how far before the bookmark to begin.
        settle: how far before now to end.

    Returns:
        Start and end in Beijing time, whole seconds. The end is not later than the start when nothing is to be read.
    """
    start = start_date if bookmark is None else max(start_date, bookmark - lookback)
    end = now - settle
    if end_date is not None:
        end = min(end, end_date)
    return whole_seconds(start), whole_seconds(end)


def bookmark_after(end: datetime, *, now: datetime, clock_ahead: float | None, settle: timedelta) -> datetime:
    """Up to where a window that ends at `end` counts as read, by the server's clock.

    Where this machine's clock is ahead of the server's, a window can end in the server's future, and rows that are
    changed until then are not in it.

    Args:
        end: end of the window.
        now: the current time by this machine's clock, after the window was read.
        clock_ahead: seconds by which it is ahead of the server's, None where that is not known.
        settle: how far before now windows end.

    Returns:
        `end`, or an earlier moment.
    """
    if clock_ahead is None or not _CLOCKS_AGREE < clock_ahead < _CLOCKS_APART:
        return end
    return min(end, whole_seconds(now - timedelta(seconds=clock_ahead) - settle))
