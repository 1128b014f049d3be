"""Declarations: what the tap knows about each list API, as data, and the streams and schemas that follow from it.

The shipped declarations are the files of `declarations/`, one an API, taken from the official documentation
(https://open.kuaimai.com/docs/api/). The setting `custom_streams` takes the same form.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from tap_kuaimai.values import EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterable

ROW_NUMBER = "row_number"
"""Key column of children whose elements have no id of their own."""

_NAME = re.compile(r"[A-Za-z_]\w*")

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "string": {"type": ["string", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "date": {"type": ["string", "null"], "format": "date"},
    "array": {"type": ["array", "null"], "items": {}},
    "object": {"type": ["object", "null"]},
}

Type = Literal["integer", "number", "string", "boolean", "datetime", "date", "array", "object"]


class Declared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all parts of a declaration: read-only, and a misspelt field is an error."""


class Property(Declared, frozen=True):
    """One field of a row.

    Attributes:
        type: what reaches the target; `datetime` and `date` accept every notation of the platform.
        description: label for the column, in Chinese, with unit and codes.
        aliases: other spellings of the field in the platform's answers.
    """

    type: Type
    description: str = ""
    aliases: list[str] = []


class WindowParams(Declared, frozen=True):
    """How the API is asked for a span of time.

    Attributes:
        start: request parameter of the first moment.
        end: request parameter of the last one.
        format: `datetime` for `yyyy-MM-dd HH:mm:ss`, `epoch_ms` for milliseconds.
        max_minutes: longest span that may be asked for, None where none is documented.
    """

    start: str
    end: str
    format: Literal["datetime", "epoch_ms"] = "datetime"
    max_minutes: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Paging(Declared, frozen=True):
    """How the API is asked for a page, and how the end of its list is known.

    Attributes:
        page: request parameter of the page number, which starts at 1.
        size: request parameter of the page size.
        min_size: smallest page the API accepts, rows.
        max_size: largest page the API accepts, rows.
        end: `total`: page 1 says how many rows there are. `has_next`: every page says whether there is another.
            `empty_page`: neither; the list ends with a page that has nothing new.
    """

    page: str = "pageNo"
    size: str = "pageSize"
    min_size: int = 1
    max_size: int = 200
    end: Literal["total", "has_next", "empty_page"] = "total"

    def rows(self, wanted: int) -> int:
        """The page size to ask for, in rows, when `wanted` is what the settings say."""
        return max(self.min_size, min(wanted, self.max_size))


class Totals(Declared, frozen=True):
    """How the API is asked what it has for a day, by a time that never changes.

    Attributes:
        time_field: field of the row that the count goes by.
        start: request parameter of the day's beginning.
        end: request parameter of its end.
        params: further parameters, which replace those of the declaration.
    """

    time_field: str
    start: str
    end: str
    params: dict[str, str | int | bool] = {}


class ForEach(Declared, frozen=True):
    """An API that answers for one row of another stream at a time.

    Attributes:
        stream: the stream whose rows are asked about.
        field: its field whose value is sent.
        param: request parameter that takes the value.
        column: column of this stream that keeps the value, if the answer does not repeat it.
    """

    stream: str
    field: str
    param: str
    column: str | None = None


class Child(Declared, frozen=True):
    """An array of objects inside the row, which becomes a stream of its own.

    Attributes:
        properties: fields of its elements.
        primary_keys: fields that identify an element within its row; without them elements are numbered by content.
        title: label, in Chinese.
    """

    properties: dict[str, Property]
    primary_keys: list[str] = []
    title: str = ""


class Declaration(Declared, frozen=True):
    """One list API.

    Attributes:
        method: name of the API.
        properties: fields of its rows.
        primary_keys: fields that identify a row.
        title: label, in Chinese.
        noun: what a row is called in the columns that its children get, `<noun>_id`.
        list_key: where the rows stand in the answer.
        replication_key: the field that the window goes by, if rows have it.
        params: fixed request parameters.
        window: None for an API that can only be read whole.
        lookback_minutes: least distance to go back before the bookmark, for an API whose window does not go by
            modification: later changes are found only by reading again.
        paging: None for an API that answers with everything at once.
        totals: how to ask for daily counts, if that makes sense for this API.
        for_each: set for an API that is asked once for each row of another stream.
        children: array field → what its elements are.
    """

    method: str
    properties: dict[str, Property]
    primary_keys: list[str]
    title: str = ""
    noun: str = ""
    list_key: str = "list"
    replication_key: str | None = None
    params: dict[str, str | int | bool] = {}
    window: WindowParams | None = None
    lookback_minutes: int = 0
    paging: Paging | None = None
    totals: Totals | None = None
    for_each: ForEach | None = None
    children: dict[str, Child] = {}

    def parent_columns(self) -> dict[str, str]:
        """Columns that tie a child row to this row: `<noun>_id` and `<noun>_modified`.

        Returns:
            Child column → field of this row; a key of several fields gives a column `<noun>_<field>` each.
        """
        if len(self.primary_keys) == 1:
            columns = {f"{self.noun}_id": self.primary_keys[0]}
        else:
            columns = {f"{self.noun}_{key}": key for key in self.primary_keys}
        if self.replication_key:
            columns[f"{self.noun}_modified"] = self.replication_key
        return columns


def stream_name(method: str) -> str:
    """Name of the stream of an API: `erp.shop.list.query` is `shop_list_query`."""
    return method.removeprefix("erp.").replace(".", "_")


@cache
def _shipped() -> dict[str, Any]:
    files = resources.files(__package__).joinpath("declarations").iterdir()
    shipped = (msgspec.json.decode(file.read_bytes()) for file in files if file.name.endswith(".json"))
    return {stream_name(one["method"]): one for one in shipped}


def declarations(custom: dict[str, Any] | None = None) -> dict[str, Declaration]:
    """All list APIs: the shipped ones, changed and completed by the user's.

    Args:
        custom: the setting `custom_streams`, stream name → declaration. Under the name of a shipped stream it only
            needs what differs; objects are merged into the shipped ones, everything else replaces.

    Returns:
        Stream name → declaration, by name.

    Raises:
        DeclarationError: with one line for each mistake.
    """
    custom = custom or {}
    mistakes: list[str] = []
    found: dict[str, Declaration] = {}
    shipped = _shipped()
    for name in sorted({*shipped, *custom}):
        data = _merge(shipped.get(name, {}), custom.get(name, {}))
        try:
            found[name] = msgspec.convert(data, Declaration)
        except msgspec.ValidationError as error:
            hint = "" if name in shipped else f"; '{name}' is not a shipped stream, so it must be declared whole"
            mistakes.append(f"custom_streams.{name}: {error}{hint}")
    for name in custom:
        if name in found:
            mistakes += [f"custom_streams.{name}: {mistake}" for mistake in _mistakes(name, found[name], found)]
    if mistakes:
        raise DeclarationError(mistakes)
    return found


class DeclarationError(ValueError):
    """The user's declarations cannot be used.

    Attributes:
        mistakes: one line each.
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _merge(shipped: object, custom: object) -> object:
    if not (isinstance(shipped, dict) and isinstance(custom, dict)):
        return custom
    return shipped | {key: _merge(shipped.get(key), value) for key, value in custom.items()}


def _mistakes(name: str, one: Declaration, everything: dict[str, Declaration]) -> list[str]:
    """What is wrong with a declaration whose form is right."""
    wrong = []
    if not _NAME.fullmatch(name):
        wrong.append("a stream's name may have letters, digits and _ only")
    if not re.fullmatch(r"[A-Za-z][\w.]*", one.method, re.ASCII):
        wrong.append(f"'{one.method}' is not the name of an API, such as erp.shop.list.query")
    if not one.primary_keys:
        wrong.append("primary_keys is empty; name the fields that identify a row")
    wrong += [
        f"primary key '{key}' is not among the properties" for key in one.primary_keys if key not in one.properties
    ]
    rep = one.replication_key
    if rep and (rep not in one.properties or one.properties[rep].type != "datetime"):
        wrong.append(f"replication_key '{rep}' is not a property of type datetime")
    wrong += _clashes("properties", one.properties)
    wrong += [
        f"'{name}' is the name of a child stream of {parent}"
        for parent, other in everything.items()
        if name in {f"{parent}_{array}" for array in other.children}
    ]
    if one.totals and not (one.paging and one.paging.end == "total"):
        wrong.append("totals need paging whose end is 'total'")
    if one.paging and not 1 <= one.paging.min_size <= one.paging.max_size:
        wrong.append("paging.min_size must be at least 1 and not above paging.max_size")
    return wrong + _mistakes_of_children(name, one, everything) + _mistakes_of_source(one.for_each, everything)


def _mistakes_of_children(name: str, one: Declaration, everything: dict[str, Declaration]) -> list[str]:
    wrong = []
    if one.children and not _NAME.fullmatch(one.noun):
        wrong.append("children need a noun, such as 'aftersale' for the column aftersale_id")
    for array, child in one.children.items():
        if array not in one.properties:
            wrong.append(f"children.{array}: '{array}' is not among the properties")
        if f"{name}_{array}" in everything:
            wrong.append(f"children.{array}: there is another stream '{name}_{array}'")
        wrong += [
            f"children.{array}: primary key '{key}' is not among its properties"
            for key in child.primary_keys
            if key not in child.properties
        ]
        wrong += _clashes(f"children.{array}", [*one.parent_columns(), *child.properties])
    return wrong


def _mistakes_of_source(asked: ForEach | None, everything: dict[str, Declaration]) -> list[str]:
    if asked is None:
        return []
    source = everything.get(asked.stream)
    if source is None:
        return [f"for_each.stream '{asked.stream}' is not a stream"]
    if source.for_each:
        return [f"for_each.stream '{asked.stream}' is itself read row by row"]
    if asked.field not in source.properties:
        return [f"for_each.field '{asked.field}' is not among the properties of {asked.stream}"]
    return []


def _clashes(where: str, columns: Iterable[str]) -> list[str]:
    """Columns that a database cannot tell apart: it does not distinguish upper and lower case."""
    counted = Counter(column.lower() for column in [*columns, EXTRA])
    return [f"{where}: '{column}' is there more than once" for column, times in counted.items() if times > 1]


def row_schema(one: Declaration) -> dict[str, Any]:
    """JSON Schema of a list API's rows."""
    return _schema({name: _column(prop) for name, prop in one.properties.items()}, one.primary_keys)


def child_schema(one: Declaration, array: str) -> dict[str, Any]:
    """JSON Schema of the rows of a child stream: the parent's key first, then the element's fields."""
    child = one.children[array]
    columns = {}
    for column, field in one.parent_columns().items():
        parent = one.properties[field]
        columns[column] = _column(Property(parent.type, f"所属{one.title}：{parent.description}"))
    if not child.primary_keys:
        columns[ROW_NUMBER] = {
            "type": ["integer", "null"],
            "description": "行号（按内容排序，从1开始，与返回顺序无关）",
        }
    columns |= {name: _column(prop) for name, prop in child.properties.items()}
    return _schema(columns, child_keys(one, array))


def child_keys(one: Declaration, array: str) -> list[str]:
    """Key of a child stream: the parent's key, then the element's own or its row number."""
    parent = [column for column, field in one.parent_columns().items() if field in one.primary_keys]
    return [*parent, *(one.children[array].primary_keys or [ROW_NUMBER])]


def totals_schema() -> dict[str, Any]:
    """JSON Schema of the streams of daily counts."""
    columns = {
        "window_start": _column(Property("datetime", "统计日开始（北京时间，含）")),
        "window_end": _column(Property("datetime", "统计日结束（北京时间，不含）")),
        "time_field": _column(Property("string", "统计所依据的时间字段")),
        "source_total": _column(Property("integer", "平台返回的总条数（条）")),
        "counted_at": _column(Property("datetime", "统计时刻")),
    }
    return {"type": "object", "properties": columns, "required": ["window_start", "time_field"]}


def _column(prop: Property) -> dict[str, Any]:
    schema = dict(_JSON_TYPES[prop.type])
    if prop.description:
        schema["description"] = prop.description
    return schema


def _schema(columns: dict[str, dict[str, Any]], keys: list[str]) -> dict[str, Any]:
    for key in keys:  # The converter sees to it that a key is never null.
        columns[key] = columns[key] | {"type": columns[key]["type"][0]}
    columns[EXTRA] = _column(Property("object", "平台返回但未列入表结构的字段"))
    return {"type": "object", "properties": columns, "required": list(keys)}
