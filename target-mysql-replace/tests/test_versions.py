"""ACTIVATE_VERSION, record metadata, overwrite and append-only."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Loading, Message

_PROPERTIES = {"id": {"type": "integer"}, "v": {"type": ["string", "null"]}}


def _full_table(loading: Loading, version: int, *numbers: int) -> list[Message]:
    return [
        loading.schema("t", _PROPERTIES, "id"),
        *loading.records("t", *({"id": number, "v": f"v{version}"} for number in numbers), version=version),
        {"type": "ACTIVATE_VERSION", "stream": "t", "version": version},
    ]


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("method", ["load_data", "upsert"])
def test_hard_delete_leaves_only_the_rows_of_the_active_version(loading: Loading, method: str, metadata: bool) -> None:  # noqa: FBT001
    # A public target deleted `<= version`: the new rows went with the old ones.
    settings = {"hard_delete": True, "add_record_metadata": metadata, "write_method": method}
    loading.load(_full_table(loading, 1, 1, 2, 3), **settings)
    loading.load(_full_table(loading, 2, 2, 3, 4), **settings)
    assert loading.rows("SELECT id, v FROM t ORDER BY id") == [(2, "v2"), (3, "v2"), (4, "v2")]


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("method", ["load_data", "upsert"])
def test_soft_delete_marks_once_and_a_row_that_returns_is_alive(loading: Loading, method: str, metadata: bool) -> None:  # noqa: FBT001
    # A public target forgot the parentheses in `A OR B IS NULL AND C`: every run moved the mark.
    settings = {"add_record_metadata": metadata, "write_method": method}
    loading.load(_full_table(loading, 1, 1, 2), **settings)
    loading.load(_full_table(loading, 2, 2), **settings)
    first = loading.rows("SELECT _sdc_deleted_at FROM t WHERE id = 1")
    assert first[0][0] is not None
    loading.load(_full_table(loading, 3, 2), **settings)
    assert loading.rows("SELECT _sdc_deleted_at FROM t WHERE id = 1") == first
    loading.load(_full_table(loading, 4, 1, 2), **settings)
    assert loading.rows("SELECT id, _sdc_deleted_at FROM t ORDER BY id") == [(1, None), (2, None)]


def test_an_activated_version_counts_after_the_records_before_it(loading: Loading) -> None:
    messages = _full_table(loading, 1, 1) + _full_table(loading, 2, 2)[1:] + _full_table(loading, 3, 3, 4)[1:]
    loading.load(messages, hard_delete=True)
    assert loading.rows("SELECT id FROM t ORDER BY id") == [(3,), (4,)]


def test_versions_are_ignored_where_they_are_switched_off(loading: Loading) -> None:
    for version in (1, 2):
        loading.load(_full_table(loading, version, version), hard_delete=True, process_activate_version_messages=False)
    assert loading.table("t") == [(1, "v1"), (2, "v2")]


def test_record_metadata_is_added(loading: Loading) -> None:
    message = loading.records("t", {"id": 1, "v": "x"}, time_extracted="2026-01-02T03:04:05Z", version=5)
    loading.load([loading.schema("t", _PROPERTIES, "id"), *message], add_record_metadata=True)
    columns = loading.columns("t")
    assert columns["_sdc_sequence"].startswith("bigint")
    assert columns["_sdc_extracted_at"] == "datetime(6)"
    row = dict(zip(columns, loading.table("t")[0], strict=True))
    assert row["_sdc_extracted_at"].isoformat() == "2026-01-02T11:04:05"
    assert row["_sdc_table_version"] == 5
    assert abs(row["_sdc_sequence"] / 1000 - time.time()) < 600


def test_overwrite_replaces_the_table_in_one_moment_at_the_end(loading: Loading) -> None:
    loading.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), own INT DEFAULT 7, KEY v (v))",
        "INSERT INTO t (id, v) VALUES (1, 'old')",
    )
    schema = loading.schema("t", _PROPERTIES, "id")
    with loading.start(load_method="overwrite", batch_size_rows=1) as process:
        assert process.stdin is not None
        process.stdin.write(
            loading.lines(
                [
                    schema,
                    *loading.records("t", {"id": 2, "v": "a"}),
                    loading.state(1),
                    *loading.records("t", {"id": 3, "v": "b"}),
                ]
            )
        )
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while loading.rows("SHOW TABLES LIKE '_load_ledger'") == [] or loading.rows(
            "SELECT COUNT(*) FROM _load_ledger"
        ) != [(2,)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert loading.rows("SELECT id, v FROM t") == [(1, "old")], (
            "readers see the old table until the new one is whole"
        )
        out, _ = process.communicate(timeout=60)
    assert loading.rows("SELECT id, v, own FROM t ORDER BY id") == [(2, "a", 7), (3, "b", 7)]
    assert out.splitlines() == [b"1"]
    assert {row[2] for row in loading.rows("SHOW INDEX FROM t")} == {"PRIMARY", "v"}
    assert sorted(name for (name,) in loading.rows("SHOW TABLES")) == ["_load_ledger", "_quarantine", "t"]


def test_an_overwrite_that_breaks_off_leaves_the_table_and_the_state(loading: Loading) -> None:
    loading.load([loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1, "v": "old"})])
    schema = loading.schema("t", _PROPERTIES, "id")
    run = loading.run(
        [schema, *loading.records("t", {"id": 2, "v": "new"}), loading.state(1), b'{"type": "RECO'],
        load_method="overwrite",
    )
    assert (run.returncode, run.stdout) == (1, b"")
    assert loading.table("t") == [(1, "old")]
    loading.load([schema, *loading.records("t", {"id": 3, "v": "again"})], load_method="overwrite")
    assert loading.table("t") == [(3, "again")]


def test_a_second_overwrite_waits_for_the_first(loading: Loading) -> None:
    schema = loading.schema("t", _PROPERTIES, "id")
    with loading.start(load_method="overwrite", batch_size_rows=1) as first:
        assert first.stdin is not None
        first.stdin.write(loading.lines([schema, *loading.records("t", {"id": 1, "v": "a"})]))
        first.stdin.flush()
        deadline = time.monotonic() + 60
        while not loading.rows("SHOW TABLES LIKE 't\\\\_\\\\_new%%'"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with loading.start(load_method="overwrite") as second:
            assert second.stdin is not None
            assert second.stderr is not None
            second.stdin.write(loading.lines([schema, *loading.records("t", {"id": 2, "v": "b"})]))
            second.stdin.close()
            assert any(b"Waiting for another writer" in line for line in second.stderr)
            first.communicate(timeout=60)
            assert first.returncode == 0
            second.stderr.read()
            assert second.wait(60) == 0
    assert loading.table("t") == [(2, "b")]


def test_a_record_set_aside_by_an_overwrite_can_be_written_again(loading: Loading) -> None:
    bad = loading.schema("t", {"id": {"type": "integer"}, "v": {"type": "string", "maxLength": 2}}, "id")
    loading.load([bad, *loading.records("t", {"id": 1, "v": "long"}, {"id": 2, "v": "ok"})], load_method="overwrite")
    assert loading.rows("SELECT table_name FROM _quarantine UNION SELECT table_name FROM _load_ledger") == [("t",)]
    loading.execute("ALTER TABLE t MODIFY v VARCHAR(9)")
    loading.replay()
    assert loading.table("t") == [(1, "long"), (2, "ok")]


def test_append_only_adds_every_record(loading: Loading) -> None:
    messages = [loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1, "v": "a"}, {"id": 1, "v": "b"})]
    loading.load(messages, load_method="append-only")
    assert loading.table("t", "2") == [(1, "a"), (1, "b")]


def test_stream_maps_and_flattening_of_the_target_work(loading: Loading) -> None:
    prop = {**_PROPERTIES, "o": {"type": "object", "properties": {"n": {"type": "number"}}}}
    loading.load(
        [
            loading.schema("t", prop, "id"),
            *loading.records("t", {"id": 1, "v": "x", "o": {"n": 1.25}}, {"id": 2, "v": "drop", "o": {}}),
        ],
        stream_maps={"t": {"__filter__": "v != 'drop'", "w": "v", "v": "__NULL__"}},
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert set(loading.columns("t")) == {"id", "w", "o__n"}
    assert loading.rows("SELECT id, w, o__n + 0.0 FROM t") == [(1, "x", Decimal("1.25"))]


def test_a_batch_message_is_loaded(loading: Loading, tmp_path: object) -> None:
    path = f"{tmp_path}/batch.jsonl"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 a path in text is what the message has
        file.writelines(json.dumps({"id": number, "v": "中"}) + "\n" for number in range(25))
    message = {
        "type": "BATCH",
        "stream": "t",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [f"file://{path}"],
    }
    states = loading.load([loading.schema("t", _PROPERTIES, "id"), message, loading.state(1)], batch_size_rows=10)
    assert loading.rows("SELECT COUNT(*) FROM t WHERE v = '中'") == [(25,)]
    assert states == [1]
