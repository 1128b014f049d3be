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


@pytest.mark.parametrize(
    ("element", "array", "expected", "column"),
    [
        pytest.param(STRING, ["a", None, "b"], ["a", None, "b"], STRING, id="texts"),
        pytest.param({"type": "integer"}, [1, 2], [1, 2], INTEGER, id="integers"),
        pytest.param({"type": "array", "items": STRING}, [["a"], []], [["a"], []], None, id="arrays"),
        pytest.param(None, [{"a": 1.50}, "x", 3, None], ['{"a":1.5}', '"x"', "3", None], STRING, id="undeclared"),
        pytest.param({}, [{"名": "值"}], ['{"名":"值"}'], STRING, id="empty schema"),
        pytest.param({"type": "object"}, [{}, {"a": []}], ["{}", '{"a":[]}'], STRING, id="object without properties"),
        pytest.param([STRING], ["a"], ['"a"'], STRING, id="tuple form"),
    ],
)
def test_elements_that_are_no_objects_fill_one_column(
    run: Runner, element: object, array: list[Any], expected: list[Any], column: dict[str, Any] | None
) -> None:
    tags = {"type": "array"} if element is None else {"type": "array", "items": element}
    out = run(
        {"explode": {"t": {"path": "tags"}}},
        [run.schema("t", {"id": {"type": "integer"}, "tags": tags}, "id"), *run.records("t", {"id": 1, "tags": array})],
    ).check()
    assert [row["tags"] for row in out.rows("t")] == expected
    assert column is None or out.columns("t")["tags"] == column


def test_undeclared_elements_are_told_once(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    run(
        {"explode": {"t": {"path": "tags"}}},
        [
            run.schema("t", {"id": {"type": "integer"}, "tags": {"type": "array"}}, "id"),
            *run.records("t", {"id": 1, "tags": [1]}, {"id": 2, "tags": [2]}),
        ],
    )
    assert caplog.text.count("does not describe the elements of 'tags'") == 1


def test_elements_of_several_forms_keep_fields_and_scalars_apart(run: Runner) -> None:
    element = {"anyOf": [{"type": "object", "properties": {"a": INTEGER}}, {"type": "null"}]}
    mixed = {"type": ["object", "string"], "properties": {"a": INTEGER}}
    for each, array in ((element, [{"a": 1}, None]), (mixed, [{"a": 1}, "text"])):
        schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"type": "array", "items": each}}, "id")
        out = run({"explode": {"t": {"path": "xs"}}}, [schema, *run.records("t", {"id": 1, "xs": array})]).check()
        assert [row.get("xs_a") for row in out.rows("t")] == [1, None]
    assert out.rows("t")[1]["xs"] == "text"


def test_a_referenced_element_schema_is_followed(run: Runner) -> None:
    definitions = {"line": {"type": "object", "properties": {"n": INTEGER}}}
    xs = {"anyOf": [{"type": "array", "items": {"$ref": "#/definitions/line"}}, {"type": "null"}]}
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": xs}, "id", definitions=definitions)
    config = {"explode": {"t": {"path": "xs"}}}
    out = run(config, [schema, *run.records("t", {"id": 1, "xs": [{"n": 1}]}, {"id": 2, "xs": None})]).check()
    assert out.columns("t")["xs_n"] == INTEGER
    assert out.rows("t") == [{"id": 1, "xs_n": 1, "xs_row_number": 1}]


def test_joined_and_alternative_element_schemas_are_read(run: Runner) -> None:
    joined = {"allOf": [{"$ref": "#/$defs/base"}, {"properties": {"b": STRING}, "required": ["b"]}]}
    either = {"oneOf": [{"type": "object", "properties": {"a": INTEGER, "k": {"const": "A"}}},
                        {"type": "object", "properties": {"b": STRING, "k": {"const": "B"}}}]}  # fmt: skip
    base = {"type": "object", "properties": {"a": INTEGER}}
    for element in (joined, either):
        columns = {"id": {"type": "integer"}, "xs": {"type": "array", "items": element}}
        schema = run.schema("t", columns, "id", **{"$defs": {"base": base}})
        records = run.records("t", {"id": 1, "xs": [{"a": 1, "b": "x"}, {"b": "y", "k": "B"}]})
        out = run({"explode": {"t": {"path": "xs", "keep_empty": True}}}, [schema, *records]).check()
        assert (out.columns("t")["xs_a"], out.columns("t")["xs_b"]) == (INTEGER, STRING)
        assert [row.get("xs_a") for row in out.rows("t")] == [1, None]


def test_a_referenced_column_is_declared_in_place(run: Runner) -> None:
    element = {"type": "object", "properties": {"at": {"$ref": "#/definitions/time"}}}
    schema = run.schema(
        "t",
        {"id": {"type": "integer"}, "xs": {"type": "array", "items": element}},
        "id",
        definitions={"time": {"type": "string", "format": "date-time"}},
    )
    out = run({"explode": {"t": {"path": "xs"}}}, [schema])
    assert out.columns("t")["xs_at"] == {"type": ["string", "null"], "format": "date-time"}


@pytest.mark.parametrize("top", [{"$ref": "#/definitions/t"}, {"allOf": [{"$ref": "#/definitions/t"}]}])
def test_a_stream_whose_schema_is_a_reference_is_read(run: Runner, top: dict[str, Any]) -> None:
    schema = run.schema("t", {}, "id")
    schema["schema"] = {**top, "definitions": {"t": {"type": "object", "properties": TICKET}}}
    out = run({"explode": {"t": {"path": "items"}}}, [schema, *run.records("t", {"id": 1, "items": [{"id": 5}]})])
    assert out.check().rows("t") == [{"id": 1, "items_id": 5, "items_row_number": 1}]


TEXTS = [(1, '[{"a": "5", "b": 1.10}, {"a": 6}]'), (2, None), (3, ""), (4, "[]"), (5, '{"a": 7}'), (6, [{"a": 8}])]


@pytest.mark.parametrize("declared", [STRING, {}, {"type": ["array", "string", "null"]}])
def test_an_array_that_comes_as_json_text_is_read(run: Runner, declared: dict[str, Any]) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": declared}, "id")
    records = run.records("t", *[{"id": number, "xs": xs} for number, xs in TEXTS])
    entry = {"path": "xs", "key": ["a"], "types": {"a": "integer", "b": "number"}}
    out = run({"explode": {"t": entry}}, [schema, *records]).check()
    assert [(row["id"], row["xs_a"]) for row in out.rows("t")] == [(1, 5), (1, 6), (5, 7), (6, 8)]
    assert out.rows("t")[0]["xs_b"] == Decimal("1.10")
    inside = run.schema("t", {"id": {"type": "integer"}, "o": STRING}, "id")
    rows = run.records("t", {"id": 1, "o": '{"xs": [{"a": 1}, {"a": 2}], "n": 1}'})
    out = run({"explode": {"t": {"path": "o.xs", "types": {"a": "integer"}}}}, [inside, *rows]).check()
    assert [(row["o"], row["o_xs_a"]) for row in out.rows("t")] == [('{"n":1}', 1), ('{"n":1}', 2)]


@pytest.mark.parametrize("text", ["secret", '"secret"', "5"])
def test_text_that_is_no_array_stops_the_run_or_gives_no_elements(run: Runner, text: str) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": STRING}, "id")
    source = [schema, *run.records("t", {"id": 1, "xs": text})]
    config = {"explode": {"t": {"path": "xs", "keep_empty": True}}}
    with pytest.raises(MapExpressionError, match=r"column 'xs': .* NoArrayError \(input line 2, id 1\)"):
        run(config, source)
    assert run({**config, "on_error": None}, source).check().rows("t") == [{"id": 1, "xs": None, "xs_row_number": 0}]


def test_an_undeclared_field_never_takes_the_place_of_another_column(run: Runner) -> None:
    schema = run.schema("t", TICKET, "id")
    items = [{"id": 5, "row_number": 9, "modified": "element's"}]
    record = {"id": 1, "modified": "m", "items_title": "record's", "items": items}
    config: dict[str, Any] = {"explode": {"t": {"path": "items"}}}
    (row,) = run(config, [schema, *run.records("t", record)]).check().rows("t")
    assert row == {
        "id": 1, "modified": "m", "items_id": 5, "items_row_number_": 9, "items_modified": "element's",
        "items_row_number": 1,
    }  # fmt: skip
    element = {"type": "object", "properties": {"title": STRING}}
    schema = run.schema("t", {"id": {"type": "integer"}, "items": {"type": "array", "items": element}}, "id")
    config = {"explode": {"t": {"path": "items", "prefix": ""}}}
    (row,) = run(config, [schema, *run.records("t", {"id": 1, "items": [{"id": 5}]})]).check().rows("t")
    assert row == {"id": 1, "id_": 5, "row_number": 1}


def test_a_key_may_be_called_by_its_column_and_named_twice(run: Runner) -> None:
    out = run({"explode": {"t": {"path": "items", "key": ["items_id", "id"]}}}, [run.schema("t", TICKET, "id")])
    assert out.schema("t")["key_properties"] == ["id", "items_id"]


def test_an_array_without_a_type_is_known_by_its_items(run: Runner) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"items": ITEM}}, "id")
    out = run({"explode": {"t": {"path": "xs"}}}, [schema, *run.records("t", {"id": 1, "xs": [{"id": 5}]})]).check()
    assert out.rows("t") == [{"id": 1, "xs_id": 5, "xs_row_number": 1}]
    assert "xs_title" in out.columns("t")


def test_a_stream_that_never_comes_is_told(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    run({"explode": {"tt": {"path": "xs"}}}, [run.schema("t", TICKET, "id")])
    assert "names stream 'tt', which did not come" in caplog.text


def test_an_object_where_an_array_is_declared_counts_as_one_element(run: Runner) -> None:
    record = {"id": 1, "items": {"id": 5}}
    out = run({"explode": {"t": {"path": "items"}}}, [run.schema("t", TICKET, "id"), *run.records("t", record)]).check()
    assert [row["items_id"] for row in out.rows("t")] == [5]


def test_fields_not_in_the_schema_are_passed_on_and_told(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    closed = {**ITEM, "additionalProperties": True}
    schema = run.schema(
        "t",
        {"id": {"type": "integer"}, "items": {"type": "array", "items": closed}},
        "id",
        additionalProperties=False,
    )
    config = {"explode": {"t": {"path": "items"}}}
    out = run(config, [schema, *run.records("t", {"id": 1, "items": [{"id": 5, "new": "x"}]})]).check()
    assert out.rows("t") == [{"id": 1, "items_id": 5, "items_new": "x", "items_row_number": 1}]
    assert caplog.text.count("column 'items_new' comes without being in the schema") == 1


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
