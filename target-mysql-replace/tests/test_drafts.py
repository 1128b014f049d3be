"""Schemas of older taps mean the same in the words of today."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from singer_sdk.exceptions import InvalidJSONSchema
from target_mysql_replace.drafts import check_references, modern


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"exclusiveMaximum": True, "maximum": 5}, {"exclusiveMaximum": 5}),
        ({"exclusiveMinimum": False, "minimum": 5}, {"minimum": 5}),
        ({"exclusiveMinimum": True}, {}),
        ({"exclusiveMaximum": 5, "maximum": 7}, {"exclusiveMaximum": 5, "maximum": 7}),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "string"}, {"type": "string"}),
        ({"required": True, "type": "string"}, {"type": "string"}),
        ({"required": ["a"]}, {"required": ["a"]}),
        (
            {"items": [{"type": "string"}], "additionalItems": False},
            {"prefixItems": [{"type": "string"}], "items": False},
        ),
        ({"items": {"type": "string"}}, {"items": {"type": "string"}}),
        ({"properties": {"required": True, "$schema": {}}}, {"properties": {"required": True, "$schema": {}}}),
        ({"enum": [{"required": True}]}, {"enum": [{"required": True}]}),
        (
            {"anyOf": [{"minimum": 1, "exclusiveMinimum": True}, {"type": "null"}]},
            {"anyOf": [{"exclusiveMinimum": 1}, {"type": "null"}]},
        ),
    ],
    ids=str,
)
def test_a_schema_of_an_older_draft_is_said_anew(old: dict[str, Any], new: dict[str, Any]) -> None:
    given = copy.deepcopy(old)
    assert modern(given) == new
    assert given == old
    assert modern(new) == new


def test_a_reference_that_leads_nowhere_is_told() -> None:
    good = {"properties": {"a": {"$ref": "#/definitions/a"}, "$ref": {"$ref": "#"}}, "definitions": {"a": {}}}
    check_references(good, good, "s")
    bad = {"properties": {"a": {"items": [{"$ref": "#/definitions/b"}]}}, "definitions": {"a": {}}}
    with pytest.raises(InvalidJSONSchema, match=r"'#/definitions/b'"):
        check_references(bad, bad, "s")
