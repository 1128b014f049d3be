"""Types the target never makes itself: what fits is stored, what the server would quietly change is set aside."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from target_mysql_replace.redact import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Loading
    from tests.servers import Server

_TEXT = {"type": ["string", "null"]}
_WHOLE = {"type": ["integer", "null"]}
_STAMP = {"type": ["string", "null"], "format": "date-time"}
#: Column, what the schema says, {value sent: value stored}, values that must not be stored.
_TYPES: dict[str, tuple[str, Any, dict[Any, Any], list[Any]]] = {
    "chosen": ("ENUM('a','b','3')", _TEXT, {"a": "a", "3": "3"}, ["A", "2", "0", "a ", "", "q"]),
    "several": ("SET('x','y','z')", _TEXT, {"x,y": "x,y", "": "", "z": "z"}, ["y,x", "X", "3", "x,x", "x,"]),
    "year": ("YEAR", _WHOLE, {2024: 2024, 1901: 1901}, [70, 0, 1900, 2156]),
    "flag": ("BIT(1)", {"type": ["boolean", "null"]}, {True: b"\x01", False: b"\x00"}, []),
    "bits": ("BIT(8)", _WHOLE, {5: b"\x05", 49: b"1", 255: b"\xff"}, [256, -1]),
    "bytes": ("BINARY(3)", _TEXT, {"abc": b"abc", "中": "中".encode()}, ["ab", "abcd", ""]),
    "since": (
        "TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00'",
        _STAMP,
        {"2024-01-01T00:00:00+08:00": dt.datetime(2024, 1, 1)},  # noqa: DTZ001 what a driver returns
        [None],
    ),
    "counted": ("INT NOT NULL DEFAULT 0", _WHOLE, {0: 0, 7: 7}, [None]),
    "narrow": ("VARCHAR(5) CHARACTER SET latin1", _TEXT, {"é": "é"}, ["中", "😀"]),
}


@pytest.mark.parametrize("write_method", ["load_data", "replace", "upsert"])
@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_types_of_a_dba_hold_a_value_exactly_or_not_at_all(
    request: pytest.FixtureRequest, make_loading: Callable[[Server], Loading], flavour: str, write_method: str
) -> None:
    server: Server = request.getfixturevalue(flavour)
    server.execute("SET GLOBAL local_infile = ON")
    loading = make_loading(server)
    messages: list[Any] = []
    for name, (column, prop, good, bad) in _TYPES.items():
        loading.execute(f"CREATE TABLE `{name}` (id BIGINT PRIMARY KEY, v {column})")
        messages.append(loading.schema(name, {"id": {"type": "integer"}, "v": prop}, "id"))
        messages += loading.records(name, *({"id": number, "v": value} for number, value in enumerate([*good, *bad])))
    loading.load(messages, write_method=write_method)

    with server.connect(loading.database, init_command="SET time_zone = '+08:00'") as connection:
        for name, (_, _, good, _) in _TYPES.items():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT v FROM `{name}` ORDER BY id")
                assert [value for (value,) in cursor.fetchall()] == list(good.values()), name
    bad_values = {(name, value) for name, (_, _, _, bad) in _TYPES.items() for value in bad}
    aside = loading.rows("SELECT stream, record FROM _quarantine")
    assert len(aside) == len(bad_values)
    assert loading.columns("chosen")["v"] == "enum('a','b','3')"


def test_another_unique_key_is_no_reason_to_mix_two_records(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, e VARCHAR(20) UNIQUE, mine INT DEFAULT 7)")
    prop = {"id": {"type": "integer"}, "e": _TEXT}
    loading.load(
        [loading.schema("t", prop, "id"), *loading.records("t", {"id": 1, "e": "x"}, {"id": 2, "e": "x"})],
        write_method="upsert",
    )
    assert loading.rows("SELECT id, e, mine FROM t") == [(2, "x", 7)]


@pytest.mark.parametrize(
    ("definition", "settings", "told"),
    [
        ("(other BIGINT PRIMARY KEY)", {"schema_evolution": "freeze"}, "no column that could take the key id"),
        ("(id VARCHAR(100), UNIQUE (id(3)))", {}, "no primary or unique key on (id)"),
        ("(id BIGINT PRIMARY KEY, x INT NOT NULL)", {}, "Column 'x' of table 't' is NOT NULL without a default"),
    ],
)
def test_a_table_that_would_double_or_lose_rows_is_refused(
    loading: Loading, definition: str, settings: dict[str, Any], told: str
) -> None:
    loading.execute(f"CREATE TABLE t {definition}")
    messages = [loading.schema("t", {"id": _TEXT}, "id"), *loading.records("t", {"id": "1"})]
    with pytest.raises(Exception, match=r".") as caught:
        loading.load(messages, **settings)
    assert told in tell(caught.value)


def test_columns_a_row_may_leave_out_and_types_nobody_knows_are_no_hindrance(loading: Loading) -> None:
    loading.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, h INT NOT NULL DEFAULT 5 INVISIBLE, u INET6)")
    loading.load([loading.schema("t", {"id": {"type": "integer"}}, "id"), *loading.records("t", {"id": 1})])
    assert loading.rows("SELECT id, h FROM t") == [(1, 5)]


def test_a_key_that_is_not_compared_byte_for_byte_is_told(loading: Loading) -> None:
    loading.execute("CREATE TABLE loose (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY)")
    loading.execute("CREATE TABLE padded (k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY)")
    messages: list[Any] = []
    for name in ("loose", "padded"):
        messages += [loading.schema(name, {"k": _TEXT}, "k"), *loading.records(name, {"k": "a"}, {"k": "a "})]
    process = loading.run(messages)
    assert b"Key column 'k' of table 'loose' compares by utf8mb4_general_ci" in process.stderr
    assert loading.rows("SELECT k FROM padded") == [("a",)]
    assert [record for record, _ in loading.quarantine()] == [{"k": "a "}]
