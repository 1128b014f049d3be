"""The streams: what a list API, its child arrays and its daily counts are to Singer."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.singerlib.messages import RecordMessage

from tap_kuaimai.errors import KuaimaiError, rule_of
from tap_kuaimai.reader import Reading
from tap_kuaimai.rows import RowConverter, UnfitKeyError, by_content, objects
from tap_kuaimai.schema import ROW_NUMBER, child_keys, child_schema, row_schema, totals_schema
from tap_kuaimai.values import (
    BEIJING,
    format_datetime,
    parse_datetime,
    platform_time,
)
from tap_kuaimai.windows import Window, cut, span_to_read

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from singer_sdk.helpers import types
    from singer_sdk.metrics import Counter
    from typing_extensions import Self

    from tap_kuaimai.schema import Declaration, ForEach, Property
    from tap_kuaimai.tap import TapKuaimai

_DAY = timedelta(days=1)


class KuaimaiStream(Stream):
    """What all streams of this tap have in common.

    The SDK moves bookmarks record by record. Here a bookmark is the end of the last window that was proved complete,
    and it is this class that moves it; the SDK's own bookkeeping of the replication key is switched off.
    """

    _tap: TapKuaimai

    def get_replication_key_signpost(self, context: types.Context | None = None) -> None:  # noqa: ARG002
        """None: no bookmark is taken from a record."""
        return

    def _write_starting_replication_value(self, context: types.Context | None) -> None:
        """Nothing: the start is computed from the bookmark, and the state stays short."""

    def _increment_stream_state(self, latest_record: types.Record, *, context: types.Context | None = None) -> None:
        """Nothing: see the class."""

    def _write_state_message(self) -> None:
        """Write the state as it is. A stream without a bookmark leaves no trace in it, which keeps it readable."""
        bookmarks = self.tap_state.setdefault("bookmarks", {})
        if not bookmarks.get(self.name):
            bookmarks.pop(self.name, None)
        self._tap.state_writer.write_state(self.tap_state)

    def _generate_record_messages(self, record: types.Record) -> Generator[RecordMessage, None, None]:
        """Apply the stream maps, and nothing else: converters leave out what is not selected, and types are right.

        The SDK's own method looks for deselected properties in every record, which takes longer than all the rest.
        """
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(stream_map.stream_alias, mapped, time_extracted=datetime.now(timezone.utc))

    def generate_child_contexts(
        self,
        record: types.Record,  # noqa: ARG002
        context: types.Context | None,  # noqa: ARG002
    ) -> Iterable[types.Context]:
        """None: children are fed from the rows of their parent, not synced once for each of them."""
        return ()

    @property
    def bookmark(self) -> datetime | None:
        """End of the last proved window, None before the first.

        Raises:
            KuaimaiError: the state holds something that is not a date, or one in the future.
        """
        value = self.tap_state.get("bookmarks", {}).get(self.name, {}).get("replication_key_value")
        if value is None:
            return None
        try:
            moment = parse_datetime(str(value))
        except ValueError:
            raise KuaimaiError(
                "bad_state", f"The bookmark '{value}' of {self.name} is not a date", rule_of("bad_state")
            ) from None
        if moment > datetime.now(BEIJING) + _DAY:  # A day, for a machine whose clock went wrong.
            raise KuaimaiError(
                "bad_state",
                f"The bookmark '{value}' of {self.name} lies in the future: what changes until then would be missed",
                rule_of("bad_state"),
            )
        return moment

    @bookmark.setter
    def bookmark(self, moment: datetime) -> None:
        if self.replication_key:
            self.stream_state["replication_key"] = self.replication_key
        self.stream_state["replication_key_value"] = format_datetime(moment)

    def get_records(self, context: types.Context | None) -> Iterator[types.Record]:  # noqa: ARG002
        """The stream's rows.

        A failure that was to be expected ends this stream, not the run: it is told at the end of it.

        Yields:
            Rows as the schema says.
        """
        if not self._tap.begin(self):
            return
        try:
            yield from self.rows()
        except KuaimaiError as error:
            self._tap.report_failure(self, error)
        except UnfitKeyError as error:
            self._tap.report_failure(self, KuaimaiError("bad_key", f"Not read: {error}", rule_of("bad_key")))
        finally:
            self._tap.client.finish_counting(self.name)

    def rows(self) -> Iterator[types.Record]:
        """Read the stream.

        Yields:
            Rows as the schema says.

        Raises:
            KuaimaiError: it cannot be read, or not completely.
        """
        raise NotImplementedError

    def log_sync_costs(self) -> None:
        """The SDK calls this for every stream after the last one was read: the moment to tell that some failed."""
        super().log_sync_costs()
        self._tap.raise_failures()


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
            children = [stack.enter_context(ChildWriter(child)) for child in self.children if child.selected]
            bookmarked = [stream for stream in (self, *self.children) if stream.selected]
            for reading in self.readings(stack):
                for raw in reading.rows:
                    if self.selected:
                        yield convert(raw)
                    for child in children:
                        child.write(raw)
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
        start, end = span_to_read(
            bookmark=self._starting_point() if self.is_windowed else None,
            start_date=parse_datetime(config["start_date"]),
            end_date=self._tap.end_date,
            now=datetime.now(BEIJING),
            lookback=timedelta(minutes=lookback),
            settle=timedelta(minutes=config["settle_minutes"]),
        )
        self.log("Reading from %s to %s", format_datetime(start), format_datetime(end))
        return cut(start, end, timedelta(minutes=config["window_minutes"]))

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
        for stream in streams:
            bookmark = stream.bookmark
            if bookmark is None or bookmark < end:  # Windows of the lookback do not move it back.
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


class ChildStream(KuaimaiStream):
    """An array of objects in the rows of a list API. It is read with its parent and costs no request.

    Args:
        parent: the list API's stream.
        array: the field with the array.
    """

    def __init__(self, parent: ListStream, array: str) -> None:
        declaration = parent.declaration
        super().__init__(parent._tap, schema=child_schema(declaration, array), name=f"{parent.name}_{array}")  # noqa: SLF001 -- the SDK offers no other way to a stream's tap
        self.parent = parent
        self.array = array
        self.primary_keys = child_keys(declaration, array)
        self.replication_key = f"{declaration.noun}_modified" if parent.replication_key else None
        if parent.source.window:
            self.forced_replication_method = "INCREMENTAL"
        self.selected_by_default = parent.selected_by_default
        # Tells the SDK not to sync this stream by itself.
        self.parent_stream_type = type(parent)

    def rows(self) -> Iterator[types.Record]:
        """Nothing: the parent writes this stream's rows."""
        return iter(())

    def write_schema(self) -> None:
        """Write the SCHEMA message."""
        self._write_schema_message()

    def write(self, row: types.Record) -> None:
        """Write a RECORD message."""
        self._write_record_message(row)


class ChildWriter:
    """Writes the rows of a child stream while its parent is read; a context manager.

    Args:
        stream: the child stream.
    """

    def __init__(self, stream: ChildStream) -> None:
        api = stream.parent.declaration
        child = api.children[stream.array]
        self._stream = stream
        self._keys = {key: child.properties[key].type == "integer" for key in child.primary_keys}
        self._convert = converter(stream, child.properties, keys=())
        fields = api.parent_columns().values()
        self._convert_parent = RowConverter(
            {field: api.properties[field].type for field in fields},
            aliases={},
            keys=api.primary_keys,
            selected=fields,
        )
        selected = selected_columns(stream)
        self._parent_columns = {column: field for column, field in api.parent_columns().items() if column in selected}
        self._counter: Counter = stream.get_record_counter()

    def __enter__(self) -> Self:
        self._stream.write_schema()
        return self

    def __exit__(self, *_: object) -> None:
        self._counter.exit()

    def write(self, parent: dict[str, Any]) -> None:
        """Write the elements of one row of the parent.

        Args:
            parent: the row as the platform sent it.
        """
        elements = objects(parent.get(self._stream.array))
        if not elements:
            return
        rows = [self._convert(element) for element in elements]
        if not self._are_told_apart(rows):
            rows = [self._convert(element) for element in by_content(elements)]
            self._number(rows)
        of_parent = self._convert_parent(parent)
        shared = {column: of_parent[field] for column, field in self._parent_columns.items()}
        for row in rows:
            self._stream.write(shared | row)
        self._counter.increment(len(rows))

    def _are_told_apart(self, rows: list[dict[str, Any]]) -> bool:
        """Whether every element of an array has an id of its own."""
        ids = {tuple(row.get(key) for key in self._keys) for row in rows}
        return bool(self._keys) and len(ids) == len(rows) and not any(None in one for one in ids)

    def _number(self, rows: list[dict[str, Any]]) -> None:
        """Give a key to the elements that have none, or one that another element has, too: none may replace another."""
        taken = set()
        for number, row in enumerate(rows, 1):
            if not self._keys:
                row[ROW_NUMBER] = number
                continue
            for key, is_integer in self._keys.items():
                if row.get(key) is None:  # Below zero, where the platform has no ids.
                    row[key] = -number if is_integer else str(-number)
            identity = tuple(row[key] for key in self._keys)
            if identity in taken:
                key, is_integer = next(reversed(self._keys.items()))
                row[key] = -number if is_integer else str(-number)
            taken.add(identity)


class TotalsStream(KuaimaiStream):
    """What a list API says it has for each closed day, by a time that never changes: one request a day.

    It is what the rows in the database are compared with, and is read only where it is asked for.

    Args:
        tap: the tap.
        api_name: name of the API's own stream.
        declaration: the API.
    """

    selected_by_default = False

    def __init__(self, tap: TapKuaimai, api_name: str, declaration: Declaration) -> None:
        super().__init__(tap, schema=totals_schema(), name=f"{api_name}_totals")
        self.primary_keys = ["window_start", "time_field"]
        self.declaration = declaration

    def rows(self) -> Iterator[types.Record]:
        """Ask for each day.

        Yields:
            A row a day, the earliest first.
        """
        api = self.declaration
        totals, paging = api.totals, api.paging
        if totals is None or paging is None:
            return
        with self._tap.reader(self.name, api) as reader:
            for day in self.days():
                params = {
                    **totals.params,
                    totals.start: platform_time(day.start),
                    totals.end: platform_time(day.end),
                }
                yield {
                    "window_start": format_datetime(day.start),
                    "window_end": format_datetime(day.end),
                    "time_field": totals.time_field,
                    "source_total": reader.count(params),
                    "counted_at": format_datetime(datetime.now(BEIJING).replace(microsecond=0)),
                }

    def days(self) -> list[Window]:
        """The closed days, in Beijing: the last `audit_days` of them that are not before `start_date`."""
        config = self.config
        start = parse_datetime(config["start_date"])
        _, end = span_to_read(
            bookmark=None,
            start_date=start,
            end_date=self._tap.end_date,
            now=datetime.now(BEIJING),
            lookback=timedelta(0),
            settle=timedelta(minutes=config["settle_minutes"]),
        )
        today = end.replace(hour=0, minute=0, second=0)
        days = [Window(today - _DAY * ago, today - _DAY * (ago - 1)) for ago in range(config["audit_days"], 0, -1)]
        return [day for day in days if day.start >= start]


def selected_columns(stream: Stream) -> set[str]:
    """The columns of a stream that the catalog selects."""
    columns = stream.effective_schema["properties"]
    return {column for column in columns if stream.mask["properties", column]}


def converter(
    stream: ListStream | ChildStream, properties: Mapping[str, Property], keys: Iterable[str]
) -> RowConverter:
    """The converter of a stream's rows, which leaves out the columns that are not selected."""
    return RowConverter(
        {name: one.type for name, one in properties.items()},
        aliases={alias: name for name, one in properties.items() for alias in one.aliases},
        keys=keys,
        selected=selected_columns(stream),
    )
