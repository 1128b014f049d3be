"""Values of the platform: instants, money and the many spellings of nothing. Pure functions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

BEIJING = timezone(timedelta(hours=8))

_EMPTY = frozenset({"", "null", "[]"})
_EPOCH = re.compile(r"\d{10}|\d{13}")
_INSTANT = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?"
)
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T].*)?")
_NUMBER = re.compile(r"[¥￥]?\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*元?")
_TRUE = frozenset({"true", "1", "yes", "y", "是", "√"})
_FALSE = frozenset({"false", "0", "no", "n", "否", "×"})


@dataclass(frozen=True)
class Instant:
    """A moment as the platform tells it.

    Attributes:
        at: The moment, Beijing time.
        exact: Whether the platform told the seconds. The new API does not; `at` then stands at the minute's begin.
    """

    at: datetime
    exact: bool

    def __str__(self) -> str:
        """RFC 3339 with seconds and ``+08:00``."""
        return format_instant(self.at)


def format_instant(at: datetime) -> str:
    """An aware moment as RFC 3339 in Beijing time, to the second."""
    return at.astimezone(BEIJING).isoformat(timespec="seconds")


def parse_instant(value: object) -> Instant:
    """Read a moment in any of the platform's spellings.

    The old API writes Beijing's wall clock (``2026-09-01 10:15:42``), the new one the same without seconds and with a
    ``Z`` that is not true (``2026-09-01T10:15Z`` is 10:15 in Beijing: the unix seconds within instance ids prove it).
    Tasks may carry epoch milliseconds.

    Raises:
        ValueError: It is none of them. The message does not repeat the value.
    """
    text = str(value).strip()
    if _EPOCH.fullmatch(text):
        return Instant(datetime.fromtimestamp(int(text[:10]), BEIJING), exact=True)
    found = _INSTANT.fullmatch(text)
    if not found:
        raise ValueError("not a date and time")
    *numbers, zone = found.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=BEIJING)
    except ValueError:
        raise ValueError("not a date and time") from None
    if zone and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        at = at.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset)).astimezone(BEIJING)
    return Instant(at, exact=numbers[5] is not None)


def parse_setting(value: str) -> Instant:
    """Read a moment that a person or this tap wrote. Like `parse_instant`, but a ``Z`` is true: it is RFC 3339's UTC.

    Raises:
        ValueError: It is none.
    """
    text = str(value).strip()
    return parse_instant(f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text)


def instant_or_none(value: object) -> Instant | None:
    """The same for a field of an approval, where what cannot be read must not end a run: None."""
    if empty_to_none(value) is None:
        return None
    try:
        return parse_instant(value)
    except ValueError:
        return None


def empty_to_none(value: object) -> object | None:
    """None for every spelling of nothing: None, the texts ``null``, ``[]`` and ``""``, blanks, an empty list."""
    if isinstance(value, str):
        return None if value.strip() in _EMPTY else value
    return None if value == [] else value


def text_or_none(value: object) -> str | None:
    """A value as text; what the platform sends as native JSON becomes the JSON text it is elsewhere.

    Args:
        value: Text, or parsed JSON.

    Returns:
        The text as it is, None for every spelling of nothing.
    """
    value = empty_to_none(value)
    return value if value is None or isinstance(value, str) else to_json(value)


def to_json(value: object) -> str:
    """Parsed JSON as text. A Decimal becomes the number that it was read from, which the standard library refuses."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(to_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{to_json(key)}:{to_json(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def texts_or_none(value: object) -> list[str] | None:
    """Ids as a list. Old answers carry them as one text with commas; an empty list and a missing one are the same."""
    value = empty_to_none(value)
    if value is None:
        return None
    if isinstance(value, str):
        told = structure_or_none(value)
        value = told if isinstance(told, list) else value.split(",")
    parts = value if isinstance(value, list) else [value]
    return [str(part).strip() for part in parts if str(part).strip()] or None


def structure_or_none(text: str | None) -> Any:  # noqa: ANN401 -- whatever JSON stands there
    """The list or object whose JSON a text is; None for any other text, also for a number or a word."""
    if not text or text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        found = json.loads(text, parse_float=Decimal)
    except ValueError:
        return None
    return found if isinstance(found, (list, dict)) else None


def to_number(text: str) -> Decimal:
    """An amount, exactly: ``1,000.50`` is 1000.50. Signs of money around it are left out.

    Raises:
        ValueError: It is no number, or its commas do not separate thousands.
    """
    found = _NUMBER.fullmatch(text.strip())
    if not found:
        raise ValueError("not a number")
    return Decimal(found[1].replace(",", ""))


def to_integer(text: str) -> int:
    """A whole number.

    Raises:
        ValueError: It is none.
    """
    number = to_number(text)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def to_boolean(text: str) -> bool:
    """A yes or a no, in Chinese or English.

    Raises:
        ValueError: It is neither.
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("neither yes nor no")


def to_date(text: str) -> str:
    """A day as ``yyyy-MM-dd``; a time of day behind it is left out.

    Raises:
        ValueError: It is no day of the calendar.
    """
    found = _DATE.fullmatch(text.strip())
    if not found:
        raise ValueError("not a date")
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        raise ValueError("not a date") from None


def to_datetime(text: str) -> str:
    """A moment as RFC 3339 in Beijing time.

    Raises:
        ValueError: It is none.
    """
    return str(parse_instant(text))
