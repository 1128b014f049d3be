"""Elements and schemas of every form: scalars, text, references, alternatives, and what no schema names."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import MapExpressionError

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


def test_an_array_without_a_type_is_known_by_its_items(run: Runner) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"items": ITEM}}, "id")
    out = run({"explode": {"t": {"path": "xs"}}}, [schema, *run.records("t", {"id": 1, "xs": [{"id": 5}]})]).check()
    assert out.rows("t") == [{"id": 1, "xs_id": 5, "xs_row_number": 1}]
    assert "xs_title" in out.columns("t")


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


def test_an_array_is_taken_out_of_an_object_whatever_form_its_schema_has(run: Runner) -> None:
    """Its `required` made every row invalid once the array was taken out."""
    holder = {"type": "object", "properties": {"xs": {"type": "array", "items": ITEM}, "n": STRING}, "required": ["xs"]}
    for form in ({"oneOf": [holder, {"type": "null"}]}, {"allOf": [holder]}, {"$ref": "#/definitions/o"}):
        schema = run.schema("t", {"id": {"type": "integer"}, "o": form}, "id", definitions={"o": holder})
        records = run.records("t", {"id": 1, "o": {"n": "x", "xs": [{"id": 5}, {"id": 6}]}})
        out = run({"explode": {"t": {"path": "o.xs", "key": ["id"]}}}, [schema, *records]).check()
        assert [(row["o"], row["o_xs_id"]) for row in out.rows("t")] == [({"n": "x"}, 5), ({"n": "x"}, 6)]
