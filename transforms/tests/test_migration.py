"""What docs/migration.md shows works."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.conftest import Runner

DOCUMENT = Path(__file__).parents[2] / "docs" / "migration.md"
COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "created": {"type": ["string", "null"], "format": "date-time"},
    "source": {"type": ["string", "null"]},
    "shopName": {"type": ["string", "null"]},
    "items": {"type": ["array", "null"], "items": {}},
}


def test_the_example_gives_the_rows_it_promises(run: Runner) -> None:
    (block,) = [
        block for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
        if "my-aftersale" in block
    ]  # fmt: skip
    (mapping,) = yaml.safe_load(block)["plugins"]["mappers"][0]["mappings"]
    record = {"id": 1, "created": "2026-01-31T20:00:00+08:00", "source": "tm", "shopName": "旗舰店"}
    items = [{"id": 7, "rawRefundMoney": "4299"}]
    out = run(
        mapping["config"],
        [
            run.schema("aftersale_list_query", COLUMNS, "id"),
            *run.records("aftersale_list_query", {**record, "items": items}),
        ],
    ).check()
    assert out.rows("aftersale") == [
        {"id": 1, "items_id": 7, "refund_yuan": Decimal("42.99"), "created_day": "2026-01-31", "shop": "tm旗舰店"}
    ]
    assert out.schema("aftersale")["key_properties"] == ["id", "items_id"]


ROWS = {
    "tax * 100": 1250,
    "'已解决' if status == 9 else '未解决'": "已解决",
    "'x' in a": True,
    "a[0:3]": "axb",
    "coalesce(b, a)": "axb,c",
    "concat_ws('', a, b)": "axb,c",
    "f'{a}{b}'": None,
    "decimal(tax, 2)": Decimal("12.50"),
    "int(tax)": 12,
    "a.split(',')": ["axb", "c"],
    "','.join(xs)": "p,q",
    "beijing(ms)": "2026-01-04T00:25:25+08:00",
    "date(ms)": "2026-01-04",
}


@pytest.mark.parametrize(("source", "value"), ROWS.items())
def test_every_kind_of_expression_of_the_table_works(run: Runner, source: str, value: object) -> None:
    columns = {
        "tax": {"type": "number"}, "status": {"type": "integer"}, "a": {"type": "string"},
        "b": {"type": ["string", "null"]}, "ms": {"type": "integer"},
        "xs": {"type": "array", "items": {"type": "string"}},
    }  # fmt: skip
    record = {"tax": Decimal("12.5"), "status": 9, "a": "axb,c", "xs": ["p", "q"], "ms": 1767457525000}
    out = run({"stream_maps": {"t": {"new": source}}}, [run.schema("t", columns), *run.records("t", record)]).check()
    assert out.rows("t")[0]["new"] == value
