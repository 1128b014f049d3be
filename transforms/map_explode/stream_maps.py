"""The SDK's setting `stream_maps`: rename, drop, compute, filter, copy and re-key streams.

The options mean what they mean in the SDK. The SDK's own mapper cannot serve here: it maps before it flattens, dies of
a missing field, and its types depend on the order of the entries.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import TYPE_CHECKING, Any, TypeAlias

import simpleeval  # type: ignore[import-untyped]  # it ships no types
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
)

from map_explode import infer, sample, schemas
from map_explode.columns import converter
from map_explode.expression import Evaluator, parse
from map_explode.failures import RecordError, forms

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping, Sequence

    from map_explode.schemas import Schema

Record: TypeAlias = "dict[str, Any]"
OnFailure: TypeAlias = "Callable[[MapExpressionError], None]"

_DROP = (None, NULL_STRING)
_OPTIONS = (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
)


@dataclasses.dataclass(frozen=True)
class Mapped:
    """A stream after a map.

    Attributes:
        name: its name.
        schema: its schema.
        key_properties: its key.
        mapped: the columns it computes or drops.
        record: flat record, record before flattening -> new record, or None where the filter leaves it out. None
            where records are passed on as they are.
    """

    name: str
    schema: Schema
    key_properties: tuple[str, ...]
    mapped: frozenset[str]
    record: Callable[[Record, Record], Record | None] | None


class StreamMap:
    """One entry of the setting."""

    def __init__(self, pattern: str, definition: Mapping[str, Any] | None) -> None:
        """Read an entry.

        Args:
            pattern: the entry's name: a stream, a wildcard, or the name of a copy (`__source__`).
            definition: its value; None drops the stream.

        Raises:
            MapExpressionError: an expression cannot be read.
            StreamMapConfigError: an option is none.
        """
        options = dict(definition or {})
        self.pattern = pattern
        self.dropped = definition is None
        self.source: str | None = options.pop(MAPPER_SOURCE_OPTION, None)
        self._alias: str | None = options.pop(MAPPER_ALIAS_OPTION, None)
        self._key_given = MAPPER_KEY_PROPERTIES_OPTION in options
        self._key = tuple(options.pop(MAPPER_KEY_PROPERTIES_OPTION, None) or ())
        self._keeps_others = MAPPER_ELSE_OPTION not in options
        if options.pop(MAPPER_ELSE_OPTION, None) not in _DROP:
            raise StreamMapConfigError(f"stream_maps '{pattern}': `__else__` can only be `__NULL__`")
        filter_ = options.pop(MAPPER_FILTER_OPTION, None)
        self._filter = None if filter_ is None else _Parsed.of(str(filter_), f"stream map '{pattern}', `__filter__`")
        self._dropped_columns: list[str] = []
        self._computed: dict[str, _Parsed] = {}
        for column, value in options.items():
            if column.startswith("__") and column.endswith("__"):
                raise StreamMapConfigError(
                    f"stream map '{pattern}': there is no option '{column}'; there are {', '.join(_OPTIONS)}"
                )
            if value in _DROP:
                self._dropped_columns.append(column)
            else:
                self._computed[column] = _Parsed.of(str(value), f"stream map '{pattern}', column '{column}'")

    def applies_to(self, stream: str) -> bool:
        """Return whether the entry is about this stream."""
        return fnmatch.fnmatchcase(stream, self.source or self.pattern)

    def name_for(self, stream: str) -> str:
        """Return the name of the stream the entry makes of `stream`."""
        if self.source is not None:
            return self.pattern
        if self._alias is None:
            return stream
        try:
            name = simpleeval.simple_eval(self._alias, names={"__stream_name__": stream})
        except simpleeval.NameNotDefined:
            return self._alias
        except Exception as error:  # noqa: BLE001 - an expression may provoke any
            raise MapExpressionError(
                f"stream map '{self.pattern}': cannot evaluate `__alias__` {self._alias!r}: {error}"
            ) from None
        # Plain text may look like a number or a function.
        return name if isinstance(name, str) and name else self._alias

    def plan(
        self,
        stream: str,
        *,
        schema: Schema,
        nested: Schema,
        key_properties: Sequence[str],
        constants: Mapping[str, Any],
        notice: Callable[[str], None],
        on_failure: OnFailure,
    ) -> Mapped:
        """Return what the entry makes of a stream.

        Args:
            stream: the stream's name.
            schema: its schema, flat if flattening is on.
            nested: its schema before flattening.
            key_properties: its key.
            constants: names expressions may use beside the columns.
            notice: told what a user should know.
            on_failure: called when the expression of a column fails; raises, or returns to leave the column null.

        Raises:
            MapExpressionError: an expression does not fit the schema.
            StreamMapConfigError: the key does not fit the columns.
        """
        name = self.name_for(stream)
        constants = {**constants, "__stream_name__": name, "__original_stream_name__": stream}
        scope = _scope(schema, nested, constants)
        evaluator = Evaluator(constants, frozenset(scope))
        where = f"stream '{stream}'"
        key = self._key if self._key_given else tuple(key_properties)
        for column, parsed in self._computed.items():
            parsed.check_names(scope, f"{where}, column '{column}'", notice)
        columns = self._columns(where, schema, scope, key, flat=schema is not nested)
        converters = {column: converter(columns[column]) for column in self._computed}
        samples = list(zip(sample.records(schema), sample.records(nested), strict=True))
        for column, parsed in self._computed.items():
            parsed.check(evaluator, samples, column, converters[column], f"{where}, column '{column}'")
        if self._filter is not None:
            self._filter.check_names(scope, f"{where}, `__filter__`", notice)
            self._filter.check(evaluator, samples, None, bool, f"{where}, `__filter__`")
        if self.pattern == stream:
            for column in self._dropped_columns:
                if column not in scope:
                    notice(f"{where}: there is no column '{column}' to drop")
        mapped = frozenset({*self._dropped_columns, *self._computed})
        if not mapped and self._filter is None and self._keeps_others and not (self._key_given or name != stream):
            return Mapped(name, schema, key, mapped, None)
        return Mapped(
            name=name,
            schema=schemas.with_properties(schema, columns),
            key_properties=key,
            mapped=mapped,
            record=_Transform(
                where=where,
                evaluator=evaluator,
                filter=self._filter,
                kept=None if self._keeps_others else key,
                dropped=tuple(self._dropped_columns),
                computed=tuple(
                    (column, parsed, converters[column], column in key) for column, parsed in self._computed.items()
                ),
                on_failure=on_failure,
            ),
        )

    def _columns(
        self, where: str, schema: Schema, scope: Mapping[str, Schema], key: tuple[str, ...], *, flat: bool
    ) -> Schema:
        declared = schemas.properties(schema)
        columns = dict(declared) if self._keeps_others else {name: declared[name] for name in key if name in declared}
        for column in self._dropped_columns:
            columns.pop(column, None)
        for column, parsed in self._computed.items():
            if parsed.field in declared:
                found = schemas.inline(declared[parsed.field], schema)
            else:
                found = infer.result(parsed.tree, {**scope, "self": scope.get(column, infer.UNKNOWN)})
            if flat and not schemas.types(found) <= schemas.SCALARS | {"null"}:
                # What is flat stays flat.
                found = schemas.TEXT
            if parsed.field is None and (not found or found == infer.NULL):
                found = declared.get(column, infer.STRING)
            columns[column] = schemas.without_null(found) if column in key else schemas.with_null(found)
        for column in key:
            if column not in columns:
                raise StreamMapConfigError(
                    f"{where}: key property '{column}' is not among the columns after the map; "
                    "name the new key in `__key_properties__` (null for none)"
                )
        return columns


def _scope(schema: Schema, nested: Schema, constants: Mapping[str, Any]) -> dict[str, Schema]:
    """Return name -> schema of all an expression may name. `self` depends on the column and is added there."""
    scope: dict[str, Schema] = dict.fromkeys(infer.BUILT_IN_NAMES, infer.UNKNOWN)
    if "fake" not in constants:
        del scope["fake"]
    for root in (schema, nested):
        for name, value in schemas.properties(root).items():
            scope[name] = schemas.resolve(value, root)
    whole = {**schema, "type": "object", "properties": {**schemas.properties(schema), **schemas.properties(nested)}}
    config: Schema = {"type": "object", "properties": dict.fromkeys(constants["config"], infer.UNKNOWN)}
    return {**scope, "_": whole, "record": whole, "config": config, "__stream_name__": infer.STRING}


@dataclasses.dataclass(frozen=True)
class _Parsed:
    """An expression, read once."""

    source: str
    tree: ast.expr
    names: frozenset[str]
    field: str | None

    @classmethod
    def of(cls, source: str, where: str) -> _Parsed:
        tree = parse(source, where)
        return cls(source, tree, infer.free_names(tree), infer.plain_name(tree))

    def check_names(self, scope: Mapping[str, Schema], where: str, notice: Callable[[str], None]) -> None:
        """Compare the names the expression uses with those there are.

        Raises:
            MapExpressionError: it names a column that does not exist, or divides by zero.
        """
        if unknown := sorted(self.names - scope.keys() - {"datetime", "json"}):
            columns = scope.keys() - infer.BUILT_IN_NAMES
            hint = " (install map-explode[faker])" if "fake" in unknown else ""
            raise self.error(where, f"there is no {_listed(unknown)}{hint}; there are {_listed(sorted(columns))}")
        if infer.divides_by_zero(self.tree):
            raise self.error(where, "it divides by zero")
        for holder, name in infer.unknown_fields(self.tree, scope):
            reason = f"the schema of {holder} has no field '{name}'"
            if holder.closed:
                raise self.error(where, reason)
            notice(f"{where}, expression {self.source!r}: {reason}; it is null unless records have it all the same")

    def check(
        self,
        evaluator: Evaluator,
        samples: list[tuple[Record, Record]],
        column: str | None,
        convert: Callable[[Any], Any],
        where: str,
    ) -> None:
        """Try the expression on sample records.

        Raises:
            MapExpressionError: it fails for every sample in a way that does not depend on the values.
        """
        reason = ""
        for record, nested in samples:
            try:
                convert(evaluator.value(self.tree, record, nested, column))
            except (simpleeval.InvalidExpression, TypeError, AttributeError) as error:
                # Samples hold no data, so this message may be shown.
                reason = _reason(error)
            except Exception as error:  # noqa: BLE001 - a made-up value may not suit; real values are judged when they come
                if self.names:
                    return
                reason = f"{type(error).__name__}: {error}"
            else:
                return
        raise self.error(where, reason)

    def error(self, where: str, reason: str, values: str = "") -> RecordError:
        return RecordError(f"{where}: the expression {self.source!r} fails: {reason}", values)


def _reason(error: Exception) -> str:
    """Return what simpleeval means, without its talk about expressions it does not know."""
    if isinstance(error, simpleeval.AttributeDoesNotExist):
        return f"there is no '{error.attr}'"
    if isinstance(error, simpleeval.NameNotDefined):
        return f"there is no '{error.name}'"
    return str(error)


@dataclasses.dataclass(frozen=True)
class _Transform:
    """The function from a flat record to the record of a map."""

    where: str
    evaluator: Evaluator
    filter: _Parsed | None
    kept: tuple[str, ...] | None
    dropped: tuple[str, ...]
    computed: tuple[tuple[str, _Parsed, Callable[[Any], Any], bool], ...]
    on_failure: OnFailure

    def __call__(self, record: Record, nested: Record) -> Record | None:
        if self.filter is not None and not self._passes(self.filter, record, nested):
            return None
        if self.kept is None:
            mapped = record.copy()
        else:
            mapped = {column: record[column] for column in self.kept if column in record}
        for column in self.dropped:
            mapped.pop(column, None)
        for column, parsed, convert, is_key in self.computed:
            try:
                if parsed.field is not None and parsed.field in record:
                    # A column renamed: whatever the value is, valid or not, it stays.
                    value = record[parsed.field]
                else:
                    value = convert(self.evaluator.value(parsed.tree, record, nested, column))
            except Exception as error:  # noqa: BLE001 - an expression may provoke any; `on_failure` decides
                failure = self._failure(parsed, f"column '{column}'", type(error).__name__, record)
                if is_key:
                    raise failure from None
                self.on_failure(failure)
                value = None
            if is_key and value is None:
                raise self._failure(parsed, f"column '{column}'", "a key is null", record)
            mapped[column] = value
        return mapped

    def _passes(self, rule: _Parsed, record: Record, nested: Record) -> bool:
        try:
            return bool(self.evaluator.value(rule.tree, record, nested, None))
        except Exception as error:  # noqa: BLE001 - as above; a record is never left out because its filter failed
            raise self._failure(rule, "`__filter__`", type(error).__name__, record) from None

    def _failure(self, parsed: _Parsed, part: str, reason: str, record: Record) -> RecordError:
        # Of an exception the type only: messages of Python's exceptions quote values.
        used = forms(parsed.names & record.keys(), record)
        return parsed.error(f"{self.where}, {part}", reason, used)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
