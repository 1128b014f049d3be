"""Objects to columns: the SDK's flattening, done before the maps, so that a map can name a flattened column.

Names, separator, depth and the shortening of long names are the SDK's. Different are: a null object gives no column of
its own, `required` names only columns that exist, JSON text keeps Chinese readable, and a value always has its column's
type.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias

from singer_sdk.exceptions import StreamMapConfigError

# Private in the SDK, but the only place that tells how it shortens a long name.
from singer_sdk.helpers._flattening import FlatteningOptions, flatten_key, get_flattening_options

from map_explode import schemas
from map_explode.functions import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from map_explode.schemas import Schema

__all__ = ["Flattened", "FlatteningOptions", "get_flattening_options", "plan"]

Record: TypeAlias = "dict[str, Any]"


@dataclasses.dataclass(frozen=True)
class _Field:
    """What becomes of one field: a column, or the fields of an object (`fields` is not None)."""

    column: str
    as_text: bool
    fields: dict[str, _Field] | None


@dataclasses.dataclass(frozen=True)
class Flattened:
    """A flat stream.

    Attributes:
        schema: the schema of the flat records.
        changes: False when every record is flat already.
    """

    schema: Schema
    changes: bool
    _fields: dict[str, _Field]
    _options: FlatteningOptions

    def record(self, record: Record) -> Record:
        """Return the record as columns."""
        flat: Record = {}
        self._flatten(record, self._fields, [], flat)
        return flat

    def _flatten(self, holder: Mapping[str, Any], fields: dict[str, _Field], parents: list[str], flat: Record) -> None:
        for name, value in holder.items():
            field = fields.get(name) or self._undeclared(name, fields, parents)
            if field.fields is None:
                flat[field.column] = text(value) if field.as_text else value
            elif isinstance(value, dict):
                self._flatten(value, field.fields, [*parents, name], flat)
            elif value is not None:
                # Not the declared object: kept under the object's name, as undeclared as it came.
                flat[field.column] = text(value)

    def _undeclared(self, name: str, fields: dict[str, _Field], parents: list[str]) -> _Field:
        column = flatten_key(name, parents, self._options.separator, max_key_length=self._options.max_key_length)
        field = fields[name] = _Field(column, as_text=False, fields=None)
        return field


def plan(schema: Schema, options: FlatteningOptions, stream: str) -> Flattened:
    """Return how records of a schema become flat.

    Args:
        schema: the stream's JSON Schema.
        options: the settings `flattening_*`.
        stream: its name, for messages.

    Raises:
        StreamMapConfigError: two fields would get the same column.
    """
    fields: dict[str, _Field] = {}
    columns: dict[str, Schema] = {}
    for column, value in _columns(schema, schema, [], fields, options, nullable=False):
        if column in columns:
            raise StreamMapConfigError(
                f"stream '{stream}': two fields would become column '{column}'; choose another flattening_separator"
            )
        columns[column] = value
    changes = columns != schemas.properties(schema) or any(field.as_text for field in fields.values())
    closed = None
    if changes:
        # An object that allows further fields brings further columns.
        closed = schema.get("additionalProperties") is False and all(
            schemas.resolve(schemas.properties(schema)[name], schema).get("additionalProperties") is False
            for name, field in fields.items()
            if field.fields is not None
        )
    return Flattened(schemas.with_properties(schema, columns, closed=closed), changes, fields, options)


def _columns(
    holder: Schema,
    root: Schema,
    parents: list[str],
    fields: dict[str, _Field],
    options: FlatteningOptions,
    *,
    nullable: bool,
) -> Iterator[tuple[str, Schema]]:
    for name, declared in schemas.properties(holder).items():
        column = flatten_key(name, parents, options.separator, max_key_length=options.max_key_length)
        resolved = schemas.resolve(declared, root)
        kinds = schemas.types(resolved)
        inner = schemas.properties(resolved)
        if kinds <= {"object", "null"} and inner and len(parents) < options.max_level:
            below: dict[str, _Field] = {}
            fields[name] = _Field(column, as_text=False, fields=below)
            yield from _columns(resolved, root, [*parents, name], below, options, nullable=nullable or "null" in kinds)
            continue
        as_text = not kinds or not kinds <= schemas.SCALARS | {"null"}
        fields[name] = _Field(column, as_text=as_text, fields=None)
        value = schemas.inline(declared, root)
        if as_text:
            value = {**schemas.TEXT, **schemas.about(resolved)}
        yield column, schemas.with_null(value) if nullable else value
