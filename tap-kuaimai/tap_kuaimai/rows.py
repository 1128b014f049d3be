"""Rows: from what the platform sends to what a stream writes.

Each stream gets a function of its own, written out for the columns that are wanted: the two that a child row takes
from its parent cost two look-ups, however wide the parent is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_kuaimai.values import CONVERSIONS, EMPTY, EXTRA, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class UnfitKeyError(ValueError):
    """A row cannot be told from others, because its key does not fit the key's column.

    Attributes:
        column: the key's column.
    """

    def __init__(self, column: str) -> None:
        super().__init__(f"the key '{column}' of a row does not fit its column")
        self.column = column


# What is done about one column. Names come as literals (`!r`), so that no name of a field can become code.
_FETCH = """
    value = get({field!r})"""
_FETCH_ALIAS = """
    if value is None:
        value = get({alias!r})"""
_CONVERT = """
    if {condition}:
        try:
            value = {convert}(value)
        except UNFIT:
            extra[{field!r}] = value
            value = None"""
_KEY = """
    if value is None:
        if {field!r} in extra:
            raise UnfitKeyError({field!r})
        value = {default!r}"""
_STORE = """
    row[{field!r}] = value"""


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
        wanted, keys = set(selected), set(keys)
        spellings: dict[str, list[str]] = {column: [] for column in types}
        for alias, column in aliases.items():
            spellings[column].append(alias)
        source = "def convert(raw, extra):\n    get = raw.get\n    row = {}"
        for column, kind in types.items():
            if column not in wanted:
                continue
            exact, convert, default = CONVERSIONS[kind]
            source += _FETCH.format(field=column)
            source += "".join(_FETCH_ALIAS.format(alias=alias) for alias in spellings[column])
            condition = "value is not None"
            if exact:
                condition = f"value.__class__ is not {exact.__name__} and {condition}"
            source += _CONVERT.format(condition=condition, convert=convert.__name__, field=column)
            if column in keys:
                source += _KEY.format(field=column, default=default)
            source += _STORE.format(field=column)
        names: dict[str, Any] = {convert.__name__: convert for _, convert, _ in CONVERSIONS.values()}
        names |= {exact.__name__: exact for exact, _, _ in CONVERSIONS.values() if exact}
        names |= {"UNFIT": (ValueError, ArithmeticError), "UnfitKeyError": UnfitKeyError}
        exec(source + "\n    return row", names)  # noqa: S102 -- made of the templates above and of literals alone
        self._convert: Callable[[Mapping[str, Any], dict[str, Any]], dict[str, Any]] = names["convert"]
        self._known = frozenset({*types, *aliases})
        self._keep_extra = EXTRA in wanted

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Convert one row.

        Args:
            raw: the row as the platform sent it; it is not changed.

        Returns:
            Column → value. Fields that no column takes, and values that do not fit theirs, are in `_extra`.

        Raises:
            UnfitKeyError: a key does not fit its column; rows would replace each other.
        """
        extra: dict[str, Any] = {}
        row = self._convert(raw, extra)
        if self._keep_extra:
            if not raw.keys() <= self._known:
                extra |= {field: value for field, value in raw.items() if field not in self._known}
            row[EXTRA] = extra or None
        return row


def objects(elements: object) -> list[dict[str, Any]]:
    """The elements of an array field as objects.

    Args:
        elements: what stands in the field: a list, a lone element, or nothing.

    Returns:
        The elements; one that is no object becomes an object with the single field `value`.
    """
    if not elements or (isinstance(elements, str) and elements in EMPTY):
        return []
    listed = elements if isinstance(elements, list) else [elements]
    return [element if isinstance(element, dict) else {"value": element} for element in listed]


def by_content(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The elements in an order that depends on their content alone, however the platform has ordered them."""
    return sorted(elements, key=canonical) if len(elements) > 1 else elements
