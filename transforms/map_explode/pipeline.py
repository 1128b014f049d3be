"""The streams one incoming stream becomes: explode, then flatten, then map."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.mapper import MAPPER_ELSE_OPTION, NULL_STRING

from map_explode import explode, flatten, schemas
from map_explode.explode import Explode
from map_explode.stream_maps import StreamMap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from map_explode.schemas import Schema
    from map_explode.stream_maps import Mapped, OnFailure

Record: TypeAlias = "dict[str, Any]"


@dataclasses.dataclass(frozen=True)
class Output:
    """One stream that comes out.

    Attributes:
        name: its name.
        schema: its schema.
        key_properties: its key.
        changes: False when its records are those that come in.
        mapped: the columns that a stream map computes or drops.
        records: an incoming record to the outgoing ones, in order.
    """

    name: str
    schema: Schema
    key_properties: tuple[str, ...]
    changes: bool
    mapped: frozenset[str]
    records: Callable[[Record], Iterator[Record]]


class Pipeline:
    """The configuration, applied to one stream after the other."""

    def __init__(self, config: Mapping[str, Any], notice: Callable[[str], None], on_failure: OnFailure) -> None:
        """Read the configuration.

        Args:
            config: the settings, valid against their JSON Schema.
            notice: told, in sentences without values, what a user should know.
            on_failure: called when an expression fails for a record; raises, or returns to leave the column null.

        Raises:
            ConfigValidationError: flattening without a depth.
            MapExpressionError: an expression cannot be read.
            StreamMapConfigError: options contradict each other.
        """
        self._notice = notice
        self._on_failure = on_failure
        self._explodes = _explodes(config.get("explode") or {})
        self._flattening = flatten.get_flattening_options(dict(config))  # type: ignore[arg-type]  # a TypedDict there
        maps = dict(config.get("stream_maps") or {})
        self._drops_others = MAPPER_ELSE_OPTION in maps
        if maps.pop(MAPPER_ELSE_OPTION, None) not in {None, NULL_STRING}:
            raise StreamMapConfigError("stream_maps: `__else__` can only be `__NULL__`")
        for name in maps:
            if name.startswith("__"):
                raise StreamMapConfigError(f"stream_maps: there is no option '{name}'; there is `__else__`")
        self._maps = [StreamMap(name, None if value == NULL_STRING else value) for name, value in maps.items()]
        self._constants: dict[str, Any] = {"config": config.get("stream_map_config") or {}}
        faker_config = config.get("faker_config") or {}
        self._seed = faker_config.get("seed")
        self._fake = _faker(faker_config)
        if self._fake is not None:
            self._constants["fake"] = self._fake

    def without_stream(self, streams: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield setting and name of all that is configured for a stream which is not among these."""
        for name in sorted(self._explodes.keys() - set(streams)):
            yield "explode", name
        names = {*streams, *(entry.output for entries in self._explodes.values() for entry in entries)}
        for entry in self._maps:
            if not any(entry.applies_to(name) for name in names):
                yield "stream_maps", entry.source or entry.pattern

    def outputs(self, stream: str, schema: Schema, key_properties: Sequence[str]) -> list[Output]:
        """Return the streams that come out of a stream, none if it is dropped.

        Raises:
            MapExpressionError: an expression does not fit the schema.
            StreamMapConfigError: the configuration does not fit the schema.
        """
        schema = schemas.root(schema)
        entries = self._explodes.get(stream, [])
        outputs: list[Output] = []
        if all(entry.alias is not None for entry in entries):
            outputs += self._mapped(stream, schema, key_properties, None)
        for entry in entries:
            exploded = explode.plan(entry, schema, key_properties, self._notice, self._on_failure)
            outputs += self._mapped(entry.output, exploded.schema, exploded.key_properties, exploded.rows)
        if self._fake is not None:
            # Trying the expressions has used up some of its values.
            self._fake.unique.clear()
            if self._seed is not None:
                type(self._fake).seed(self._seed)
        for name, count in Counter(output.name for output in outputs).items():
            if count > 1:
                raise StreamMapConfigError(
                    f"stream '{stream}' becomes stream '{name}' {count} times; choose other names"
                )
        return outputs

    def _mapped(
        self,
        stream: str,
        nested: Schema,
        key_properties: Sequence[str],
        rows: Callable[[Record], Iterator[Record]] | None,
    ) -> Iterator[Output]:
        flat = None
        schema = nested
        options = self._flattening
        if options.enabled and options.max_level > 0:
            flattened = flatten.plan(nested, options, stream)
            if flattened.changes:
                flat, schema = flattened.record, flattened.schema
        plans: list[Mapped | None] = [
            entry.plan(
                stream,
                schema=schema,
                nested=nested,
                key_properties=key_properties,
                constants=self._constants,
                notice=self._notice,
                on_failure=self._on_failure,
            )
            for entry in self._applying(stream)
            if not entry.dropped
        ]
        if self._passes_on(stream):
            plans.insert(0, None)
        for plan in plans:
            yield Output(
                name=stream if plan is None else plan.name,
                schema=schema if plan is None else plan.schema,
                key_properties=tuple(key_properties) if plan is None else plan.key_properties,
                changes=rows is not None or flat is not None or (plan is not None and plan.record is not None),
                mapped=frozenset() if plan is None else plan.mapped,
                records=_records(rows, flat, None if plan is None else plan.record),
            )

    def _applying(self, stream: str) -> list[StreamMap]:
        """Return the entries for a stream: its own (the exact name before a wildcard), then the copies."""
        matching = [entry for entry in self._maps if entry.applies_to(stream)]
        own = [entry for entry in matching if entry.source is None]
        own.sort(key=lambda entry: entry.pattern == stream)
        return own[-1:] + [entry for entry in matching if entry.source is not None]

    def _passes_on(self, stream: str) -> bool:
        """Return whether no entry takes the place of the stream itself."""
        return not self._drops_others and all(entry.source is not None for entry in self._applying(stream))


def _explodes(setting: Mapping[str, Any]) -> dict[str, list[Explode]]:
    explodes = {
        stream: [Explode.from_config(stream, entry) for entry in ([value] if isinstance(value, dict) else value)]
        for stream, value in setting.items()
    }
    for stream, entries in explodes.items():
        names = [entry.output for entry in entries]
        if len(set(names)) < len(names):
            raise StreamMapConfigError(f"explode of stream '{stream}': give every further array an `alias` of its own")
        if any(entry.alias == stream for entry in entries):
            raise StreamMapConfigError(f"explode of stream '{stream}': an `alias` is the name of another stream")
    return explodes


def _records(
    rows: Callable[[Record], Iterator[Record]] | None,
    flat: Callable[[Record], Record] | None,
    mapped: Callable[[Record, Record], Record | None] | None,
) -> Callable[[Record], Iterator[Record]]:
    """Return explode, flatten and map as one function; None leaves a part out."""

    def records(record: Record) -> Iterator[Record]:
        for nested in [record] if rows is None else rows(record):
            row = nested if flat is None else flat(nested)
            if mapped is None:
                yield row
            elif (result := mapped(row, nested)) is not None:
                yield result

    return records


def _faker(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package is optional
    """Return the SDK's optional `fake`, where the package Faker is installed."""
    if importlib.util.find_spec("faker") is None:
        return None
    return importlib.import_module("faker").Faker(config.get("locale"))
