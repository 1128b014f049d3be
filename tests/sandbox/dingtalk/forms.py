"""The filled form of one approval."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.dingtalk.values import TABLE_EXT, Cell, Filled, Row, fill, fill_cell, table_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sandbox.dingtalk.templates import Component


@dataclass(frozen=True)
class Entry:
    """A component of one approval.

    Attributes:
        component: What it is.
        filled: What is in it; None when it is empty.
        quirk: 0 to 99, the same for ever; decides how an unsteady detail of the platform turns out here.
    """

    component: Component
    filled: Filled | None
    quirk: int


def fill_form(components: Iterable[Component], key: str, *, agreed: bool) -> list[Entry]:
    """Return the form of an approval.

    Args:
        components: Those of the template's version the approval was started with.
        key: Names the approval; the same key gives the same form.
        agreed: Whether the last approver has agreed, and with it filled in what only he fills and corrected tables.
    """
    return [_entry(component, random.Random(f"{key}/{component.id}"), agreed=agreed) for component in components]


def _entry(component: Component, dice: random.Random, *, agreed: bool) -> Entry:
    quirk = dice.randrange(100)
    empty = dice.random() >= component.fill
    if empty or (component.by_finance and not agreed):
        return Entry(component, None, quirk)
    if component.type == "TableField":
        return Entry(component, _fill_table(component, dice, agreed=agreed), quirk)
    return Entry(component, fill(component, dice), quirk)


def _fill_table(component: Component, dice: random.Random, *, agreed: bool) -> Filled:
    rows = [_fill_row(component, dice) for _ in range(dice.randrange(1, 6))]
    corrected = dice.random() < 0.5
    if agreed and corrected and len(rows) > 1:
        # Finance strikes out the first row and puts right the last: a reader that only adds rows keeps the struck one.
        rows = [*rows[1:-1], Row(rows[-1].number, _fill_row(component, dice).cells)]
    plain = [{"row_number": row.number, "values": {cell.column.id: cell.plain for cell in row.cells}} for row in rows]
    return Filled(table_value(rows, dice), TABLE_EXT, plain)


def _fill_row(component: Component, dice: random.Random) -> Row:
    number = f"{component.id}_1{dice.randrange(36**6):06X}"
    cells: list[Cell] = [fill_cell(column, dice) for column in component.columns if dice.random() < column.fill]
    return Row(number, tuple(cells))
