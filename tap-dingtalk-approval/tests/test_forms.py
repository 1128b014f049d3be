"""Forms become columns and rows without losing or inventing a value."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_dingtalk_approval.approval import Component, Keys, parse_approval, parse_component
from tap_dingtalk_approval.errors import DingTalkError
from tap_dingtalk_approval.forms import convert, read_form
from tap_dingtalk_approval.settings import read_process
from tap_dingtalk_approval.topapi import TopApi
from tap_dingtalk_approval.values import texts_or_none, to_json

UNFILLED = '[{"componentName":"TextField","componentType":"TextField","props":{"id":"TextField_1E","label":"事项"}}]'


def component(
    label: str | None, value: object, *, ext: object = None, component_id: str = "TextField_1", kind: str = "TextField"
) -> Component:
    keys = {"name": label, "value": value, "ext_value": ext, "id": component_id, "component_type": kind}
    return parse_component(keys, {})


def process(fields: dict[str, Any] | None = None, tables: dict[str, Any] | None = None) -> Any:
    return read_process({"process_code": "PROC-1", "name": "one", "fields": fields or {}, "tables": tables or {}})


def value_of(shown: Component, kind: str = "string", **wanted: str) -> Any:
    form = read_form(process({"column": {**(wanted or {"label": str(shown.name)}), "type": kind}}), [shown])
    assert not form.unconverted
    return form.columns["column"]


@pytest.mark.parametrize("spelling", [None, "", "null", "[]", " ", []])
@pytest.mark.parametrize("kind", ["string", "number", "integer", "boolean", "date", "datetime", "json"])
def test_empty_in_all_its_spellings_is_null(spelling: object, kind: str) -> None:
    assert value_of(component("x", spelling), kind) is None


def test_a_component_without_a_value_key_is_null() -> None:
    assert value_of(parse_component({"name": "x", "id": "a"}, {})) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000.50", "1000.50"),
        ("12,345,678.90", "12345678.90"),
        ("600.00", "600.00"),
        ("-5", "-5"),
        ("￥1,280.5元", "1280.5"),
    ],
)
def test_money_with_thousand_separators_is_exact(text: str, expected: str) -> None:
    found = value_of(component("x", text), "number")
    assert (found, str(found)) == (Decimal(expected), expected)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15))
def test_every_amount_survives_with_and_without_separators(amount: Decimal) -> None:
    assert value_of(component("x", f"{amount}"), "number") == amount
    assert value_of(component("x", f"{amount:,}"), "number") == amount


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1,0", "number"),
        ("十", "number"),
        ("1.5", "integer"),
        ("maybe", "boolean"),
        ("2026-13-01", "date"),
        ("2026-02", "date"),
        ("soon", "datetime"),
        ("a word", "json"),
        ("12", "json"),
        ("NaN", "number"),
        ("1e400", "number"),
    ],
)
def test_what_cannot_be_converted_is_null_and_reported_without_its_value(text: str, kind: str) -> None:
    form = read_form(process({"column": {"label": "x", "type": kind}}), [component("x", text)])
    assert form.columns == {"column": None}
    (note,) = form.unconverted
    assert note.startswith("column: ")
    assert text not in note


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("10", "integer", 10),
        ("10.0", "integer", 10),
        ("9007199254740993", "integer", 9007199254740993),
        ("是", "boolean", True),
        ("否", "boolean", False),
        ("2025-05-27", "date", "2025-05-27"),
        ("2025-05-27 10:00", "date", "2025-05-27"),
        ("2025年5月7日", "date", "2025-05-07"),
        ("2025-05-27 10:00", "datetime", "2025-05-27T10:00:00+08:00"),
        ("2025-05-27", "datetime", "2025-05-27T00:00:00+08:00"),
        ('["选项1","选项2"]', "json", ["选项1", "选项2"]),
        ('["选项1","选项2"]', "string", '["选项1","选项2"]'),
        (" 前后有空格 ", "string", " 前后有空格 "),
        ("null值说明", "string", "null值说明"),
    ],
)
def test_values_become_their_types(text: str, kind: str, expected: object) -> None:
    assert value_of(component("x", text), kind) == expected


def test_people_and_departments_keep_names_and_ids() -> None:
    people = component(
        "联系人",
        "张三,李四",
        ext='[{"emplId":"u1","name":"张三","avatar":""},{"emplId":"u2","name":"李四"}]',
        kind="InnerContactField",
    )
    assert value_of(people) == "张三,李四"
    assert value_of(people, "json") == [{"id": "u1", "name": "张三"}, {"id": "u2", "name": "李四"}]
    department = component(
        "部门", "财务部", ext='[{"id":"433000001","name":"财务部","number":0}]', kind="DepartmentField"
    )
    assert value_of(department) == "财务部"
    assert value_of(department, "json") == [{"id": "433000001", "name": "财务部"}]


def test_json_is_always_a_list() -> None:
    address = component(
        "省市区", "海南省,海口市", ext='{"province":{"name":"海南省","id":"460000"}}', kind="AddressField"
    )
    assert value_of(address, "json") == [{"province": {"name": "海南省", "id": "460000"}}]


def test_a_range_of_dates_is_found_by_either_of_its_labels() -> None:
    shown = component('["开始时间","结束时间"]', '["2026-01-01","2026-01-02",null]', component_id="DDDateRangeField_1")
    assert value_of(shown, "date", label="开始时间") == "2026-01-01"
    assert value_of(shown, "date", label="结束时间") == "2026-01-02"
    assert value_of(shown, "json", id="DDDateRangeField_1") == ["2026-01-01", "2026-01-02", None]


def table(value: str | None) -> Component:
    return component("明细", value, component_id="TableField_1", kind="TableField")


ITEMS = {
    "items": {
        "label": "明细",
        "fields": {
            "item": {"label": "事项"},
            "money": {"label": "金额", "type": "number"},
            "tags": {"label": "标签", "type": "json"},
        },
    }
}


def test_a_table_that_nobody_filled_gives_no_rows_and_no_value() -> None:
    shown = table(UNFILLED)
    assert shown.value is None
    assert read_form(process(tables=ITEMS), [shown]).tables == {"items": []}


def test_the_parts_of_a_suite_are_not_taken_for_the_columns_of_a_table() -> None:
    # They look like an unfilled table's columns but for their values, which were lost at first.
    text = (
        '[{"componentName":"MoneyField","props":{"bizAlias":"amount","label":"金额"},"value":"949.00","extValue":null}]'
    )
    assert component("财务套件", text, kind="DDBizSuite").value == text


def test_cells_may_be_missing_or_native_lists() -> None:
    rows = [
        {
            "rowNumber": "a",
            "rowValue": [
                {"label": "事项", "value": "住宿", "key": "TextField_1E"},
                {"label": "标签", "value": ["甲", "乙"], "key": "t"},
            ],
        },
        {
            "rowNumber": "b",
            "rowValue": [
                {"label": "金额", "value": "1,280.50", "key": "m"},
                {"label": ["开始时间", "结束时间"], "value": ["2026-01-01", None], "key": "r"},
                {"label": "事项", "value": 280.10, "key": "n"},
            ],
        },
        {"rowNumber": "c", "rowValue": []},
    ]
    form = read_form(process(tables=ITEMS), [table(json.dumps(rows))])
    assert form.tables["items"] == [
        {"item": "住宿", "money": None, "tags": ["甲", "乙"]},
        {"item": "280.1", "money": Decimal("1280.50"), "tags": None},
        {"item": None, "money": None, "tags": None},
    ]
    assert not form.missing


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.decimals(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=8,
    )
)
def test_native_json_becomes_text_without_a_change(value: object) -> None:
    assert json.loads(to_json(value), parse_float=Decimal, parse_int=Decimal) == value


@pytest.mark.parametrize("text", ["id1,id2", '["id1","id2"]', ["id1", "id2"], " id1 , id2 "])
def test_ids_come_as_a_list_or_as_text(text: object) -> None:
    assert texts_or_none(text) == ["id1", "id2"]


def test_two_components_with_one_label_are_an_error_that_tells_how_to_tell_them_apart() -> None:
    twins = [component("金额", "1", component_id="MoneyField_A"), component("金额", "2", component_id="MoneyField_B")]
    with pytest.raises(DingTalkError) as error:
        read_form(process({"amount": {"label": "金额"}}), twins)
    for part in ("one.amount", "'金额'", "id: MoneyField_A", "id: MoneyField_B"):
        assert part in str(error.value)
    assert read_form(process({"amount": {"id": "MoneyField_B"}}), twins).columns == {"amount": "2"}


def test_a_label_of_a_table_does_not_clash_with_one_outside() -> None:
    rows = [{"rowValue": [{"label": "金额", "value": "5", "key": "m"}]}]
    form = read_form(process({"total": {"label": "金额"}}, ITEMS), [component("金额", "7"), table(json.dumps(rows))])
    assert (form.columns["total"], form.tables["items"][0]["money"]) == ("7", Decimal(5))


def test_components_that_came_went_or_were_renamed_are_told() -> None:
    form = read_form(
        process({"old": {"label": "旧名"}, "kept": {"label": "在"}}),
        [component("在", "x", component_id="a"), component("新", "y", component_id="b")],
    )
    assert form.columns == {"old": None, "kept": "x"}
    assert form.missing == {"old: label '旧名'"}
    assert form.unmapped == {"新 (b)"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["id", "name", "value", "ext_value", "component_type"]), json_values),
        max_size=4,
    )
)
def test_no_form_whatever_stops_the_run(components: list[dict[str, Any]]) -> None:
    approval = TopApi().approval_of(
        "i", {"process_instance": {"status": "RUNNING", "form_component_values": components}}
    )
    fields = {kind: {"id": "a", "type": kind} for kind in ("string", "number", "date", "datetime", "json")}
    form = read_form(process(fields, ITEMS), [*approval.components, component("a", "b", component_id="q")][:1])
    assert set(form.columns) == set(fields)


@given(json_values, st.sampled_from(["string", "number", "integer", "boolean", "date", "datetime", "json"]))
def test_converting_gives_a_value_or_says_that_it_cannot(value: object, kind: str) -> None:
    shown = component("x", value)
    try:
        found = convert(shown, kind)
    except ValueError:
        return
    assert (found is None) == (shown.value is None)


@given(
    st.dictionaries(
        st.sampled_from(["title", "create_time", "cc_userids", "operation_records", "tasks", "status"]), json_values
    )
)
def test_no_answer_whatever_stops_the_run(content: dict[str, Any]) -> None:
    approval = parse_approval("i", {**content, "status": "RUNNING"}, Keys())
    assert approval.known_seconds() is not None
