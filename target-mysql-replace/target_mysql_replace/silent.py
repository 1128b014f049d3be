"""What a server would change in a column without an error or a warning. Pure.

Tried on the servers: fractions of a second are rounded, a FLOAT keeps six digits, CHAR drops spaces and BINARY adds NUL
at the end, an ENUM takes other spellings of its members and their numbers, a YEAR takes 70 for 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import mysql

from target_mysql_replace.convert import Unstorable, check_float, check_json_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.types import TypeEngine

_MICROSECONDS = 6


def silent_check(sql_type: TypeEngine[Any], *, json_digits: int | None, padded: bool) -> Callable[[str], None] | None:
    """Return a check for what the server would change in a column of this type without an error or a warning.

    Args:
        sql_type: the column's type.
        json_digits: how many digits of a number a JSON column keeps; None where it keeps them all, as text.
        padded: whether the column compares text without regard to trailing spaces and is part of the key.

    Returns:
        A function that raises :class:`Unstorable`, or None where the server refuses by itself whatever does not fit.
    """
    if isinstance(sql_type, (mysql.DATETIME, mysql.TIMESTAMP, mysql.TIME)):
        kept = sql_type.fsp or 0
        return _check_fraction(kept) if kept < _MICROSECONDS else None
    for kind, make in _CHECKS:
        if isinstance(sql_type, kind):
            return make(sql_type)
    if padded:
        return _check_no_trailing_space
    if isinstance(sql_type, sqltypes.JSON) and json_digits is not None:
        return check_json_numbers(json_digits)
    return None


def _check_fraction(digits: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        _, _, fraction = text.partition(".")
        if fraction[digits:].strip("0"):
            raise Unstorable("has more digits after the second than the column keeps")

    return check


def _check_integer(text: str) -> None:
    if not text.lstrip("-").isdigit():
        raise Unstorable("is not a whole number, the column holds integers")


def _check_member(sql_type: mysql.ENUM | mysql.SET) -> Callable[[str], None]:
    """A check that a text is a member letter by letter: the server takes ``A`` for ``a``, and ``2`` for the second."""
    members = list(sql_type.enums if isinstance(sql_type, mysql.ENUM) else sql_type.values)

    def check(text: str) -> None:
        parts = text.split(",") if text else []
        exact = [member for member in members if member in parts] == parts
        if not (text in members or (exact and isinstance(sql_type, mysql.SET))):
            raise Unstorable("is none of the column's members as they are written")

    return check


def _check_year(text: str) -> None:
    """The server takes 70 for 1970, and 0 for 2000."""
    if not (text.isascii() and text.isdigit() and len(text) == 4 and 1901 <= int(text) <= 2155):  # noqa: PLR2004 YEAR's range
        raise Unstorable("is no year from 1901 to 2155")


def _check_bits(length: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not text.isdigit() or int(text) >= 2**length:
            raise Unstorable("does not fit the column's bits")

    return check


def _check_bytes(length: int) -> Callable[[str], None]:
    """A check for BINARY, which fills up with NUL."""

    def check(text: str) -> None:
        if len(text.encode()) != length:
            raise Unstorable(f"does not have the column's {length} bytes")

    return check


def _check_no_trailing_space(text: str) -> None:
    if text.endswith(" "):
        raise Unstorable("ends with a space, which this column does not keep apart")


def _single(text: str) -> float:
    """The number a FLOAT column would give back: six digits are all MySQL prints of it."""
    number = float(text)
    return float(f"{number:.6g}")


_CHECKS: tuple[tuple[type[Any] | tuple[type[Any], ...], Callable[[Any], Callable[[str], None]]], ...] = (
    (mysql.DOUBLE, lambda _: lambda text: check_float(text, float)),
    (sqltypes.Float, lambda _: lambda text: check_float(text, _single)),
    (sqltypes.Integer, lambda _: _check_integer),
    ((mysql.ENUM, mysql.SET), _check_member),
    (mysql.YEAR, lambda _: _check_year),
    (mysql.BIT, lambda sql_type: _check_bits(sql_type.length or 1)),
    (sqltypes.BINARY, lambda sql_type: _check_bytes(sql_type.length or 1)),
    (sqltypes.CHAR, lambda _: _check_no_trailing_space),
)
