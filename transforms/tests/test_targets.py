"""Rows in real targets: the wide table follows its source, and public targets take the rows as they are."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_other_targets import public_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.conftest import Message, Runner
    from tests.servers import Server

pytestmark = pytest.mark.slow

PROGRAMS = Path(sys.executable).parent
TICKET = {
    "id": {"type": "integer"},
    "modified": {"type": "string", "format": "date-time"},
    "items": {
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "price": {"type": ["number", "null"]}},
        },
    },
}


def load(messages: Iterable[Message], mapper: dict[str, Any], target: Sequence[str | Path], directory: Path) -> str:
    """Pipe messages through the mapper into a target; return what both wrote to standard error."""
    config = directory / "mapper.json"
    config.write_text(json.dumps(mapper), encoding="utf-8")
    mapped = subprocess.run(
        [sys.executable, "-m", "map_explode", "--config", config],
        input=b"".join(json.dumps(message, default=float).encode() + b"\n" for message in messages),
        capture_output=True,
        check=True,
    )
    written = subprocess.run(target, input=mapped.stdout, capture_output=True, check=False, cwd=directory)
    assert written.returncode == 0, written.stderr.decode()
    return (mapped.stderr + written.stderr).decode()


def test_a_wide_table_follows_tickets_whose_items_shrink(
    run: Runner, tmp_path: Path, mariadb: Server, database: str
) -> None:
    """From 5 items to 2, to none, to 1: the table of rows beside its tickets, and the one in the tickets' place."""
    entry = {"path": "items", "key": ["id"], "keep_empty": True}
    mapper = {"explode": {"ticket": {**entry, "alias": "ticket_flat"}, "wide": entry}}
    newer = {"on": {"id": "id"}, "version": {"modified": "modified"}}
    target = {
        "host": mariadb.host, "port": mariadb.port, "user": mariadb.user, "password": mariadb.password,
        "database": database,
        "prune": {"ticket_flat": {"parent": "ticket", **newer}, "wide": {"parent": "wide", **newer}},
    }  # fmt: skip
    (tmp_path / "target.json").write_text(json.dumps(target), encoding="utf-8")
    program: list[str | Path] = [PROGRAMS / "target-mysql-replace", "--config", "target.json"]
    kept = {"id": 2, "modified": "2026-01-01T00:00:00+08:00", "items": [{"id": 9, "price": 1}]}
    for day, items in enumerate([[1, 2, 3, 4, 5], [2, 4], [], [7]], start=1):
        changed = {
            "id": 1,
            "modified": f"2026-01-0{day}T00:00:00+08:00",
            "items": [{"id": each, "price": Decimal("19.95")} for each in items],
        }
        messages = [
            message
            for stream in ("ticket", "wide")
            for message in [run.schema(stream, TICKET, "id"), *run.records(stream, changed, kept)]
        ]
        load(messages, mapper, program, tmp_path)
        with mariadb.connect(database) as connection, connection.cursor() as cursor:
            for table in ("ticket_flat", "wide"):
                cursor.execute(f"SELECT id, items_id, items_price FROM {table} ORDER BY id, items_id")
                rows: list[tuple[int, int, Decimal | None]] = [(1, each, Decimal("19.95")) for each in items]
                rows = rows or [(1, 0, None)]
                assert list(cursor.fetchall()) == [*rows, (2, 9, Decimal(1))], table


RECORDS: list[dict[str, Any]] = [
    {
        "id": 1,
        "note": "一",
        "orders": [
            {"oid": "a", "suits": [{"sku": "x", "n": 1}, {"sku": "y"}], "tags": ["p", "q"]},
            {"oid": "b", "suits": []},
        ],
    },
    {"id": 2, "orders": []},
    {"id": 3},
]
SUIT = {"type": "object", "properties": {"sku": {"type": "string"}, "n": {"type": ["integer", "null"]}}}
ORDER = {
    "type": "object",
    "properties": {
        "oid": {"type": "string"},
        "suits": {"type": "array", "items": SUIT},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
COLUMNS = {
    "id": {"type": "integer"},
    "note": {"type": ["string", "null"]},
    "orders": {"type": "array", "items": ORDER},
}
MAPPER = {
    "explode": {
        "trade": [
            {"path": "orders.suits", "alias": "suits", "keep_empty": True},
            {"path": "orders.tags", "alias": "tags", "parent_fields": []},
        ]
    },
    "flattening_enabled": True,
    "flattening_max_depth": 2,
    "stream_maps": {"suits": {"orders_suits_n": "orders_suits_n * 10"}, "trade": "__NULL__"},
}
SUITS = [
    (1, "a", "x", 10, 1),
    (1, "a", "y", None, 2),
    (1, "b", None, None, 3),
    (2, None, None, None, 0),
    (3, None, None, None, 0),
]
SUIT_COLUMNS = ("id", "orders_oid", "orders_suits_sku", "orders_suits_n", "orders_suits_row_number")


def test_target_jsonl_gets_every_row(run: Runner, tmp_path: Path) -> None:
    target = public_target("target-jsonl==0.1.4", "target-jsonl")
    (tmp_path / "target.json").write_text(json.dumps({"destination_path": str(tmp_path), "do_timestamp_file": False}))
    messages = [run.schema("trade", COLUMNS, "id"), *run.records("trade", *RECORDS)]
    load(messages, MAPPER, [target, "--config", "target.json"], tmp_path)
    suits = [json.loads(line) for line in (tmp_path / "suits.jsonl").read_text().splitlines()]
    assert [tuple(row.get(column) for column in SUIT_COLUMNS) for row in suits] == SUITS
    tags = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text().splitlines()]
    assert [(row["id"], row["orders_tags"], row["orders_tags_row_number"]) for row in tags] == [
        (1, "p", 1),
        (1, "q", 2),
    ]


def test_target_csv_gets_every_row(run: Runner, tmp_path: Path) -> None:
    target = public_target("meltanolabs-target-csv==0.5.0", "target-csv")
    (tmp_path / "target.json").write_text(json.dumps({"output_path": str(tmp_path)}))
    messages = [run.schema("trade", COLUMNS, "id"), *run.records("trade", *RECORDS)]
    load(messages, MAPPER, [target, "--config", "target.json"], tmp_path)
    with (tmp_path / "suits.csv").open(encoding="utf-8", newline="") as file:
        rows = [tuple(row[column] for column in SUIT_COLUMNS) for row in csv.DictReader(file)]
    assert rows == [tuple("" if value is None else str(value) for value in row) for row in SUITS]
