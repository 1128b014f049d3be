"""Flattening before mapping, with the SDK's names."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.mapper import PluginMapper

if TYPE_CHECKING:
    from tests.conftest import Runner

GEO = {"type": ["object", "null"], "properties": {"lat": {"type": "number"}, "any": {"type": "object"}}}
COLUMNS = {
    "id": {"type": "integer"},
    "receiver": {
        "type": ["object", "null"],
        "properties": {"city": {"type": "string"}, "geo": GEO, "tags": {"type": "array"}},
    },
    "extra": {"type": ["object", "null"]},
}
FLAT = {"flattening_enabled": True, "flattening_max_depth": 2}


def test_a_map_can_name_a_flattened_column(run: Runner) -> None:
    record = {
        "id": 1,
        "receiver": {"city": "杭州", "geo": {"lat": 30, "any": {"名": 1}}, "tags": [1]},
        "extra": {"a": "值"},
    }
    maps = {"t": {"city": "receiver__city", "receiver__city": "__NULL__", "lat": "receiver['geo']['lat'] + 1"}}
    out = run({**FLAT, "stream_maps": maps}, [run.schema("t", COLUMNS, "id"), *run.records("t", record)]).check()
    assert out.rows("t") == [
        {
            "id": 1, "receiver__geo__lat": 30, "receiver__geo__any": '{"名":1}', "receiver__tags": "[1]",
            "extra": '{"a":"值"}', "city": "杭州", "lat": 31,
        }
    ]  # fmt: skip
    assert out.columns("t")["city"] == {"type": ["string", "null"]}
    assert out.columns("t")["lat"] == {"type": ["number", "null"]}


def test_an_expression_sees_arrays_and_objects_and_gives_flat_columns(run: Runner) -> None:
    """The text that flattening makes of an array was what expressions saw: `tags[0]` gave `[`."""
    columns = {**COLUMNS, "tags": {"type": ["array", "null"], "items": {"type": "string"}}, "free": {}}
    maps = {
        "first": "tags[0]", "joined": "'-'.join(tags)", "upper": "[tag.upper() for tag in tags]", "tags2": "tags",
        "free2": "free", "last": "_['tags'][-1]", "geo": "receiver.geo", "extra": "self.get('a')",
    }  # fmt: skip
    record = {"id": 1, "tags": ["a", "b"], "free": {"x": 1}, "receiver": {"geo": {"lat": 1}}, "extra": {"a": "值"}}
    out = run({**FLAT, "stream_maps": {"t": maps}}, [run.schema("t", columns, "id"), *run.records("t", record)]).check()
    assert out.rows("t") == [
        {
            "id": 1, "tags": '["a","b"]', "free": '{"x":1}', "receiver__geo__lat": 1, "extra": "值", "first": "a",
            "joined": "a-b", "upper": '["A","B"]', "tags2": '["a","b"]', "free2": '{"x":1}', "last": "b",
            "geo": '{"lat":1}',
        }
    ]  # fmt: skip
    kinds = {name: value["type"] for name, value in out.columns("t").items()}
    assert {kinds[name][0] for name in ("first", "upper", "tags2", "free2", "geo")} == {"string"}


def test_exploded_columns_are_flattened_and_mapped(run: Runner) -> None:
    element = {"type": "object", "properties": {"id": {"type": "integer"}, "receiver": COLUMNS["receiver"]}}
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"type": "array", "items": element}}, "id")
    config = {
        **FLAT,
        "explode": {"t": {"path": "xs", "key": ["id"], "keep_empty": True}},
        "stream_maps": {"t": {"city": "xs_receiver__city.upper()"}},
    }
    records = run.records("t", {"id": 1, "xs": [{"id": 2, "receiver": {"city": "a"}}, {"id": 3}]}, {"id": 2})
    out = run(config, [schema, *records]).check()
    assert [(row["id"], row["xs_id"], row["city"]) for row in out.rows("t")] == [
        (1, 2, "A"),
        (1, 3, None),
        (2, 0, None),
    ]


def test_a_null_object_gives_no_column_of_its_own(run: Runner) -> None:
    schema = run.schema("t", COLUMNS, "id", required=["id", "receiver"])
    out = run(
        FLAT, [schema, *run.records("t", {"id": 1, "receiver": None}, {"id": 2, "receiver": {"geo": None}})]
    ).check()
    assert out.rows("t") == [{"id": 1}, {"id": 2}]
    assert out.schema("t")["schema"]["required"] == ["id"]


def test_fields_not_in_the_schema_are_kept(run: Runner) -> None:
    record = {"id": 1, "receiver": {"zip": "310000"}, "more": 5}
    out = run(FLAT, [run.schema("t", COLUMNS, "id"), *run.records("t", record)])
    assert out.rows("t") == [{"id": 1, "receiver__zip": "310000", "more": 5}]


def test_a_closed_record_opens_when_an_object_in_it_is_open(run: Runner) -> None:
    schema = run.schema("t", COLUMNS, "id", additionalProperties=False)
    run(FLAT, [schema, *run.records("t", {"id": 1, "receiver": {"zip": "310000"}})]).check()
    closed = {
        "id": {"type": "integer"},
        "o": {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
    }
    out = run(FLAT, [run.schema("t", closed, "id", additionalProperties=False)])
    assert out.schema("t")["schema"]["additionalProperties"] is False


def test_two_fields_of_one_column_are_refused(run: Runner) -> None:
    with pytest.raises(StreamMapConfigError, match="stream 't': two fields would become column 'receiver__city'"):
        run(FLAT, [run.schema("t", {**COLUMNS, "receiver__city": {"type": "string"}}, "id")])


NAMES = st.text("abcXYZ_客户", min_size=1, max_size=9)
LEAVES = st.sampled_from([{"type": "integer"}, {"type": ["string", "null"]}, {"type": "array"}, {"type": "object"}, {}])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=4).map(
        lambda p: {"type": "object", "properties": p}
    ),
)


@given(
    properties=st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=4),
    depth=st.integers(1, 3),
    separator=st.sampled_from(["__", "."]),
    length=st.sampled_from([10, 65, 255]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_names_are_those_of_the_sdk(
    run: Runner, properties: dict[str, Any], depth: int, separator: str, length: int
) -> None:
    config: dict[str, Any] = {
        "flattening_enabled": True,
        "flattening_max_depth": depth,
        "flattening_separator": separator,
        "flattening_max_key_length": length,
    }
    schema = run.schema("t", properties)
    sdk = PluginMapper(dict(config), logging.getLogger("sdk"))
    try:
        sdk.register_raw_stream_schema("t", json.loads(json.dumps(schema["schema"])), [])
    except ValueError:
        with pytest.raises(StreamMapConfigError, match="two fields would become column"):
            run(config, [schema])
        return
    assert set(run(config, [schema]).columns("t")) == set(sdk.stream_maps["t"][0].transformed_schema["properties"])
