"""The quick way from a column of decoded values to its texts, chosen once by what the schema says and the column takes.

What a converter does not take it answers with an error; then every value goes through
:func:`target_mysql_replace.convert.to_text`, which is held against the converters by tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_mysql_replace.column_types import Shape
from target_mysql_replace.convert import (
    NULL,
    Family,
    Number,
    Unstorable,
    WallClock,
    check_exponent,
    exact,
    integral,
    json_text,
    to_text,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from target_mysql_replace.table import Column

#: The value of a property that a record does not have. Compared by identity.
ABSENT = msgspec.Raw(b"")
_JSON_NULLS = (b"null", b"")
_BOOLEANS = {True: "1", False: "0", None: NULL}
_LOADS = msgspec.json.Decoder(float_hook=exact).decode


def column_converter(  # noqa: PLR0911 one return a pair
    column: Column, clock: WallClock, zone: dt.timezone, *, raw: bool
) -> Callable[[Sequence[Any]], Sequence[str]]:
    """Return the quick way for a column, by what its values look like in JSON and what the column takes.

    Args:
        column: where the values go.
        clock: converts date-times.
        zone: the zone DATETIME columns are kept in.
        raw: whether the values are JSON still (:class:`msgspec.Raw`).

    Returns:
        A function from the values to their texts. It raises ValueError, KeyError or msgspec's errors where a value is
        not of the usual kind.
    """
    shape, family = column.prop.shape, column.family
    if raw:
        return _json_column if family is Family.JSON else _decoding(family, zone, key=column.key)
    if shape is Shape.TEXT and family is Family.TEXT:
        return _text_column
    if shape is Shape.TEXT and family is Family.DATETIME:
        return clock.column
    if shape is Shape.INTEGER and family in {Family.INTEGER, Family.DECIMAL, Family.TEXT}:
        return _integer_column
    if shape is Shape.BOOLEAN and family in {Family.INTEGER, Family.DECIMAL}:
        return _boolean_column
    if shape is Shape.NUMBER and family in {Family.INTEGER, Family.DECIMAL, Family.FLOAT, Family.TEXT}:
        return _number_converter(family, nullable=column.prop.nullable and not column.key)
    return _one_by_one(family, zone)


def _text_column(values: Sequence[str | None]) -> Sequence[str]:
    if None in values:
        return [NULL if value is None else value for value in values]
    return values  # type: ignore[return-value] # no None among them


def _integer_column(values: Sequence[int | None]) -> Sequence[str]:
    return [NULL if value is None else str(value) for value in values]


def _boolean_column(values: Sequence[bool | None]) -> Sequence[str]:
    return [_BOOLEANS[value] for value in values]


def _json_column(values: Sequence[msgspec.Raw]) -> Sequence[str]:
    raws = map(bytes, values)
    return [NULL if raw in _JSON_NULLS else json_text(raw) for raw in raws]


def _number_converter(family: Family, *, nullable: bool) -> Callable[[Sequence[Any]], Sequence[str]]:
    """A converter for JSON numbers decoded without a type; a KeyError is a value of another type."""
    integers = family is Family.INTEGER
    check = check_exponent if family in {Family.INTEGER, Family.DECIMAL} else exact
    kinds: dict[type, Callable[[Any], str]] = {
        int: str,
        Number: integral if integers else str,
        msgspec.UnsetType: lambda _: NULL,
    }
    if nullable:
        kinds[type(None)] = lambda _: NULL

    def convert(values: Sequence[Any]) -> list[str]:
        # A Number is a text already; the dictionary answers for the rest.
        texts = [value if type(value) is Number and not integers else kinds[type(value)](value) for value in values]
        together = "".join(texts)
        if "e" in together or "E" in together:
            for text in texts:
                if text != NULL:
                    check(text)
        return texts

    return convert


def _decoding(family: Family, zone: dt.timezone, *, key: bool) -> Callable[[Sequence[msgspec.Raw]], Sequence[str]]:
    """A converter of JSON for every pair that has no quicker one."""

    def convert(values: Sequence[msgspec.Raw]) -> list[str]:
        texts = [NULL if value is ABSENT else to_text(_LOADS(value), family, zone) for value in values]
        if key and NULL in texts:
            raise Unstorable("is null in a key")
        return texts

    return convert


def _one_by_one(family: Family, zone: dt.timezone) -> Callable[[Sequence[Any]], Sequence[str]]:
    """A converter of decoded values for every pair that has no quicker one."""

    def convert(values: Sequence[Any]) -> list[str]:
        return [to_text(exact(value) if type(value) is Number else value, family, zone) for value in values]

    return convert
