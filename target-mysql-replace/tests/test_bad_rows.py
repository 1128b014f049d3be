"""Bad records: found wherever they are, set aside with a reason, never a reason to lose the others; and replayed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from target_mysql_replace.errors import OperatorError
from target_mysql_replace.loader import LoaderFailed

if TYPE_CHECKING:
    from tests.conftest import Loading

_INTEGER = {"type": ["integer", "null"]}
_TEXT = {"type": ["string", "null"]}
METHODS = ("load_data", "replace", "upsert")


@pytest.mark.parametrize("method", METHODS)
def test_rows_the_server_refuses_are_found_by_halving_and_the_rest_is_written(loading: Loading, method: str) -> None:
    loading.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT, CONSTRAINT not_thirteen CHECK (v <> 13))")
    bad = {0, 17, 18, 499}
    records = [{"id": number, "v": 13 if number in bad else -number} for number in range(500)]
    prop = {"id": {"type": "integer"}, "v": _INTEGER}
    states = loading.load(
        [loading.schema("t", prop, "id"), *loading.records("t", *records), loading.state({"done": True})],
        write_method=method,
    )

    assert [row[0] for row in loading.table("t")] == [number for number in range(500) if number not in bad]
    assert {record["id"] for record, _ in loading.quarantine()} == bad
    assert loading.rows("SELECT SUM(rows_written), COUNT(*) FROM _load_ledger") == [(496, 1)]
    assert states == [{"done": True}]


@pytest.mark.parametrize("method", METHODS)
def test_a_keyless_table_is_not_doubled_by_the_halving(loading: Loading, method: str) -> None:
    loading.execute("CREATE TABLE t (v INT, CHECK (v <> 13))")
    records = [{"v": 13 if number == 77 else -number} for number in range(200)]
    loading.load(
        [loading.schema("t", {"v": _INTEGER}), *loading.records("t", *records)],
        write_method=method,
        # A statement for every few rows: a part of the batch is written before the bad row is met.
        batch_size_bytes=10**6,
    )
    assert loading.rows("SELECT COUNT(*), COUNT(DISTINCT v) FROM t") == [(199, 199)]


def test_the_order_of_equal_keys_survives_the_halving(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT CHECK (v <> 13))")
    records = [{"id": 1, "v": value} for value in (1, 2, 13, 3, 4, 13, 5)]
    loading.load(
        [loading.schema("t", {"id": {"type": "integer"}, "v": _INTEGER}, "id"), *loading.records("t", *records)]
    )
    assert loading.table("t") == [(1, 5)]


def test_reasons_say_what_is_wrong_and_never_quote_a_value(loading: Loading) -> None:
    secret = "13800138000 张三"
    loading.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHECK (v NOT LIKE '138%'), n INT, at DATETIME)")
    prop = {
        "id": {"type": "integer"},
        "v": _TEXT,
        "n": _INTEGER,
        "at": {"type": ["string", "null"], "format": "date-time"},
    }
    run = loading.run(
        [
            loading.schema("t", prop, "id"),
            *loading.records(
                "t", {"id": 1, "v": secret}, {"id": 2, "n": secret}, {"id": 3, "at": secret}, {"id": None, "v": secret}
            ),
        ]
    )
    assert run.returncode == 0
    reasons = {record["id"]: reason for record, reason in loading.quarantine()}
    assert reasons == {
        1: "a value breaks a CHECK constraint or a trigger refused it (server error 4025)",
        2: "n is not of type ['integer', 'null']",
        3: "'at' is not a date-time",
        None: "id is not of type integer",
    }
    assert b"1380" not in run.stderr
    assert "张".encode() not in run.stderr
    metrics = [
        json.loads(line.partition("METRIC: ")[2]) for line in run.stderr.decode().splitlines() if "METRIC" in line
    ]
    quarantined = [metric for metric in metrics if metric["metric"] == "quarantined"]
    assert sum(metric["value"] for metric in quarantined) == 4
    assert {metric["tags"]["reason"] for metric in quarantined} == set(reasons.values())
    written = next(metric for metric in metrics if metric["metric"] == "batch_written")
    assert {"stream", "table", "method", "bytes", "retries", "seconds"} <= written["tags"].keys()


def test_fail_stops_before_anything_of_the_batch_is_written(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT CHECK (v <> 13))")
    prop = {"id": {"type": "integer"}, "v": _INTEGER}
    good = loading.records("t", *({"id": number, "v": 0} for number in range(10)))
    for bad in ({"id": 15, "v": 13}, {"id": 15, "v": "x"}):
        loading.execute("DELETE FROM t")
        messages = [
            loading.schema("t", prop, "id"),
            *good,
            loading.state(1),
            *loading.records("t", {"id": 14}, bad, {"id": 16}),
            loading.state(2),
        ]
        run = loading.run(messages, on_bad_row="fail", batch_size_rows=10)
        assert run.returncode == 1
        assert [row[0] for row in loading.table("t")] == list(range(10))
        assert run.stdout.splitlines() == [b"1"]
        assert loading.rows("SELECT COUNT(*) FROM _quarantine") == [(0,)]
        assert b"on_bad_row is 'fail'" in run.stderr.splitlines()[-1]


def test_a_repeated_run_does_not_make_the_quarantine_grow(loading: Loading) -> None:
    messages = [loading.schema("t", {"id": {"type": "integer"}}, "id"), *loading.records("t", {"id": "x"}, {"id": "y"})]
    for _ in range(3):
        loading.load(messages)
    assert [record["id"] for record, _ in loading.quarantine()] == ["x", "y"]


def test_quarantined_records_are_replayed_after_the_table_was_mended(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(3), n INT)")
    prop = {"id": {"type": "integer"}, "v": _TEXT, "n": _INTEGER}
    loading.load(
        [
            loading.schema("t", prop, "id"),
            *loading.records(
                "t", {"id": 1, "v": "long text 😀"}, {"id": 2, "n": "12"}, {"id": 3, "n": "twelve"}, {"id": 4}
            ),
        ],
        schema_evolution="freeze",
    )
    assert [record["id"] for record, _ in loading.quarantine()] == [2, 3, 1]
    loading.execute("ALTER TABLE t MODIFY v TEXT CHARACTER SET utf8mb4")

    run = loading.run([], "--replay-quarantine")

    assert run.returncode == 0, run.stderr
    assert loading.table("t") == [(1, "long text 😀", None), (2, None, 12), (4, None, None)]
    assert loading.quarantine() == [({"id": 3, "n": "twelve"}, "'n' is not a number")]


def test_a_replayed_keyless_row_is_written_once(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (v VARCHAR(3))")
    loading.load(
        [loading.schema("t", {"v": _TEXT}), *loading.records("t", {"v": "long"}, {"v": "long"})],
        schema_evolution="freeze",
    )
    assert len(loading.quarantine()) == 2
    loading.execute("ALTER TABLE t MODIFY v TEXT")
    for _ in range(2):
        loading.replay()
    assert loading.table("t") == [("long",), ("long",)]
    assert loading.quarantine() == []


def test_records_that_are_no_proper_json_are_set_aside_as_they_came(loading: Loading) -> None:
    head, tail = b'{"type": "RECORD", "stream": "t", "record": ', b"}"
    odd = [
        b'{"id": 2, "v": "\\ud800"}',
        b'{"id": 3, "n": NaN}',
        b'{"id": 4, "n": -Infinity}',
        b'{"id": 5, "o": {"k": [NaN]}}',
        b'{"id": 6, "v": "\xff"}',
    ]
    prop = {"id": {"type": "integer"}, "v": _TEXT, "n": {"type": ["number", "null"]}, "o": {"type": ["object", "null"]}}
    loading.load(
        [
            loading.schema("t", prop, "id"),
            *loading.records("t", {"id": 1}),
            *(head + record + tail for record in odd),
            *loading.records("t", {"id": 9}),
        ]
    )
    assert [row[0] for row in loading.table("t")] == [1, 9]
    reasons = [reason for (reason,) in loading.rows("SELECT reason FROM _quarantine ORDER BY id")]
    assert reasons == [
        "'v' has something that is no character (a lone surrogate, or bytes that are no UTF-8)",
        "the record has NaN, which is no JSON and no number MySQL knows",
        "the record has -Infinity, which is no JSON and no number MySQL knows",
        "the record has NaN, which is no JSON and no number MySQL knows",
        "the record is not valid UTF-8 or JSON",
    ]


def test_a_row_larger_than_max_allowed_packet_is_set_aside(loading: Loading) -> None:
    loading.server.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        prop = {"id": {"type": "integer"}, "v": _TEXT}
        records = [{"id": 1, "v": "a" * 900_000}, {"id": 2, "v": "b" * 1_100_000}, {"id": 3, "v": "c" * 900_000}]
        loading.load([loading.schema("t", prop, "id"), *loading.records("t", *records)], write_method="replace")
        assert loading.rows("SELECT id, LENGTH(v) FROM t ORDER BY id") == [(1, 900_000), (3, 900_000)]
        (kept, reason) = loading.quarantine()[0]
        assert (kept["truncated"], kept["bytes"]) == (True, 1_100_015), "it cannot be sent to the quarantine either"
        assert reason == "a value is larger than max_allowed_packet (server error 1153)"
        wrong = [{"id": 4, "v": "d" * 900_000, "w": "x"}, {"id": 5, "v": "", "w": "y"}]
        schema = loading.schema("t", {**prop, "w": {"type": "integer"}}, "id")
        loading.load([schema, *loading.records("t", *wrong)], write_method="replace")
        assert loading.rows("SELECT LENGTH(record) FROM _quarantine WHERE stream = 't'")[1][0] > 900_000
        loading.execute("ALTER TABLE t MODIFY w VARCHAR(9)")
        loading.replay()
        assert loading.rows("SELECT id, w FROM t WHERE w IS NOT NULL ORDER BY id") == [(4, "x"), (5, "y")]
        assert [why for _, why in loading.quarantine()] == [
            "only its beginning was kept; it has to come from the tap again"
        ]
    finally:
        loading.server.execute("SET GLOBAL max_allowed_packet = 67108864")


def test_a_load_that_cannot_be_mended_by_leaving_rows_out_fails(loading: Loading) -> None:
    loading.load([loading.schema("t", {"id": {"type": "integer"}}, "id")])
    loading.execute("CREATE TRIGGER gone BEFORE INSERT ON t FOR EACH ROW SET @x = (SELECT COUNT(*) FROM missing)")
    with pytest.raises(LoaderFailed) as caught:
        loading.load([loading.schema("t", {"id": {"type": "integer"}}, "id"), *loading.records("t", {"id": 1})])
    assert isinstance(caught.value.__cause__, OperatorError)
    assert "(server error 1146)" in str(caught.value.__cause__)
    assert loading.quarantine() == []
