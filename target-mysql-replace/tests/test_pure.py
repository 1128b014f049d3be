"""Types, names, states, errors and secrets: decisions without a server."""

from __future__ import annotations

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql
from target_mysql_replace.column_types import (
    CHARACTER_BYTES,
    KEY_BYTES,
    column_type,
    fit_key,
    fit_row,
    read_property,
)
from target_mysql_replace.ddl import type_sql
from target_mysql_replace.errors import SERVER_ERRORS, Action, advice, bad_row_reason, explain
from target_mysql_replace.names import LONGEST_NAME, column_names, identifier
from target_mysql_replace.redact import redact, secrets_of
from target_mysql_replace.session import Flavour, flavour_of
from target_mysql_replace.state import StateGate

_TYPE = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])
_LIMIT = st.integers(-(10**25), 10**25)
_keywords = {
    "type": _TYPE | st.lists(_TYPE, min_size=1, unique=True),
    "format": st.sampled_from(["date-time", "date", "time", "uuid", "singer.decimal"]),
    "maxLength": st.integers(0, 10**6),
    "minimum": _LIMIT,
    "maximum": _LIMIT,
    "multipleOf": st.sampled_from([1, 0.01, 1e-38, 3]),
    "enum": st.lists(st.none() | st.integers() | st.text(), min_size=1),
}
_json_schemas = st.recursive(
    st.just({}) | st.fixed_dictionaries({}, optional=_keywords),
    lambda inner: st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
    max_leaves=3,
)


@given(_json_schemas, st.booleans())
def test_every_schema_has_a_type_that_mysql_knows(schema: dict[str, object], key: bool) -> None:  # noqa: FBT001
    assert type_sql(column_type(read_property(schema), key=key))


@pytest.mark.parametrize(
    ("schema", "sql"),
    [
        ({"type": ["null", "string"]}, "LONGTEXT"),
        ({"type": "string", "maxLength": 100}, "VARCHAR(100)"),
        ({"type": "integer"}, "BIGINT"),
        ({"type": "integer", "minimum": 0, "maximum": 2**64 - 1}, "BIGINT UNSIGNED"),
        ({"type": "number"}, "DECIMAL(38, 9)"),
        ({"type": ["integer", "number", "null"]}, "DECIMAL(38, 9)"),
        ({"type": "number", "multipleOf": 0.01}, "DECIMAL(38, 2)"),
        ({"type": "boolean"}, "BOOL"),
        ({"type": "string", "format": "date-time"}, "DATETIME(6)"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]}, "DATETIME(6)"),
        ({"type": "string", "format": "date"}, "DATE"),
        ({"type": "string", "format": "time"}, "TIME(6)"),
        ({"type": ["object", "null"]}, "JSON"),
        ({"type": "array"}, "JSON"),
        ({}, "JSON"),
        (True, "JSON"),
        ({"type": ["string", "integer"]}, "LONGTEXT"),
        ({"type": "null"}, "LONGTEXT"),
        ({"const": 5}, "BIGINT"),
    ],
)
def test_types(schema: object, sql: str) -> None:
    assert type_sql(column_type(read_property(schema))) == sql


@given(st.lists(st.integers(1, 800), min_size=1, max_size=16))
def test_text_keys_fit_an_index_together(lengths: list[int]) -> None:
    fitted = fit_key({str(n): mysql.VARCHAR(length) for n, length in enumerate(lengths)})
    assert sum(kind.length * CHARACTER_BYTES for kind in fitted.values()) <= KEY_BYTES  # type: ignore[attr-defined] # a VARCHAR
    assert all(kind.length <= length for kind, length in zip(fitted.values(), lengths, strict=True))  # type: ignore[attr-defined] # a VARCHAR


@given(st.lists(st.integers(1, 1000), max_size=200))
def test_a_row_fits_its_limit_and_short_texts_stay_varchar_longest(lengths: list[int]) -> None:
    fitted = fit_row({str(n): mysql.VARCHAR(length) for n, length in enumerate(lengths)}, ["0"])
    kept = [kind.length or 0 for kind in fitted.values() if isinstance(kind, mysql.VARCHAR)]
    assert sum(length * 4 + 2 for length in kept) + 12 * (len(lengths) - len(kept)) <= 60_000
    assert not lengths or isinstance(fitted["0"], mysql.VARCHAR)


@given(st.lists(st.text(min_size=1), unique=True), st.lists(st.text(min_size=1), unique=True))
def test_names_are_storable_stable_and_never_clash(names: list[str], more: list[str]) -> None:
    columns = column_names(names)
    assert len({column.casefold() for column in columns.values()}) == len(names)
    assert all(0 < len(column) <= LONGEST_NAME for column in columns.values())
    later = column_names([*more, *(name for name in names if name not in more)], columns.values())
    assert all(later[name] == columns[name] for name in names)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("id", "选择", "SELECT", "a b", "x" * 64, "per%cent", "`"):
        assert identifier(name) == name
    assert identifier("x" * 65) != identifier("x" * 66)


def test_a_state_waits_for_every_batch_that_was_open_when_it_came() -> None:
    gate = StateGate()
    assert gate.arrived("0", []) == "0"
    assert gate.arrived("1", ["a"]) is None
    assert gate.arrived("2", ["a", "b"]) is None
    assert gate.handed_over("a") == "1"
    assert gate.arrived("3", ["b"]) is None, "replaces 2, which waits for the same"
    assert gate.arrived("4", ["a", "b"]) is None
    assert gate.handed_over("b") == "3"
    assert gate.handed_over("b") is None
    assert gate.handed_over("a") == "4"


@given(st.lists(st.tuples(st.sampled_from(["record", "state", "flush"]), st.sampled_from("abc"))))
def test_no_state_ever_runs_ahead_and_the_last_one_is_always_released(events: list[tuple[str, str]]) -> None:
    gate, released, sent = StateGate(), -1, -1
    opened: dict[str, int] = {}
    for count, (kind, stream) in enumerate([*events, *(("flush", stream) for stream in "abc")]):
        if kind == "record":
            opened.setdefault(stream, count)
        elif kind == "state":
            sent = count
            now = gate.arrived(str(count), opened)
            released = int(now) if now else released
        else:
            opened.pop(stream, None)
            now = gate.handed_over(stream)
            released = int(now) if now else released
        assert released < min(opened.values(), default=count + 1)
    assert released == sent


def test_server_errors_are_explained_without_the_servers_words() -> None:
    error = pymysql.err.DataError(1366, "Incorrect decimal value: 'secret' for column `db`.`t`.`price` at row 1")
    assert "secret" not in explain(error)
    reason = bad_row_reason(1366, "for column `db`.`t`.`price` at row 1", ["price"])
    assert reason == "'price' is not of the column's type (server error 1366)"
    assert bad_row_reason(1406, "Data too long for column 'secret' at row 1", ["v"]).startswith("a value is too long")
    assert advice(999_999).action is Action.FATAL
    assert all(entry.message for entry in SERVER_ERRORS.values())


def test_secrets_are_hidden_also_inside_urls_and_the_longest_first() -> None:
    config = {"password": "p@ss", "sqlalchemy_url": "mysql+pymysql://u:p%40ss%2Fword@h/d"}
    text = "p@ss p%40ss p@ss/word mysql+pymysql://u:p%40ss%2Fword@h/d"
    assert redact(text, secrets_of(config)) == "*** *** *** ***"


@pytest.mark.parametrize(
    ("version", "comment", "flavour"),
    [
        ("10.11.19-MariaDB", "Debian", Flavour.MARIADB),
        ("9.7.4-2", "(Debian)", Flavour.MYSQL),
        ("5.7.25-OceanBase seekdb-v1.4.0.0", "OceanBase 4.3.5.3 seekdb", Flavour.OCEANBASE),
        ("8.0.11-TiDB-v7.5.0", "TiDB Server", Flavour.TIDB),
    ],
)
def test_servers_are_told_apart(version: str, comment: str, flavour: Flavour) -> None:
    assert flavour_of(version, comment) is flavour
