"""Rules of the listing that both generations share, and its pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.dingtalk.errors import RefusedError
from tests.sandbox.dingtalk.lives import DAY

if TYPE_CHECKING:
    from tests.sandbox.dingtalk.office import Office, Query
    from tests.sandbox.dingtalk.switches import Switches

#: https://open.dingtalk.com/document/orgapp/obtain-an-approval-list-of-instance-ids
PAGE_SIZE = 20
MOST_IDS = 10_000
MOST_USERS = 10
LONGEST_MS = 120 * DAY
OLDEST_MS = 365 * DAY


@dataclass(frozen=True)
class Page:
    """A page of ids; ``following`` is None on the last."""

    ids: list[str]
    following: int | None


def time_range(start_ms: int, end_ms: int | None, now_ms: int, switches: Switches, *, code: str) -> tuple[int, int]:
    """Return first and last instant of a listing.

    Args:
        start_ms: As asked for.
        end_ms: As asked for; None for now.
        now_ms: The present.
        switches: Which of the rules are in force.
        code: How the generation refuses a bad range.

    Raises:
        RefusedError: The range is empty, longer than 120 days, or starts more than 365 days ago.
    """
    last_ms = now_ms if end_ms is None else end_ms
    if last_ms < start_ms or last_ms - start_ms > LONGEST_MS:
        raise RefusedError(code)
    if switches.year_rule and start_ms < now_ms - OLDEST_MS:
        raise RefusedError(code)
    if not switches.future_end and last_ms > now_ms:
        raise RefusedError(code)
    return start_ms, last_ms if switches.end_inclusive else last_ms - 1


def page(office: Office, query: Query, now_ms: int, switches: Switches, *, cursor: int, size: int) -> Page:
    """Return one page of a listing; cursors are offsets.

    Raises:
        RefusedError: The listing went beyond 10,000 ids and the switch says that is an error.
    """
    ids = office.listing(query, now_ms, order=switches.order, deleted=switches.deleted_listed)
    if switches.over_cap == "error" and cursor >= MOST_IDS:
        raise RefusedError("busy", f"最多查询{MOST_IDS}条")
    end = min(len(ids), MOST_IDS)
    found = ids[cursor : min(cursor + size, end)]
    following: int | None = None
    if cursor + size < end or (len(found) == size and switches.full_page_cursor):
        following = cursor + size
    if following is not None and switches.stuck_cursor:
        following = cursor
    return Page(found, following)
