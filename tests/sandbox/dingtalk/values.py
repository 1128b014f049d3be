"""What is written into the components of a form, as the platform stores it: text, or JSON inside text.

The shapes are those of the official list of components
(https://open.dingtalk.com/document/orgapp/approval-form-components) and of answers published by other programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import BEIJING
from tests.sandbox.dingtalk.people import DEPARTMENTS, ROOT, anyone

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from tests.sandbox.dingtalk.templates import Component

#: Day 0 of the dates people write into forms.
_DAY_0 = datetime(2026, 1, 1, tzinfo=BEIJING)
#: Text that breaks careless readers: quotes, a backslash, a line break, an emoji, characters of four bytes, a word
#: that looks empty.
TEXTS = (
    "安装费",
    "补发配件 3 件",
    '客户说"尽快"',
    "路径 C:\\temp\\单据",
    "第一行\n第二行",
    "好评返现😀",
    "𠮷野家门店",
    "It's 100% OK",
    "null值说明",
    " 前后有空格 ",
    "<b>不是网页</b>",
)
_PICTURE = "https://static.dingtalk.com/media/example_{}.jpg"


@dataclass(frozen=True)
class Filled:
    """A component that is not empty.

    Attributes:
        value: The platform's text.
        ext: The text beside it (``ext_value``, ``extValue``), or None.
        plain: What a reader should understand: text, exact decimal text, a list, names with ids, or table rows.
    """

    value: str
    ext: str | None
    plain: Any


@dataclass(frozen=True)
class Cell:
    """A filled cell of a table; ``value`` may be a list, unlike anywhere else."""

    column: Component
    value: str | list[Any]
    ext: str | None
    plain: Any


@dataclass(frozen=True)
class Row:
    """A row of a table with the cells that are not empty."""

    number: str
    cells: tuple[Cell, ...]


def dumps(content: object) -> str:
    """Return JSON as the platform writes it into its text fields."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def fill(component: Component, dice: random.Random) -> Filled:
    """Return what somebody wrote into a component that is neither a table nor empty."""
    writer = _WRITERS.get(component.type, _text)
    return writer(component, dice)


def fill_cell(column: Component, dice: random.Random) -> Cell:
    """Return what somebody wrote into a cell: lists come as they are, or as JSON inside text."""
    filled = fill(column, dice)
    native = column.type in _NATIVE_IN_CELLS and dice.random() < _NATIVE_SHARE
    return Cell(column, json.loads(filled.value) if native else filled.value, filled.ext, filled.plain)


def table_value(rows: Iterable[Row], dice: random.Random) -> str:
    """Return the text of a filled table."""
    return dumps([{"rowValue": [_cell(cell, dice) for cell in row.cells], "rowNumber": row.number} for row in rows])


def unfilled_table_value(component: Component) -> str:
    """Return the text of a table nobody filled: the description of its columns, which must not be read as rows."""
    return dumps(
        [
            {
                "componentName": column.type,
                "componentType": column.type,
                "props": {
                    "id": column.id,
                    "label": column.label,
                    "placeholder": "请输入",
                    "required": column.fill == 1,
                },
            }
            for column in component.columns
        ]
    )


TABLE_EXT = dumps({"statValue": [], "componentName": "TableField"})

_NATIVE_IN_CELLS = frozenset({"DDMultiSelectField", "DDDateRangeField", "DDPhotoField", "DDAttachment"})
_NATIVE_SHARE = 0.8


def _cell(cell: Cell, dice: random.Random) -> dict[str, Any]:
    label: str | list[str] = cell.column.label
    if cell.column.type == "DDDateRangeField":
        label = json.loads(cell.column.label)
    shown: dict[str, Any] = {"label": label, "value": cell.value, "key": cell.column.id}
    if dice.random() < 0.9:
        shown["componentType"] = cell.column.type
    if cell.ext is not None:
        shown["extendValue"] = json.loads(cell.ext) if dice.random() < 0.5 else cell.ext
    if dice.random() < 0.5:
        shown["bizAlias"] = ""
    return shown


def _text(component: Component, dice: random.Random) -> Filled:
    if component.options == ("account",):
        text = "".join(dice.choices("0123456789", k=19))
    else:
        text = f"{dice.choice(TEXTS)}-{dice.randrange(1000):03d}"
    return Filled(text, None, text)


def _phone(_component: Component, dice: random.Random) -> Filled:
    text = "1380000" + "".join(dice.choices("0123456789", k=4))
    return Filled(text, dumps({"mode": "phone", "countryKey": "CN", "countryCode": "+86"}), text)


def _number(_component: Component, dice: random.Random) -> Filled:
    text = dice.choice((str(dice.randrange(1, 200)), f"{dice.randrange(1, 50)}.{dice.randrange(1, 10)}", "0"))
    return Filled(text, None, text)


def _money(_component: Component, dice: random.Random) -> Filled:
    fen = dice.choice((dice.randrange(1, 10_000), dice.randrange(10_000, 100_000_000)))
    if dice.random() < 0.02:  # an amount that a double cannot hold
        fen = dice.randrange(9_007_199_254_740_993, 10_000_000_000_000_000)
    yuan, rest = divmod(fen, 100)
    cents = f".{rest:02d}" if dice.random() < 0.8 else ""
    separated = dice.random() < 0.3
    ext = dumps({"upper": "人民币大写", "componentName": "MoneyField"}) if dice.random() < 0.8 else None
    return Filled(f"{yuan:,}{cents}" if separated else f"{yuan}{cents}", ext, f"{yuan}{cents}")


def _select(component: Component, dice: random.Random) -> Filled:
    index = dice.randrange(len(component.options))
    text = component.options[index]
    return Filled(text, dumps({"label": text, "key": f"option_{index}"}), text)


def _multi_select(component: Component, dice: random.Random) -> Filled:
    chosen = sorted(dice.sample(range(len(component.options)), dice.randrange(1, len(component.options) + 1)))
    texts = [component.options[index] for index in chosen]
    ext = [{"label": text, "key": f"option_{index}"} for index, text in zip(chosen, texts, strict=True)]
    return Filled(dumps(texts), dumps(ext), texts)


def _day(dice: random.Random) -> datetime:
    return _DAY_0 + timedelta(days=dice.randrange(600), minutes=dice.randrange(1440))


def _date(component: Component, dice: random.Random) -> Filled:
    text = _day(dice).strftime(component.options[0] if component.options else "%Y-%m-%d")
    return Filled(text, None, text)


def _date_range(_component: Component, dice: random.Random) -> Filled:
    first = _day(dice)
    days = dice.randrange(10)
    last = first + timedelta(days=days)
    content = [first.strftime("%Y-%m-%d"), last.strftime("%Y-%m-%d"), dice.choice((None, days + 1))]
    return Filled(dumps(content), None, content)


def _holiday(_component: Component, dice: random.Random) -> Filled:
    first = _day(dice)
    hours = dice.randrange(1, 16) / 2
    last = first + timedelta(hours=hours)
    content = [first.strftime("%Y-%m-%d %H:%M"), last.strftime("%Y-%m-%d %H:%M"), hours, "hour", "事假", "请假类型"]
    return Filled(dumps(content), None, content)


def _photos(_component: Component, dice: random.Random) -> Filled:
    content = [_PICTURE.format(dice.randrange(10_000)) for _ in range(dice.randrange(1, 4))]
    return Filled(dumps(content), None, content)


def _attachments(_component: Component, dice: random.Random) -> Filled:
    content = [
        {
            "spaceId": "900",
            "fileName": f"发票{dice.randrange(100)}.pdf",
            "fileSize": dice.randrange(1, 9_000_000),
            "fileType": "pdf",
            "fileId": f"F{dice.randrange(10_000):05d}",
        }
        for _ in range(dice.randrange(1, 3))
    ]
    return Filled(dumps(content), None, content)


def _contacts(_component: Component, dice: random.Random) -> Filled:
    people = [anyone(dice) for _ in range(dice.randrange(1, 3))]
    ext = [{"emplId": person.userid, "name": person.name, "avatar": ""} for person in people]
    names = [person.name for person in people]
    return Filled(",".join(names), dumps(ext), {"names": names, "ids": [person.userid for person in people]})


def _departments(_component: Component, dice: random.Random) -> Filled:
    chosen = dice.sample(
        [department for department in DEPARTMENTS if department is not ROOT], dice.choice((1, 1, 1, 2))
    )
    ext = [{"id": department.id, "name": department.name, "number": 0} for department in chosen]
    names = [department.name for department in chosen]
    return Filled(",".join(names), dumps(ext), {"names": names, "ids": [department.id for department in chosen]})


def _related(_component: Component, dice: random.Random) -> Filled:
    titles = [f"{anyone(dice).name}提交的事项审批" for _ in range(dice.randrange(1, 3))]
    # `list[i]` belongs to `value[i]`; the names of the keys inside are made up, no published answer shows them.
    ext = {"list": [{"businessId": f"2026010108000000{dice.randrange(100_000):05d}"} for _ in titles]}
    return Filled(dumps(titles), dumps(ext), titles)


def _address(_component: Component, dice: random.Random) -> Filled:
    names = dice.choice((("海南省", "海口市", "龙华区"), ("浙江省", "杭州市", "余杭区"), ("北京", "北京市", "东城区")))
    parts = zip(("province", "city", "district"), names, ("460000", "460100", "460106"), strict=True)
    ext = {part: {"name": name, "id": number} for part, name, number in parts}
    return Filled(",".join(names), dumps(ext), ",".join(names))


def _stars(_component: Component, dice: random.Random) -> Filled:
    text = str(dice.randrange(1, 6))
    return Filled(text, None, text)


def _time_and_place(_component: Component, dice: random.Random) -> Filled:
    content = [_day(dice).strftime("%Y-%m-%d %H:%M:%S"), 120.02, 30.28, "杭州市余杭区示例路 1 号", 100]
    return Filled(dumps(content), None, content)


def _note(component: Component, _dice: random.Random) -> Filled:
    return Filled(component.options[0], None, component.options[0])


def _signature(_component: Component, dice: random.Random) -> Filled:
    url = _PICTURE.format(dice.randrange(10_000))
    return Filled(url, dumps({"componentName": "SignatureField"}), url)


def _cascade(_component: Component, dice: random.Random) -> Filled:
    name = dice.choice("ABC")
    path = f"默认分类/{name}"
    ext = {"code": name, "level": 2, "name": name, "fullNamePath": path, "id": f"node_{name}"}
    return Filled(path, dumps(ext), path)


def _recipient(_component: Component, dice: random.Random) -> Filled:
    name = anyone(dice).name
    return Filled(name, dumps({"identityType": "BANKCARD"}), name)


def _invoices(_component: Component, dice: random.Random) -> Filled:
    content = [{"invoiceNo": f"{dice.randrange(10**8):08d}", "amount": f"{dice.randrange(1, 10**4)}.00"}]
    return Filled(dumps(content), None, content)


def _id_card(_component: Component, dice: random.Random) -> Filled:
    text = f"11010119900101{dice.randrange(1000):03d}X"
    return Filled(text, None, text)


def _suite(_component: Component, dice: random.Random) -> Filled:
    content = [
        {
            "componentName": "MoneyField",
            "props": {"bizAlias": "amount", "id": "MoneyField_1SUITE", "label": "金额"},
            "value": f"{dice.randrange(1, 1000)}.00",
            "extValue": None,
        }
    ]
    return Filled(dumps(content), None, content)


def _serial(_component: Component, dice: random.Random) -> Filled:
    text = f"BX2026{dice.randrange(10**6):06d}"
    return Filled(text, None, text)


_WRITERS: dict[str, Callable[[Component, random.Random], Filled]] = {
    "AddressField": _address,
    "CalculateField": _money,
    "CascadeField": _cascade,
    "DDAttachment": _attachments,
    "DDBizSuite": _suite,
    "DDDateField": _date,
    "DDDateRangeField": _date_range,
    "DDHolidayField": _holiday,
    "DDMultiSelectField": _multi_select,
    "DDPhotoField": _photos,
    "DDSelectField": _select,
    "DepartmentField": _departments,
    "IdCardField": _id_card,
    "InnerContactField": _contacts,
    "InvoiceField": _invoices,
    "MoneyField": _money,
    "NumberField": _number,
    "PhoneField": _phone,
    "RecipientAccountField": _recipient,
    "RelateField": _related,
    "SeqNumberField": _serial,
    "SignatureField": _signature,
    "StarRatingField": _stars,
    "TextNote": _note,
    "TimeAndLocationField": _time_and_place,
}
