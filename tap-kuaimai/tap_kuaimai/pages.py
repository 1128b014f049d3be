"""The pages of one list: asking for them, and what one pass over them proves.

The platform pages by number over a list that changes while it is being read: a ticket that somebody touches leaves a
window by modification time, and all rows behind it move up. So a pass counts its rows and then asks once more:

* Where the platform says a total, pages are read from the last to the first, so that a row which moves up is met again
  and not missed, and page 1 is asked for a second time: it carries the total, and the rows that moved up to it. The
  pass is proved if its total has not changed and equals the number of distinct keys.
* Where it does not, a list that can be asked for in pieces is split until each comes in one page: that is one answer,
  in which nothing can move. A list that cannot is read up to its end, and the last page a second time. The pass is
  proved if that page is as long as before, all others are full, and no row came twice.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_kuaimai.client import Incomplete
from tap_kuaimai.values import parse_datetime, to_datetime, to_integer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from concurrent.futures import Future

    from tap_kuaimai.client import Answer, Client
    from tap_kuaimai.schema import Declaration

Row: TypeAlias = dict[str, Any]

_MOST_ROWS = 2000
_MOST_PAGES = 20
"""A list with more of either is split, if it can be. It bounds the memory, and how much can move during a pass."""

_TYPICAL_SHARE = 0.75
"""How full the pieces of a split should be, so that busy hours seldom have to be split once more."""


_PIECES_OF_UNKNOWN = 4
"""Into how many a list is split that does not say how long it is."""


class TooLarge(Exception):  # noqa: N818 -- a reason to split, not an error
    """The list has more rows than are read in one go; `pieces` is into how many it should be split."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces


@dataclass(frozen=True)
class Attempt:
    """What one pass over the pages of a list has brought.

    Attributes:
        rows: key → row.
        total: how many rows the list has, as the platform says or, where it does not, as came.
        pages: how many pages had rows.
        steady: nothing has moved that could be noticed, whether all rows have come or not.
        proved: all rows have come.
    """

    rows: dict[Any, Row]
    total: int
    pages: int
    steady: bool
    proved: bool

    def joined(self, earlier: Attempt | None) -> Attempt:
        """This pass with the rows of an earlier one, if the list was as long then.

        A platform that puts its rows in another order at every call never gives all of them in one pass.
        """
        if self.proved or not earlier or not (self.steady and earlier.steady and self.total == earlier.total):
            return self
        rows = earlier.rows | self.rows
        return Attempt(rows, self.total, self.pages, steady=True, proved=len(rows) == self.total)


class Pages:
    """Asks for the pages of one list API, several at a time.

    Args:
        client: makes the calls.
        declaration: the API.
        stream: for whom, in metrics and messages.
        page_size: rows a page that the settings ask for; the API's own bounds apply.
        max_concurrency: requests on their way at a time.
        stop: ends all waits early.
    """

    def __init__(
        self,
        client: Client,
        declaration: Declaration,
        *,
        stream: str,
        page_size: int,
        max_concurrency: int,
        stop: threading.Event,
    ) -> None:
        self._client = client
        self._api = declaration
        self._stream = stream
        self._size = declaration.paging.rows(page_size) if declaration.paging else 0
        self._stop = stop
        self._pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="page")

    def close(self) -> None:
        """Forget what has been asked for and not yet sent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def count(self, params: Row) -> Future[Answer]:
        """Ask for as few rows as the API allows, and their total."""
        return self._page(params, 1, self._check_total, size=self._api.paging.min_size if self._api.paging else 0)

    def read(self, params: Row, *, divisible: bool) -> Attempt:
        """Make one pass.

        Args:
            params: request parameters beside those of paging.
            divisible: whether the list can be asked for in pieces.

        Raises:
            TooLarge: it should be.
            KuaimaiError: a page cannot be read.
        """
        paging = self._api.paging
        if paging is None:
            return self._read_at_once(params)
        if paging.end == "total":
            return self._read_by_total(params, divisible=divisible)
        return self._read_to_the_end(params, has_next=paging.end == "has_next", divisible=divisible)

    def _read_by_total(self, params: Row, *, divisible: bool) -> Attempt:
        """Read a list whose first page says how many rows there are."""
        first = self._page(params, 1, self._check_total).result()
        total = to_integer(first["total"]) or 0
        listed = self._rows(first)
        rows = self._gather({}, listed)
        if total <= len(listed):
            return Attempt(rows, total, 1, steady=True, proved=len(rows) == total)
        most = min(_MOST_ROWS, _MOST_PAGES * self._size)
        if divisible and total > most:
            raise TooLarge(pieces=-int(-total // (most * _TYPICAL_SHARE)))
        pages = -(-total // self._rows_a_page(params, len(listed)))
        filled = 1
        for asked in [self._page(params, page) for page in range(pages, 1, -1)]:
            listed = self._rows(asked.result())
            filled += bool(listed)
            self._gather(rows, listed)
        again = self._page(params, 1, self._check_total).result()
        self._gather(rows, self._rows(again))
        steady = total == to_integer(again["total"])
        return Attempt(rows, total, filled, steady=steady, proved=steady and len(rows) == total)

    def _rows_a_page(self, params: Row, came: int) -> int:
        """How many rows a full page has: an API with an undocumented maximum may give less than it is asked for."""
        if came < self._size and len(self._rows(self._page(params, 1).result())) == came:
            return came
        return self._size

    def _read_to_the_end(self, params: Row, *, has_next: bool, divisible: bool) -> Attempt:
        """Read a list that does not say how many rows it has.

        A short page is not taken for the end, since the largest page of most such APIs is not documented.
        """
        rows: Row = {}
        new: Row = {}
        lengths: list[int] = []
        repeated = False
        more = ""
        while more != "false":
            answer = self._page(params, len(lengths) + 1).result()
            listed = self._rows(answer)
            more = str(answer.get("hasNext", "")).lower() if has_next else ""
            if not listed and (not lengths or more != "false") and self._is_doubtful(answer, lengths):
                answer = self._page(params, len(lengths) + 1).result()
                listed = self._rows(answer)
                more = str(answer.get("hasNext", "")).lower() if has_next else ""
            if not listed:
                break
            before, new = new, self._gather({}, listed)
            if lengths and new.keys() <= rows.keys():
                # The same page again: the API does not know pages, or gives the last one for ever.
                repeated = repeated or new.keys() != before.keys()
                break
            repeated = repeated or not rows.keys().isdisjoint(new)
            self._gather(rows, listed)
            lengths.append(len(listed))
            if divisible and (len(lengths) > 1 or more == "true"):
                raise TooLarge(pieces=_PIECES_OF_UNKNOWN)
        steady = more != "true" and self._is_unmoved(params, rows, lengths, has_next=has_next)
        return Attempt(rows, sum(lengths), len(lengths), steady=steady, proved=steady and not repeated)

    def _is_doubtful(self, answer: Answer, lengths: list[int]) -> bool:
        """Whether an answer without rows should be asked for again before the list is taken to end there."""
        if not lengths or self._api.list_key not in answer:
            return True
        full = lengths[0] if len(lengths) > 1 else self._size
        return lengths[-1] >= full

    def _is_unmoved(self, params: Row, rows: Row, lengths: list[int], *, has_next: bool) -> bool:
        """Whether all pages but the last are full, and the last one is as long as it was."""
        if len(lengths) < 2:  # noqa: PLR2004 -- one page is one answer
            return True
        again = self._page(params, len(lengths)).result()
        listed = self._rows(again)
        self._gather(rows, listed)
        ended = not has_next or str(again.get("hasNext", "")).lower() != "true"
        full = set(lengths[:-1]) == {lengths[0]} and lengths[-1] <= lengths[0]
        return ended and full and len(listed) == lengths[-1]

    def _read_at_once(self, params: Row) -> Attempt:
        """Read a list that comes in one answer; one without rows is asked for again."""
        listed = self._rows(self._page(params, 1).result()) or self._rows(self._page(params, 1).result())
        return Attempt(self._gather({}, listed), len(listed), 1, steady=True, proved=True)

    def _page(
        self, params: Row, page: int, check: Callable[[Answer], None] | None = None, *, size: int | None = None
    ) -> Future[Answer]:
        """Ask for a page. All requests leave through one pool, so no more are on their way than `max_concurrency`."""
        paging = self._api.paging
        if paging:
            params = params | {paging.page: page, paging.size: size or self._size}
        return self._pool.submit(
            self._client.call,
            self._api.method,
            params,
            stream=self._stream,
            stop=self._stop,
            check=check or self._check_list,
        )

    def _check_list(self, answer: Answer) -> None:
        listed = answer.get(self._api.list_key)
        # Nothing at all may also come as null, as empty text or as {}.
        if listed and not (isinstance(listed, list) and all(isinstance(row, dict) for row in listed)):
            raise Incomplete(f"'{self._api.list_key}' is no list of rows")

    def _check_total(self, answer: Answer) -> None:
        """An empty answer is believed only with `total: 0`."""
        self._check_list(answer)
        try:
            total = to_integer(answer.get("total"))
        except ValueError:
            total = None
        if total is None:
            raise Incomplete("the answer has no total")
        if total and not answer.get(self._api.list_key):
            raise Incomplete(f"the answer says {total} rows and has none")

    def _rows(self, answer: Answer) -> list[Row]:
        return answer.get(self._api.list_key) or []

    def _gather(self, rows: dict[Any, Row], listed: list[Row]) -> dict[Any, Row]:
        """Add rows by their keys. Of two versions of a row the newer one stays."""
        keys = self._api.primary_keys
        version = self._api.replication_key
        for row in listed:
            # As text: an id may be a number in one answer and digits in the next.
            key = str(row.get(keys[0])) if len(keys) == 1 else tuple(str(row.get(name)) for name in keys)
            if version and key in rows and _older(row.get(version), rows[key].get(version)):
                continue
            rows[key] = row
        return rows


def _older(one: object, other: object) -> bool:
    """Whether one replication value is before another; where they cannot be compared, what came last is newer."""
    try:
        before, after = to_datetime(one), to_datetime(other)
    except (ValueError, ArithmeticError):
        return False
    return bool(before and after and parse_datetime(before) < parse_datetime(after))
