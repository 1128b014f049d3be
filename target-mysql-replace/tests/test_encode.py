"""The quick way for whole batches and the slow way for single records agree, and their verdict is the SDK's."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.singerlib.json import serialize_json
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import mysql
from target_mysql_replace import ddl
from target_mysql_replace.convert import NULL
from target_mysql_replace.encode import BadRecord, RecordEncoder
from target_mysql_replace.table import Table

_ZONE = dt.timezone(dt.timedelta(hours=8))
_SCALAR_TYPES = ["string", "integer", "number", "boolean", "null"]


def _encoder(schema: dict[str, Any], *keys: str, validate: bool = True) -> RecordEncoder:
    columns = ddl.plan(schema, keys, [], evolve=True).columns
    for column in columns:
        if isinstance(column.sql_type, sqltypes.JSON):
            column.sql_type = mysql.LONGTEXT()  # as MariaDB has it
    return RecordEncoder(
        schema,
        keys,
        Table("t", None, columns),
        _ZONE,
        validate=validate,
        json_digits=None,
        unknown=lambda _: None,
    )


_schemas = st.recursive(
    st.fixed_dictionaries(
        {"type": st.lists(st.sampled_from(_SCALAR_TYPES), min_size=1, max_size=3, unique=True)},
        optional={"maxLength": st.integers(0, 4)},
    )
    | st.sampled_from(
        [
            {},
            {"type": "string", "format": "date-time"},
            {"enum": ["a", 1, None]},
            {"type": "integer", "minimum": 0},
            {"type": "object"},
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        ]
    ),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.builds(
            lambda properties, required, closed: {
                "type": ["object", "null"],
                "properties": properties,
                "required": sorted(properties)[:required],
                "additionalProperties": not closed,
            },
            st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            st.integers(0, 1),
            st.booleans(),
        )
    ),
    max_leaves=4,
)
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers()
    | st.sampled_from([Decimal("1.5"), Decimal("2.0"), Decimal("1e5")])
    | st.sampled_from(["", "a", "2026-01-02T03:04:05+08:00", "2026-01-02T03:04:05.5Z", "汉字😀", "\x1f\x1b", '"\\']),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150)
@given(
    st.dictionaries(st.sampled_from(["p", "q", "中文", "r s"]), _schemas, min_size=1, max_size=3),
    st.data(),
    st.booleans(),
)
def test_the_quick_way_and_the_slow_way_agree_with_each_other_and_with_the_sdk(
    properties: dict[str, Any],
    data: st.DataObject,
    closed: bool,  # noqa: FBT001
) -> None:
    schema = {"type": "object", "properties": properties, "additionalProperties": not closed}
    records = data.draw(
        st.lists(st.dictionaries(st.sampled_from(["p", "q", "中文", "r s", "new"]), _values, max_size=4), max_size=4)
    )
    raws = [serialize_json(record).encode() for record in records]
    encoder = _encoder(schema)
    judge = DEFAULT_JSONSCHEMA_VALIDATOR(schema)

    found = encoder.encode_each(raws)

    refused = {text for text, _ in found.bad}
    for raw in raws:
        valid = judge.is_valid(json.loads(raw))
        assert (raw not in refused) == valid, (schema, raw)
    for position, raw in enumerate(found.records):
        # With the general way alone, as for a record the quick way does not take.
        slow = _encoder(schema)
        slow._decoder = None
        assert [column[position] for column in found.texts] == _same_moments(slow.examine(raw), found.texts, position)


def _same_moments(slow: list[str], texts: Any, position: int) -> list[str]:  # noqa: ANN401
    """The slow texts, where they are another spelling of the same date-time spelled as the quick ones."""
    quick = [column[position] for column in texts]
    return [q if _moment(q) == _moment(s) else s for q, s in zip(quick, slow, strict=True)]


def _moment(text: str) -> object:
    try:
        return dt.datetime.fromisoformat(text.ljust(26, "0") if "." in text else text)
    except ValueError:
        return text


def test_absent_and_null_are_null_and_a_null_key_is_bad() -> None:
    prop = {"id": {"type": ["integer", "null"]}, "v": {"type": "number"}, "o": {"type": "object"}}
    encoder = _encoder({"type": "object", "properties": prop}, "id")
    assert encoder.encode([b'{"id":1}']) == [["1"], [NULL], [NULL]]
    with pytest.raises(BadRecord, match="the key property 'id' is null"):
        encoder.examine(b'{"id":null}')
    with pytest.raises(MissingKeyPropertiesError):
        encoder.examine(b'{"v":1}')
    with pytest.raises(BadRecord, match="v is not of type number"):
        encoder.examine(b'{"id":1,"v":null}')


def test_a_whole_number_with_a_point_is_an_integer() -> None:
    encoder = _encoder({"type": "object", "properties": {"n": {"type": "integer"}}})
    assert encoder.encode_each([b'{"n":5.0}', b'{"n":1e2}', b'{"n":7}']).texts == [["5", "100", "7"]]


def test_without_validation_what_the_column_can_hold_is_stored() -> None:
    encoder = _encoder(
        {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}, validate=False
    )
    found = encoder.encode_each([b'{"n":"12","s":5}', b'{"n":"x","s":"y"}'])
    assert found.texts == [["12"], ["5"]]
    assert [reason for _, reason in found.misfits] == ["'n' is not a number"]


def test_reasons_name_the_place_and_the_rule_but_not_the_value() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "s": {"type": "string", "pattern": "^x"},
        },
        "required": ["s"],
        "additionalProperties": False,
    }
    encoder = _encoder(schema)
    reasons = {
        b'{"s":"x","a":[{"n":1},{"n":"secret"}]}': "a.1.n is not of type integer",
        b'{"s":"secret"}': "s breaks the schema's rule 'pattern'",
        b'{"a":[]}': "the record lacks the required property 's'",
        b'{"s":"x","secret":1}': "the record has properties the schema does not allow",
        b'"secret"': "the record is not an object",
    }
    assert dict(encoder.encode_each(list(reasons)).bad) == reasons


def test_an_unknown_property_is_reported_once_and_does_not_slow_the_rest() -> None:
    reported: list[str] = []
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    encoder = _encoder(schema)
    encoder._unknown = reported.append
    assert encoder.encode_each([b'{"n":1,"new":2}', b'{"n":3,"new":4}']).texts == [["1", "3"]]
    assert encoder.encode([b'{"n":5,"new":6}']) == [["5"]]
    assert reported == ["new"]


def test_the_sdks_validator_says_the_same_of_a_decimal_multiple() -> None:
    # Dividing a Decimal by a float is a TypeError: the schema's own numbers are decimals too.
    schema = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": Decimal("0.01")}}}
    encoder = _encoder(schema)
    found = encoder.encode_each([b'{"n":0.01}', b'{"n":0.005}', b'{"n":3}'])
    assert found.texts == [["0.01", "3"]]
    assert jsonschema.Draft202012Validator(schema).is_valid({"n": Decimal("0.01")})
