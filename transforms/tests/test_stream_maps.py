"""The SDK's stream maps: the same options, whatever their order, with types that hold."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError, MapExpressionError, MappingError, StreamMapConfigError

if TYPE_CHECKING:
    from tests.conftest import Runner

COLUMNS = {
    "tid": {"type": "string", "maxLength": 32, "description": "订单号"},
    "cnt": {"type": ["integer", "null"]},
    "price": {"type": ["number", "null"], "description": "价（元）"},
    "note": {"type": ["string", "null"]},
    "done": {"type": ["boolean", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    "receiver": {
        "type": ["object", "null"],
        "properties": {
            "city": {"type": "string"},
            "geo": {"type": ["object", "null"], "properties": {"lat": {"type": "number"}}},
        },
    },
    "free": {},
}
RECORD = {
    "tid": "T1", "cnt": 3, "price": Decimal("19.95"), "note": "n", "done": True, "at": "2026-01-31T20:00:00+08:00",
    "tags": ["a"], "receiver": {"city": "杭州", "geo": {"lat": Decimal("30.25")}}, "free": 7,
}  # fmt: skip


def stream(run: Runner, *records: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a stream 'orders' with records."""
    return [run.schema("orders", COLUMNS, "tid"), *run.records("orders", *records)]


@pytest.mark.parametrize(
    "order",
    list(permutations({"n": "cnt", "cnt": "__NULL__", "order_no": "tid", "price_yuan": "price"}.items())),
    ids=lambda order: "-".join(name for name, _ in order),
)
def test_renaming_keeps_the_type_in_any_order(run: Runner, order: tuple[tuple[str, str], ...]) -> None:
    """Dropping the old name first lost the type: it is looked up in the schema as it came, not as it is changed."""
    out = run({"stream_maps": {"orders": dict(order)}}, stream(run, RECORD)).check()
    columns = out.columns("orders")
    assert columns["n"] == COLUMNS["cnt"]
    assert columns["price_yuan"] == COLUMNS["price"]
    assert columns["order_no"] == {"type": ["string", "null"], "maxLength": 32, "description": "订单号"}
    assert "cnt" not in columns
    assert out.rows("orders")[0]["n"] == 3


def test_a_key_is_renamed_with_its_new_name(run: Runner) -> None:
    renamed = {"tid": "__NULL__", "order_no": "tid", "__key_properties__": ["order_no"]}
    out = run({"stream_maps": {"orders": renamed}}, stream(run, RECORD)).check()
    assert out.schema("orders")["key_properties"] == ["order_no"]
    assert out.columns("orders")["order_no"]["type"] == "string"


@pytest.mark.parametrize("stream_map", [{"tid": "__NULL__"}, {"__key_properties__": ["order_no"]}])
def test_a_key_that_is_no_column_is_refused(run: Runner, stream_map: dict[str, Any]) -> None:
    with pytest.raises(StreamMapConfigError, match=r"stream 'orders': key property '\w+' is not among the columns"):
        run({"stream_maps": {"orders": stream_map}}, stream(run))


TYPED = {
    "cnt * 2": "integer",
    "cnt / 2": "number",
    "price * cnt": "number",
    "cnt > 2": "boolean",
    "not done": "boolean",
    "note + '!'": "string",
    "f'{tid}-{cnt}'": "string",
    "'a' if done else None": "string",
    "cnt if done else price": "number",
    "cnt if done else note": "string",
    "note or tid": "string",
    "receiver['geo']['lat']": "number",
    "receiver.city": "string",
    "receiver['geo']": "object",
    "_.get('cnt')": "integer",
    "record['price']": "number",
    "{'a': 1}.get(note, 0)": "integer",
    "tags": "array",
    "tags[0]": "string",
    "[t + '!' for t in tags]": "array",
    "note.split('-')": "array",
    "note.startswith('n')": "boolean",
    "note[0:1]": "string",
    "coalesce(cnt, 0)": "integer",
    "decimal('1.5')": "number",
    "float(price)": "number",
    "int(price)": "integer",
    "str(cnt)": "string",
    "bool(cnt)": "boolean",
    "sha256(tid)": "string",
    "md5(tid)": "string",
    "concat_ws('-', tid, cnt)": "string",
    "mask_name(note)": "string",
    "json.dumps(receiver)": "string",
    "'text'": "string",
    "1": "integer",
    "1.5": "number",
    "None": "string",
    "config['unknown']": "string",
    "__stream_name__": "string",
}


@pytest.mark.parametrize(("source", "kind"), TYPED.items())
def test_a_computed_column_has_the_type_of_its_expression(run: Runner, source: str, kind: str) -> None:
    empty = {"tid": "T2"}
    out = run({"stream_maps": {"orders": {"new": source}}}, stream(run, RECORD, empty)).check()
    assert out.columns("orders")["new"]["type"] in ([kind, "null"], [kind])


@pytest.mark.parametrize(
    ("source", "format_"),
    [
        ("beijing(at)", "date-time"), ("date(at)", "date"), ("at", "date-time"),
        ("datetime.datetime.fromisoformat(at)", "date-time"), ("datetime.datetime.fromisoformat(at).date()", "date"),
        ("datetime.date(2026, 1, 31)", "date"),
    ],
)  # fmt: skip
def test_times_keep_their_format(run: Runner, source: str, format_: str) -> None:
    out = run({"stream_maps": {"orders": {"new": source}}}, stream(run, RECORD)).check()
    assert out.columns("orders")["new"]["format"] == format_
    assert out.rows("orders")[0]["new"].startswith("2026-01-31")


@given(
    source=st.sampled_from(sorted(TYPED)),
    record=st.fixed_dictionaries(
        {"tid": st.text(st.characters(exclude_categories=["Cs"]), max_size=32)},
        optional={
            "cnt": st.none() | st.integers(-(10**20), 10**20),
            "price": st.none() | st.decimals(-(10**12), 10**12, places=4),
            "note": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
            "done": st.none() | st.booleans(),
            "tags": st.none() | st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=3),
        },
    ),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_mapped_record_is_valid(run: Runner, source: str, record: dict[str, Any]) -> None:
    out = run({"on_error": None, "stream_maps": {"orders": {"new": source}}}, stream(run, record)).check()
    assert len(out.rows("orders")) == 1


def test_a_result_takes_the_form_of_its_column(run: Runner) -> None:
    maps = {"orders": {"a": "config['n']", "b": "config['d']", "note": "config['n'] + 1"}}
    config = {"stream_map_config": {"n": 5, "d": {"a": 1}}, "stream_maps": maps}
    (row,) = run(config, stream(run, RECORD)).check().rows("orders")
    assert (row["a"], row["b"], row["note"]) == ("5", '{"a":1}', "6")


def test_a_filter_keeps_what_it_is_true_for(run: Runner) -> None:
    records: list[dict[str, Any]] = [
        {"tid": "a", "cnt": 1},
        {"tid": "b", "cnt": 2},
        {"tid": "c", "cnt": None},
        {"tid": "d"},
    ]
    out = run({"stream_maps": {"orders": {"__filter__": "cnt >= 2"}}}, stream(run, *records)).check()
    assert [row["tid"] for row in out.rows("orders")] == ["b"]


def test_else_null_leaves_the_key_and_the_named_columns(run: Runner) -> None:
    out = run({"stream_maps": {"orders": {"cnt": "cnt", "__else__": "__NULL__"}}}, stream(run, RECORD)).check()
    assert out.rows("orders") == [{"tid": "T1", "cnt": 3}]
    assert out.columns("orders") == {"tid": COLUMNS["tid"], "cnt": COLUMNS["cnt"]}


def test_a_source_makes_a_second_stream(run: Runner) -> None:
    maps = {"small": {"__source__": "orders", "__else__": None, "who": "__original_stream_name__"}}
    out = run({"stream_maps": maps}, stream(run, RECORD)).check()
    assert out.rows("orders") == [RECORD]
    assert out.rows("small") == [{"tid": "T1", "who": "orders"}]


@pytest.mark.parametrize(("alias", "name"), [("dw_orders", "dw_orders"), ("'dw_' + __stream_name__", "dw_orders")])
def test_an_alias_renames_the_stream(run: Runner, alias: str, name: str) -> None:
    out = run({"stream_maps": {"ord*": {"__alias__": alias, "new": "__stream_name__"}}}, stream(run, RECORD)).check()
    assert {message["stream"] for message in out} == {name}
    assert out.rows(name)[0]["new"] == name


def test_streams_are_dropped_by_name_and_by_default(run: Runner) -> None:
    other = [run.schema("other", {"a": {"type": "integer"}}), *run.records("other", {"a": 1})]
    for maps in ({"other": "__NULL__"}, {"orders": {}, "__else__": "__NULL__"}, {"oth*": None}):
        out = run({"stream_maps": maps}, [*stream(run, RECORD), *other])
        assert {message["stream"] for message in out} == {"orders"}


def test_the_exact_name_goes_before_a_wildcard(run: Runner) -> None:
    maps = {"orders": {"new": "'exact'"}, "*": {"new": "'any'"}}
    for each in (maps, dict(reversed(maps.items()))):
        assert run({"stream_maps": each}, stream(run, RECORD)).rows("orders")[0]["new"] == "exact"


def test_a_null_result_does_not_drop_the_record(run: Runner) -> None:
    """A record whose every column was dropped but one null used to count as filtered out."""
    maps = {"orders": {"__else__": None, "__key_properties__": None, "note": "note"}}
    assert run({"stream_maps": maps}, stream(run, {"tid": "x"})).rows("orders") == [{"note": None}]


def test_values_that_break_their_schema_are_passed_on_under_the_new_name(run: Runner) -> None:
    maps = {"orders": {"n": "cnt", "cnt": None}}
    assert run({"stream_maps": maps}, stream(run, {"tid": "x", "cnt": "5"})).rows("orders") == [{"tid": "x", "n": "5"}]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"explode": {"t": {"pathh": "items"}}}, "'path' is a required property in config['explode']['t']"),
        ({"explode": {"t": [{"path": "a"}, {"path": ""}]}}, "config['explode']['t'][1]['path']"),
        ({"explode": {"t": {"path": "a", "key": "id"}}}, "config['explode']['t']['key']"),
        ({"on_error": "skip"}, "'skip' is not one of"),
        ({"stream_maps": {"t": {"n": 5}}}, "5 is not of type 'string', 'null' in config['stream_maps']['t']['n']"),
        ({"stream_maps": {"t": {"n": {"a": "b"}}}}, "in config['stream_maps']['t']['n']"),
        ({"stream_maps": {"t": "drop"}}, "'drop' is not one of [None, '__NULL__'] in config['stream_maps']['t']"),
        ({"stream_maps": {"t": {"__else__": "keep"}}}, "'keep' is not one of"),
        ({"stream_maps": {"__else__": "keep"}}, "'keep' is not one of"),
        ({"stream_maps": {"t": {"__key_properties__": "id"}}}, "config['stream_maps']['t']['__key_properties__']"),
        ({"flattening_enabled": True}, "flattening_max_depth is required"),
    ],
)
def test_a_wrong_setting_is_named(run: Runner, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigValidationError) as caught:
        run(config, [])
    assert message in "\n".join(caught.value.errors)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"t": {"__filtre__": "id"}}, "stream map 't': there is no option '__filtre__'"),
        ({"__elze__": None}, "there is no option '__elze__'"),
        ({"t": {"n": ""}}, "stream map 't', column 'n': cannot read the expression ''"),
    ],
)
def test_a_wrong_map_is_found_at_the_start(run: Runner, maps: dict[str, Any], message: str) -> None:
    with pytest.raises(MappingError) as caught:
        run({"stream_maps": maps}, [])
    assert message in str(caught.value)


@pytest.mark.parametrize("alias", ["1/0", "'x' + 5", "a b("])
def test_a_wrong_alias_is_told(run: Runner, alias: str) -> None:
    with pytest.raises(MapExpressionError, match="stream map 'orders': cannot evaluate `__alias__`"):
        run({"stream_maps": {"orders": {"__alias__": alias}}}, stream(run))


@pytest.mark.parametrize("alias", ["dw-orders", "dw.orders", "int", "2024"])
def test_a_plain_text_is_an_alias(run: Runner, alias: str) -> None:
    out = run({"stream_maps": {"orders": {"__alias__": alias}}}, stream(run, RECORD)).check()
    assert out.rows(alias) == [RECORD]


def test_what_does_nothing_is_told(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    maps = {"ordrs": {"a": "tid"}, "copy": {"__source__": "nope"}, "orders": {"buyerName": None}}
    run({"stream_map": {}, "stream_maps": maps}, stream(run, RECORD))
    for told in ("'stream_map'", "names stream 'ordrs'", "names stream 'nope'", "no column 'buyerName' to drop"):
        assert caplog.text.count(told) == 1


def test_two_streams_of_one_name_are_refused(run: Runner) -> None:
    with pytest.raises(StreamMapConfigError, match="stream 'orders' becomes stream 'copy' 2 times"):
        run({"stream_maps": {"copy": {"__source__": "orders"}, "orders": {"__alias__": "copy"}}}, stream(run))


def test_a_map_that_changes_nothing_passes_records_on_unread(run: Runner) -> None:
    line = b'{"type": "RECORD", "stream": "orders", "record": {"tid": "x", "price": 1.10}}'
    source = run.lines(stream(run)) + line + b"\n"
    assert run.output({"stream_maps": {"orders": {}, "__else__": None}}, source) == source


def test_rules_about_the_whole_record_do_not_outlive_its_columns(run: Runner) -> None:
    rules = {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "minProperties": 3, "patternProperties": {"^x": {}}}
    schema = run.schema("t", {"id": {"type": "integer"}, "a": {}, "b": {}}, "id", additionalProperties=False, **rules)
    out = run({"stream_maps": {"t": {"a": None}}}, [schema, *run.records("t", {"id": 1, "a": 1, "x1": 5})]).check()
    assert out.rows("t") == [{"id": 1, "x1": 5}]
