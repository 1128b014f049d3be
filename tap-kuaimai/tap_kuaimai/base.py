"""What all streams of this tap have in common."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from singer_sdk import Stream

from tap_kuaimai.errors import KuaimaiError, rule_of
from tap_kuaimai.rows import RowConverter, UnfitKeyError
from tap_kuaimai.values import BEIJING, format_datetime, parse_datetime
from tap_kuaimai.writer import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers import types

    from tap_kuaimai.schema import Property
    from tap_kuaimai.tap import TapKuaimai


_CLOCKS_APART = timedelta(minutes=15)
"""How far a bookmark may lie in the future: a clock was set back. The platform takes 10 minutes at most."""


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

    def _write_record_message(self, record: types.Record) -> None:
        """Apply the stream maps, and nothing else: converters leave out what is not selected, and types are right.

        The SDK's own method looks for deselected properties in every record, which takes longer than all the rest.
        """
        write = self._tap.writer.write_record
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                write(Record(stream_map.stream_alias, mapped, datetime.now(timezone.utc)))
        self.state_manager.is_flushed = False

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
        if moment > datetime.now(BEIJING) + _CLOCKS_APART:
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


def selected_columns(stream: KuaimaiStream) -> set[str]:
    """The columns of a stream that the catalog selects."""
    columns = stream.effective_schema["properties"]
    return {column for column in columns if stream.mask["properties", column]}


def converter(stream: KuaimaiStream, properties: Mapping[str, Property], keys: Iterable[str]) -> RowConverter:
    """The converter of a stream's rows, which leaves out the columns that are not selected."""
    return RowConverter(
        {name: one.type for name, one in properties.items()},
        aliases={alias: name for name, one in properties.items() for alias in one.aliases},
        keys=keys,
        selected=selected_columns(stream),
    )
