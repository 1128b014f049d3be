"""The input of the benchmarks: what is loaded from the lines and from the TSV has to be the same."""

from __future__ import annotations

import datetime as dt
import json
import re
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench import tickets
from tests.bench.columns import COLUMNS, KEY

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 400
_MEANS = {"n": "\n", "t": "\t", "\\": "\\"}


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tickets.Tickets:
    monkeypatch.setattr(tickets, "CACHE", tmp_path)
    return tickets.prepare(ROWS, 1)


def test_the_same_tickets_come_out_every_time() -> None:
    assert tickets.chunk(0, ROWS, 1) == tickets.chunk(0, ROWS, 1)


def test_the_second_version_changes_the_updated_columns_and_no_others() -> None:
    first, second = tickets.chunk(0, ROWS, 1), tickets.chunk(0, ROWS, 2)
    changed = [column.name for column, old, new in zip(COLUMNS, first, second, strict=True) if old != new]
    assert changed == [column.name for column in COLUMNS if column.updated]


def test_every_key_is_there_once() -> None:
    keys = [*tickets.chunk(0, ROWS, 1)[0], *tickets.chunk(ROWS, ROWS, 1)[0]]
    assert len(set(keys)) == 2 * ROWS


def test_the_lines_are_a_singer_stream_that_ends_with_its_state(prepared: tickets.Tickets) -> None:
    schema, *records, state = _messages(prepared.singer)
    assert schema["key_properties"] == [KEY]
    assert [record["type"] for record in records] == ["RECORD"] * ROWS
    assert all(list(record["record"]) == list(schema["schema"]["properties"]) for record in records)
    assert state == tickets.state_message(ROWS)


def test_the_tsv_holds_what_the_lines_hold(prepared: tickets.Tickets) -> None:
    lines = [list(message["record"].values()) for message in _messages(prepared.singer)[1:-1]]
    rows = prepared.tsv.read_text("utf-8").removesuffix("\n").split("\n")
    read = [[_value(column.kind, text) for column, text in zip(COLUMNS, row.split("\t"), strict=True)] for row in rows]
    expected = [[_instant(value) if _is_instant(value) else value for value in line] for line in lines]
    assert read == expected


def test_the_tickets_have_what_loaders_stumble_over(prepared: tickets.Tickets) -> None:
    records = [message["record"] for message in _messages(prepared.singer)[1:-1]]
    remarks = "".join(record["remark"] or "" for record in records)
    assert all(character in remarks for character in '\n\t\\"👌')
    assert any(float(record["settled_total"]) != record["settled_total"] for record in records)
    assert all(
        any(record[column.name] is None for record in records) for column in COLUMNS if column.name == "finished"
    )


def test_a_checksum_ties_every_value_to_its_key(prepared: tickets.Tickets) -> None:
    records = [message["record"] for message in _messages(prepared.singer)[1:-1]]
    filled = [record for record in records if record["refund_post_fee"] is not None]
    texts = [f"{record['id']}|{record['refund_post_fee']:.10f}".encode() for record in filled]
    assert prepared.checksums["refund_post_fee"] == tickets.Checksum(len(filled), sum(map(zlib.crc32, texts)))


def _messages(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()]


def _value(kind: str, text: str) -> Any:  # noqa: ANN401 any JSON value
    if text == r"\N":
        return None
    text = re.sub(r"\\(.)", lambda match: _MEANS[match[1]], text)
    readers: dict[str, Any] = {
        "integer": int,
        "number": Decimal,
        "boolean": {"0": False, "1": True}.__getitem__,
        "date-time": dt.datetime.fromisoformat,
        "array": lambda array: json.loads(array, parse_float=Decimal),
    }
    return readers.get(kind, str)(text)


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and value.endswith("+08:00")


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=None)
