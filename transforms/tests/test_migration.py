"""What docs/migration.md shows works."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.project import Project

if TYPE_CHECKING:
    from tests.conftest import Runner
    from tests.servers import Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "migration.md"
COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "created": {"type": ["string", "null"], "format": "date-time"},
    "source": {"type": ["string", "null"]},
    "shopName": {"type": ["string", "null"]},
    "items": {"type": ["array", "null"], "items": {}},
}


BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
(MAPPING,) = [yaml.safe_load(block)[0] for block in BLOCKS if block.startswith("- name: my-aftersale")]
(PROJECT,) = [yaml.safe_load(block) for block in BLOCKS if block.startswith("plugins:")]


def test_the_example_gives_the_rows_it_promises(run: Runner) -> None:
    record = {"id": 1, "created": "2026-01-31T20:00:00+08:00", "source": "tm", "shopName": "旗舰店"}
    items = [{"id": 7, "rawRefundMoney": "4299"}]
    out = run(
        MAPPING["config"],
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


@pytest.mark.slow
def test_meltano_takes_the_example(tmp_path: Path, mariadb: Server, database: str) -> None:
    project = Project.create(tmp_path / "project", mariadb, database, {})
    mappings = project.directory / "transforms" / "mappings.meltano.yml"
    included = yaml.safe_load(mappings.read_text(encoding="utf-8"))
    included["plugins"]["mappers"][0]["mappings"].append(MAPPING)
    mappings.write_text(yaml.safe_dump(included), encoding="utf-8")
    path = project.directory / "meltano.yml"
    # Everything as text: YAML 1.1 takes `on:` for true.
    own = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - a base loader is safe
    own["plugins"]["extractors"] += PROJECT["plugins"]["extractors"]
    for part in ("jobs", "schedules"):
        own[part] += PROJECT[part]
    path.write_text(yaml.safe_dump(own), encoding="utf-8")
    project.meltano("run", "--dry-run", "aftersale", "aftersale-remedy")
    listed = project.meltano("schedule", "list").output
    assert {schedule["name"] for schedule in PROJECT["schedules"]} <= set(re.findall(r"[\w-]+", listed))
