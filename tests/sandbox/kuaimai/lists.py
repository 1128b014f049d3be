"""One page of a list: which rows, in which order, and what the answer says around them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sandbox.kuaimai.checks import ARCHIVE, WAVE
from tests.sandbox.kuaimai.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.sandbox.kuaimai.checks import Page, Window
    from tests.sandbox.kuaimai.declarations import Api
    from tests.sandbox.kuaimai.options import Options
    from tests.sandbox.kuaimai.table import Found, Table

#: Parameters that are no filter although a row has a field of that name.
NO_FILTERS = frozenset({"pageNo", "pageSize", "created", "modified", "content", "source"})

#: Filters whose field has another name, or is not printed in the row.
SPECIAL_FILTERS = {
    ("erp.aftersale.operate.log.query", "workOrderId"): "key",
    ("erp.item.warehouse.list.get", "outerId"): "outerId",
}


@dataclass
class Selection:
    """The rows of one page."""

    ordinals: list[int]
    total: int
    has_next: bool
    #: What the next call of a reader with ``useCursor`` sends; None at the end.
    cursor: str | None = None


def window_rows(table: Table, window: Window, options: Options) -> Found:
    """Return the rows of a window, its ends read as the switch has it."""
    end_ms = window.end_ms
    if end_ms is not None and options.window_end == "exclusive":
        end_ms -= 1
    return table.find(window.time, window.start_ms, end_ms)


def select(table: Table, windows: list[Window], params: Mapping[str, str], page: Page, options: Options) -> Selection:
    """Return one page of the rows that a call asks for.

    Args:
        table: The rows.
        windows: From `checks.windows_of`.
        params: The call.
        page: From `checks.page_of`.
        options: Switches.
    """
    found = window_rows(table, windows[0], options)
    wanted = filters(table.api, params)
    if _truth(params.get("useCursor")):
        return _by_cursor(table, windows[0].time, _matching(table, found, windows[1:], wanted), params, page)
    offset = (page.number - 1) * page.size
    if wanted or windows[1:] or options.order == "by_id":
        rows: Sequence[int] = _matching(table, found, windows[1:], wanted)
        if options.order == "by_id":
            rows = sorted(rows)
        elif options.order == "newest_first":
            rows = rows[::-1]
        ordinals = list(rows[offset : offset + page.size])
        total = len(rows)
    else:
        ordinals = found.page(offset, page.size, newest_first=options.order == "newest_first")
        total = len(found)
    return Selection(ordinals, total, has_next=total > offset + len(ordinals))


def _matching(table: Table, found: Found, more: list[Window], wanted: dict[str, set[str]]) -> list[int]:
    def matches(ordinal: int) -> bool:
        row = table.row(ordinal) if wanted else {}
        return all(str(row.get(name)) in values for name, values in wanted.items()) and all(
            (instant := table.time_of(window.time, ordinal)) is not None
            and (window.start_ms is None or instant >= window.start_ms)
            and (window.end_ms is None or instant <= window.end_ms)
            for window in more
        )

    return [ordinal for ordinal in found if matches(ordinal)] if wanted or more else list(found)


def _by_cursor(table: Table, time: str, rows: list[int], params: Mapping[str, str], page: Page) -> Selection:
    """Go on after the row that the cursor names, oldest first; rows that come and go elsewhere do not move the page.

    Raises:
        ApiError: The cursor is none of ours.
    """
    entries = [((table.time_of(time, ordinal) or 0), ordinal) for ordinal in rows]
    first = 0
    if params.get("cursor"):
        instant, _, ordinal = params["cursor"].partition("-")
        if not (instant.isdigit() and ordinal.isdigit()):
            raise ApiError("50")
        first = bisect_right(entries, (int(instant), int(ordinal)))
    part = entries[first : first + page.size]
    has_next = first + len(part) < len(entries)
    cursor = f"{part[-1][0]}-{part[-1][1]}" if part and has_next else None
    return Selection([ordinal for _, ordinal in part], len(rows), has_next, cursor)


def filters(api: Api, params: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the fields that a call filters by, each with the values it takes.

    A parameter filters by the field of its name, or of its name without the plural s; several values are separated by
    commas.
    """
    # `endTime` is the end of a window here and a field of the row there.
    times = {name for pair in api.windows for name in (pair.start, pair.end)}
    if api.time_type:
        times.add(api.time_type.param)
    wanted = {}
    for name in api.parameters:
        value = params.get(name)
        if not value or name in NO_FILTERS or name in times:
            continue
        field = next((field for field in (name, name.removesuffix("s")) if field in api.fields), None)
        field = SPECIAL_FILTERS.get((api.method, name), field)
        if field:
            wanted[field] = {one.strip() for one in value.split(",")}
    return wanted


def envelope(api: Api, selection: Selection, params: Mapping[str, str], page: Page, options: Options) -> dict[str, Any]:
    """Return what an answer says beside its rows: totals, hasNext, cursor, page numbers."""
    says: dict[str, Any] = {}
    if _has_total(api, params, page):
        says["total"] = str(selection.total) if options.total_as_text else selection.total
    if api.has_next or (api.total == "trade" and "total" not in says and not _archive_zero(api, selection, params)):
        says["hasNext"] = selection.has_next
        if selection.cursor:
            says["cursor"] = selection.cursor
    if api.page_object:
        start = (page.number - 1) * page.size
        says["page"] = {"startRow": start, "offsetRow": page.size, "pageNo": page.number, "pageSize": page.size}
    if api.method == WAVE:
        says.update(pageNo=page.number, pageSize=page.size)
    if api.method == "erp.aftersale.repair.list.query":
        says["success"] = "true"
    return says


def _has_total(api: Api, params: Mapping[str, str], page: Page) -> bool:
    if api.total == "trade":
        plain = not any(_truth(params.get(name)) for name in ("useHasNext", "useCursor"))
        return plain and page.number == 1 and params.get("queryType") != ARCHIVE
    if _truth(params.get("noNeedTotal")) and "noNeedTotal" in api.parameters:
        return False
    return api.total == "always" or (api.total == "first_page" and page.number == 1)


def shows_list(api: Api, selection: Selection, params: Mapping[str, str], options: Options) -> bool:
    """Return whether the answer has the list key; at zero hits many APIs leave it out."""
    if selection.total:
        return True
    if _archive_zero(api, selection, params):
        return False
    return (api.zero_hits if options.zero_hits == "documented" else options.zero_hits) == "empty"


def _archive_zero(api: Api, selection: Selection, params: Mapping[str, str]) -> bool:
    """Return whether this is the archive of orders without a hit, which answers nothing but success."""
    return api.total == "trade" and params.get("queryType") == ARCHIVE and not selection.total


def _truth(value: str | None) -> bool:
    return (value or "").lower() in {"true", "1"}
