"""From the components of a form to the columns and rows that a user asked for. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.approval import NOTE, Component, parse_component
from tap_dingtalk_approval.errors import Action, DingTalkError, Rule, Topic
from tap_dingtalk_approval.values import (
    structure_or_none,
    text_or_none,
    to_boolean,
    to_date,
    to_datetime,
    to_integer,
    to_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_dingtalk_approval.settings import Field, Process, Table

_CELL_KEYS = {
    "id": "key",
    "name": "label",
    "component_type": "componentType",
    "ext_value": "extendValue",
    "biz_alias": "bizAlias",
}

_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "number": to_number,
    "integer": to_integer,
    "boolean": to_boolean,
    "date": to_date,
    "datetime": to_datetime,
}


@dataclass
class Form:
    """What a form gave.

    Attributes:
        columns: Value by configured column; each is there, None when it was not filled.
        tables: Rows by alias, each with its configured columns.
        missing: Configured fields and tables whose component is not in this form, as ``where: component``.
        unconverted: Columns whose text could not become their type, as ``where: reason``. Never a value.
        unmapped: Labels of components that nothing is configured for.
    """

    columns: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]
    missing: set[str] = field(default_factory=set)
    unconverted: set[str] = field(default_factory=set)
    unmapped: set[str] = field(default_factory=set)


def read_form(process: Process, components: Iterable[Component]) -> Form:
    """Read the configured columns and tables of one approval's form.

    Args:
        process: What is configured.
        components: The form.

    Raises:
        DingTalkError: Two components have the label of a field; the message names their ids.
    """
    finder = _Finder(process.name, components)
    form = Form({}, {})
    for one in process.fields:
        form.columns[one.column] = _value(finder, one, form, one.column, optional=False)
    for table in process.tables:
        component = finder.find(table, table.alias)
        if component is None:
            form.missing.add(f"table {table.alias}: {table}")
        form.tables[table.alias] = _table_rows(process.name, table, component, form)
    form.unmapped = finder.unused()
    return form


def table_cells(component: Component | None) -> list[list[Component]]:
    """The rows of a TableField, each as its filled cells.

    A table that nobody filled carries its columns where the rows would be: only what has a `rowValue` is a row.
    """
    rows = structure_or_none(component.value) if component else None
    if not isinstance(rows, list):
        return []
    return [
        [parse_component(cell, _CELL_KEYS) for cell in row["rowValue"] if isinstance(cell, dict)]
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("rowValue"), list)
    ]


def parts_of(component: Component) -> list[Component]:
    """A component, and behind it the parts under which users know it.

    A range of dates carries both its labels in its name, ``["开始时间","结束时间"]``, and both days in its value. Each
    label finds its own.
    """
    names, values = structure_or_none(component.name), structure_or_none(component.value)
    if not isinstance(names, list):
        return [component]
    told = values if isinstance(values, list) else []
    return [
        component,
        *(
            Component(
                component.id, str(name), component.type, text_or_none(told[place]) if place < len(told) else None, None
            )
            for place, name in enumerate(names)
        ),
    ]


def convert(component: Component, kind: str) -> Any:  # noqa: ANN401 -- as many types as a column may have
    """The value of a component as a type.

    Args:
        component: Which.
        kind: One of `schema.TYPES`.

    Returns:
        An exact Decimal, an int, a bool, a text, RFC 3339, or parsed JSON; None when nothing was filled in.

    Raises:
        ValueError: The text is no such thing. The message does not repeat it.
    """
    if component.value is None:
        return None
    return _to_json(component) if kind == "json" else _CONVERTERS[kind](component.value)


def _to_json(component: Component) -> list[Any]:
    extra = structure_or_none(component.ext_value)
    if isinstance(extra, list) and extra and all(isinstance(one, dict) for one in extra):
        # People and departments: the value is what is displayed, the ids are only here.
        key = "emplId" if "emplId" in extra[0] else "id" if component.type == "DepartmentField" else None
        if key and all(key in one for one in extra):
            return [{"id": str(one[key]), "name": one.get("name")} for one in extra]
    found = structure_or_none(component.value)
    if found is None:
        found = extra
    if found is None:
        raise ValueError("neither a list nor an object")
    # Always a list, so that the column has one type: an address is a list of one.
    return found if isinstance(found, list) else [found]


class _Finder:
    """Finds components by label or id and knows which were not asked for."""

    def __init__(self, where: str, components: Iterable[Component]) -> None:
        self._where = where
        self._components = [one for one in components if one.type != NOTE]
        self._used: set[int] = set()

    def find(self, wanted: Field | Table, column: str) -> Component | None:
        """The component of a field or table, None when there is none.

        Raises:
            DingTalkError: There are two.
        """
        found = [
            (place, part)
            for place, component in enumerate(self._components)
            for part in ([component] if wanted.id else parts_of(component))
            if (part.id == wanted.id if wanted.id else part.name == wanted.label)
        ]
        self._used |= {place for place, _ in found}
        if len(found) > 1:
            ids = " or ".join(f"id: {part.id}" for _, part in found)
            advice = f"Tell them apart by id: in processes[{self._where}] write {ids} for {column}, in place of label."
            raise DingTalkError(
                "ambiguous_label",
                f"{self._where}.{column}: {len(found)} components of the form have the {wanted}",
                Rule(Action.STOP, Topic.TEMPLATE, advice),
            )
        return found[0][1] if found else None

    def unused(self) -> set[str]:
        """Labels, or ids, of the components that were not asked for."""
        return {
            f"{component.name or component.id} ({component.id})"
            for place, component in enumerate(self._components)
            if place not in self._used
        }


def _value(finder: _Finder, one: Field, form: Form, where: str, *, optional: bool) -> Any:  # noqa: ANN401 -- by type
    component = finder.find(one, where)
    if component is None:
        if not optional:
            form.missing.add(f"{where}: {one}")
        return None
    try:
        return convert(component, one.type)
    except ValueError as reason:
        form.unconverted.add(f"{where}: {reason}")
        return None


def _table_rows(name: str, table: Table, component: Component | None, form: Form) -> list[dict[str, Any]]:
    rows = []
    for cells in table_cells(component):
        finder = _Finder(f"{name}.tables[{table.alias}]", cells)
        # Cells that were not filled are left out by the platform, so that a missing one says nothing.
        rows.append(
            {
                one.column: _value(finder, one, form, f"{table.alias}.{one.column}", optional=True)
                for one in table.fields
            }
        )
    return rows
