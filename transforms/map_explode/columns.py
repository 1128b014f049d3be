"""A value to the form its column declares, so that every record is valid against its schema; pure."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from map_explode import schemas
from map_explode.functions import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from map_explode.schemas import Schema

_Way: TypeAlias = "Callable[[Any], Any]"


def _same(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("the number is not finite")
    return value


def _whole(value: Decimal) -> int:
    whole = int(value)
    if whole != value:
        raise ValueError("the column is an integer, the result a fraction")
    return whole


#: Type of a result -> the types of JSON it can take, the best first, and how.
_WAYS: dict[type, dict[str, _Way]] = {
    bool: {"boolean": _same, "string": text},
    int: {"integer": _same, "number": _same, "string": text},
    Decimal: {"number": _finite, "integer": _whole, "string": text},
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
