"""The arrays of objects in a list API's rows, each a stream of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_kuaimai.base import KuaimaiStream, converter, selected_columns
from tap_kuaimai.rows import RowConverter, by_content, objects
from tap_kuaimai.schema import ROW_NUMBER, child_keys, child_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers import types
    from singer_sdk.metrics import Counter
    from typing_extensions import Self

    from tap_kuaimai.streams import ListStream


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


class ChildWriters:
    """Writes the rows of all selected child streams while their parent is read; a context manager.

    Args:
        parent: the list API's stream.
    """

    def __init__(self, parent: ListStream) -> None:
        api = parent.declaration
        self._children = [_ChildWriter(child) for child in parent.children if child.selected]
        self._columns = api.parent_columns()
        fields = self._columns.values()
        self._convert = RowConverter(
            {field: api.properties[field].type for field in fields},
            aliases={alias: field for field in fields for alias in api.properties[field].aliases},
            keys=api.primary_keys,
            selected=fields,
        )

    def __enter__(self) -> Self:
        for child in self._children:
            child.stream.write_schema()
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.counter.exit()

    def write(self, raw: dict[str, Any]) -> None:
        """Write the elements of one row of the parent.

        Args:
            raw: the row as the platform sent it.
        """
        of_parent = None
        for child in self._children:
            found = raw.get(child.stream.array)
            if found:
                if of_parent is None:
                    row = self._convert(raw)
                    of_parent = {column: row[field] for column, field in self._columns.items()}
                child.write(objects(found), of_parent)


class _ChildWriter:
    """Writes the rows of one child stream."""

    def __init__(self, stream: ChildStream) -> None:
        child = stream.parent.declaration.children[stream.array]
        self.stream = stream
        self.counter: Counter = stream.get_record_counter()
        self._keys = {key: child.properties[key].type == "integer" for key in child.primary_keys}
        self._convert = converter(stream, child.properties, keys=())
        self._left_out = stream.parent.declaration.parent_columns().keys() - selected_columns(stream)

    def write(self, elements: list[dict[str, Any]], of_parent: dict[str, Any]) -> None:
        if not self._keys:
            elements = by_content(elements)
        rows = [self._convert(element) for element in elements]
        if not self._are_told_apart(rows):
            if self._keys:
                rows = [self._convert(element) for element in by_content(elements)]
            self._number(rows)
        if self._left_out:
            of_parent = {column: value for column, value in of_parent.items() if column not in self._left_out}
        for row in rows:
            self.stream.write(of_parent | row)
        self.counter.increment(len(rows))

    def _are_told_apart(self, rows: list[dict[str, Any]]) -> bool:
        """Whether every element of an array has an id of its own."""
        if len(self._keys) == 1:
            (key,) = self._keys
            if len(rows) == 1:
                return rows[0][key] is not None
            ids = {row[key] for row in rows}
            return len(ids) == len(rows) and None not in ids
        several = {tuple(row[key] for key in self._keys) for row in rows}
        return bool(self._keys) and len(several) == len(rows) and not any(None in one for one in several)

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
