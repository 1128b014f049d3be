"""Values: exact, typed, and nothing lost."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from random import Random  # noqa: TC003 -- hypothesis reads the annotations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_kuaimai.rows import RowConverter, by_content, objects
from tap_kuaimai.values import (
    BEIJING,
    parse_datetime,
    to_boolean,
    to_date,
    to_datetime,
    to_integer,
    to_number,
    to_string,
)

milliseconds = st.integers(100_000_000_000, 253_402_271_999_999).filter(
    lambda ms: ms not in {946_656_000_000, 978_278_400_000}
)


@given(milliseconds)
def test_an_instant_is_the_same_as_number_as_digits_and_as_text(ms: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)

    as_number = to_datetime(ms)

    assert as_number is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+08:00", as_number)
    assert parse_datetime(as_number) == moment
    assert to_datetime(str(ms)) == to_datetime(Decimal(ms)) == as_number
    text = moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    if ms % 1000 == 0 and moment.year >= 1000:
        assert to_datetime(text) == as_number


@pytest.mark.parametrize(
    "unset",
    [946656000000, "978278400000", 946656000, "978278400", "2000-01-01 00:00:00", "2001-01-01", "", "null", 0, "0", -1],
    ids=repr,
)
def test_instants_that_are_not_set_are_null(unset: object) -> None:
    assert to_datetime(unset) is None


@pytest.mark.parametrize("bad", ["tomorrow", True, [1], "2026-13-01", 10**18, Decimal("1.5")], ids=repr)
def test_what_is_no_instant_is_refused(bad: object) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        to_datetime(bad)


def test_ten_digits_are_seconds() -> None:
    assert to_datetime(1767457525) == "2026-01-04T00:25:25+08:00"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_money_keeps_every_digit(amount: Decimal) -> None:
    assert to_number(str(amount)) == amount
    assert to_number(amount) is amount


@given(st.integers())
def test_whole_numbers_of_any_size_are_exact(number: int) -> None:
    assert to_integer(number) == to_integer(str(number)) == to_integer(Decimal(number)) == number


@pytest.mark.parametrize("bad", ["2,9", "1.5", "abc", [], {}, Decimal("1.5"), "²"], ids=repr)
def test_what_is_no_whole_number_is_refused(bad: object) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        to_integer(bad)


def test_other_types_take_what_the_platform_mixes_up() -> None:
    assert [to_boolean(value) for value in (True, 1, "true", 0, "False", "")] == [True, True, True, False, False, None]
    assert [to_string(value) for value in ("x", 5, Decimal("42.00"), True, ["a"])] == [
        "x",
        "5",
        "42.00",
        "true",
        '["a"]',
    ]
    assert to_date("2026-01-31") == to_date("2026-01-31 00:00:00") == "2026-01-31"
    with pytest.raises(ValueError, match="more than a date"):
        to_date("2026-01-31 08:00:00")


def converter(**types: str) -> RowConverter:
    return RowConverter(types, aliases={"Id": "id"}, keys=["id"], selected={*types, "_extra"})


def test_a_value_that_does_not_fit_its_column_and_a_field_without_one_are_kept_in_extra() -> None:
    row = converter(id="integer", status="integer")({"id": "9007199254740993", "status": "2,9", "new": {"a": 1}})

    assert row == {"id": 9007199254740993, "status": None, "_extra": {"status": "2,9", "new": {"a": 1}}}


def test_every_column_is_there_and_a_key_is_never_null() -> None:
    row = converter(id="integer", name="string", when="datetime")({"name": None, "when": 946656000000})

    assert row == {"id": 0, "name": None, "when": None, "_extra": None}


def test_another_spelling_of_a_field_fills_the_same_column() -> None:
    assert converter(id="integer")({"Id": 7})["id"] == 7


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
types = ["integer", "number", "string", "boolean", "datetime", "date", "array", "object"]


@given(st.dictionaries(st.sampled_from([*types, "unknown"]), json_values))
def test_no_value_of_any_kind_stops_the_tap_and_none_that_is_refused_is_lost(raw: dict[str, Any]) -> None:
    convert = RowConverter({name: name for name in types}, aliases={}, keys=(), selected={*types, "_extra"})

    row = convert(raw)

    assert set(row) == {*types, "_extra"}
    for name, value in (row["_extra"] or {}).items():
        assert value == raw[name]
        assert name == "unknown" or row[name] is None


@given(st.lists(st.dictionaries(st.text(max_size=2), st.integers() | st.text(max_size=2), max_size=3)), st.randoms())
def test_the_order_by_content_does_not_depend_on_the_order_that_came(
    elements: list[dict[str, Any]], random: Random
) -> None:
    shuffled = list(elements)
    random.shuffle(shuffled)

    assert [json.dumps(element, sort_keys=True) for element in by_content(elements)] == [
        json.dumps(element, sort_keys=True) for element in by_content(shuffled)
    ]


def test_an_array_may_also_come_as_a_lone_object_as_text_or_not_at_all() -> None:
    assert objects({"a": 1}) == [{"a": 1}]
    assert objects(["x", {"a": 1}]) == [{"value": "x"}, {"a": 1}]
    assert objects(None) == objects("") == objects([]) == objects("null") == []
