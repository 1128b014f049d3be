"""The schema side of `explode`: what an entry of the setting makes of a stream's schema and key."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError

from map_explode import schemas
from map_explode.columns import TYPES
from map_explode.rows import Level, Names, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from map_explode.schemas import Schema

_ROW_NUMBER = "row_number"
_HOLDERS = {"array", "object", "string"}
_ROW_NUMBER_SCHEMA: Schema = {"type": "integer", "description": "行号，从 1 开始；没有明细时为 0"}


@dataclasses.dataclass(frozen=True)
class Explode:
    """One entry of the setting `explode`.

    Attributes:
        stream: the stream it applies to.
        path: the names that lead to the array: (`orders`, `suits`) are the suits of all orders of a record.
        alias: the stream the rows go to, beside the unchanged records; None: the rows take the records' place.
        prefix: what the columns of the element's fields begin with; None for the path, `orders_suits_`.
        key: fields that identify an element inside its record; without them a row number does.
        parent_fields: the fields of the record to keep, None for all. The record's key is always kept.
        keep_empty: a record without elements still gives one row.
        types: field of the elements -> its type (a word of `columns.TYPES`) and description, where the stream's schema
            does not tell, or tells another one.
    """

    stream: str
    path: tuple[str, ...]
    alias: str | None = None
    prefix: str | None = None
    key: tuple[str, ...] = ()
    parent_fields: tuple[str, ...] | None = None
    keep_empty: bool = False
    types: tuple[tuple[str, str, str | None], ...] = ()

    @classmethod
    def from_config(cls, stream: str, entry: Mapping[str, Any]) -> Explode:
        """Return the entry a configuration describes, once it is valid against the setting's JSON Schema."""
        parent_fields = entry.get("parent_fields")
        return cls(
            stream=stream,
            path=tuple(entry["path"].split(".")),
            alias=entry.get("alias"),
            prefix=entry.get("prefix"),
            key=tuple(entry.get("key") or ()),
            parent_fields=None if parent_fields is None else tuple(parent_fields),
            keep_empty=entry.get("keep_empty") or False,
            types=tuple(
                (field, *((given, None) if isinstance(given, str) else (given["type"], given.get("description"))))
                for field, given in (entry.get("types") or {}).items()
            ),
        )

    @property
    def output(self) -> str:
        """The name of the stream the rows go to."""
        return self.alias or self.stream

    def error(self, message: str) -> StreamMapConfigError:
        """Return an exception that says which entry is wrong."""
        return StreamMapConfigError(f"explode of stream '{self.stream}', path '{'.'.join(self.path)}': {message}")


@dataclasses.dataclass(frozen=True)
class Exploded:
    """A stream of rows.

    Attributes:
        schema: the schema of the rows.
        key_properties: the key of the rows; empty when the stream has none.
        rows: the function from a record to its rows.
    """

    schema: Schema
    key_properties: tuple[str, ...]
    rows: Rows


@dataclasses.dataclass
class _Step:
    """One array of the path: what its `Level` is made of, and `own`, the columns its elements give."""

    path: tuple[str, ...]
    column: str | None
    reads_text: bool | None
    prefix: str
    scalar: str
    scalar_as_text: bool
    elements_as_text: bool
    own: dict[str, Schema]


def plan(
    entry: Explode,
    schema: Schema,
    key_properties: Sequence[str],
    notice: Callable[[str], None],
    on_failure: Callable[[MapExpressionError], None],
) -> Exploded:
    """Return what `entry` makes of a stream with this schema.

    Args:
        entry: the configuration.
        schema: the stream's JSON Schema.
        key_properties: the stream's key.
        notice: told, in sentences without values, what a user should know, when the plan is made and from
            `Exploded.rows`.
        on_failure: called when a value does not fit its entry in `types`; raises, or returns to leave it null.

    Raises:
        StreamMapConfigError: the path or a name does not fit the schema.
    """
    steps, closed = _walk(entry, schema, notice)
    columns = _parent_columns(entry, schema, key_properties)
    kept = None if entry.parent_fields is None else frozenset({*entry.parent_fields, *key_properties})
    holder_prefix = ""
    for step in steps:
        _take_out(columns, step, holder_prefix, schema)
        _add(entry, columns, step.own if kept is None or step is steps[-1] else _only(step.own, kept))
        holder_prefix = step.prefix
    if kept is not None and (unknown := kept - {*schemas.properties(schema), *columns}):
        raise entry.error(f"parent_fields names {_listed(sorted(unknown))}, which is no column")
    row_number = None
    key = _key_columns(entry, columns, steps, notice)
    if not key:
        row_number = steps[-1].prefix + _ROW_NUMBER
        _add(entry, columns, {row_number: _ROW_NUMBER_SCHEMA})
    if key_properties:
        columns.update({column: _key_schema(columns[column]) for column in key})
        keys = (*key_properties, *(column for column in key or (row_number,) if column not in key_properties))
    else:
        keys = ()
    return Exploded(
        schema=schemas.with_properties(schema, columns, closed=closed),
        key_properties=tuple(str(column) for column in keys),
        rows=Rows(
            levels=tuple(
                _level(entry, steps, depth, columns, notice=notice, on_failure=on_failure)
                for depth in range(len(steps))
            ),
            parent_fields=kept,
            keep_empty=entry.keep_empty,
            names=frozenset(column for step in steps for column in step.own),
            key={column: _is_text(columns[column]) for column in key if keys and column not in key_properties},
            row_number=row_number,
            on_repeated_key=functools.partial(
                notice,
                f"stream '{entry.output}': two elements of one record have the same {_listed(key)}; "
                "a target keeps only the last of them. Name more fields in `key`, or none for a row number.",
            ),
        ),
    )


def _walk(entry: Explode, schema: Schema, notice: Callable[[str], None]) -> tuple[list[_Step], bool]:
    """Return the arrays of the path, and whether no undeclared field can appear in a row."""
    steps: list[_Step] = []
    closed = schema.get("additionalProperties") is False
    holder = schema
    holder_prefix = ""
    way: tuple[str, ...] = ()
    for depth, name in enumerate(entry.path):
        last = depth == len(entry.path) - 1
        field = _field(entry, holder, name, schema)
        kinds = schemas.types(field)
        way = (*way, name)
        if kinds and not kinds & (_HOLDERS - {"object"}):
            if last:
                raise entry.error(f"'{name}' is declared as an object, not as an array")
            holder = field
            continue
        element = schemas.resolve(field.get("items"), schema)
        prefix = "_".join(entry.path[: depth + 1]) + "_"
        if last and entry.prefix is not None:
            prefix = entry.prefix
        column = None if len(way) == 1 else holder_prefix + way[0]
        step = _step(way, column, prefix, _retyped(entry, element) if last else element, field, root=schema)
        if step.elements_as_text:
            notice(
                f"stream '{entry.stream}': the schema does not describe the elements of '{name}'; "
                f"they go to column '{step.scalar}' of stream '{entry.output}' as JSON text"
            )
        closed = closed and (step.elements_as_text or element.get("additionalProperties") is False)
        steps.append(step)
        holder, holder_prefix, way = element, prefix, ()
    return steps, closed


def _field(entry: Explode, holder: Schema, name: str, root: Schema) -> Schema:
    """Return the schema of one name of the path; empty where the holder's fields are not declared."""
    declared = schemas.properties(holder)
    if declared and name not in declared:
        raise entry.error(f"there is no '{name}' among the properties {_listed(declared)}; is it selected?")
    field = schemas.resolve(declared.get(name), root)
    kinds = schemas.types(field)
    # Text may be JSON, but not if it is a time or a word of a list.
    if kinds and not kinds & ({"array", "object"} if {"format", "enum"} & field.keys() else _HOLDERS):
        raise entry.error(f"'{name}' is declared as {_listed(sorted(kinds))}, not as an array")
    return field


def _step(
    path: tuple[str, ...], column: str | None, prefix: str, element: Schema, field: Schema, *, root: Schema
) -> _Step:
    declared = schemas.properties(element)
    others = schemas.types(element) - {"object", "null"}
    as_text = not declared and not others
    scalar = prefix.rstrip("_") or path[-1]
    own = {prefix + name: schemas.with_null(schemas.inline(value, root)) for name, value in declared.items()}
    kinds = schemas.types(field)
    reads_text = "string" in kinds if kinds else None
    if as_text or (declared and others):
        own[scalar] = {**schemas.TEXT, **schemas.about(field)}
    elif others:
        own[scalar] = {**schemas.about(field), **schemas.with_null(element)}
    return _Step(
        path, column, reads_text, prefix, scalar, scalar_as_text=bool(declared), elements_as_text=as_text, own=own
    )


def _retyped(entry: Explode, element: Schema) -> Schema:
    """Return the schema of the elements with the types of the configuration."""
    if not entry.types:
        return element
    declared = dict(schemas.properties(element))
    for name, word, description in entry.types:
        about = {"description": description} if description else schemas.about(declared.get(name, {}))
        declared[name] = {**TYPES[word][0], **about}
    return {**element, "properties": declared}


def _take_out(columns: dict[str, Schema], step: _Step, holder_prefix: str, root: Schema) -> None:
    """Take the step's array out of the columns of the levels above."""
    if step.column is None:
        columns.pop(holder_prefix + step.path[0], None)
    elif step.column in columns:
        columns[step.column] = _without(columns[step.column], step.path[1:], root)


def _without(schema: Schema, path: tuple[str, ...], root: Schema) -> Schema:
    """Return an object schema without the property at a path."""
    schema = schemas.resolve(schema, root)
    declared = schemas.properties(schema)
    if path[0] not in declared:
        return schema
    rest = {name: value for name, value in declared.items() if name != path[0] or len(path) > 1}
    if len(path) > 1:
        rest[path[0]] = _without(declared[path[0]], path[1:], root)
    return {**schemas.with_properties(schema, rest), **{word: schema[word] for word in ("type",) if word in schema}}


def _level(
    entry: Explode,
    steps: list[_Step],
    depth: int,
    columns: dict[str, Schema],
    *,
    notice: Callable[[str], None],
    on_failure: Callable[[MapExpressionError], None],
) -> Level:
    step = steps[depth]
    following = steps[depth + 1] if depth + 1 < len(steps) else None
    is_key = {step.prefix + name for name in entry.key}

    def conversion_failed(column: str, error: Exception) -> None:
        # The type only: messages of Python's exceptions quote values.
        failure = MapExpressionError(
            f"stream '{entry.output}', column '{column}': the value does not fit its type: {type(error).__name__}"
        )
        if column in is_key:
            raise failure from None
        on_failure(failure)

    return Level(
        path=step.path,
        column=step.column,
        reads_text=step.reads_text,
        last=following is None,
        inner=following.path[0] if following and following.column is None else None,
        names=Names(
            step.prefix,
            [column for column in step.own if column != step.scalar],
            columns,
            lambda field: notice(
                f"stream '{entry.output}': column '{step.prefix}{field}' comes without being in the schema; it is "
                "passed on, but a target may leave it out or refuse it. Give it a type in `types`."
            ),
        ),
        scalar=step.scalar,
        scalar_as_text=step.scalar_as_text,
        elements_as_text=step.elements_as_text,
        blank=dict.fromkeys(column for each in steps[depth:] for column in each.own if column in columns),
        kept=None if following is None or entry.parent_fields is None else frozenset(columns),
        conversions={} if following else {step.prefix + name: TYPES[word][1] for name, word, _ in entry.types},
        on_failure=conversion_failed,
    )


def _parent_columns(entry: Explode, schema: Schema, key_properties: Sequence[str]) -> dict[str, Schema]:
    declared = schemas.properties(schema)
    if entry.path[0] in key_properties:
        raise entry.error(f"'{entry.path[0]}' is part of the stream's key")
    if entry.parent_fields is None:
        return dict(declared)
    wanted = {*entry.parent_fields, *key_properties}
    return {name: value for name, value in declared.items() if name in wanted}


def _only(columns: dict[str, Schema], kept: frozenset[str]) -> dict[str, Schema]:
    return {column: value for column, value in columns.items() if column in kept}


def _add(entry: Explode, columns: dict[str, Schema], new: dict[str, Schema]) -> None:
    for column, schema in new.items():
        if column in columns:
            raise entry.error(f"column '{column}' exists already; choose another `prefix`")
        columns[column] = schema


def _key_columns(
    entry: Explode, columns: dict[str, Schema], steps: list[_Step], notice: Callable[[str], None]
) -> tuple[str, ...]:
    """Return the columns of the element's key; empty when there is none and the row number is needed.

    A name is a field of the elements, or a column that an array of the path gives.
    """
    last = steps[-1]
    outer = {column for step in steps[:-1] for column in step.own if column in columns}
    key = []
    for name in entry.key:
        column = last.prefix + name
        if column not in last.own:
            column = name
            if column not in outer and column not in last.own:
                notice(
                    f"stream '{entry.stream}': the elements of '{'.'.join(entry.path)}' have no field '{name}' in the "
                    "schema; the key is a row number instead"
                )
                return ()
        key.append(column)
    return tuple(dict.fromkeys(key))


def _is_text(schema: Schema) -> bool:
    return "string" in schemas.types(schema)


def _key_schema(schema: Schema) -> Schema:
    """Return the schema of a key column: integer, number or text, never null, wide enough for a row number."""
    kinds = schemas.types(schema) - {"null"}
    if kinds in ({"integer"}, {"number"}, {"integer", "number"}):
        return {"type": "number" if "number" in kinds else "integer", **schemas.about(schema)}
    return {"type": "string", **schemas.about(schema)}


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)
