"""The rows of one API: made when they are asked for, found by time, changed while someone reads.

A table keeps two instants a row and what was changed by hand; everything else of a row is made anew from the seed each
time. So 300,000 tickets cost some ten megabytes and a second.
"""

from __future__ import annotations

import random
import zlib
from array import array
from bisect import bisect_left, insort
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import to_ms
from tests.sandbox.kuaimai.values import UNSET_MS, Context, show_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.kuaimai.declarations import Api
    from tests.sandbox.kuaimai.rows import RowMaker

DAY_MS = 86_400_000
#: Rows kept as they were made, because a page is often read more than once.
ROWS_KEPT = 4096
#: The number of a row takes the low bits of an index entry, its instant the high ones: sorted integers, 8 bytes each.
_BITS = 21
_MASK = (1 << _BITS) - 1
FIRST_SMALL_ID = 100_001
FIRST_ID = 9_100_000_000_000_001


class Table:
    """The rows of one API.

    Rows have ordinals, 0 upwards in the order of their creation; rows that are inserted later go on counting.

    Attributes:
        api: The declaration.
        created: Epoch ms by ordinal.
        modified: Epoch ms by ordinal.
    """

    def __init__(self, api: Api, rows: RowMaker, count: int, span_ms: tuple[int, int], seed: int) -> None:
        self.api = api
        self._rows = rows
        self._seed = seed
        self._salt = zlib.crc32(api.method.encode()) << 32 | seed << 64
        self._first_id = FIRST_SMALL_ID if api.rows else FIRST_ID
        self.created = array("q")
        self.modified = array("q")
        self._patches: dict[int, dict[str, Any]] = {}
        self._touched: dict[int, int] = {}
        #: The made part of a changed row must not move with its modification time.
        self._first_modified: dict[int, int] = {}
        self._hidden: set[int] = set()
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._indexes: dict[str, array[int]] = {}
        self._live(count, span_ms)

    def _live(self, count: int, span_ms: tuple[int, int]) -> None:
        """Spread the rows over the span: creation evenly, a last change hours or days later."""
        start_ms, end_ms = span_ms
        dice = random.Random(self._salt)
        step = (end_ms - start_ms) / max(count, 1)
        for ordinal in range(count):
            created = int(start_ms + (ordinal + dice.random()) * step)
            modified = created + int(dice.expovariate(1 / (2 * DAY_MS)))
            if modified >= end_ms:
                modified = dice.randrange(created, end_ms)
            if ordinal % 8:
                created, modified = created // 1000 * 1000, modified // 1000 * 1000
            self.created.append(created)
            self.modified.append(modified)

    def __len__(self) -> int:
        return len(self.created) - len(self._hidden)

    def id_of(self, ordinal: int) -> int:
        """Return the number that a row's (first) key is made of; odd ones above 2^53 do not survive a double."""
        return self._first_id + ordinal * (1 if self.api.rows else 3)

    def ordinal_of(self, row_id: int) -> int:
        """Return the row with this number.

        Raises:
            KeyError: There is none.
        """
        ordinal, rest = divmod(row_id - self._first_id, 1 if self.api.rows else 3)
        if rest or not 0 <= ordinal < len(self.created) or ordinal in self._hidden:
            raise KeyError(f"{self.api.method} has no row {row_id}")
        return ordinal

    def row(self, ordinal: int) -> dict[str, Any]:
        """Return a row in its present version; null fields are None. Do not change it."""
        row = self._kept.get(ordinal)
        if row is None:
            row = self._kept[ordinal] = self._make(ordinal)
            if len(self._kept) > ROWS_KEPT:
                self._kept.popitem(last=False)
        return row

    def _make(self, ordinal: int) -> dict[str, Any]:
        created, modified = self.created[ordinal], self.modified[ordinal]
        dice = random.Random(self._salt | ordinal + 1)
        first_modified = self._first_modified.get(ordinal, modified)
        row = self._rows.make(Context(dice, ordinal, self.id_of(ordinal), created, first_modified))
        row.update(self._patches.get(ordinal, {}))
        for name, instant in ((self.api.created_field, created), (self.api.modified_field, modified)):
            if name:
                row[name] = show_instant(self.api.fields[name], instant, self._seed, f"{self.api.method}.{name}")
        return row

    # -- finding -------------------------------------------------------------------------------------------------------

    def time_of(self, time: str, ordinal: int) -> int | None:
        """Return one of a row's instants in epoch ms, None where it is not set.

        Args:
            time: ``modified``, ``created``, ``applyDate``, or a field of the row.
            ordinal: The row.
        """
        if time == "modified":
            return self.modified[ordinal]
        if time == "created":
            return self.created[ordinal]
        if time == "applyDate":
            return self._rows.applied_ms(ordinal, self.created[ordinal])
        value = self.row(ordinal).get(time)
        if value is None or value in UNSET_MS:
            return None
        return to_ms(int(value) if str(value).isdigit() else value)

    def _index(self, time: str) -> array[int]:
        index = self._indexes.get(time)
        if index is None:
            entries = (
                (instant << _BITS) | ordinal
                for ordinal in range(len(self.created))
                if ordinal not in self._hidden and (instant := self.time_of(time, ordinal)) is not None
            )
            index = self._indexes[time] = array("q", sorted(entries))
        return index

    def find(self, time: str, start_ms: int | None, end_ms: int | None) -> Found:
        """Return the rows whose ``time`` lies in [start_ms, end_ms], both included; None is open."""
        index = self._index(time)
        first = 0 if start_ms is None else bisect_left(index, start_ms << _BITS)
        last = len(index) if end_ms is None else bisect_left(index, (end_ms + 1) << _BITS)
        return Found(index, first, max(first, last))

    # -- changing ------------------------------------------------------------------------------------------------------

    def add(self, created_ms: int, modified_ms: int, patch: dict[str, Any], *, hidden: bool = False) -> int:
        """Insert a row and return its ordinal; a hidden one is not found until `show`."""
        ordinal = len(self.created)
        self.created.append(created_ms)
        self.modified.append(modified_ms)
        self._patches[ordinal] = patch
        self._hidden.add(ordinal)
        if not hidden:
            self.show(ordinal)
        return ordinal

    def show(self, ordinal: int) -> None:
        """Let a hidden row appear."""
        self._hidden.discard(ordinal)
        self._enter(ordinal)

    def change(self, ordinal: int, modified_ms: int, patch: dict[str, Any] | None = None) -> None:
        """Give a row a new version.

        Args:
            ordinal: The row.
            modified_ms: Its new modification instant.
            patch: The fields that change; None changes what someone who works on such a row would.
        """
        times = self._touched.get(ordinal, 0) + 1
        before = self.row(ordinal)
        self._leave(ordinal)
        self._touched[ordinal] = times
        self._first_modified.setdefault(ordinal, self.modified[ordinal])
        change = self._rows.touch(before, times, modified_ms) if patch is None else patch
        self._patches[ordinal] = {**self._patches.get(ordinal, {}), **change}
        self.modified[ordinal] = modified_ms
        self._kept.pop(ordinal, None)
        self._enter(ordinal)

    def remove(self, ordinal: int) -> None:
        """Take a row away for good."""
        self._leave(ordinal)
        self._hidden.add(ordinal)

    def _enter(self, ordinal: int) -> None:
        for time, index in self._indexes.items():
            instant = self.time_of(time, ordinal)
            if instant is not None:
                insort(index, (instant << _BITS) | ordinal)

    def _leave(self, ordinal: int) -> None:
        for time, index in self._indexes.items():
            instant = self.time_of(time, ordinal)
            if instant is not None:
                del index[bisect_left(index, (instant << _BITS) | ordinal)]


class Found:
    """The rows of a window, in the order of its time; a view that is good until the next change."""

    def __init__(self, index: array[int], first: int, last: int) -> None:
        self._index = index
        self._first = first
        self._last = last

    def __len__(self) -> int:
        return self._last - self._first

    def __iter__(self) -> Iterator[int]:
        return iter(self.page(0, len(self)))

    def page(self, offset: int, size: int, *, newest_first: bool = False) -> list[int]:
        """Return the ordinals of one page."""
        if newest_first:
            last = max(self._first, self._last - offset)
            entries = reversed(self._index[max(self._first, last - size) : last])
        else:
            first = min(self._last, self._first + offset)
            entries = iter(self._index[first : min(self._last, first + size)])
        return [entry & _MASK for entry in entries]
