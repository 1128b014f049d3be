"""`--describe`: an entry of `processes` for a template, ready to be copied into meltano.yml."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from tap_dingtalk_approval.api import object_of
from tap_dingtalk_approval.approval import Component, parse_component
from tap_dingtalk_approval.client import Client
from tap_dingtalk_approval.errors import DingTalkError
from tap_dingtalk_approval.forms import parts_of, table_cells
from tap_dingtalk_approval.reader import read_approval
from tap_dingtalk_approval.schema import APPROVAL_COLUMNS, TABLE_ROW_COLUMNS
from tap_dingtalk_approval.v1 import V1Api
from tap_dingtalk_approval.values import structure_or_none, text_or_none, to_date, to_number
from tap_dingtalk_approval.windows import Window

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from datetime import datetime

    from tap_dingtalk_approval.settings import Settings

_SAMPLES = 5
_SAMPLE_DAYS = 90
_NUMBERS = frozenset({"MoneyField", "NumberField", "CalculateField", "StarRatingField"})
_LISTS = frozenset(
    {"DDMultiSelectField", "DDPhotoField", "DDAttachment", "RelateField", "DDDateRangeField", "DDHolidayField"}
)
_PEOPLE = frozenset({"InnerContactField", "DepartmentField"})
_LAYOUT = frozenset({"TextNote", "FieldGroup"})
_TABLE = "TableField"


@dataclass(frozen=True)
class Described:
    """A component of a template.

    Attributes:
        component: Id, name and type, and in `value` the format of a date, or what was filled in.
        columns: Those of a TableField.
    """

    component: Component
    columns: tuple[Component, ...] = ()


def describe(process_code: str, client: Client, settings: Settings, now: datetime) -> str:
    """Describe a template, from the form schema API where the app may call it, otherwise from recent approvals.

    Args:
        process_code: The template.
        client: Sends the calls.
        settings: The tap's settings.
        now: Where to look back from for recent approvals.

    Returns:
        YAML.

    Raises:
        DingTalkError: Neither can be read.
    """
    try:
        title, form, source = *_from_schema(process_code, client, settings), "the form's schema"
    except DingTalkError:
        # An app may well read approvals and not templates.
        title, form = "", _from_approvals(process_code, client, now)
        source = f"approvals of the last {_SAMPLE_DAYS} days; what none of them has is missing"
    entry = entry_for(process_code, title or "approvals", form)
    text: str = yaml.safe_dump([entry], allow_unicode=True, sort_keys=False, width=120)
    head = f"# {title or process_code}, from {source}.\n# Rename columns as you like; labels and ids are 钉钉's.\n"
    return f"{head}processes:\n{text}"


def entry_for(process_code: str, title: str, form: Iterable[Described]) -> dict[str, Any]:
    """An entry of `processes`.

    Args:
        process_code: The template.
        title: What it is called.
        form: Its components.
    """
    form = [one for one in form if one.component.type not in _LAYOUT]
    plain = [one.component for one in form if one.component.type != _TABLE]
    entry: dict[str, Any] = {"process_code": process_code, "name": _identifier(title)}
    entry["fields"] = _fields(plain, APPROVAL_COLUMNS)
    tables = [one for one in form if one.component.type == _TABLE]
    if tables:
        labels = Counter(one.component.name for one in form)
        names = _Names(())
        entry["tables"] = {
            names.new(one.component.name or "table"): {
                **_reference(one.component, labels),
                "fields": _fields(one.columns, TABLE_ROW_COLUMNS),
            }
            for one in tables
        }
    return entry


def type_of(component: Component) -> str:
    """The type that suits a component best."""
    if component.type in _NUMBERS:
        return "number" if _reads(to_number, component.value) else "string"
    if component.type == "DDDateField":
        return _type_of_date(component.value or "")
    return "json" if component.type in _LISTS else "string"


def schema_form(body: Mapping[str, Any]) -> tuple[str, list[Described]]:
    """Title and components of an answer of the form schema API.

    https://open.dingtalk.com/document/orgapp/obtain-the-form-schema

    Raises:
        KeyError: They are not in it.
    """
    result = object_of(body, "result")
    # It may be text, as everything that is structured is within a form.
    content = structure_or_none(text_or_none(result.get("schemaContent")))
    schema = object_of({"schemaContent": content}, "schemaContent")
    form = [
        Described(_of_schema(item), tuple(map(_of_schema, _objects(item.get("children")))))
        for item in _objects(schema.get("items"))
    ]
    if not form:
        raise KeyError("items")
    return str(result.get("name") or schema.get("title") or ""), form


def _from_schema(process_code: str, client: Client, settings: Settings) -> tuple[str, list[Described]]:
    api = V1Api()
    if isinstance(client.api, V1Api):
        return client.send(api.schema_call(process_code), schema_form)
    # The old API has no such call, and the new one wants its own token and lives elsewhere.
    own_address = settings.api_url != client.api.default_url
    elsewhere = replace(settings, api_version="v1.0", api_url=settings.api_url if own_address else api.default_url)
    other = Client(api, elsewhere, client.budget, client.stop)
    try:
        return other.send(api.schema_call(process_code), schema_form)
    finally:
        other.close()


def _from_approvals(process_code: str, client: Client, now: datetime) -> list[Described]:
    window = Window(now - timedelta(days=_SAMPLE_DAYS), now)
    call = client.api.listing_call(process_code, window.start_ms, window.end_ms, cursor=0, size=_SAMPLES)
    ids = client.send(call, client.api.page_of).ids
    if not ids:
        raise DingTalkError("820004", f"{process_code} has no approvals of the last {_SAMPLE_DAYS} days to learn from")
    known: dict[str | None, Described] = {}
    for one in ids:
        approval = read_approval(client, one)
        for component in approval.components:
            before = known.get(component.id)
            cells = {cell.id: cell for row in table_cells(component) for cell in row}
            columns = {cell.id: cell for cell in before.columns} if before else {}
            kept = before.component if before and before.component.value else component
            known[component.id] = Described(kept, tuple({**cells, **columns}.values()))
    return list(known.values())


def _objects(found: object) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _of_schema(item: Mapping[str, Any]) -> Component:
    props = item["props"] if isinstance(item.get("props"), dict) else {}
    content = {**props, "component_type": item.get("componentName"), "value": props.get("format")}
    return parse_component(content, {"name": "label", "biz_alias": "bizAlias"})


def _fields(components: Iterable[Component], taken: Container[str]) -> dict[str, Any]:
    components = list(components)
    shown = [part for component in components for part in (parts_of(component)[1:] or [component])]
    labels = Counter(part.name for part in shown)
    names = _Names(taken)
    fields: dict[str, Any] = {}
    for component in components:
        parts = parts_of(component)[1:]
        if parts and all(labels[part.name] == 1 for part in parts):
            fields |= {
                names.new(part.name or ""): _typed({"label": part.name}, _type_of_part(component, part))
                for part in parts
            }
            continue
        kind = "json" if parts else type_of(component)
        reference = {"id": component.id} if parts else _reference(component, labels)
        name = component.id if parts else component.name
        fields[names.new(name or component.id or "")] = _typed(reference, kind)
        if component.type in _PEOPLE:
            fields[names.new(f"{name}_ids")] = {**reference, "type": "json"}
    return fields


def _reference(component: Component, labels: Mapping[str | None, int]) -> dict[str, Any]:
    return {"label": component.name} if component.name and labels[component.name] == 1 else {"id": component.id}


def _typed(reference: dict[str, Any], kind: str) -> dict[str, Any]:
    return reference if kind == "string" else {**reference, "type": kind}


def _type_of_part(component: Component, part: Component) -> str:
    if component.type != "DDDateRangeField":
        return "string"
    return _type_of_date(part.value or ("" if (component.value or "").startswith("[") else component.value or ""))


def _type_of_date(shown: str) -> str:
    """The type for a date's format (``yyyy-MM-dd HH:mm``), or for one that was filled in."""
    if "H" in shown or ":" in shown:
        return "datetime"
    return "date" if not shown or "d" in shown or _reads(to_date, shown) else "string"


def _reads(convert: Any, text: str | None) -> bool:  # noqa: ANN401 -- any of the converters of values
    try:
        convert(text or "0")
    except ValueError:
        return False
    return True


class _Names:
    """Column names made of labels, each once."""

    def __init__(self, taken: Container[str]) -> None:
        self._taken = taken
        self._used: set[str] = set()

    def new(self, label: str) -> str:
        """A name that is not used yet."""
        base = _identifier(label)
        name, number = base, 2
        while name in self._used or name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._used.add(name)
        return name


def _identifier(label: str) -> str:
    return re.sub(r"\W+", "_", label).strip("_") or "field"
