"""Messages that taps really send, and messages that are wrong: loaded, or told in one line without values."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from target_mysql_replace.redact import tell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Loading

_ID = {"type": "integer"}
_TEXT = {"type": ["string", "null"]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"type": "RECORD", "stream": "t"}', "a RECORD without stream or record"),
        (b'{"type": "RECORD", "stream": 5, "record": {}}', "a RECORD without stream"),
        (b'{"type": "RECORD", "stream": "t", "record": {"id": 1}, "version": "hush"}', "a version that is no"),
        (b'{"type": "RECORD", "stream": "other", "record": {"id": "hush"}}', "came before its SCHEMA"),
        (b'{"type": "STATE"}', "a STATE without a value"),
        (b'{"type": "STATE", "value": {"hush": NaN}}', "a STATE without a value that is valid"),
        (b'{"type": "STATE", "value": "hush \xff"}', "a STATE without a value that is valid"),
        (b'{"type": "ACTIVATE_VERSION"}', "a ACTIVATE_VERSION without stream"),
        (b'{"type": "ACTIVATE_VERSION", "stream": "t"}', "a version that is no"),
        (b'{"type": "BATCH", "stream": "t"}', "no encoding or no manifest"),
        (b'{"type": "BATCH", "stream": "other"}', "came before its SCHEMA"),
        (b'{"type": "BATCH", "stream": "t", "encoding": {"format": "parquet"}, "manifest": []}', "are parquet"),
        (
            b'{"type": "BATCH", "stream": "t", "encoding": {"format": "jsonl"}, "manifest": ["file:///nowhere/x"]}',
            "File 1 of a BATCH message of stream 't' cannot be read: FileNotFoundError",
        ),
        (
            b'{"type": "SCHEMA", "stream": "u", "schema": {"properties": {"id": {"type": "hm"}}}}',
            "no valid JSON Schema",
        ),
        (b'{"type": ["hush"], "stream": "t"}', "it has no type"),
        (b'{"type": "HUSH", "stream": "t"}', "an unknown message type"),
    ],
    ids=lambda value: ascii(value)[:70] if isinstance(value, bytes) else "",
)
def test_a_message_that_is_wrong_is_told_in_one_line_without_its_values(
    loading: Loading, line: bytes, told: str
) -> None:
    messages: list[Any] = [loading.schema("t", {"id": _ID}, "id"), *loading.records("t", {"id": 7}), line]
    with pytest.raises(Exception, match=r".") as caught:
        loading.load(messages)
    text = tell(caught.value)
    assert told in text
    assert "hush" not in text
    assert "fault of the target" not in text


def test_the_files_of_a_batch_message_are_loaded_as_records_are(loading: Loading, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(b'{"id": 1, "n": 12345678901234567890.123456789}\n\n{"id": 2, "n": "no number"}\n{"id": 3, "n"\n')
    loading.load(
        [
            loading.schema("t", {"id": _ID, "n": {"type": "number"}}, "id"),
            *loading.records("t", {"id": 1, "n": 0}),
            {
                "type": "BATCH",
                "stream": "t",
                "encoding": {"format": "jsonl", "compression": "gzip"},
                "manifest": [path.as_uri()],
            },
        ],
        stream_maps={"t": {"more": "float(n) if id == 1 else 0"}},
    )
    assert loading.rows("SELECT id, n FROM t") == [(1, Decimal("12345678901234567890.123456789"))]
    assert loading.rows("SELECT COUNT(*) FROM _quarantine") == [(2,)]


def test_two_streams_that_go_by_one_name_share_a_table_and_lose_nothing(loading: Loading) -> None:
    messages = [
        loading.schema("a", {"id": _ID, "x": _TEXT, "same": _TEXT}, "id"),
        loading.schema("b", {"id": _ID, "y": _TEXT, "same": {"type": ["string", "null"], "maxLength": 500}}, "id"),
        *loading.records("a", {"id": 1, "x": "first"}, {"id": 2, "x": "stays", "same": "s" * 100}),
        loading.state(1),
        *loading.records("b", {"id": 1, "y": "second"}, {"id": 3, "y": "b", "same": "s" * 400}),
        *loading.records("a", {"id": 3, "x": "last"}),
        *loading.records("b", {"id": 4, "y": "b"}),
        loading.state(2),
    ]
    states = loading.load(messages, stream_maps={"a": {"__alias__": "one"}, "b": {"__alias__": "one"}})
    assert loading.rows("SELECT id, x, y FROM one ORDER BY id") == [
        (1, None, "second"),
        (2, "stays", None),
        (3, "last", None),
        (4, None, "b"),
    ]
    assert states[-1] == 2


@pytest.mark.parametrize("expression", ["int(v)", "v.nothing()", "_['nothing']"])
def test_a_stream_map_that_fails_is_told_without_the_record(loading: Loading, expression: str) -> None:
    messages = [loading.schema("t", {"id": _ID, "v": _TEXT}, "id"), *loading.records("t", {"id": 1, "v": "hush"})]
    with pytest.raises(Exception, match=r".") as caught:
        loading.load(messages, stream_maps={"t": {"w": expression}})
    assert "A stream map of stream 't' failed" in tell(caught.value)
    assert "hush" not in tell(caught.value)


def test_streams_whose_names_differ_in_case_are_not_mixed(seekdb_loading: Loading) -> None:
    """A server with lower_case_table_names has one table for both."""
    schemas = [seekdb_loading.schema(name, {"id": _ID}, "id") for name in ("Orders", "orders")]
    with pytest.raises(Exception, match=r".") as caught:
        seekdb_loading.load(schemas)
    assert "'Orders' and 'orders' are one table on this server" in tell(caught.value)


def test_long_names_of_tables_fit_their_files_and_are_replaced_whole(loading: Loading) -> None:
    names = ["订单" * 32, "订单" * 31 + "订货", "x" * 64]
    messages: list[Any] = []
    for name in names:
        messages += [loading.schema(name, {"id": _ID, "v": _TEXT}, "id"), *loading.records(name, {"id": 1, "v": name})]
    loading.load(messages, load_method="overwrite")
    loading.load(messages, load_method="overwrite")
    tables = [name for (name,) in loading.rows("SHOW TABLES") if name.startswith(("订单", "x"))]
    assert sorted(loading.rows(f"SELECT v FROM `{table}`")[0][0] for table in tables) == sorted(names)
