"""How one JSON value is written for a column. Pure: values in, text out, or :class:`Unstorable`.

MySQL silently rounds fractional seconds, drops the digits a FLOAT cannot hold, strips spaces from CHAR and turns
numbers inside a native JSON column into doubles. Whatever the server would change without an error is refused here.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import mysql

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.types import TypeEngine

#: Stands for SQL NULL among the texts of a row. A lone surrogate cannot occur in data: UTF-8 cannot carry it.
NULL = "\ud800"


class Unstorable(ValueError):  # noqa: N818 what the value is, not what went wrong
    """A value the column cannot hold exactly. The message never contains the value."""


class Number(str):
    """The digits of a JSON number with a fraction or an exponent, exactly as they were written."""

    __slots__ = ()


class Family(enum.Enum):
    """What kind of text a column takes."""

    TEXT = enum.auto()
    INTEGER = enum.auto()
    DECIMAL = enum.auto()
    FLOAT = enum.auto()
    DATETIME = enum.auto()
    DATE = enum.auto()
    TIME = enum.auto()
    JSON = enum.auto()


#: Families whose texts are numbers and need no quotes in SQL.
NUMERIC = frozenset({Family.INTEGER, Family.DECIMAL, Family.FLOAT})


def family_of(sql_type: TypeEngine[Any]) -> Family:
    """Return what kind of text a column of this type takes."""
    for kind, family in _FAMILIES:
        if isinstance(sql_type, kind):
            return family
    return Family.TEXT


_FAMILIES: tuple[tuple[type[Any] | tuple[type[Any], ...], Family], ...] = (
    (sqltypes.JSON, Family.JSON),
    ((sqltypes.Integer, sqltypes.Boolean, mysql.BIT), Family.INTEGER),
    (sqltypes.Float, Family.FLOAT),
    (sqltypes.Numeric, Family.DECIMAL),
    ((sqltypes.DateTime, mysql.TIMESTAMP), Family.DATETIME),
    (sqltypes.Date, Family.DATE),
    (sqltypes.Time, Family.TIME),
)

_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(?: ?(?:([Zz])|([+-]\d\d):?(\d\d)?))?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:([Zz])|([+-]\d\d):?(\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_ZERO_TIME = re.compile(r"00:00:00(\.0*)?", re.ASCII)
#: Exponents of five digits and more: no column holds such a number, and some servers read it wrongly, without a word.
_LONG_EXPONENT = re.compile(r"[eE][+-]?0*[1-9]\d{4}", re.ASCII)
_BIG_EXPONENT = re.compile(r"[eE][+-]?0*[1-9]\d{2}", re.ASCII)
#: Numbers a double may not hold: 16 digits and more, or an exponent.
_LONG_NUMBER = re.compile(rb"\d[\d.]{15,}|\d[eE][+-]?\d")
_MICROSECONDS = 6
#: Twenty years of hours.
_REMEMBERED_HOURS = 200_000


def parse_offset(text: str) -> dt.timezone:
    """Return the zone of an offset such as ``+08:00``."""
    sign = -1 if text[0] == "-" else 1
    return dt.timezone(sign * dt.timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


def wall_clock(text: str, zone: dt.timezone) -> str:
    """Return a date-time as ``YYYY-MM-DD HH:MM:SS[.ffffff]`` on the wall clock of ``zone``.

    Args:
        text: RFC 3339; also without seconds, without an offset (then it is a wall clock already) or a date alone.
        zone: the zone DATETIME columns are kept in.

    Raises:
        Unstorable: no date-time, a leap second, ``24:00``, finer than a microsecond, or outside the years 1 to 9999.
    """
    match = _STAMP.fullmatch(text)
    if match is None:
        raise Unstorable("is not a date-time")
    day, clock, seconds, fraction, utc, hours, minutes = match.groups()
    plain = f"{day} {clock or '00:00'}:{seconds or '00'}{_fraction(fraction)}"
    try:
        moment = dt.datetime.fromisoformat(plain)
    except ValueError:
        raise Unstorable("is not a date-time MySQL can hold") from None
    if utc is None and hours is None:
        return plain
    moment = moment.replace(tzinfo=_zone(utc, hours, minutes))
    try:
        local = moment.astimezone(zone)
    except OverflowError:
        raise Unstorable("is outside the years 1 to 9999 in the target's time zone") from None
    return local.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds" if fraction else "seconds")


#: Minutes and seconds of an hour, each under itself.
_CLOCKS = {clock: clock for clock in (f":{minute:02}:{second:02}" for minute in range(60) for second in range(60))}
_SHORT_FRACTION = len(".123")


class WallClock:
    """:func:`wall_clock` for the usual shapes of date-times, twenty times as quick.

    A whole hour is moved to the zone once and remembered; minutes and what follows stay as they are written. Nothing is
    left to the server: OceanBase takes ``ab:cd:ef`` for midnight, without a word.

    Args:
        zone: the zone DATETIME columns are kept in.
    """

    def __init__(self, zone: dt.timezone) -> None:
        self._zone = zone
        #: For each offset the hours seen with it (``2026-01-02T03``), as they are in the zone.
        self._hours: dict[str, dict[str, str]] = {}
        #: What stood behind the seconds (``.5Z``): the hours of its offset, and the fraction.
        self._tails: dict[str, tuple[dict[str, str], str]] = {}

    def column(self, values: Sequence[str | None]) -> list[str]:
        """Return what :meth:`__call__` returns for each value, :data:`NULL` for None."""
        tails, clocks = self._tails, _CLOCKS
        try:
            return [
                NULL if text is None else (tail := tails[text[19:]])[0][text[:13]] + clocks[text[13:19]] + tail[1]
                for text in values
            ]
        except KeyError:
            # Something is new: once for an hour, an offset and a fraction of up to three digits.
            return [NULL if text is None else self(text) for text in values]

    def __call__(self, text: str) -> str:
        """Return a date-time on the wall clock of the zone.

        Raises:
            Unstorable: as :func:`wall_clock`.
        """
        offset = "Z" if text[-1:] == "Z" else text[-6:]
        fraction = text[19 : -len(offset)]
        # 2026-01-02T03:04:05, and up to six digits more after a point.
        if text[10:11] != "T" or text[13:19] not in _CLOCKS or (fraction and not _is_fraction(fraction)):
            return wall_clock(text, self._zone)
        hours = self._hours.get(offset, {})
        hour = hours.get(text[:13]) or self._remember(text[:13], offset)
        if not hour:
            return wall_clock(text, self._zone)
        if len(fraction) <= _SHORT_FRACTION:
            self._tails[text[19:]] = self._hours[offset], fraction
        return hour + text[13:19] + fraction

    def _remember(self, hour: str, offset: str) -> str:
        """The hour in the zone, or nothing where minutes would change too."""
        moved = wall_clock(f"{hour}:00:00{offset}", self._zone)
        if not moved.endswith(":00:00"):
            return ""
        if sum(map(len, self._hours.values())) > _REMEMBERED_HOURS:
            self._hours.clear()
            self._tails.clear()
        self._hours.setdefault(offset, {})[hour] = moved[:13]
        return moved[:13]


def _is_fraction(text: str) -> bool:
    """Whether it is a point and up to six digits."""
    return text[0] == "." and 2 <= len(text) <= 1 + _MICROSECONDS and text[1:].isascii() and text[1:].isdigit()  # noqa: PLR2004


def calendar_date(text: str, zone: dt.timezone) -> str:
    """Return a date as ``YYYY-MM-DD``; a date-time counts where it is midnight in ``zone``."""
    if _DATE.fullmatch(text):
        try:
            dt.date.fromisoformat(text)
        except ValueError:
            raise Unstorable("is not a date MySQL can hold") from None
        return text
    day, clock = wall_clock(text, zone).split(" ")
    if not _ZERO_TIME.fullmatch(clock):
        raise Unstorable("has a time of day, the column holds dates")
    return day


def time_of_day(text: str, zone: dt.timezone) -> str:
    """Return a time as ``HH:MM:SS[.ffffff]``; one with an offset is moved to ``zone``."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise Unstorable("is not a time of day")
    clock, seconds, fraction, utc, hours, minutes = match.groups()
    plain = f"{clock}:{seconds or '00'}{_fraction(fraction)}"
    try:
        # A day in the middle of the calendar, so that moving to another zone cannot leave it.
        moment = dt.datetime.fromisoformat(f"2000-01-15 {plain}")
    except ValueError:
        raise Unstorable("is not a time of day") from None
    if utc is None and hours is None:
        return plain
    local = moment.replace(tzinfo=_zone(utc, hours, minutes)).astimezone(zone)
    return local.time().isoformat(timespec="microseconds" if fraction else "seconds")


def _zone(utc: str | None, hours: str, minutes: str | None) -> dt.timezone:
    if utc:
        return dt.timezone.utc
    try:
        return parse_offset(f"{hours}:{minutes or '00'}")
    except ValueError:
        raise Unstorable("has an offset that does not exist") from None


def _fraction(digits: str | None) -> str:
    if not digits:
        return ""
    if digits[_MICROSECONDS:].strip("0"):
        raise Unstorable("is finer than a microsecond")
    return "." + digits[:_MICROSECONDS].ljust(_MICROSECONDS, "0")


def check_exponent(text: str) -> None:
    """Check that a number's exponent is one a DECIMAL may have; OceanBase takes ``1e-400`` for 0 without a word.

    Raises:
        Unstorable: it has three digits or more.
    """
    if _BIG_EXPONENT.search(text):
        raise Unstorable("has an exponent that no DECIMAL holds")


def exact(text: str) -> Decimal:
    """Return the number a JSON number's text says, with every digit.

    Raises:
        Unstorable: its exponent has five digits or more.
    """
    if _LONG_EXPONENT.search(text):
        raise Unstorable("is a number with an exponent that no column holds")
    return Decimal(text)


_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=exact)


def json_text(raw: bytes) -> str:
    r"""Return JSON without whitespace and needless escapes (``\u4e2d`` → 中), every number as it was written."""
    if b"\\" in raw:
        return _ENCODER.encode(_DECODER.decode(raw)).decode()
    if b" " in raw or b"\n" in raw or b"\t" in raw or b"\r" in raw:
        return msgspec.json.format(raw, indent=-1).decode()
    return raw.decode()


def dump_json(value: Any) -> bytes:  # noqa: ANN401 any JSON value
    """Return a JSON value as text in UTF-8; decimals keep their digits."""
    return _ENCODER.encode(value)


def check_json_numbers(digits: int) -> Callable[[str], None]:
    """Return a check that a native JSON column, which keeps numbers as 64-bit integers or doubles, changes no number.

    Args:
        digits: how many digits of a double the server writes.
    """

    def check(text: str) -> None:
        if _LONG_NUMBER.search(text.encode()):
            _check_doubles(_DECODER.decode(text), digits)

    return check


def _check_doubles(value: Any, digits: int) -> None:  # noqa: ANN401 any JSON value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            _check_doubles(element, digits)
    elif isinstance(value, Decimal) or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        check_float(str(value), float)
        if len(significant(Decimal(value))[0]) > digits:
            raise Unstorable("has a number with more digits than the server's JSON keeps")


def significant(number: Decimal) -> tuple[str, int]:
    """Return the digits of a finite number without zeros at its end, and the power of ten they are multiplied with.

    ``Decimal.normalize`` would round to the 28 digits of Python's context.
    """
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    shorter = text.rstrip("0")
    return shorter, int(exponent) + len(text) - len(shorter) if shorter else 0


def check_float(text: str, convert: Callable[[str], float]) -> None:
    """Check that a floating-point column, which reads a number as ``convert`` does, gives it back.

    Raises:
        Unstorable: it would not.
    """
    number = convert(text)
    if not math.isfinite(number) or Decimal(repr(number)) != Decimal(text):
        raise Unstorable("has more digits than a floating-point column holds")


def integral(text: str) -> str:
    """Return a number as an integer where it is one (``5.0`` → ``5``, ``1e2`` → ``100``), else as it was."""
    number = exact(text)
    if abs(number.adjusted()) < 100 and number == number.to_integral_value():  # noqa: PLR2004 DECIMAL ends at 65 digits
        return str(int(number))
    return text


def scalar_text(value: Any) -> str:  # noqa: ANN401 any JSON value
    """Return the text of any JSON value for a text column: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return str(value)
    return dump_json(value).decode()


def to_text(value: Any, family: Family, zone: dt.timezone) -> str:  # noqa: ANN401 one return a family
    """Return what to write for ``value`` into a column of ``family``.

    This is the general way, for any value; :mod:`target_mysql_replace.encode` has quick ones for the usual pairs of
    schema and column and is held against this one by tests.

    Args:
        value: a JSON value as Python has it; numbers with a fraction as Decimal.
        family: the column's.
        zone: the zone DATETIME columns are kept in.

    Raises:
        Unstorable: the column cannot hold the value exactly.
    """
    if value is None:
        return NULL
    if family is Family.JSON:
        return dump_json(value).decode()
    if family in NUMERIC:
        return _number_text(value, family)
    if family is Family.TEXT:
        return scalar_text(value)
    if not isinstance(value, str):
        raise Unstorable(f"is not a {family.name.lower()}")
    if family is Family.DATETIME:
        return wall_clock(value, zone)
    return calendar_date(value, zone) if family is Family.DATE else time_of_day(value, zone)


def _number_text(value: Any, family: Family) -> str:  # noqa: ANN401 any JSON value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, Decimal)):
        text = str(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value) and not _LONG_EXPONENT.search(value):
        text = value
    else:
        raise Unstorable("is not a number")
    if family is not Family.FLOAT:
        check_exponent(text)
    return integral(text) if family is Family.INTEGER else text
