"""Made-up records that fit a schema, to try expressions on before the first real record; pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from map_explode import schemas

if TYPE_CHECKING:
    from map_explode.schemas import Schema

_TEXTS = {"date-time": "2026-01-31T20:00:00+08:00", "date": "2026-01-31", "time": "20:00:00"}
_MAX_DEPTH = 8
#: A field may be declared with several types; so many samples show each of them at least once.
SAMPLES = 4


def records(schema: Schema) -> list[dict[str, Any]]:
    """Return records of a schema, the first with the first type of every field, the next with the second, and so on.

    A field whose type is unknown is null, which no expression fails on.
    """
    return [_object(schema, schema, number, 0) for number in range(SAMPLES)]


def _object(schema: Schema, root: Schema, number: int, depth: int) -> dict[str, Any]:
    return {
        name: _value(schemas.resolve(value, root), root, number, depth + 1)
        for name, value in schemas.properties(schema).items()
    }


def _value(schema: Schema, root: Schema, number: int, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    named = schema.get("type")
    kinds = [named] if isinstance(named, str) else named or sorted(schemas.types(schema))
    kinds = [kind for kind in kinds if kind != "null"]
    if not kinds or depth > _MAX_DEPTH:
        return None
    kind = kinds[number % len(kinds)]
    if kind == "string":
        choices = [each for each in schema.get("enum") or [] if isinstance(each, str)]
        return choices[0] if choices else _TEXTS.get(str(schema.get("format")), "1")
    if kind == "object":
        return _object(schema, root, number, depth)
    if kind == "array":
        return [_value(schemas.resolve(schema.get("items"), root), root, number, depth + 1)]
    return {"integer": 1, "number": Decimal("1.5"), "boolean": True}.get(kind)
