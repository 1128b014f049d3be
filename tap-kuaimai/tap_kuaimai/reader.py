"""Reading a span of time whole: which windows, in which order, and what is done until each of them is proved.

A window that one pass over its pages does not prove is read again, then in halves: a window of one page comes in one
answer, in which nothing can move. What a pass proves is the business of `pages`.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tap_kuaimai import metrics
from tap_kuaimai.errors import KuaimaiError, StoppedError, rule_of
from tap_kuaimai.pages import Attempt, Pages, Row, TooLarge
from tap_kuaimai.values import format_datetime, platform_time, to_integer
from tap_kuaimai.windows import Window, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from typing_extensions import Self

    from tap_kuaimai.client import Client
    from tap_kuaimai.schema import Declaration

_T = TypeVar("_T")

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
        self._api = declaration
        self._stream = stream
        self._ahead = max_concurrency
        self._check_interrupt = check_interrupt
        self._stop = threading.Event()
        # Two pools, because those who read windows wait for those who read pages.
        self._windows = ThreadPoolExecutor(max_concurrency, thread_name_prefix="window")
        self._pages = Pages(
            client,
            declaration,
            stream=stream,
            page_size=page_size,
            max_concurrency=max_concurrency,
            stop=self._stop,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._windows.shutdown(wait=False, cancel_futures=True)
        self._pages.close()

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
        answer = self._wait(self._pages.count({**self._api.params, **params}))
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
        attempt: Attempt | None = None
        for repeats, pause in enumerate(_PAUSES):
            if self._stop.wait(pause):
                raise StoppedError
            earlier = attempt
            try:
                attempt = self._pages.read(params, divisible=divisible)
            except TooLarge as large:
                return split(window, large.pieces) if window else []
            if not divisible:
                attempt = attempt.joined(earlier)
            self._log(window, attempt, repeats)
            if attempt.proved:
                return Reading(window, list(attempt.rows.values()))
            if window and divisible and attempt.pages > 1 and repeats + 1 >= _ATTEMPTS_BEFORE_HALVING:
                return split(window, 2)
        span = f" from {format_datetime(window.start)} to {format_datetime(window.end)}" if window else ""
        found = f"of {attempt.total} rows {len(attempt.rows)} different ones came" if attempt else "nothing came"
        raise KuaimaiError(
            "unproved",
            f"{self._api.method}{span} cannot be read completely: {found}, {len(_PAUSES)} times over",
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

    def _log(self, window: Window | None, attempt: Attempt, repeats: int) -> None:
        metrics.window(
            self._stream,
            window,
            source_total=attempt.total if self._api.paging and self._api.paging.end == "total" else None,
            distinct_keys=len(attempt.rows),
            repeats=repeats,
            verified=attempt.proved,
        )
