"""Reading a list whole, and proving it.

The platform pages by number over a list that changes while it is being read: a ticket that somebody touches leaves a
window by modification time, and all rows behind it move up. Therefore:

* pages are read from the last to the first, so that a row which moves up is met again and not missed;
* page 1 is asked for a second time at the end: it carries the total, and the rows that moved up to it;
* a window counts only if its total has not changed meanwhile and equals the number of distinct keys. Otherwise it is
  read again, then in halves: a window of one page comes in one answer, in which nothing can move.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tap_kuaimai import metrics
from tap_kuaimai.client import Incomplete
from tap_kuaimai.errors import KuaimaiError, StoppedError, rule_of
from tap_kuaimai.values import format_datetime, parse_datetime, platform_time, to_datetime, to_integer
from tap_kuaimai.windows import Window, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from typing_extensions import Self

    from tap_kuaimai.client import Answer, Client
    from tap_kuaimai.schema import Declaration

_T = TypeVar("_T")
Row: TypeAlias = dict[str, Any]

_MOST_ROWS = 2000
"""A window with more rows is split. It bounds the memory, and how much can move while a window is read."""

_TYPICAL_ROWS = 1500
"""What a split aims at, so that busy hours seldom have to be split once more."""

_PAUSES = (0.0, 0.5, 2.0, 4.0)
"""Seconds before each attempt at a window: a total that is wrong for a while gets the time to become right."""

_ATTEMPTS_BEFORE_HALVING = 2
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Reading:
    """A window whose rows are all here.

    Attributes:
        window: which one, None for a list without a window.
        rows: the platform's rows, each key once.
    """

    window: Window | None
    rows: list[Row]


Outcome: TypeAlias = "Reading | list[Window]"


@dataclass
class _Task:
    """A window in the plan, and the thread's work on it once that has begun."""

    window: Window | None
    future: Future[Outcome] | None = None


@dataclass(frozen=True)
class _Attempt:
    """What one pass over the pages of a list has brought.

    Attributes:
        rows: key → row.
        total: what the platform says the list has, None where it does not say.
        proved: whether the pass is known to be complete.
    """

    rows: dict[Any, Row]
    total: int | None
    proved: bool

    def has_pages(self, size: int) -> bool:
        """Whether the list is longer than one page."""
        return self.total is not None and self.total > size


class _TooLarge(Exception):  # noqa: N818 -- a reason to split, not an error
    """The window has more rows than are read in one go; `pieces` is into how many it should be split."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces


class ListReader:
    """Reads the windows of one list API, several at a time, and hands them out in order.

    Use it as a context manager: leaving it gives up whatever is still being read.

    Args:
        client: makes the calls.
        declaration: the API.
        stream: for whom, in metrics and messages.
        page_size: rows a page that the settings ask for; the API's own bounds apply.
        max_concurrency: requests on their way at a time.
        check_interrupt: called now and then while waiting; may raise.
    """

    def __init__(
        self,
        client: Client,
        declaration: Declaration,
        *,
        stream: str,
        page_size: int,
        max_concurrency: int,
        check_interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._api = declaration
        self._stream = stream
        self._size = declaration.paging.rows(page_size) if declaration.paging else 0
        self._ahead = max_concurrency
        self._check_interrupt = check_interrupt
        self._stop = threading.Event()
        # Two pools, because those who read windows wait for those who read pages.
        self._windows = ThreadPoolExecutor(max_concurrency, thread_name_prefix="window")
        self._pages = ThreadPoolExecutor(max_concurrency, thread_name_prefix="page")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._windows.shutdown(wait=False, cancel_futures=True)
        self._pages.shutdown(wait=False, cancel_futures=True)

    def read(self, windows: Iterable[Window | None], params: Mapping[str, Any] | None = None) -> Iterator[Reading]:
        """Read windows, some of them ahead of the one that is handed out.

        Args:
            windows: in order; None stands for a list without a window.
            params: request parameters beside those of the declaration.

        Yields:
            One reading for each window or piece of it, in the same order, all proved.

        Raises:
            KuaimaiError: a window could not be read, or not be proved.
        """
        fixed = {**self._api.params, **(params or {})}

        def started(task: _Task) -> Future[Outcome]:
            if task.future is None:
                task.future = self._windows.submit(self._read_window, task.window, fixed)
            return task.future

        source = (_Task(window) for window in windows)
        plan = deque(islice(source, self._ahead))
        while plan:
            for task in islice(plan, self._ahead):
                started(task)
            outcome = self._wait(started(plan.popleft()))
            if isinstance(outcome, Reading):
                yield outcome
            else:
                plan.extendleft(_Task(piece) for piece in reversed(outcome))
            plan.extend(islice(source, max(0, self._ahead - len(plan))))

    def count(self, params: Mapping[str, Any]) -> int:
        """How many rows the platform says there are.

        Args:
            params: request parameters beside those of the declaration.

        Raises:
            KuaimaiError: it cannot be asked.
        """
        size = self._api.paging.min_size if self._api.paging else 0
        answer = self._wait(self._page({**self._api.params, **params}, 1, self._check_total, size=size))
        return to_integer(answer["total"]) or 0

    def _wait(self, future: Future[_T]) -> _T:
        self._check_interrupt()
        while not wait([future], timeout=_POLL_SECONDS).done:
            self._check_interrupt()
        return future.result()

    def _read_window(self, window: Window | None, params: Row) -> Outcome:
        """Read one window until it is proved, or return the pieces in which to read it instead."""
        divisible = window is not None and window.seconds > 1
        if window:
            params = params | self._span(window)
        attempt = _Attempt({}, None, proved=False)
        for repeats, pause in enumerate(_PAUSES):
            if self._stop.wait(pause):
                raise StoppedError
            try:
                attempt = self._attempt(params, divisible=divisible)
            except _TooLarge as large:
                return split(window, large.pieces) if window else []
            self._log(window, attempt, repeats)
            if attempt.proved:
                return Reading(window, list(attempt.rows.values()))
            if window and divisible and attempt.has_pages(self._size) and repeats + 1 >= _ATTEMPTS_BEFORE_HALVING:
                return split(window, 2)
        span = f" from {format_datetime(window.start)} to {format_datetime(window.end)}" if window else ""
        raise KuaimaiError(
            "unproved",
            f"{self._api.method}{span} cannot be read completely: the platform says {attempt.total} rows, "
            f"but {len(attempt.rows)} different ones came, {len(_PAUSES)} times over",
            rule_of("unproved"),
        )

    def _span(self, window: Window) -> Row:
        """The request parameters of a window."""
        names = self._api.window
        if names is None:
            return {}
        if names.format == "epoch_ms":
            return {
                names.start: round(window.start.timestamp() * 1000),
                names.end: round(window.end.timestamp() * 1000),
            }
        return {names.start: platform_time(window.start), names.end: platform_time(window.end)}

    def _log(self, window: Window | None, attempt: _Attempt, repeats: int) -> None:
        metrics.window(
            self._stream,
            window,
            source_total=attempt.total,
            distinct_keys=len(attempt.rows),
            repeats=repeats,
            verified=attempt.proved,
        )

    def _attempt(self, params: Row, *, divisible: bool) -> _Attempt:
        paging = self._api.paging
        if paging is None:
            return self._read_at_once(params)
        if paging.end == "total":
            return self._read_by_total(params, divisible=divisible)
        return self._read_to_the_end(params, has_next=paging.end == "has_next", divisible=divisible)

    def _read_by_total(self, params: Row, *, divisible: bool) -> _Attempt:
        """Read a list whose first page says how many rows there are."""
        first = self._page(params, 1, self._check_total).result()
        total = to_integer(first["total"]) or 0
        listed = self._rows(first)
        rows = self._gather({}, listed)
        if total <= len(listed):
            return _Attempt(rows, total, proved=len(rows) == total)
        if divisible and total > _MOST_ROWS:
            raise _TooLarge(pieces=-(-total // _TYPICAL_ROWS))
        pages = -(-total // self._rows_a_page(params, len(listed)))
        for asked in [self._page(params, page) for page in range(pages, 1, -1)]:
            self._gather(rows, self._rows(asked.result()))
        again = self._page(params, 1, self._check_total).result()
        self._gather(rows, self._rows(again))
        total_now = to_integer(again["total"]) or 0
        return _Attempt(rows, total_now, proved=len(rows) == total == total_now)

    def _rows_a_page(self, params: Row, came: int) -> int:
        """How many rows a full page has: an API with an undocumented maximum may give less than it is asked for."""
        if came < self._size and len(self._rows(self._page(params, 1).result())) == came:
            return came
        return self._size

    def _read_to_the_end(self, params: Row, *, has_next: bool, divisible: bool) -> _Attempt:
        """Read a list that does not say how many rows it has.

        A short page proves nothing, since the largest page of most such APIs is not documented. The list ends where
        the platform says that there is no next page, or else with a page that brings nothing new.
        """
        rows: Row = {}
        page = 0
        while True:
            page += 1
            answer = self._page(params, page).result()
            if page == 1 and self._api.list_key not in answer:  # Some APIs leave out an empty list. Ask twice.
                answer = self._page(params, page).result()
            known = len(rows)
            self._gather(rows, self._rows(answer))
            if divisible and len(rows) > _MOST_ROWS:
                raise _TooLarge(pieces=2)
            more = str(answer.get("hasNext", "")).lower() if has_next else ""
            if more == "false" or len(rows) == known:
                return _Attempt(rows, None, proved=more != "true")

    def _read_at_once(self, params: Row) -> _Attempt:
        """Read a list that comes in one answer."""
        answer = self._page(params, 1).result()
        if self._api.list_key not in answer:
            answer = self._page(params, 1).result()
        return _Attempt(self._gather({}, self._rows(answer)), None, proved=True)

    def _page(
        self, params: Row, page: int, check: Callable[[Answer], None] | None = None, *, size: int | None = None
    ) -> Future[Answer]:
        """Ask for a page. All requests leave through one pool, so no more are on their way than `max_concurrency`."""
        paging = self._api.paging
        if paging:
            params = params | {paging.page: page, paging.size: size or self._size}
        return self._pages.submit(
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
