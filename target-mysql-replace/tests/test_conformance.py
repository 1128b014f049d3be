"""One table of cases, every write method, every server family: what goes in comes back equal, or is set aside."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Loading, Message
    from tests.servers import Server

_numbers = itertools.count(1)
_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_INTEGER = {"type": ["integer", "null"]}
_STAMP = {"type": ["string", "null"], "format": "date-time"}
_DEEP: dict[str, Any] = {
    "a": {"b": [{"c": None}, [], {}, [[1, [2]]]]},
    "中文": "键",
    "n": Decimal("19.95"),
    "t": True,
    "e": "",
}

STORED: dict[str, tuple[Any, list[Any]]] = {
    "text": (
        _TEXT,
        [
            "",
            " ",
            "a ",
            "'",
            '"',
            "\\",
            "\\N",
            "\\0",
            "NULL",
            "null",
            "%s",
            "%",
            "`",
            "a\tb\nc\rd",
            "\x00",
            "\x01\x1a\x7f",
            "\x1b",
            "\x1bN",
            "\x1e",
            "\x1f",
            "\x1e\x1f\x1b",
            "emoji 😀👨‍👩‍👧‍👦",
            "中文，全角",
            "ß ſ İ ı",
            "\u2028\ufeff",
            "\u0300",
            "x" * 100_000,
            "汉" * 30_000,
            None,
        ],
    ),
    "short_text": ({"type": ["string", "null"], "maxLength": 4}, ["", "abcd", "汉字汉字", "😀😀😀😀", None]),
    "integer": (_INTEGER, [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), None]),
    "large_integer": ({"type": "integer", "minimum": 0, "maximum": 2**64 - 1}, [0, 2**63, 2**64 - 1]),
    "huge_integer": ({"type": "integer", "maximum": 10**40}, [-(10**40), 10**40 - 1]),
    "number": (
        _NUMBER,
        [
            0,
            Decimal("0.0"),
            Decimal("-0.01"),
            Decimal("19.95"),
            5,
            Decimal("1234567890123456.78"),
            Decimal("99999999999999999999999999999.999999999"),
            Decimal("1E+5"),
            Decimal("1.5e-7"),
            Decimal("0.000000001"),
            None,
        ],
    ),
    "number_grown": (_NUMBER, [Decimal("0.30000000000000004"), Decimal("1e-20"), 10**34, Decimal("-1.10")]),
    "cents": ({"type": "number", "multipleOf": 0.01}, [Decimal("0.01"), Decimal("19.9"), -3]),
    "draft_4": (
        {
            "type": ["null", "number"],
            "exclusiveMaximum": True,
            "maximum": 10**29,
            "exclusiveMinimum": True,
            "minimum": -(10**29),
            "multipleOf": Decimal("1e-9"),
        },
        [Decimal("12345678901234567890.123456789"), Decimal("1e-9"), -7, None],
    ),
    "quarters": ({"type": "number", "multipleOf": 0.25}, [Decimal("0.25"), 10**30, Decimal("-1.50")]),
    "tree": ({"$ref": "#/definitions/tree"}, [{"children": [{"children": []}]}]),
    "integer_grown": (_INTEGER, [1, 2**63, -(2**70)]),
    "decimal_text": (
        {"type": ["string", "null"], "format": "singer.decimal"},
        ["1.005", "-12345678901234567890.5", None],
    ),
    "boolean": ({"type": ["boolean", "null"]}, [True, False, None]),
    "stamp": (
        _STAMP,
        [
            "2026-01-02T03:04:05+08:00",
            "2026-01-02T03:04:05.123456+08:00",
            "2026-01-02T03:04:05Z",
            "1999-12-31T16:00:00.000001Z",
            "2026-07-01T12:00:00-07:00",
            "2026-01-02 03:04:05",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2038-01-19T03:14:08Z",
            "9999-12-31T23:59:59.999999+08:00",
            "2024-02-29T23:59:59+00:00",
            None,
        ],
    ),
    "date": (
        {"type": ["string", "null"], "format": "date"},
        ["2026-01-02", "0001-01-01", "9999-12-31", "2024-02-29", None],
    ),
    "time": ({"type": ["string", "null"], "format": "time"}, ["00:00:00", "23:59:59.999999", "12:30:00", None]),
    "object": ({"type": ["object", "null"]}, [{}, _DEEP, {"k": "\x00\x1f😀'\"\\"}, {"x": "y" * 70_000}, None]),
    "array": (
        {"type": ["array", "null"], "items": {"type": "object"}},
        [[], [{}], [{"id": 1, "price": Decimal("19.90")}], None],
    ),
    "numbers": ({"type": "array", "items": {"type": "number"}}, [[1, Decimal("2.5"), -3], [Decimal("0.1")]]),
    "anything": ({}, [{"a": 1}, [1, 2], "text", 5, True]),
    "text_or_number": ({"type": ["string", "number", "null"]}, ["a", "1", None]),
    "any_of": (
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        ["2026-01-02T03:04:05Z", None],
    ),
    "one_of": ({"oneOf": [{"type": "integer"}, {"type": "null"}]}, [7, None]),
    "referenced": ({"$ref": "#/definitions/money"}, [Decimal("1.25")]),
    "chosen": ({"enum": ["red", "blue", None]}, ["red", None]),
}

REFUSED: dict[str, tuple[Any, list[Any]]] = {
    "short_text": ({"type": "string", "maxLength": 4}, ["abcde", "😀😀😀😀😀"]),
    "wrong_type": ({"type": "integer"}, ["5", 1.5, True, [1], None]),
    "wrong_number": ({"type": "number"}, ["1.5", True, {}, None]),
    "huge_number": (_NUMBER, [Decimal("1e308"), Decimal("1e-40"), Decimal("1e-400"), Decimal("1e99999"), 10**66]),
    "huge_integer": ({"type": "integer"}, [Decimal("1e400"), Decimal("1e999999999")]),
    "huge_multiple": ({"type": "number", "multipleOf": 0.01}, [Decimal("1e400"), Decimal("1.005")]),
    "stamp": (
        _STAMP,
        [
            "yesterday",
            "",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "9999-12-31T23:00:00Z",
            "10000-01-01T00:00:00Z",
            "2026-01-01T00:00:00.1234567Z",
            "0000-01-01T00:00:00+08:00",
            "2026-13-01T00:00:00+08:00",
            "2026-01-02Tab:cd:ef+08:00",
            "2026-01-02T03:04:05.12a+08:00",
            "2026/01/02T03:04:05+08:00",
        ],
    ),
    "date": ({"type": "string", "format": "date"}, ["2026-02-30", "2026-01-01T00:00:01+08:00", "x"]),
    "time": ({"type": "string", "format": "time"}, ["24:00:00", "25:00:00", "noon"]),
    "nested": (
        {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
        [[{"id": "x"}], [{}], {"id": 1}, None],
    ),
    "pattern": ({"type": "string", "pattern": "^a"}, ["b"]),
}

_DEFINITIONS = {
    "definitions": {
        "money": {"type": "number"},
        "tree": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/definitions/tree"}}},
        },
    }
}


def _messages(
    loading: Loading, stream: str, cases: dict[str, tuple[Any, list[Any]]], *, together: bool
) -> list[Message]:
    """One table with a column a case; the values of all cases in the same rows, or each value in a row of its own."""
    prop = {"id": {"type": "integer"}, **{name: kind for name, (kind, _) in cases.items()}}
    rows = (
        [{name: values[row] for name, (_, values) in cases.items() if row < len(values)} for row in range(40)]
        if together
        else [{name: value} for name, (_, values) in cases.items() for value in values]
    )
    schema = loading.schema(stream, prop, "id", **_DEFINITIONS)
    return [schema, *loading.records(stream, *({"id": number, **row} for number, row in enumerate(rows)))]


@pytest.fixture(params=["mariadb", "mysql", "seekdb"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each server family; MySQL with LOAD DATA LOCAL allowed, which it does not do by itself."""
    found: Server = request.getfixturevalue(request.param)
    if request.param == "mysql":
        found.execute("SET GLOBAL local_infile = ON")
    return found


@pytest.fixture
def anywhere(server: Server, make_loading: Callable[[Server], Loading]) -> Loading:
    """An empty database on each server family."""
    return make_loading(server)


@pytest.mark.parametrize("write_method", ["load_data", "replace", "upsert"])
def test_what_goes_in_comes_back_equal_or_is_set_aside(anywhere: Loading, write_method: str) -> None:
    good = _messages(anywhere, "stored", STORED, together=True)
    bad = _messages(anywhere, "refused", REFUSED, together=False)

    anywhere.load([*good, *bad], write_method=write_method)

    assert anywhere.differences(good) == []
    assert anywhere.table("refused") == []
    assert len(anywhere.quarantine()) == len(bad) - 1, anywhere.quarantine()
    methods = anywhere.rows("SELECT DISTINCT method FROM _load_ledger")
    # OceanBase's LOAD DATA reads '' as NULL, so it is not used.
    exact = "replace" if (anywhere.server.flavour, write_method) == ("seekdb", "load_data") else write_method
    assert methods == [(exact,)]


@pytest.mark.parametrize("write_method", ["load_data", "replace", "upsert"])
def test_keys_are_compared_byte_for_byte(anywhere: Loading, write_method: str) -> None:
    keys = ["a", "A", "á", "a ", " a", "", "ａ", "ß", "ss", "😀", "中", "a\x00"]
    records = [{"k": key, "n": 1} for key in keys]
    messages = [
        anywhere.schema("keys", {"k": {"type": "string"}, "n": {"type": "integer"}}, "k"),
        *anywhere.records("keys", *records, *({**record, "n": 2} for record in records)),
    ]

    anywhere.load(messages, write_method=write_method)

    expected = dict.fromkeys(keys, 2)
    if anywhere.server.flavour == "seekdb":
        # All of its collations pad with spaces: 'a ' cannot be told from 'a', so it is set aside, not mixed up.
        del expected["a "]
        assert [record["k"] for record, _ in anywhere.quarantine()] == ["a ", "a "]
    assert dict(anywhere.rows("SELECT k, n FROM `keys`")) == expected


@pytest.mark.parametrize("write_method", ["load_data", "replace", "upsert"])
def test_the_last_of_equal_keys_wins_and_distinct_composite_keys_stay_distinct(
    anywhere: Loading, write_method: str
) -> None:
    # One public target joined the parts of a key without a separator: (1, 23) and (12, 3) became one row.
    prop = {"type": "string"}
    messages = [
        anywhere.schema("pairs", {"a": prop, "b": prop, "v": {"type": "integer"}}, "a", "b"),
        *anywhere.records(
            "pairs", *({"a": a, "b": b, "v": v} for v in (1, 2, 3) for a, b in (("1", "23"), ("12", "3")))
        ),
    ]

    anywhere.load(messages, write_method=write_method)

    assert sorted(anywhere.rows("SELECT a, b, v FROM pairs")) == [("1", "23", 3), ("12", "3", 3)]


@pytest.mark.parametrize("write_method", ["load_data", "replace", "upsert"])
def test_a_table_without_a_key_is_appended_to(anywhere: Loading, write_method: str) -> None:
    messages = [
        anywhere.schema("events", {"n": {"type": "integer"}, "v": _TEXT}),
        *anywhere.records("events", {"n": 1, "v": "x"}, {"n": 1, "v": "x"}),
    ]

    anywhere.load(messages, write_method=write_method)
    anywhere.load(messages, write_method=write_method)

    assert anywhere.rows("SELECT n, v, COUNT(*) FROM events GROUP BY n, v") == [(1, "x", 4)]
