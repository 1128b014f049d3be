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
    from collections.abc import Callable, Mapping

BEIJING = timezone(timedelta(hours=8))
"""All times of the platform are Beijing time, which has no daylight saving time."""

EXTRA = "_extra"
"""Column for the fields that the schema does not name."""

_UNSET_MS = frozenset({946656000000, 978278400000})
"""2000-01-01 and 2001-01-01, midnight in Beijing: what official examples show for times that are not set."""

_FIRST_MS = 100_000_000_000
"""Smaller numbers are read as seconds: as milliseconds they would lie before March 1973."""

_EPOCH_DAY = date(1970, 1, 1).toordinal()

EMPTY = frozenset({"", "null", "NULL"})
"""Texts that stand for nothing."""

canonical = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode
"""Equal values have equal JSON, whatever the order of their fields."""


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
def _hour(number: int) -> str:
    """Hour `number` since 1970 as text, in Beijing. Rows of a window have few different ones."""
    day, hour = divmod(number + 8, 24)
    return f"{date.fromordinal(_EPOCH_DAY + day).isoformat()}T{hour:02}:"


_MINUTES_AND_SECONDS = [f"{minute:02}:{second:02}" for minute in range(60) for second in range(60)]


def _format_milliseconds(milliseconds: int) -> str:
    """Epoch milliseconds as `format_datetime` would put them, ten times as fast: a row has many of them."""
    hour, rest = divmod(milliseconds, 3_600_000)
    second, fraction = divmod(rest, 1000)
    if fraction:
        return f"{_hour(hour)}{_MINUTES_AND_SECONDS[second]}.{fraction:03}+08:00"
    return f"{_hour(hour)}{_MINUTES_AND_SECONDS[second]}+08:00"


def to_datetime(value: object) -> str | None:
    """An instant in any of the platform's notations as RFC 3339 with +08:00, or None where it is not set."""
    if value.__class__ is int and value >= _FIRST_MS and value not in _UNSET_MS:
        return _format_milliseconds(value)
    if isinstance(value, str):
        text = value.strip()
        if text in EMPTY:
            return None
        if not text.lstrip("-").isdigit():
            moment = parse_datetime(text)
            return None if int(moment.timestamp() * 1000) in _UNSET_MS else format_datetime(moment)
        value = text
    if isinstance(value, bool):
        raise ValueError("not a time")  # noqa: TRY004 -- a value that does not fit its column, as above
    milliseconds = to_integer(value)
    if milliseconds is not None and milliseconds < _FIRST_MS:
        milliseconds *= 1000
    if milliseconds is None or milliseconds <= 0 or milliseconds in _UNSET_MS:
        return None
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
        if text in EMPTY:
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
    if value.__class__ is int:
        return value
    if isinstance(value, str):
        text = value.strip()
        if text in EMPTY:
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
        if value in EMPTY:
            return None
    for answer, words in ((True, (True, 1, "true", "1")), (False, (False, 0, "false", "0"))):
        if value in words:
            return answer
    raise ValueError("neither true nor false")


def to_string(value: object) -> str:
    """Text as it is; anything else as its JSON text."""
    return value if isinstance(value, str) else canonical(value).decode()


def to_array(value: object) -> list[Any] | None:
    """A list; a single value where the platform leaves the list out makes a list of one."""
    if isinstance(value, str) and value in EMPTY:
        return None
    return value if isinstance(value, list) else [value]


def to_object(value: object) -> dict[str, Any] | None:
    """An object; None where it is empty text."""
    if isinstance(value, str) and value in EMPTY:
        return None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- a value that does not fit its column, as above
    return value


# Type of a column → (the class that needs no conversion, how to convert any other, what a key gets for null).
CONVERSIONS: Mapping[str, tuple[type | None, Callable[[Any], Any], Any]] = {
    "integer": (int, to_integer, 0),
    "number": (Decimal, to_number, 0),
    "string": (str, to_string, ""),
    "boolean": (bool, to_boolean, False),
    "datetime": (None, to_datetime, "1970-01-01T08:00:00+08:00"),
    "date": (None, to_date, "1970-01-01"),
    "array": (list, to_array, []),
    "object": (dict, to_object, {}),
}

COLUMN_TYPES = frozenset(CONVERSIONS)
"""The types a property of a declaration can have."""
