"""Which wider type a column needs so that given values fit. Pure: types and texts in, types out.

Types only grow: whatever a column holds today it still holds, unchanged, in the wider type.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import mysql

from target_mysql_replace.column_types import CHARACTER_BYTES, KEY_BYTES, LONGEST_VARCHAR, Shape, column_type
from target_mysql_replace.convert import NULL, Family, family_of, significant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.types import TypeEngine

    from target_mysql_replace.column_types import Property

_INTEGERS: tuple[tuple[type[Any], int], ...] = (
    (mysql.TINYINT, 8),
    (mysql.SMALLINT, 16),
    (mysql.MEDIUMINT, 24),
    (mysql.INTEGER, 32),
    (mysql.BIGINT, 64),
)
#: The limits of DECIMAL.
_MOST_DIGITS, _MOST_SCALE = 65, 30
#: Holds every integer type, signed or not.
_ANY_INTEGER = mysql.DECIMAL(20, 0)
_TEXTS: tuple[tuple[type[Any], int], ...] = (
    (mysql.TINYTEXT, 2**8 - 1),
    (mysql.TEXT, 2**16 - 1),
    (mysql.MEDIUMTEXT, 2**24 - 1),
)
#: Types a DBA chose for what they leave out; they stay, and what does not fit is a bad row.
_CHOSEN = (mysql.ENUM, mysql.SET, mysql.BIT, mysql.YEAR)
_TIMESTAMP_START, _TIMESTAMP_END = "1970-01-02", "2038-01-18"
_CLOCK = re.compile(r"(?:\d{4}-\d\d-\d\d[ T])?(\d\d:\d\d:\d\d)(?:\.(\d+))?")


def wider(  # noqa: PLR0911 one return a family
    sql_type: TypeEngine[Any], texts: Iterable[str], *, key: bool = False
) -> TypeEngine[Any] | None:
    """Return the type a column needs to hold ``texts`` beside what it holds, or None where no wider one would help.

    Args:
        sql_type: the column's type.
        texts: what is to be written, as :mod:`target_mysql_replace.convert` makes it; NULLs count nothing.
        key: whether the column is part of the key, which limits how far text can grow.
    """
    values = [text for text in texts if text != NULL]
    if not values or isinstance(sql_type, _CHOSEN):
        return None
    family = family_of(sql_type)
    if isinstance(sql_type, (sqltypes.Integer, sqltypes.Boolean)):
        return _wider_integer(sql_type, values)
    if family is Family.DECIMAL:
        return _wider_decimal(sql_type, values)
    if family in {Family.DATETIME, Family.TIME, Family.DATE}:
        return _wider_clock(sql_type, values)
    if isinstance(sql_type, mysql.FLOAT):
        return mysql.DOUBLE()
    if isinstance(sql_type, sqltypes.String):
        return _wider_text(sql_type, values, key=key)
    return None


def wider_for_schema(  # noqa: PLR0911 one return a pair of families
    sql_type: TypeEngine[Any], prop: Property, *, key: bool = False
) -> TypeEngine[Any] | None:
    """Return the type a column needs because the schema now plainly asks for more, or None.

    Longer text by ``maxLength``, numbers where integers were, a time of day where dates were, text where numbers or
    dates were. A column that merely might turn out too narrow is left as it is until a value says so.

    Args:
        sql_type: the column's type.
        prop: what the schema says now.
        key: whether the column is part of the key.
    """
    if isinstance(sql_type, _CHOSEN):
        return None
    have, wanted = family_of(sql_type), column_type(prop, key=key)
    want = family_of(wanted)
    if have is want:
        declared = prop.max_length if prop.shape is Shape.TEXT else None
        too_short = isinstance(sql_type, sqltypes.String) and sql_type.length is not None
        if have is Family.TEXT and too_short and declared and declared > (sql_type.length or 0):  # type: ignore[attr-defined] # a String
            return wanted
        return None
    if have is Family.TEXT or (have is Family.JSON and prop.shape in {Shape.JSON, Shape.ANY}):
        return None
    if have is Family.INTEGER and want is Family.DECIMAL:
        return wanted
    if have is Family.DATE and want is Family.DATETIME:
        return wanted
    if want in {Family.TEXT, Family.JSON} and have is not Family.JSON:
        return mysql.VARCHAR(prop.max_length or 255) if key else mysql.LONGTEXT()
    return None


def _wider_integer(sql_type: TypeEngine[Any], values: Sequence[str]) -> TypeEngine[Any] | None:
    numbers = [number for number in map(Decimal, values) if abs(number.adjusted()) < _MOST_DIGITS]
    if any(number != number.to_integral_value() for number in numbers):
        return _wider_decimal(_ANY_INTEGER, values)
    bits = next((bits for kind, bits in _INTEGERS if isinstance(sql_type, kind)), 8)
    unsigned = bool(getattr(sql_type, "unsigned", False))
    half = 2 ** (bits - 1)
    least, most = (0, 2 * half - 1) if unsigned else (-half, half - 1)
    low, high = min([Decimal(least), *numbers]), max([Decimal(most), *numbers])
    if (low, high) == (least, most):
        return None
    for kind, size in _INTEGERS:
        grown: TypeEngine[Any] | None = None
        if unsigned and low >= 0 and high < 2**size:
            grown = kind(unsigned=True)
        elif low >= -(2 ** (size - 1)) and high < 2 ** (size - 1):
            grown = kind()
        if grown is not None:
            return grown
    return _wider_decimal(_ANY_INTEGER, values) or _ANY_INTEGER


def _wider_decimal(sql_type: TypeEngine[Any], values: Sequence[str]) -> TypeEngine[Any] | None:
    precision, scale = _digits(sql_type)
    whole = precision - scale
    for value in values:
        digits, exponent = significant(Decimal(value))
        needed_scale, needed_whole = max(scale, -exponent), max(whole, len(digits) + exponent)
        if needed_whole + needed_scale <= _MOST_DIGITS and needed_scale <= _MOST_SCALE:
            # One that fits no DECIMAL beside what is there must not keep the others from fitting.
            whole, scale = needed_whole, needed_scale
    return None if (whole + scale, scale) == _digits(sql_type) else mysql.DECIMAL(whole + scale, scale)


def _digits(sql_type: Any) -> tuple[int, int]:  # noqa: ANN401 a Numeric
    """Precision and scale; a DECIMAL without them is DECIMAL(10, 0)."""
    return (10 if sql_type.precision is None else sql_type.precision), sql_type.scale or 0


def _wider_clock(sql_type: Any, values: Sequence[str]) -> TypeEngine[Any] | None:  # noqa: ANN401 a date or time type
    clocks = [match for match in map(_CLOCK.fullmatch, values) if match]
    fraction = max((len((match[2] or "").rstrip("0")) for match in clocks), default=0)
    kept = getattr(sql_type, "fsp", None) or 0
    if isinstance(sql_type, sqltypes.Date):
        return mysql.DATETIME(fsp=6) if any(match[1] != "00:00:00" or match[2] for match in clocks) else None
    if isinstance(sql_type, sqltypes.TIMESTAMP) and not all(
        _TIMESTAMP_START <= value[:10] <= _TIMESTAMP_END for value in values
    ):
        return mysql.DATETIME(fsp=max(kept, fraction))
    if fraction <= kept:
        return None
    return type(sql_type)(fsp=6)  # type: ignore[no-any-return] # one of mysql's own types


def _wider_text(sql_type: Any, values: Sequence[str], *, key: bool) -> TypeEngine[Any] | None:  # noqa: ANN401 a String
    for kind, limit in _TEXTS:
        if isinstance(sql_type, kind) and sql_type.length is None:
            return mysql.LONGTEXT() if max(len(value.encode()) for value in values) > limit else None
    limit = KEY_BYTES // CHARACTER_BYTES
    longest = max((len(value) for value in values if not key or len(value) <= limit), default=0)
    ends_with_space = isinstance(sql_type, sqltypes.CHAR) and any(value.endswith(" ") for value in values)
    if sql_type.length is None or (longest <= sql_type.length and not ends_with_space):
        return None
    longest = max(longest, sql_type.length)
    if key:
        return mysql.VARCHAR(longest) if longest <= limit else None
    return mysql.VARCHAR(longest) if longest <= LONGEST_VARCHAR else mysql.LONGTEXT()
