"""The platform's values: what they mean and how they are passed on.

The platform is loose with types: one field is a number in one answer and digits in the next, amounts come as 42.0,
"42.00" or 42, instants as epoch milliseconds, digits or text. What reaches the target is one type a column. A value
that does not fit its column raises ValueError here; the caller keeps it in `_extra`, so nothing is lost.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BEIJING = timezone(timedelta(hours=8))
"""All times of the platform are Beijing time, which has no daylight saving time."""

EXTRA = "_extra"
"""Column for the fields that the schema does not name."""

_UNSET_MS = frozenset({946656000000, 978278400000})
"""2000-01-01 and 2001-01-01, midnight in Beijing: what official examples show for times that are not set."""

_FIRST_MS = 100_000_000_000
"""Smaller numbers are read as seconds: as milliseconds they would lie before March 1973."""

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 86_400
_OFFSET_SECONDS = 8 * 3600

_EMPTY = frozenset({"", "null", "NULL"})

_canonical = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


def parse_datetime(text: str) -> datetime:
    """Read a date or time as people, settings and the platform write it.

    Args:
        text: `2026-01-31`, `2026-01-31 08:00:00`, `2026-01-31T08:00:00Z` and the like.

    Returns:
        The aware moment; without an offset it is Beijing time.

    Raises:
        ValueError: it is not a date.
    """
    text = text.strip()
    if text.endswith(("Z", "z")):  # Python 3.10 does not know it.
        text = text[:-1] + "+00:00"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)


def format_datetime(moment: datetime) -> str:
    """RFC 3339 with the offset +08:00; a fraction of a second only where there is one."""
    return moment.astimezone(BEIJING).isoformat()


def platform_time(moment: datetime) -> str:
    """`yyyy-MM-dd HH:mm:ss` in GMT+8, as the platform takes times."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


@cache
def _day(number: int) -> str:
    """Day `number` since 1970 as text. Rows of a window have few different days, and a year has no more than it has."""
    return date.fromordinal(_EPOCH_DAY + number).isoformat()


@cache
def _time_of_day(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _format_milliseconds(milliseconds: int) -> str:
    """Epoch milliseconds as `format_datetime` would put them, ten times as fast: a row has many of them."""
    seconds, fraction = divmod(milliseconds, 1000)
    day, second = divmod(seconds + _OFFSET_SECONDS, _DAY_SECONDS)
    text = f"{_day(day)}T{_time_of_day(second)}"
    return f"{text}.{fraction:03}+08:00" if fraction else text + "+08:00"


def to_datetime(value: object) -> str | None:
    """An instant in any of the platform's notations as RFC 3339 with +08:00, or None where it is not set."""
    if value.__class__ is int and value >= _FIRST_MS and value not in _UNSET_MS:
        return _format_milliseconds(value)
    if isinstance(value, str):
        text = value.strip()
        if text in _EMPTY:
            return None
        if not text.lstrip("-").isdigit():
            moment = parse_datetime(text)
            return None if int(moment.timestamp() * 1000) in _UNSET_MS else format_datetime(moment)
        value = text
    if isinstance(value, bool):
        raise ValueError("not a time")  # noqa: TRY004 -- a value that does not fit its column, as above
    milliseconds = to_integer(value)
    if milliseconds is None or milliseconds <= 0 or milliseconds in _UNSET_MS:
        return None
    if milliseconds < _FIRST_MS:
        milliseconds *= 1000
    return _format_milliseconds(milliseconds)


def to_date(value: object) -> str | None:
    """A day as `yyyy-MM-dd`, or None where it is not set.

    Raises:
        ValueError: it is not a day, or it has a time of day that would be lost.
    """
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        return date.fromisoformat(value).isoformat()
    text = to_datetime(value)
    if text is None:
        return None
    if not text.endswith("T00:00:00+08:00"):
        raise ValueError("more than a date")
    return text[:10]


def to_integer(value: object) -> int | None:
    """A whole number of any size, exactly; None where it is empty."""
    if isinstance(value, str):
        text = value.strip()
        if text in _EMPTY:
            return None
        value = int(text) if text.lstrip("+-").isdecimal() and text.isascii() else to_number(text)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise ValueError("not a whole number")


def to_number(value: object) -> int | Decimal | None:
    """A number with exactly the digits the platform sent; None where it is empty."""
    if isinstance(value, str):
        text = value.strip()
        if text in _EMPTY:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation as error:
            raise ValueError("not a number") from error
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("not a number")
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError("not a number")  # noqa: TRY004 -- a value that does not fit its column, as above
    return value


def to_boolean(value: object) -> bool | None:
    """The values true and false, also as 1 and 0 and as text; None where it is empty."""
    if isinstance(value, str):
        value = value.strip().lower()
        if value in _EMPTY:
            return None
    for answer, words in ((True, (True, 1, "true", "1")), (False, (False, 0, "false", "0"))):
        if value in words:
            return answer
    raise ValueError("neither true nor false")


def to_string(value: object) -> str:
    """Text as it is; anything else as its JSON text."""
    return value if isinstance(value, str) else _canonical(value).decode()


def to_array(value: object) -> list[Any] | None:
    """A list; a single value where the platform leaves the list out makes a list of one."""
    if isinstance(value, str) and value in _EMPTY:
        return None
    return value if isinstance(value, list) else [value]


def to_object(value: object) -> dict[str, Any] | None:
    """An object; None where it is empty text."""
    if isinstance(value, str) and value in _EMPTY:
        return None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- a value that does not fit its column, as above
    return value


# Type of a column → (the class that needs no conversion, how to convert any other, what a key gets for null).
_CONVERSIONS: Mapping[str, tuple[type | None, Callable[[Any], Any], Any]] = {
    "integer": (int, to_integer, 0),
    "number": (Decimal, to_number, 0),
    "string": (str, to_string, ""),
    "boolean": (bool, to_boolean, False),
    "datetime": (None, to_datetime, "1970-01-01T08:00:00+08:00"),
    "date": (None, to_date, "1970-01-01"),
    "array": (list, to_array, []),
    "object": (dict, to_object, {}),
}

COLUMN_TYPES = frozenset(_CONVERSIONS)
"""The types a property of a declaration can have."""


class UnfitKeyError(ValueError):
    """A row cannot be told from others, because its key does not fit the key's column.

    Attributes:
        column: the key's column.
    """

    def __init__(self, column: str) -> None:
        super().__init__(f"the key '{column}' of a row does not fit its column")
        self.column = column


class RowConverter:
    """Turns a row of the platform into a row of a stream: every column is there, null where the platform has nothing.

    Args:
        types: column → one of `COLUMN_TYPES`.
        aliases: other spelling of a field → its column.
        keys: columns that make up the key; they get a value of their type where the platform sends null (an item
            without variants has no `sysSkuId`).
        selected: the columns that are wanted.
    """

    def __init__(
        self,
        types: Mapping[str, str],
        *,
        aliases: Mapping[str, str],
        keys: Iterable[str],
        selected: Iterable[str],
    ) -> None:
        wanted = set(selected)
        self._columns: dict[str, tuple[str | None, type | None, Callable[[Any], Any]]] = {}
        for field in (*types, *aliases):
            column = aliases.get(field, field)
            exact, convert, _ = _CONVERSIONS[types[column]]
            self._columns[field] = (column if column in wanted else None, exact, convert)
        self._nulls: dict[str, Any] = dict.fromkeys(column for column in (*types, EXTRA) if column in wanted)
        self._keep_extra = EXTRA in wanted
        self._key_defaults = [(key, _CONVERSIONS[types[key]][2]) for key in keys if key in wanted and key in types]

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Convert one row.

        Args:
            raw: the row as the platform sent it; it is not changed.

        Returns:
            Column → value. Fields that no column takes, and values that do not fit theirs, are in `_extra`.

        Raises:
            UnfitKeyError: a key does not fit its column; rows would replace each other.
        """
        row = self._nulls.copy()
        columns = self._columns
        extra: dict[str, Any] = {}
        for field, value in raw.items():
            found = columns.get(field)
            if found is None:
                extra[field] = value
                continue
            column, exact, convert = found
            if column is None or value is None:
                continue
            if value.__class__ is exact:
                row[column] = value
            else:
                try:
                    row[column] = convert(value)
                except (ValueError, ArithmeticError):
                    extra[field] = value
        if extra and self._keep_extra:
            row[EXTRA] = extra
        for key, default in self._key_defaults:
            if row[key] is None:
                if key in extra:
                    raise UnfitKeyError(key)
                row[key] = default
        return row


def objects(elements: object) -> list[dict[str, Any]]:
    """The elements of an array field as objects.

    Args:
        elements: what stands in the field: a list, a lone element, or nothing.

    Returns:
        The elements; one that is no object becomes an object with the single field `value`.
    """
    if not elements or (isinstance(elements, str) and elements in _EMPTY):
        return []
    listed = elements if isinstance(elements, list) else [elements]
    return [element if isinstance(element, dict) else {"value": element} for element in listed]


def by_content(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The elements in an order that depends on their content alone, however the platform has ordered them."""
    return sorted(elements, key=_canonical)
