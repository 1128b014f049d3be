"""The streams of the list APIs: which windows they read, and when their bookmarks move."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_kuaimai.base import KuaimaiStream, converter
from tap_kuaimai.children import ChildStream, ChildWriters
from tap_kuaimai.reader import Reading
from tap_kuaimai.schema import row_schema
from tap_kuaimai.values import BEIJING, format_datetime, parse_datetime
from tap_kuaimai.windows import bookmark_after, cut, span_to_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers import types

    from tap_kuaimai.schema import Declaration, ForEach
    from tap_kuaimai.tap import TapKuaimai
    from tap_kuaimai.windows import Window


class ListStream(KuaimaiStream):
    """A list API: its rows, and the rows of its child streams.

    Args:
        tap: the tap.
        name: name of the stream.
        declaration: the API.
        source: the API whose windows are walked, if it is another one.
    """

    def __init__(
        self, tap: TapKuaimai, name: str, declaration: Declaration, *, source: Declaration | None = None
    ) -> None:
        super().__init__(tap, schema=row_schema(declaration), name=name)
        self.declaration = declaration
        self.source = source or declaration
        self.primary_keys = declaration.primary_keys
        self.replication_key = declaration.replication_key if declaration.window else None
        if self.source.window:  # Also where rows do not carry the time that the window goes by.
            self.forced_replication_method = "INCREMENTAL"
        self.children = [ChildStream(self, array) for array in declaration.children]
        # The SDK reads a parent for the sake of its children, even if it is deselected itself.
        self.child_streams = list(self.children)

    @property
    def is_windowed(self) -> bool:
        """Whether the API is read in windows of time and has a bookmark."""
        return self.source.window is not None and self.replication_method == "INCREMENTAL"

    def rows(self) -> Iterator[types.Record]:
        """Read window after window; move the bookmark when the rows of one are written.

        Yields:
            The API's rows. Those of the child streams are written behind each row.
        """
        convert = converter(self, self.declaration.properties, self.declaration.primary_keys)
        with ExitStack() as stack:
            children = stack.enter_context(ChildWriters(self))
            bookmarked = [stream for stream in (self, *self.children) if stream.selected]
            selected = self.selected
            for reading in self.readings(stack):
                for raw in reading.rows:
                    if selected:
                        yield convert(raw)
                    children.write(raw)
                if reading.window and self.is_windowed:
                    self._advance(bookmarked, reading.window.end)

    def readings(self, stack: ExitStack) -> Iterator[Reading]:
        """Read what is new, window by window, all proved.

        Args:
            stack: closes what is opened here.
        """
        reader = stack.enter_context(self._tap.reader(self.name, self.declaration))
        yield from reader.read(self.windows())

    def windows(self) -> Iterable[Window | None]:
        """The windows to read; a single None for a list that is read whole."""
        if self.source.window is None:
            return [None]
        config = self.config
        lookback = max(config["lookback_minutes"], self.source.lookback_minutes)
        bookmark = self._starting_point() if self.is_windowed else None
        start, end = span_to_read(
            bookmark=bookmark and min(bookmark, datetime.now(BEIJING)),  # A clock may have been set back since.
            start_date=parse_datetime(config["start_date"]),
            end_date=self._tap.end_date,
            now=datetime.now(BEIJING),
            lookback=timedelta(minutes=lookback),
            settle=timedelta(minutes=config["settle_minutes"]),
        )
        self.log("Reading from %s to %s", format_datetime(start), format_datetime(end))
        longest = min(config["window_minutes"], self.source.window.max_minutes or config["window_minutes"])
        return cut(start, end, timedelta(minutes=longest))

    def _starting_point(self) -> datetime | None:
        """The bookmark that counts: the earliest of all that is selected.

        A child may be behind its parent, if it was not selected for a while. One never read follows it.
        """
        children = {child: child.bookmark for child in self.children if child.selected}
        known = [bookmark for bookmark in children.values() if bookmark]
        if not self.selected:
            return min(known) if known and len(known) == len(children) else None
        own = self.bookmark
        for child, bookmark in children.items():
            if own and bookmark is None:
                self.logger.warning(
                    "%s has not been read before; it has nothing older than %s. For that, read it once with "
                    "a state of its own.",
                    child.name,
                    format_datetime(own),
                )
        return min(own, *known) if own and known else own

    def _advance(self, streams: list[KuaimaiStream], end: datetime) -> None:
        now = datetime.now(BEIJING)
        end = bookmark_after(
            end,
            now=now,
            clock_ahead=self._tap.client.clock_ahead,
            settle=timedelta(minutes=self.config["settle_minutes"]),
        )
        for stream in streams:
            bookmark = stream.bookmark
            if bookmark is None or bookmark < end or bookmark > now:  # Windows of the lookback do not move it back.
                stream.bookmark = end
        self._tap.state_writer.write_state(self.tap_state)


class ForEachStream(ListStream):
    """An API that answers for one row of another stream at a time: a request for each row that is new there.

    Args:
        tap: the tap.
        name: name of the stream.
        declaration: the API.
        for_each: whose rows are asked about, and how.
    """

    selected_by_default = False

    def __init__(self, tap: TapKuaimai, name: str, declaration: Declaration, for_each: ForEach) -> None:
        super().__init__(tap, name, declaration, source=tap.declarations[for_each.stream])
        self._for_each = for_each

    def readings(self, stack: ExitStack) -> Iterator[Reading]:
        """Read the windows of the other stream, and ask about each row of theirs.

        Args:
            stack: closes what is opened here.
        """
        one = self._for_each
        source = stack.enter_context(self._tap.reader(self.name, self.source))
        answers = stack.enter_context(self._tap.reader(self.name, self.declaration))
        for found in source.read(self.windows()):
            for value in dict.fromkeys(row.get(one.field) for row in found.rows):
                if value is None or value == "":
                    continue
                for answer in answers.read([None], {one.param: value}):
                    if one.column:
                        for row in answer.rows:
                            row.setdefault(one.column, value)
                    yield Reading(None, answer.rows)
            yield Reading(found.window, [])
