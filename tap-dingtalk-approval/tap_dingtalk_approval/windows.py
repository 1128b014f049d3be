"""Which create times to list, and in which pieces. Pure functions.

The platform lists by create time, at most 120 days at a time, of the last 365 days, and at most 10,000 ids for one
question (https://open.dingtalk.com/document/orgapp/obtain-an-approval-list-of-instance-ids-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from tap_dingtalk_approval.values import BEIJING, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = timedelta(days=120) - timedelta(seconds=1)
"""A second less than allowed: whether exactly 120 days are is not documented."""

SHORTEST = timedelta(minutes=1)

OLDEST = timedelta(days=365)
"""How far back a listing may begin."""

CAP = 10_000
"""Ids that one listing gives at most; what happens beyond is not documented."""

_SPLIT = 16
"""A listing that breaks off has cost up to 500 calls, a window that was cut too short costs one: rather too short."""


@dataclass(frozen=True)
class Window:
    """Create times from `start` to `end`, aware, to the second.

    Neighbours share their bound, because the platform does not document whether a window's end belongs to it.
    """

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def start_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self.start.timestamp()) * 1000

    @property
    def end_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self.end.timestamp()) * 1000

    def __str__(self) -> str:
        """RFC 3339, from to."""
        return f"{format_instant(self.start)} to {format_instant(self.end)}"


def listing_range(bookmark: datetime | None, start_date: datetime, lookback: timedelta, end: datetime) -> Window | None:
    """What this run has to list.

    Args:
        bookmark: Create time up to which earlier runs listed; None at the first run.
        start_date: Nothing created before is wanted.
        lookback: How far before the bookmark to list again.
        end: The present, frozen for the run.

    Returns:
        One window of any length, None when there is nothing to list.
    """
    start = start_date if bookmark is None else max(start_date, bookmark - lookback)
    start = start.replace(microsecond=0)
    return Window(start, end) if start < end else None


def first_part(whole: Window, longest: timedelta) -> Window:
    """The first piece of a range that is no longer than `longest`."""
    return Window(whole.start, min(whole.end, whole.start + longest))


def rest_after(whole: Window, part: Window) -> Window | None:
    """What is left of a range behind a piece, None at its end."""
    return Window(part.end, whole.end) if part.end < whole.end else None


def shorter_than(window: Window) -> timedelta | None:
    """How long a piece to try after a window had too many approvals, None when it cannot be made shorter."""
    if window.length <= SHORTEST:
        return None
    seconds = int(window.length.total_seconds()) // _SPLIT
    return max(SHORTEST, timedelta(seconds=seconds))


def longer_than(window: Window, found: int, most: int) -> timedelta:
    """How long a piece to try after a window with few approvals.

    Args:
        window: Which was listed.
        found: Its approvals.
        most: So many are too many for one listing.
    """
    return min(LONGEST, window.length * 2) if found * 4 < most else window.length


def most_ids(budget: int | None, page_size: int) -> int:
    """How many approvals one listing may have before it is tried in shorter pieces.

    Args:
        budget: Calls a month. A listing breaks off after a quarter of them, so that something is left for the shorter
            pieces and what they list; otherwise every month would go into the same listing.
        page_size: Ids a page.
    """
    return CAP if budget is None else min(CAP, max(2, budget // 4) * page_size)


def later_start(refused: Window, end: datetime, now: datetime) -> datetime | None:
    """Where to begin after the platform refused a window for its age.

    The year may count from the present or, in a backfill of an organisation whose licence reaches further back, from
    elsewhere; the age rule is not applied everywhere. So it is tried only after a refusal.

    Args:
        refused: The window that was refused.
        end: Where the listing ends.
        now: The present.

    Returns:
        A start that is later than the refused one and a year before one of the two; None when there is none.
    """
    margin = timedelta(minutes=5)
    candidates = sorted({(moment - OLDEST + margin).replace(microsecond=0) for moment in (end, now)})
    return next((candidate for candidate in candidates if refused.start < candidate < end), None)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def midnight(day: date) -> datetime:
    """Where a day begins in Beijing."""
    return datetime.combine(day, time(), BEIJING)


def next_midnight(day: date) -> datetime:
    """Where a day ends in Beijing."""
    return midnight(day + timedelta(days=1))


def first_whole_day(start: datetime) -> date:
    """The first day that begins at or after a moment, in Beijing."""
    local = start.astimezone(BEIJING)
    return local.date() if midnight(local.date()) == local else local.date() + timedelta(days=1)
