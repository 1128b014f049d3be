"""Listing windows and fetching approvals, as fast as the limits allow."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from tap_dingtalk_approval.api import PAGE_SIZE
from tap_dingtalk_approval.errors import UNKNOWN, Action, DingTalkError, Topic, is_about_one
from tap_dingtalk_approval.windows import CAP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_dingtalk_approval.approval import Approval
    from tap_dingtalk_approval.client import Client
    from tap_dingtalk_approval.windows import Window

LISTING_ATTEMPTS = 3
"""How often a listing that goes round in circles is tried."""

HOPELESS = 20
"""After more approvals in a row that could not be read, something else than these approvals is wrong."""

_AHEAD = 4
"""Approvals for each thread that are fetched ahead of the one that is being written."""

_WHILE_LISTING = 100

LONGEST_LISTING = CAP // PAGE_SIZE + _WHILE_LISTING
"""Calls that a listing may take, and what is fetched meanwhile."""

_TIME_CODES = frozenset({"400003", "invalidEndTime", "invalidInstanceListIdsStartTime"})


class Listing(NamedTuple):
    """The approvals of a window.

    Attributes:
        ids: Each once, in no particular order.
        repeats: How often the window had to be listed again.
    """

    ids: list[str]
    repeats: int


class WindowTooFullError(Exception):
    """A window has as many approvals as one listing gives at most, so that some may be missing."""


class _CircleError(Exception):
    """A page names a cursor that was used before."""


@dataclass(frozen=True)
class Unreadable:
    """An approval that was asked for in vain.

    Attributes:
        id: Which.
        error: Why.
    """

    id: str
    error: DingTalkError

    @property
    def is_gone(self) -> bool:
        """Whether the platform says that it will never be readable again."""
        return self.error.rule.action is Action.SKIP

    @property
    def is_busy(self) -> bool:
        """Whether the platform says that it is out of order, which says nothing about the approval."""
        return self.error.rule.topic is Topic.PLATFORM and self.error.rule is not UNKNOWN


def list_window(
    client: Client,
    process_code: str,
    window: Window,
    *,
    page_size: int,
    most: int = CAP,
    on_page: Callable[[list[str]], None] = lambda _: None,
) -> Listing:
    """List a window whole, page by page. The order of ids is not documented, so every page is read.

    Args:
        client: Sends the calls.
        process_code: The template.
        window: At most `windows.LONGEST` long.
        page_size: Ids a page.
        most: So many ids are too many for one listing.
        on_page: Told the ids of every page as it comes.

    Raises:
        DingTalkError: A page failed for good, or the listing goes round in circles whenever it is tried.
        WindowTooFullError: It has to be listed in shorter pieces.
    """
    for repeats in range(LISTING_ATTEMPTS):
        try:
            # A smaller page tells a last page that happened to be full from one that leads back.
            size = max(1, page_size - repeats)
            ids = _pages(client, process_code, window, page_size=size, most=most, on_page=on_page)
            return Listing(ids, repeats)
        except _CircleError:
            continue
    raise _endless(process_code, window)


def is_about_time(error: DingTalkError) -> bool:
    """Whether the platform refused a window for its bounds."""
    return error.code in _TIME_CODES


def _pages(
    client: Client,
    process_code: str,
    window: Window,
    *,
    page_size: int,
    most: int,
    on_page: Callable[[list[str]], None],
) -> list[str]:
    ids: dict[str, None] = {}
    cursor: int | str | None = 0
    used = set()
    count = offset = 0
    while cursor is not None:
        used.add(cursor)
        call = client.api.listing_call(process_code, window.start_ms, window.end_ms, cursor=cursor, size=page_size)
        page = client.send(call, client.api.page_of)
        ids |= dict.fromkeys(page.ids)
        on_page(page.ids)
        count += len(page.ids)
        offset += page_size
        cursor = page.cursor
        if cursor is not None and offset >= CAP and not page.ids:
            raise _endless(process_code, window)
        if count >= CAP or (cursor is not None and (count >= most or offset >= CAP)):
            raise WindowTooFullError
        if cursor in used:
            # Some clients report that the last page repeats a cursor, or says 0. Behind a full page there may be more.
            if len(page.ids) >= page_size:
                raise _CircleError
            break
    return list(ids)


def _endless(process_code: str, window: Window) -> DingTalkError:
    return DingTalkError("cursor_repeated", f"the listing of {process_code} from {window} does not come to an end")


class Fetcher:
    """Fetches approvals with several threads.

    Args:
        client: Sends the calls.
        concurrency: Threads.
    """

    def __init__(self, client: Client, concurrency: int) -> None:
        self._client = client
        self._ahead = concurrency * _AHEAD
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="approval")
        self._started: dict[str, Future[Approval]] = {}

    def close(self) -> None:
        """Drop what is not being fetched yet, and wait for the rest."""
        self._pool.shutdown(cancel_futures=True)

    def begin(self, ids: Iterable[str]) -> None:
        """Begin with approvals that will be asked for once the listing is complete.

        Only a few of them: should the listing fail, their calls were for nothing.
        """
        for one in islice(ids, max(0, _WHILE_LISTING - len(self._started))):
            self._start(one)

    @property
    def begun(self) -> list[str]:
        """What was begun and not asked for yet."""
        return list(self._started)

    def fetch(self, ids: Iterable[str]) -> Iterator[Approval | Unreadable]:
        """Fetch approvals and give them back in their order.

        Args:
            ids: Which.

        Yields:
            Each approval, or that it could not be read. What could not is not told when nothing more can be read: it
            may not be these approvals that are at fault.

        Raises:
            DingTalkError: Nothing more can be read. What was on its way has been yielded before.
        """
        waiting = iter(ids)
        running: deque[tuple[str, Future[Approval]]] = deque()
        failure: DingTalkError | None = None
        in_a_row: list[Unreadable] = []
        while True:
            if failure is None:
                running.extend((one, self._start(one)) for one in islice(waiting, self._ahead - len(running)))
            if not running:
                break
            one, future = running.popleft()
            del self._started[one]
            try:
                approval = future.result()
            except DingTalkError as error:
                if error.rule.action is Action.SKIP:
                    yield Unreadable(one, error)
                elif failure is None and is_about_one(error.rule) and len(in_a_row) < HOPELESS:
                    in_a_row.append(Unreadable(one, error))
                else:
                    failure = failure or error
            else:
                yield from in_a_row
                in_a_row = []
                yield approval
        if failure:
            raise failure
        yield from in_a_row

    def _start(self, instance_id: str) -> Future[Approval]:
        if instance_id not in self._started:
            self._started[instance_id] = self._pool.submit(read_approval, self._client, instance_id)
        return self._started[instance_id]


def read_approval(client: Client, instance_id: str) -> Approval:
    """Fetch one approval.

    Raises:
        DingTalkError: It cannot be read.
    """
    return client.send(client.api.detail_call(instance_id), lambda body: client.api.approval_of(instance_id, body))
