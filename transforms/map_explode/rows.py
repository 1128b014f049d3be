"""One record to its rows: the record side of `explode`."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from map_explode import codec
from map_explode.functions import json_text, text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

Record: TypeAlias = "dict[str, Any]"


_REMEMBERED = 1000


class NoArrayError(ValueError):
    """Text in an array's place is not JSON of an array or an object."""


class Names(dict[str, str]):
    """Field of an element -> column, for declared and undeclared fields alike.

    An undeclared field never takes the column of something else: it gets underlines behind it instead.
    """

    def __init__(
        self, prefix: str, own: Collection[str], taken: Collection[str], on_undeclared: Callable[[str], None]
    ) -> None:
        """Take the prefix, the columns of the declared fields, all columns, and what is told of undeclared fields."""
        super().__init__({column.removeprefix(prefix): column for column in own})
        self._prefix = prefix
        self._taken = frozenset(taken)
        self._on_undeclared = on_undeclared
        self._left = _REMEMBERED

    def __missing__(self, field: str) -> str:
        column = self._prefix + field
        while column in self._taken:
            column += "_"
        if self._left == _REMEMBERED:
            self._on_undeclared(field)
        if self._left:
            # Objects whose fields are ids would fill the memory.
            self._left -= 1
            self[field] = column
        return column


@dataclasses.dataclass(frozen=True)
class Level:
    """One array of an exploded path.

    Attributes:
        path: the names that lead to the array from the record or the element that holds it; mostly one.
        column: the column of the object the array lies in, when the path has several names.
        reads_text: text in the array's place is JSON: False if the schema declares no text there, True if it declares
            text, None if it declares nothing, where text that is no JSON is an element like any other.
        last: whether the elements of this array are the rows, not holders of further arrays.
        inner: the field of the elements that the next level takes out; None where it takes none directly.
        names: columns of the fields of an element.
        scalar: the column of an element that is no object.
        scalar_as_text: such an element is written as text.
        elements_as_text: every element is written to `scalar` as JSON text: nothing is known of their form.
        blank: the columns of this level and those below, null.
        kept: the columns of this level to keep; None for all.
        conversions: column -> how its value is converted. It raises what the value provokes.
        on_failure: called with the column and the exception when a conversion fails; if it returns, the column is null,
            or there are no elements.
    """

    path: tuple[str, ...]
    column: str | None
    reads_text: bool | None
    last: bool
    inner: str | None
    names: Names
    scalar: str
    scalar_as_text: bool
    elements_as_text: bool
    blank: Record
    kept: frozenset[str] | None
    conversions: dict[str, Callable[[Any], Any]]
    on_failure: Callable[[str, Exception], None]

    def elements(self, holder: object) -> list[Any]:
        """Return the elements of the array in what holds it. A value that is no array counts as an array of one."""
        value = holder
        for name in self.path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and self.reads_text is not False:
            value = self._read(value)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def _read(self, value: str) -> Any:  # noqa: ANN401 - any JSON value
        try:
            read = codec.decode(value) if value.strip() else None
        except ValueError:
            read = value
        if read is None or isinstance(read, (list, dict)):
            return read
        if self.reads_text is None:
            return value
        self.on_failure(self.scalar, NoArrayError())
        return None

    def continued(self, row: Record, element: object) -> Record:
        """Return a row of its own: `row` and the columns an element of this level gives."""
        if self.plain and isinstance(element, dict):
            continued = row.copy()
            names = self.names
            for field, value in element.items():
                continued[names[field]] = value
            return continued
        return {**row, **self._columns(element)}

    @functools.cached_property
    def plain(self) -> bool:
        """Whether the fields of an element are columns as they are."""
        return not (self.elements_as_text or self.conversions or self.inner) and self.kept is None

    def _columns(self, element: object) -> Record:
        if self.elements_as_text:
            if isinstance(element, dict) and self.inner in element:
                element = {field: value for field, value in element.items() if field != self.inner}
            row: Record = {self.scalar: None if element is None else json_text(element)}
        elif isinstance(element, dict):
            names = self.names
            row = {names[field]: value for field, value in element.items()}
            if self.inner is not None:
                row.pop(names[self.inner], None)
            if self.conversions:
                self._convert(row)
        elif element is None:
            row = self.blank
        else:
            row = {self.scalar: text(element) if self.scalar_as_text else element}
        if self.kept is None:
            return row
        return {column: value for column, value in row.items() if column in self.kept}

    def _convert(self, row: Record) -> None:
        for column, convert in self.conversions.items():
            if column in row:
                try:
                    row[column] = convert(row[column])
                except (TypeError, ValueError) as error:
                    self.on_failure(column, error)
                    row[column] = None


@dataclasses.dataclass(frozen=True)
class Rows:
    """The function from a record to its rows.

    Attributes:
        levels: the names of the path, outermost first.
        parent_fields: the fields of the record to keep, None for all.
        keep_empty: a record without elements gives one row, and an element without inner elements too.
        names: the columns that elements give. An undeclared field of a record that is called the same is left out.
        key: columns of the element's key -> whether they hold text. Empty when the row number is the key, or there is
            no key.
        row_number: the column of the row number; None when the element has a key of its own.
        on_repeated_key: called when two elements of a record have the same key.
    """

    levels: tuple[Level, ...]
    parent_fields: frozenset[str] | None
    keep_empty: bool
    names: frozenset[str]
    key: dict[str, bool]
    row_number: str | None
    on_repeated_key: Callable[[], None]

    def __call__(self, record: Record) -> Iterator[Record]:
        """Yield the rows of a record in the order of its array."""
        first = self.levels[0]
        if self.parent_fields is None:
            base = record.copy()
        else:
            base = {field: value for field, value in record.items() if field in self.parent_fields}
        if first.column is None:
            base.pop(first.path[0], None)
        for field in self.names:
            base.pop(field, None)
        elements = first.elements(record)
        rows = self._expand(base, elements, 0)
        start = 1 if elements else 0
        if self.row_number is not None:
            for number, row in enumerate(rows, start):
                row[self.row_number] = number
                yield row
        elif self.key:
            seen: set[tuple[Any, ...]] = set()
            for number, row in enumerate(rows, start):
                key = self._fill_key(row, number)
                if key in seen:
                    self.on_repeated_key()
                seen.add(key)
                yield row
        else:
            yield from rows

    def _expand(self, row: Record, elements: list[Any], depth: int) -> Iterator[Record]:
        """Yield the rows that continue `row` with elements and what they hold; every row is a dict of its own."""
        level = self.levels[depth]
        if level.column is not None and level.column in row:
            row = {**row, level.column: _without(row[level.column], level.path[1:])}
        if not elements and self.keep_empty:
            yield {**row, **level.blank}
        for element in elements:
            continued = level.continued(row, element)
            if level.last:
                yield continued
            else:
                yield from self._expand(continued, self.levels[depth + 1].elements(element), depth + 1)

    def _fill_key(self, row: Record, number: int) -> tuple[Any, ...]:
        """Put a value into the key columns that are null, as key columns may not be; return the key.

        A key of which a part is there gets 0 or empty text for the rest: that does not depend on the order of the
        array. An element without any key gets its row number, made unlike an id: -2, or '#2'. The one row of a record
        without elements has number 0, which gives 0 or empty text.
        """
        key = tuple([row.get(column) for column in self.key])
        if None not in key and not any(self.key.values()):
            return key
        absent = all(value is None for value in key)
        for column, is_text in self.key.items():
            value = row.get(column)
            if value is None:
                number_text = f"#{number}" if number and absent else ""
                row[column] = number_text if is_text else -number if absent else 0
            elif is_text and not isinstance(value, str):
                row[column] = text(value)
        return tuple(row[column] for column in self.key)


def _without(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Return an object without the field at a path."""
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {field: each for field, each in value.items() if field != path[0]}
    return {**value, path[0]: _without(value[path[0]], path[1:])}
