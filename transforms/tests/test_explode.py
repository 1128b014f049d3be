"""Arrays become rows: as many as there are elements, typed, keyed, in order."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError

if TYPE_CHECKING:
    from tests.conftest import Runner

INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
STRING = {"type": ["string", "null"]}
ITEM = {
    "type": "object",
    "properties": {"id": INTEGER, "title": STRING, "price": {**NUMBER, "description": "单价（元）"}},
}
TICKET = {"id": {"type": "integer"}, "modified": STRING, "items": {"type": ["array", "null"], "items": ITEM}}
ORDER = {
    "tid": {"type": "string"},
    "orders": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "oid": {"type": "string"},
                "suits": {"type": "array", "items": {"type": "object", "properties": {"sku": STRING, "num": INTEGER}}},
            },
        },
    },
    "payments": {"type": "array", "items": {"type": "object", "properties": {"amount": NUMBER}}},
}


def test_every_element_gives_a_row_with_the_parents_fields(run: Runner) -> None:
    items = [{"id": 7, "title": "杯子", "price": Decimal("1.10")}, {"id": 8, "title": "盘子"}]
    out = run(
        {"explode": {"t": {"path": "items", "key": ["id"]}}},
        [run.schema("t", TICKET, "id"), *run.records("t", {"id": 1, "modified": "m", "items": items})],
    ).check()
    assert out.rows("t") == [
        {"id": 1, "modified": "m", "items_id": 7, "items_title": "杯子", "items_price": Decimal("1.10")},
        {"id": 1, "modified": "m", "items_id": 8, "items_title": "盘子"},
    ]
    assert out.schema("t")["key_properties"] == ["id", "items_id"]
    assert out.columns("t") == {
        "id": {"type": "integer"},
        "modified": STRING,
        "items_id": {"type": "integer"},
        "items_title": STRING,
        "items_price": {"type": ["number", "null"], "description": "单价（元）"},
    }


@pytest.mark.parametrize("record", [{"id": 1}, {"id": 1, "items": None}, {"id": 1, "items": []}])
@pytest.mark.parametrize("keep_empty", [True, False])
def test_a_record_without_elements_gives_one_row_only_if_asked(
    run: Runner, record: dict[str, Any], *, keep_empty: bool
) -> None:
    config = {"explode": {"t": {"path": "items", "keep_empty": keep_empty}}}
    out = run(config, [run.schema("t", TICKET, "id"), *run.records("t", record)]).check()
    blank = {"id": 1, "items_id": None, "items_title": None, "items_price": None, "items_row_number": 0}
    assert out.rows("t") == ([blank] if keep_empty else [])


def test_without_a_key_the_row_number_is_the_key(run: Runner) -> None:
    out = run(
        {"explode": {"t": {"path": "items"}}},
        [run.schema("t", TICKET, "id"), *run.records("t", {"id": 1, "items": [{"id": 5}, {"id": 5}]})],
    ).check()
    assert out.schema("t")["key_properties"] == ["id", "items_row_number"]
    assert [row["items_row_number"] for row in out.rows("t")] == [1, 2]


def test_an_element_without_its_key_gets_a_row_number_in_its_place(run: Runner) -> None:
    items: list[Any] = [{"id": 2}, {"title": "no id"}, {"id": None}, None]
    out = run(
        {"explode": {"t": {"path": "items", "key": ["id"], "keep_empty": True}}},
        [run.schema("t", TICKET, "id"), *run.records("t", {"id": 1, "items": items}, {"id": 2})],
    ).check()
    assert [(row["id"], row["items_id"]) for row in out.rows("t")] == [(1, 2), (1, -2), (1, -3), (1, -4), (2, 0)]


def test_a_key_of_several_fields_does_not_depend_on_the_order_when_a_part_is_missing(run: Runner) -> None:
    element = {"type": "object", "properties": {"sku": STRING, "lot": STRING, "n": INTEGER}}
    schema = run.schema("t", {"id": {"type": "integer"}, "items": {"type": "array", "items": element}}, "id")
    items = [{"sku": "a", "lot": "x", "n": 1}, {"sku": "a", "n": 2}, {"lot": "x", "n": 3}, {"n": 4}]
    config = {"explode": {"t": {"path": "items", "key": ["sku", "lot"]}}}
    forward = run(config, [schema, *run.records("t", {"id": 1, "items": items})]).check()
    backward = run(config, [schema, *run.records("t", {"id": 1, "items": items[::-1]})]).check()

    def keys(out: Any) -> dict[int, tuple[str, str]]:  # noqa: ANN401 - Messages
        return {row["items_n"]: (row["items_sku"], row["items_lot"]) for row in out.rows("t")}

    assert keys(forward) == {1: ("a", "x"), 2: ("a", ""), 3: ("", "x"), 4: ("#4", "#4")}
    assert {n: key for n, key in keys(backward).items() if n != 4} == {1: ("a", "x"), 2: ("a", ""), 3: ("", "x")}


def test_a_key_the_elements_do_not_have_is_a_row_number(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    out = run(
        {"explode": {"t": {"path": "items", "key": ["oid"]}}},
        [run.schema("t", TICKET, "id"), *run.records("t", {"id": 1, "items": [{"id": 5}]})],
    ).check()
    assert out.schema("t")["key_properties"] == ["id", "items_row_number"]
    assert "have no field 'oid'" in caplog.text


def test_a_parents_field_is_not_taken_for_the_elements_key(run: Runner) -> None:
    """The parent has an `id` too; taking it for the element's gave every row of a ticket the same key."""
    element = {"type": "object", "properties": {"title": STRING}}
    schema = run.schema("t", {"id": {"type": "integer"}, "items": {"type": "array", "items": element}}, "id")
    out = run(
        {"explode": {"t": {"path": "items", "key": ["id"]}}},
        [schema, *run.records("t", {"id": 1, "items": [{"title": "a"}, {"title": "b"}]})],
    ).check()
    assert out.schema("t")["key_properties"] == ["id", "items_row_number"]


def test_two_elements_with_one_key_are_both_written_and_told(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    items = [{"id": 3456789, "title": "a"}, {"id": 3456789, "title": "b"}]
    out = run(
        {"explode": {"t": {"path": "items", "key": ["id"]}}},
        [run.schema("t", TICKET, "id"), *run.records("t", *[{"id": n, "items": items} for n in range(3)])],
    ).check()
    assert len(out.rows("t")) == 6
    assert caplog.text.count("two elements of one record have the same 'items_id'") == 1
    assert "3456789" not in caplog.text


def test_a_stream_without_a_key_stays_without_one(run: Runner) -> None:
    out = run(
        {"explode": {"t": {"path": "items"}}},
        [run.schema("t", TICKET), *run.records("t", {"id": 1, "items": [{"id": 5}]})],
    ).check()
    assert out.schema("t")["key_properties"] == []


def test_an_alias_adds_a_stream_and_leaves_the_records_alone(run: Runner) -> None:
    record = {"id": 1, "items": [{"id": 5}]}
    out = run(
        {"explode": {"t": {"path": "items", "alias": "flat", "key": ["id"], "parent_fields": ["modified"]}}},
        [run.schema("t", TICKET, "id"), *run.records("t", record)],
    ).check()
    assert out.rows("t") == [record]
    assert out.rows("flat") == [{"id": 1, "items_id": 5}]
    assert list(out.columns("flat")) == ["id", "modified", "items_id", "items_title", "items_price"]


def test_several_arrays_go_to_several_streams_through_nested_paths(run: Runner) -> None:
    record = {
        "tid": "T1",
        "orders": [
            {"oid": "O1", "suits": [{"sku": "a", "num": 1}, {"sku": "b"}]},
            {"oid": "O2", "suits": []},
            {"oid": "O3", "suits": [{"sku": "a"}]},
        ],
        "payments": [{"amount": 0.1}, {"amount": 0.2}],
    }
    config = {
        "explode": {
            "trade": [
                {
                    "path": "orders.suits",
                    "alias": "suits",
                    "parent_fields": ["orders_oid"],
                    "key": ["orders_oid", "sku"],
                },
                {"path": "orders.suits", "alias": "all_suits", "keep_empty": True},
                {"path": "payments", "alias": "payments", "parent_fields": [], "prefix": ""},
            ]
        }
    }
    out = run(config, [run.schema("trade", ORDER, "tid"), *run.records("trade", record)]).check()
    assert out.rows("suits") == [
        {"tid": "T1", "orders_oid": "O1", "orders_suits_sku": "a", "orders_suits_num": 1},
        {"tid": "T1", "orders_oid": "O1", "orders_suits_sku": "b"},
        {"tid": "T1", "orders_oid": "O3", "orders_suits_sku": "a"},
    ]
    assert out.schema("suits")["key_properties"] == ["tid", "orders_oid", "orders_suits_sku"]
    assert [(row["orders_oid"], row["orders_suits_sku"]) for row in out.rows("all_suits")] == [
        ("O1", "a"), ("O1", "b"), ("O2", None), ("O3", "a"),
    ]  # fmt: skip
    assert [row["orders_suits_row_number"] for row in out.rows("all_suits")] == [1, 2, 3, 4]
    assert [list(row.values()) for row in out.rows("payments")] == [
        ["T1", Decimal("0.1"), 1], ["T1", Decimal("0.2"), 2],
    ]  # fmt: skip
    assert list(out.columns("payments")) == ["tid", "amount", "row_number"]


def test_an_array_inside_an_object_leaves_the_objects_other_fields(run: Runner) -> None:
    inner = {"type": "object", "properties": {"lines": {"type": "array", "items": ITEM}, "no": STRING}}
    detail = {"type": ["object", "null"], "properties": {"inner": inner, "memo": STRING}}
    out = run(
        {"explode": {"t": {"path": "detail.inner.lines", "key": ["id"], "keep_empty": True}}},
        [
            run.schema("t", {"id": {"type": "integer"}, "detail": detail}, "id"),
            *run.records(
                "t",
                {"id": 1, "detail": {"memo": "m", "inner": {"no": "N", "lines": [{"id": 5}, {"id": 6}]}}},
                {"id": 2, "detail": None},
            ),
        ],
    ).check()
    kept = {"memo": "m", "inner": {"no": "N"}}
    blank = {"detail_inner_lines_id": 0, "detail_inner_lines_title": None, "detail_inner_lines_price": None}
    assert out.rows("t") == [
        {"id": 1, "detail": kept, "detail_inner_lines_id": 5},
        {"id": 1, "detail": kept, "detail_inner_lines_id": 6},
        {"id": 2, "detail": None, **blank},
    ]
    assert "lines" not in json.dumps(out.columns("t")["detail"])


def test_a_key_may_be_called_by_its_column_and_named_twice(run: Runner) -> None:
    out = run({"explode": {"t": {"path": "items", "key": ["items_id", "id"]}}}, [run.schema("t", TICKET, "id")])
    assert out.schema("t")["key_properties"] == ["id", "items_id"]


def test_a_stream_that_never_comes_is_told(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    run({"explode": {"tt": {"path": "xs"}}}, [run.schema("t", TICKET, "id")])
    assert "names stream 'tt', which did not come" in caplog.text


def test_ten_thousand_elements_are_ten_thousand_rows(run: Runner) -> None:
    items = [{"id": n, "title": f"t{n}"} for n in range(1, 10_001)]
    out = run(
        {"explode": {"t": {"path": "items", "key": ["id"]}}},
        [run.schema("t", TICKET, "id"), *run.records("t", {"id": 1, "modified": "m", "items": items})],
    )
    assert [row["items_id"] for row in out.rows("t")] == list(range(1, 10_001))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "item"}, "there is no 'item' among the properties 'id', 'modified', 'items', "),
        ({"path": "id"}, "'id' is declared as 'integer', not as an array"),
        ({"path": "at"}, "'at' is declared as 'null', 'string', not as an array"),
        ({"path": "buyer"}, "'buyer' is declared as an object, not as an array"),
        ({"path": "items.suits"}, "there is no 'suits' among the properties 'id', 'title', 'price'"),
        ({"path": "items", "prefix": ""}, "column 'id' exists already"),
        ({"path": "items", "parent_fields": ["status"]}, "parent_fields names 'status', which is no column"),
    ],
)
def test_a_wrong_entry_is_found_at_the_schema(run: Runner, entry: dict[str, Any], message: str) -> None:
    buyer = {"type": ["object", "null"], "properties": {"name": STRING}}
    columns = {**TICKET, "at": {**STRING, "format": "date-time"}, "buyer": buyer}
    with pytest.raises(StreamMapConfigError, match="explode of stream 't', path") as caught:
        run({"explode": {"t": entry}}, [run.schema("t", columns, "id")])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "entries",
    [[{"path": "orders"}, {"path": "payments"}], [{"path": "orders", "alias": "trade"}]],
)
def test_two_outputs_of_one_name_are_refused(run: Runner, entries: list[dict[str, Any]]) -> None:
    with pytest.raises(StreamMapConfigError, match="alias"):
        run({"explode": {"trade": entries}}, [])


VALUES = {
    "integer": st.integers(),
    "number": st.decimals(allow_nan=False, allow_infinity=False, places=4),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "boolean": st.booleans(),
    "object": st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()),
}


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the types of an element's fields, and records with arrays of such elements."""
    fields = draw(st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from(sorted(VALUES)), min_size=1))
    element = st.fixed_dictionaries({}, optional={name: st.none() | VALUES[kind] for name, kind in fields.items()})
    arrays = draw(st.lists(st.none() | st.lists(element, max_size=4), max_size=5))
    return fields, [{"id": number, "note": "n", "xs": array} for number, array in enumerate(arrays)]


@given(stream=streams())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_exploding_and_regrouping_gives_the_original(
    run: Runner, stream: tuple[dict[str, str], list[dict[str, Any]]]
) -> None:
    fields, records = stream
    element = {"type": "object", "properties": {name: {"type": [kind, "null"]} for name, kind in fields.items()}}
    schema = run.schema(
        "t", {"id": {"type": "integer"}, "note": STRING, "xs": {"type": ["array", "null"], "items": element}}, "id"
    )
    config = {"explode": {"t": {"path": "xs", "keep_empty": True}}}
    out = run(config, [schema, *run.records("t", *records)]).check()

    regrouped: dict[int, list[Any]] = {}
    for row in out.rows("t"):
        assert row["note"] == "n"
        elements = regrouped.setdefault(row["id"], [])
        if row["xs_row_number"]:
            elements.append({name: row[f"xs_{name}"] for name in fields if f"xs_{name}" in row})
            assert row["xs_row_number"] == len(elements)
    assert regrouped == {record["id"]: record["xs"] or [] for record in records}


TYPES = {
    "id": "integer",
    "price": {"type": "number", "description": "单价（元）"},
    "at": "datetime",
    "day": "date",
    "sku": "string",
    "gift": "boolean",
    "lots": "json",
}


def test_types_declare_and_convert_what_the_schema_does_not_tell(run: Runner) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"type": "array", "items": {}}}, "id")
    items = [
        {"id": "900719925474099312", "price": "1,234.50", "at": 1767457525000, "day": "2026-01-04 00:25:25",
         "sku": 5, "gift": 1, "lots": [1], "more": "x"},
        {"id": Decimal("7.0"), "price": "", "at": "", "day": None, "gift": "false"},
    ]  # fmt: skip
    config = {"explode": {"t": {"path": "xs", "key": ["id"], "types": TYPES, "keep_empty": True}}}
    out = run(config, [schema, *run.records("t", {"id": 1, "xs": items}, {"id": 2})]).check()
    assert out.rows("t")[:2] == [
        {
            "id": 1, "xs_id": 900719925474099312, "xs_price": Decimal("1234.50"), "xs_at": "2026-01-04T00:25:25+08:00",
            "xs_day": "2026-01-04", "xs_sku": "5", "xs_gift": True, "xs_lots": [1], "xs_more": "x",
        },
        {"id": 1, "xs_id": 7, "xs_price": None, "xs_at": None, "xs_day": None, "xs_gift": False},
    ]  # fmt: skip
    assert out.rows("t")[2]["xs_id"] == 0
    assert out.columns("t")["xs_price"] == {"type": ["number", "null"], "description": "单价（元）"}
    assert out.columns("t")["xs_at"] == {"type": ["string", "null"], "format": "date-time"}


@pytest.mark.parametrize("bad", [{"price": "12a"}, {"at": "soon"}, {"gift": "secret"}, {"lots": "secret"}, {"day": []}])
def test_a_value_that_does_not_fit_its_type_stops_the_run_or_is_null(run: Runner, bad: dict[str, Any]) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"type": "array"}}, "id")
    source = [schema, *run.records("t", {"id": 1, "xs": [{"id": 1, **bad}]})]
    config: dict[str, Any] = {"explode": {"t": {"path": "xs", "key": ["id"], "types": TYPES}}}
    with pytest.raises(MapExpressionError, match=r"column 'xs_\w+': the value does not fit its type: \w+Error \(input"):
        run(config, source)
    out = run({**config, "on_error": None}, source).check()
    assert out.rows("t") == [{"id": 1, "xs_id": 1, **dict.fromkeys(f"xs_{name}" for name in bad)}]


def test_a_key_that_does_not_fit_its_type_stops_the_run(run: Runner) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"type": "array"}}, "id")
    config = {"on_error": None, "explode": {"t": {"path": "xs", "key": ["id"], "types": {"id": "integer"}}}}
    with pytest.raises(MapExpressionError, match="column 'xs_id'"):
        run(config, [schema, *run.records("t", {"id": 1, "xs": [{"id": "x"}]})])
