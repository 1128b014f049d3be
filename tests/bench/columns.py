"""The columns of an after-sales ticket and how their values are drawn. Pure: the same seed gives the same ticket.

Shaped like what the ERP's after-sales list returns: ids of 16 digits, Chinese names and addresses, money, wall clock of
Beijing, many optional fields empty, the ticket's items as JSON.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

Kind = Literal["integer", "number", "boolean", "string", "date-time", "array"]
#: The values of a column in canonical text (see `Column.kind`); None is NULL.
Texts = list["str | None"]

_FIRST_ID = 5_000_000_000_000_000
_START = dt.datetime(2026, 1, 1)  # noqa: DTZ001 wall clock of Beijing; the zone is written by the reader of the text
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
_GIVEN_NAMES = [*"伟芳敏静丽强磊军洋勇艳杰涛明超", "秀英", "桂兰", "思远", "雨桐", "梓涵"]
_PLACES = [
    "浙江省杭州市余杭区",
    "广东省广州市白云区",
    "江苏省苏州市工业园区",
    "四川省成都市武侯区",
    "新疆维吾尔自治区乌鲁木齐市",
]
_ROADS = ["文一西路", "机场路", "星湖街", "天府大道中段", "友好北路", "解放路", "人民东路"]
_SHOPS = [
    f"{name}{kind}" for name in ["山茶", "北屿", "青禾", "拾光", "云上"] for kind in ["旗舰店", "专营店", "官方店"]
]
_WAREHOUSES = ["杭州退货仓", "广州一号仓", "苏州中转仓", "成都备用仓"]
_CARRIERS = ["顺丰速运", "中通快递", "圆通速递", "韵达快递", "京东物流", "邮政EMS"]
_SOURCES = ["tb", "tm", "jd", "pdd", "fxg", "kuaishou", "xhs"]
_GOODS = ["轻薄羽绒服女中长款", "儿童防滑运动鞋", "304不锈钢保温杯500ml", "纯棉四件套1.8m床", "无线蓝牙耳机降噪"]
_COLOURS = ["雾霾蓝", "奶油白", "墨绿", "豆沙粉", "石墨灰"]
_REASONS = [
    "退运费",
    "收到商品破损",
    "商品错发/漏发",
    "商品需要维修",
    "发票问题",
    "我不想要了",
    "商品质量问题",
    "未按约定时间发货",
]
_REMARKS = (
    "客户反映外包装破损,已拍照取证,同意退货退款",
    "尺码偏小,换大一码;运费由店铺承担",
    "七天无理由退货,商品未拆封,请仓库核对后入库",
    "已与买家电话沟通,补发赠品一份",
    "快递显示签收但买家称未收到,正在联系承运商核实签收底单",
    "多件商品中有一件颜色发错,买家要求只退差价",
)
#: What people paste into a remark, and what a careless loader stumbles over.
_AWKWARD = (
    '买家原话:"再不处理就投诉"',
    "第一行\n第二行\t缩进",
    r"路径 D:\售后\照片",
    "已处理👌谢谢🙏",
    "差价=12,5元; 'ok'",
)


@dataclasses.dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in the record and in the table.
        kind: its JSON type, or format. Canonical texts are digits, digits with a point, ``1`` or ``0``, the string
            itself, ``2026-01-02 03:04:05.678000`` in Beijing, and JSON without spaces.
        sql: its MySQL type.
        draw: ``draw(random, first, rows)`` returns the values of ``rows`` tickets from number ``first`` on.
        updated: whether the second version of a ticket draws it anew.
    """

    name: str
    kind: Kind
    sql: str
    draw: Callable[[Random, int, int], Texts]
    updated: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema, as a tap would declare it: money is a plain ``number``."""
        if self.name == KEY:
            return {"type": self.kind}
        if self.kind == "date-time":
            return {"type": ["string", "null"], "format": "date-time"}
        if self.kind == "array":
            return {"type": ["array", "null"], "items": {"type": "object"}}
        if self.kind == "string":
            return {"type": ["string", "null"], "maxLength": int(self.sql[8:-1])}
        return {"type": [self.kind, "null"]}

    @property
    def scale(self) -> int:
        """Digits after the point of a ``number``."""
        return int(self.sql[:-1].rpartition(",")[2])


def _of(pool: Sequence[str], empty: float = 0) -> Callable[[Random, int, int], Texts]:
    """Values of a pool; ``empty`` of them, between 0 and 1, are NULL."""
    choices: Texts = [*pool]
    weights = [(1 - empty) / len(pool)] * len(pool)
    return lambda random, _first, rows: random.choices([*choices, None], [*weights, empty], k=rows)


def _numbers(low: int, high: int, empty: float = 0) -> Callable[[Random, int, int], Texts]:
    """Whole numbers from ``low`` to below ``high``, of a pool of 500."""
    step = max(1, (high - low) // 500)
    return _of([str(number) for number in range(low, high, step)], empty)


def _money(digits: int, scale: int, empty: float = 0) -> Callable[[Random, int, int], Texts]:
    """Decimals of up to ``digits`` digits before the point and exactly ``scale`` after it, all different."""

    def draw(random: Random, _first: int, rows: int) -> Texts:
        whole, part, void = 10**digits, 10**scale, random.random
        return [
            None if void() < empty else f"{int(void() * whole)}.{int(void() * part):0{scale}d}" for _ in range(rows)
        ]

    return draw


def _instants(spread_seconds: int, empty: float = 0) -> Callable[[Random, int, int], Texts]:
    """Wall clock with milliseconds: later for later tickets, up to ``spread_seconds`` apart from their neighbours."""

    def draw(random: Random, first: int, rows: int) -> Texts:
        void = random.random
        texts: Texts = []
        for number in range(first, first + rows):
            at = _START + dt.timedelta(seconds=number + void() * spread_seconds)
            text = at.strftime("%Y-%m-%d %H:%M:%S") + f".{at.microsecond // 1000:03d}000"
            texts.append(None if void() < empty else text)
        return texts

    return draw


def _ids(_random: Random, first: int, rows: int) -> Texts:
    return [str(_FIRST_ID + number * 37) for number in range(first, first + rows)]


def _order_numbers(random: Random, first: int, rows: int) -> Texts:
    return [
        f"{3_000_000_000_000_000_000 + number * 7_919 + random.getrandbits(8)}" for number in range(first, first + rows)
    ]


def _items(random: Random, first: int, rows: int) -> Texts:
    """JSON of about 250 bytes: the two things that came back. Names in alphabetical order: some loaders sort them."""
    pool = [
        f'"outer_id":"SKU-{number:05d}","price":{number}.5,"properties":"{random.choice(_COLOURS)};{random.choice("SML")}",'
        f'"title":"{random.choice(_GOODS)}"'
        for number in range(200)
    ]
    one, two = random.choices(pool, k=rows), random.choices(pool, k=rows)
    return [
        f'[{{"count":1,"id":{number * 2},{one[at]}}},{{"count":2,"id":{number * 2 + 1},{two[at]}}}]'
        for at, number in enumerate(range(first, first + rows))
    ]


def _phones(random: Random, _first: int, rows: int) -> Texts:
    return [f"1{number:010d}" for number in (random.getrandbits(33) for _ in range(rows))]


KEY = "id"
_NAMES = [surname + given for surname in _SURNAMES for given in _GIVEN_NAMES]
_ADDRESSES = [
    f"{place}{road}{number}号{number % 30 + 1}栋{number * 7 % 2000 + 101}室"
    for place in _PLACES
    for road in _ROADS
    for number in (8, 66, 168, 969)
]
_REMARK_POOL = [*(text * times for text in _REMARKS for times in (1, 2, 3)), *_AWKWARD]

COLUMNS = (
    Column(KEY, "integer", "BIGINT", _ids),
    Column("short_id", "integer", "BIGINT", _numbers(100_000, 900_000)),
    Column("order_type", "string", "VARCHAR(8)", _of(["1", "2"])),
    Column("tid", "string", "VARCHAR(32)", _order_numbers),
    Column("sid", "integer", "BIGINT", _numbers(4_000_000_000_000_000, 4_900_000_000_000_000, empty=0.05)),
    Column("created", "date-time", "DATETIME(6)", _instants(600)),
    Column("modified", "date-time", "DATETIME(6)", _instants(86_400), updated=True),
    Column("finished", "date-time", "DATETIME(6)", _instants(864_000, empty=0.6), updated=True),
    Column("refund_timeout", "date-time", "DATETIME(6)", _instants(259_200, empty=0.3)),
    Column("after_sale_type", "integer", "INT", _of(["0", "1", "2", "3", "4", "5", "7", "8", "9"])),
    Column("status", "integer", "INT", _of(["2", "9", "10", "11", "12"]), updated=True),
    Column("good_status", "integer", "INT", _of(["1", "2", "3", "4"], empty=0.2), updated=True),
    Column("platform_status", "integer", "INT", _numbers(1, 20), updated=True),
    Column("deal_result", "integer", "INT", _numbers(1, 8, empty=0.5), updated=True),
    Column("storage_progress", "integer", "INT", _of(["1", "2", "3"], empty=0.3), updated=True),
    Column("urgent", "boolean", "BOOLEAN", _of(["0", "0", "0", "1"])),
    Column("buyer_name", "string", "VARCHAR(64)", _of(_NAMES)),
    Column("buyer_phone", "string", "VARCHAR(32)", _phones),
    Column(
        "wangwang_num", "string", "VARCHAR(64)", _of([f"tb{name}_{at}" for at, name in enumerate(_NAMES)], empty=0.1)
    ),
    Column("receiver_address", "string", "VARCHAR(255)", _of(_ADDRESSES)),
    Column("raw_refund_money", "number", "DECIMAL(12,2)", _money(4, 2)),
    Column("refund_money", "number", "DECIMAL(12,2)", _money(4, 2), updated=True),
    Column("refund_post_fee", "number", "DECIMAL(12,2)", _money(2, 2, empty=0.4)),
    Column("payment", "number", "DECIMAL(12,2)", _money(5, 2)),
    # 19 digits: a loader that reads numbers as floats changes them.
    Column("settled_total", "number", "DECIMAL(24,8)", _money(11, 8)),
    Column("reason", "string", "VARCHAR(64)", _of(_REASONS)),
    Column("text_reason", "string", "VARCHAR(255)", _of(_REMARKS, empty=0.5)),
    Column("remark", "string", "VARCHAR(500)", _of(_REMARK_POOL, empty=0.2), updated=True),
    Column("warehouse_id", "integer", "BIGINT", _numbers(10_000, 20_000, empty=0.1)),
    Column("warehouse_name", "string", "VARCHAR(64)", _of(_WAREHOUSES, empty=0.1)),
    Column("express_company", "string", "VARCHAR(64)", _of(_CARRIERS, empty=0.3)),
    Column("express_id", "string", "VARCHAR(64)", _order_numbers),
    Column("shop_name", "string", "VARCHAR(128)", _of(_SHOPS)),
    Column("source", "string", "VARCHAR(16)", _of(_SOURCES)),
    Column("items", "array", "JSON", _items),
)
NAMES = tuple(column.name for column in COLUMNS)
