"""What is told of a record that cannot be mapped: enough to find it and to see what is wrong, none of its contents.

Logs are read by more people than tables, and a record may hold names and telephone numbers. So a failure names the
line of the input, the record's key, and of the values an expression used the form only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MapExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST_KEY = 64


class RecordError(MapExpressionError):
    """An expression or a conversion failed for a record.

    Attributes:
        values: the forms of the values it used, to be shown.
    """

    def __init__(self, message: str, values: str = "") -> None:
        """Take a message without values of the record, and the forms of the values used."""
        super().__init__(message)
        self.values = values


def form(value: object) -> str:
    """Return what a value is, not which: `text of 6 characters`."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"text of {len(value)} characters" if value else "empty text"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    names = {bool: "a boolean", int: "an integer", dict: "an object"}
    return names.get(type(value), "a number")


def forms(names: Iterable[str], record: Mapping[str, Any]) -> str:
    """Return the forms of the columns an expression names: `cnt is null, name is text of 6 characters`."""
    return ", ".join(f"{name} is {form(record.get(name))}" for name in sorted(names))


def place(line_number: int, key: Iterable[str], record: Mapping[str, Any], values: str) -> str:
    """Return where a failure happened.

    Args:
        line_number: of the input, from 1.
        key: the key columns that may be shown.
        record: the record as it came.
        values: the forms of the values used.
    """
    found = [(name, record.get(name)) for name in key]
    shown = [
        f"{name} {value}" for name, value in found if isinstance(value, (int, str)) and len(str(value)) <= _LONGEST_KEY
    ]
    where = ", ".join([f"input line {line_number}", *shown])
    return f"{where}: {values}" if values else where
