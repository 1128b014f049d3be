"""Tables a DBA made are used as they are: altered only to grow, and only where that is allowed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from target_mysql_replace.errors import OperatorError
from target_mysql_replace.loader import LoaderFailed

if TYPE_CHECKING:
    from tests.conftest import Loading

_INTEGER = {"type": ["integer", "null"]}
_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_STAMP = {"type": ["string", "null"], "format": "date-time"}


def _refusal(loading: Loading, *messages: dict[str, object], **settings: object) -> str:
    """The one line a load that cannot be done ends with."""
    with pytest.raises((OperatorError, LoaderFailed)) as caught:
        loading.load(messages, **settings)
    error = caught.value.__cause__ if isinstance(caught.value, LoaderFailed) else caught.value
    return str(error)


@pytest.mark.parametrize(("method", "kept"), [("load_data", 7), ("replace", 7), ("upsert", 42)])
def test_other_columns_get_their_defaults_by_replace_and_keep_their_values_by_upsert(
    loading: Loading, method: str, kept: int
) -> None:
    loading.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), own INT NOT NULL DEFAULT 7, note VARCHAR(9) DEFAULT 'x')",
        "INSERT INTO t VALUES (1, 'old', 42, 'mine')",
    )
    messages = [loading.schema("t", {"id": {"type": "integer"}, "v": _TEXT}, "id")]

    loading.load([*messages, *loading.records("t", {"id": 1, "v": "new"}, {"id": 2, "v": "n"})], write_method=method)

    assert loading.rows("SELECT v, own FROM t ORDER BY id") == [("new", kept), ("n", 7)]
    assert loading.columns("t") == {"id": "int(11)", "v": "varchar(20)", "own": "int(11)", "note": "varchar(9)"}


def test_types_stay_as_the_dba_made_them_while_the_values_fit(loading: Loading) -> None:
    loading.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(9), price DECIMAL(10,2), at DATETIME, flag BIT(1) NULL)"
    )
    before = loading.columns("t")
    prop = {"id": {"type": "integer"}, "name": _TEXT, "price": _NUMBER, "at": _STAMP}
    record = {"id": 1, "name": "九个汉字也正好放下", "price": Decimal("19.95"), "at": "2026-01-02T03:04:05+08:00"}

    loading.load([loading.schema("t", prop, "id"), *loading.records("t", record)])

    assert loading.columns("t") == before
    assert loading.differences([loading.schema("t", prop, "id"), *loading.records("t", record)]) == []


def test_a_column_grows_when_a_value_needs_it_and_keeps_everything_else(loading: Loading) -> None:
    loading.execute(
        "CREATE TABLE t (id INT PRIMARY KEY COMMENT '编号', name VARCHAR(3) NOT NULL DEFAULT 'i''s' COMMENT '名称',"
        " price DECIMAL(5,2), at DATETIME, day DATE, n SMALLINT UNSIGNED, f FLOAT, s TIMESTAMP NULL) CHARSET utf8mb4",
        "INSERT INTO t (id, n) VALUES (9, 60000)",
    )
    prop = {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "price": _NUMBER,
        "at": _STAMP,
        "day": _STAMP,
        "n": _INTEGER,
        "f": _NUMBER,
        "s": _STAMP,
    }
    messages = [
        loading.schema("t", prop, "id"),
        *loading.records(
            "t",
            {
                "id": 2**40,
                "name": "longer",
                "price": Decimal("12345.678"),
                "at": "2026-01-02T03:04:05.123456+08:00",
                "day": "2026-01-02T03:04:05+08:00",
                "n": -1,
                "f": Decimal("1.23456789"),
                "s": "2040-01-01T00:00:00+08:00",
            },
        ),
    ]

    loading.load(messages)

    assert loading.rows("SELECT COUNT(*) FROM _quarantine") == [(0,)]
    loading.execute("DELETE FROM t WHERE id = 9 AND n = 60000 AND name = 'i''s'")
    assert loading.differences(messages) == []
    assert loading.columns("t") == {
        "id": "bigint(20)",
        "name": "varchar(6)",
        "price": "decimal(8,3)",
        "at": "datetime(6)",
        "day": "datetime(6)",
        "n": "mediumint(9)",
        "f": "double",
        "s": "datetime",
    }
    comments = dict(
        loading.rows(
            "SELECT column_name, column_comment FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = 't'"
        )
    )
    assert (comments["id"], comments["name"]) == ("编号", "名称")
    assert loading.rows("SHOW COLUMNS FROM t LIKE 'name'")[0][2:5] == ("NO", "", "i's")


def test_freeze_never_alters_and_reports_unknown_columns_once(
    loading: Loading, caplog: pytest.LogCaptureFixture
) -> None:
    loading.execute("CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(3), at DATETIME)")
    before = loading.columns("t")
    prop = {"id": {"type": "integer"}, "name": _TEXT, "at": _STAMP, "extra": _TEXT}
    late = {**prop, "more": _TEXT}
    messages = [
        loading.schema("t", prop, "id"),
        *loading.records(
            "t",
            {"id": 1, "name": "abc", "at": "2026-01-02T03:04:05+08:00", "extra": "left out"},
            {"id": 2, "name": "toolong"},
            {"id": 3, "at": "2026-01-02T03:04:05.5+08:00"},
        ),
        loading.schema("t", late, "id"),
        *loading.records("t", {"id": 4, "more": "left out too"}),
    ]

    loading.load(messages, schema_evolution="freeze")

    assert loading.columns("t") == before
    assert [row[0] for row in loading.table("t")] == [1, 4]
    assert [record["id"] for record, _ in loading.quarantine()] == [3, 2]
    left_out = [text for text in caplog.messages if "left out" in text]
    assert len(left_out) == 2
    assert "'extra'" in left_out[0]
    assert "'more'" in left_out[1]
    assert "'extra'" not in left_out[1]


def test_a_schema_that_asks_for_more_widens_at_once(loading: Loading) -> None:
    first = {
        "id": {"type": "integer"},
        "name": {"type": "string", "maxLength": 10},
        "n": _INTEGER,
        "day": {"type": "string", "format": "date"},
    }
    second = {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 100}, "n": _NUMBER, "day": _STAMP}
    third = {**second, "n": _TEXT}
    loading.load([loading.schema("t", first, "id"), *loading.records("t", {"id": 1, "name": "a", "n": 7})])
    loading.load([loading.schema("t", second, "id")])
    assert loading.columns("t") == {
        "id": "bigint(20)",
        "name": "varchar(100)",
        "n": "decimal(38,9)",
        "day": "datetime(6)",
    }
    loading.load([loading.schema("t", third, "id"), *loading.records("t", {"id": 2, "n": "seven"})])
    assert loading.rows("SELECT n FROM t ORDER BY id") == [("7.000000000",), ("seven",)]
    loading.load([loading.schema("t", first, "id"), *loading.records("t", {"id": 3, "n": 8})])
    assert loading.columns("t")["n"] == "longtext", "a type never shrinks"
    assert loading.rows("SELECT n FROM t WHERE id = 3") == [("8",)]


def test_new_columns_are_added_with_their_comments_also_between_records(loading: Loading) -> None:
    first = loading.schema(
        "单据", {"编号": {"type": "string", "description": "单据编号"}}, "编号", description="售后单"
    )
    second = loading.schema(
        "单据",
        {
            "编号": {"type": "string"},
            "金额": {**_NUMBER, "description": '退款金额（元）; it\'s \\ "元"'},
            "select": _TEXT,
        },
        "编号",
    )
    messages = [
        first,
        *loading.records("单据", {"编号": "a"}, {"编号": "b"}),
        second,
        *loading.records("单据", {"编号": "b", "金额": Decimal("1.5"), "select": "x"}),
        first,
        *loading.records("单据", {"编号": "c"}),
    ]

    loading.load(messages)

    assert [row[0] for row in loading.table("单据")] == ["a", "b", "c"]
    rows = loading.rows("SELECT 金额, `select` FROM 单据 WHERE 编号 = 'b'")
    assert rows == [(Decimal("1.5"), "x")]
    comments = dict(
        loading.rows(
            "SELECT column_name, column_comment FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = '单据'"
        )
    )
    assert comments == {"编号": "单据编号", "金额": '退款金额（元）; it\'s \\ "元"', "select": ""}
    assert loading.rows(
        "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '单据'"
    ) == [("售后单",)]


def test_schema_changes_in_mid_stream_never_reorder_rows(loading: Loading) -> None:
    # The SDK parks the old sink until the next drain: a newer row was then written before an older one of the same key.
    prop: dict[str, object] = {"id": {"type": "integer"}}
    messages = []
    for number in range(12):
        prop = {**prop, f"c{number}": _INTEGER}
        messages += [loading.schema("t", prop, "id"), *loading.records("t", {"id": 1, f"c{number}": number})]

    loading.load(messages)

    assert loading.rows("SELECT c0, c10, c11 FROM t") == [(None, None, 11)]


def test_a_table_whose_key_is_not_the_streams_is_refused(loading: Loading) -> None:
    loading.execute(
        "CREATE TABLE without (id INT)",
        "CREATE TABLE narrow (id INT PRIMARY KEY, part INT NOT NULL)",
        "CREATE TABLE mandatory (id INT PRIMARY KEY, shop INT NOT NULL)",
    )
    one = {"id": {"type": "integer"}}
    assert "no primary or unique key on (id)" in _refusal(loading, loading.schema("without", one, "id"))
    two = loading.schema("narrow", {**one, "part": {"type": "integer"}}, "id", "part")
    assert "unique by (id), the stream's key is (id, part)" in _refusal(loading, two)
    assert "'shop' of table 'mandatory' is NOT NULL" in _refusal(loading, loading.schema("mandatory", one, "id"))


def test_a_unique_key_beside_an_own_number_will_do(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (pk INT AUTO_INCREMENT PRIMARY KEY, id INT NOT NULL, v INT, UNIQUE (id))")
    messages = [loading.schema("t", {"id": {"type": "integer"}, "v": _INTEGER}, "id")]
    for value in (1, 2):
        loading.load([*messages, *loading.records("t", {"id": 5, "v": value})])
    assert loading.rows("SELECT id, v FROM t") == [(5, 2)]


def test_hostile_names_arrive_unchanged_or_told_apart(loading: Loading) -> None:
    names = [
        "select",
        "中文 列",
        "back`tick",
        "quo'te",
        'dou"ble',
        "per%cent",
        "per%scent",
        "semi;colon",
        "-- comment",
        "a.b",
        "tab\there",
        "S1",
        "s1",
        "x" * 64,
        "y" * 70,
        "y" * 71,
        "emoji 😀",
        "emoji 👍",
        "trailing ",
        "{brace}",
        "back\\slash",
        "new\nline",
    ]
    record = {"id": 1, **{name: f"value of {name}" for name in names}}
    stream = "per%cent `stream` 中文-a.b/c"

    loading.load(
        [
            loading.schema(stream, {"id": {"type": "integer"}, **dict.fromkeys(names, _TEXT)}, "id"),
            *loading.records(stream, record),
        ]
    )

    table = stream.replace("`", "``")
    row = dict(zip(loading.columns(table), loading.table(table)[0], strict=True))
    assert len(row) == len(names) + 1
    assert sorted(row.values(), key=str) == sorted(record.values(), key=str)
    changed = {name for name in names if row.get(name) != record[name]}
    assert changed == {"s1", "y" * 70, "y" * 71, "emoji 😀", "emoji 👍", "trailing ", "tab\there", "new\nline"}


@pytest.mark.parametrize("columns", [300, 600])
def test_wide_tables_do_not_hit_the_row_limit(loading: Loading, columns: int) -> None:
    kinds = [{"type": ["string", "null"], "maxLength": 255}, _TEXT, _NUMBER]
    prop = {"id": {"type": "integer"}, **{f"c{n}": kinds[n % 3] for n in range(columns)}}
    record = {"id": 1, **{f"c{n}": n if n % 3 == 2 else f"v{n}" for n in range(columns)}}
    messages = [loading.schema("wide", prop, "id"), *loading.records("wide", record)]

    loading.load(messages)

    assert loading.differences(messages) == []
