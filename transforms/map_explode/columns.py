"""A value to the form its column declares, so that every record is valid against its schema; pure."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from map_explode import functions, schemas
from map_explode.functions import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from map_explode.schemas import Schema

Way: TypeAlias = "Callable[[Any], Any]"


def _same(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("the number is not finite")
    return value


def _integer(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    number = functions.decimal_(value)
    return None if number is None else functions.whole(number)


def _boolean(value: Any) -> bool | None:  # noqa: ANN401 - any JSON value
    if value is None or value == "":
        return None
    spelling = str(value).strip().lower()
    if spelling not in _BOOLEANS:
        raise ValueError("the value is no boolean")
    return _BOOLEANS[spelling]


def _json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, (list, dict)):
        return value
    raise TypeError(f"a {type(value).__name__} is neither an array nor an object")


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

#: Words of the option `types` -> the column's schema, and how a value as the source writes it is converted.
TYPES: dict[str, tuple[Schema, Way]] = {
    "string": ({"type": ["string", "null"]}, text),
    "integer": ({"type": ["integer", "null"]}, _integer),
    "number": ({"type": ["number", "null"]}, functions.decimal_),
    "boolean": ({"type": ["boolean", "null"]}, _boolean),
    "date": ({"type": ["string", "null"], "format": "date"}, functions.date),
    "datetime": ({"type": ["string", "null"], "format": "date-time"}, functions.beijing),
    "json": ({"type": ["array", "object", "null"]}, _json),
}

#: Type of a result -> the types of JSON it can take, the best first, and how.
_WAYS: dict[type, dict[str, Way]] = {
    bool: {"boolean": _same, "string": text},
    int: {"integer": _same, "number": _same, "string": text},
    Decimal: {"number": _finite, "integer": functions.whole, "string": text},
    str: {"string": _same},
    dict: {"object": _same, "string": text},
    list: {"array": _same, "string": text},
    tuple: {"array": list, "string": text},
    set: {"array": list},
    dt.datetime: {"string": text},
    dt.date: {"string": text},
    dt.time: {"string": text},
}


def converter(schema: Schema) -> Callable[[Any], Any]:
    """Return a function from the value of an expression to a value valid for the column.

    It loses nothing: a number becomes text where text is declared; a fraction never becomes an integer. What does not
    fit raises ``TypeError`` or ``ValueError``.
    """
    kinds = schemas.types(schema)
    ways = {
        python_type: next((way for kind, way in ways.items() if not kinds or kind in kinds), None)
        for python_type, ways in _WAYS.items()
    }

    def convert(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if value is None:
            return None
        way = ways.get(type(value))
        if way is None:
            raise TypeError(f"a {type(value).__name__} does not fit a column of type {' or '.join(sorted(kinds))}")
        return way(value)

    return convert
