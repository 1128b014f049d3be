"""Schemas of older taps, said in the words of today. Pure.

Taps of the first generation write JSON Schema Draft 4, where a bound is made exclusive by a boolean beside it and a
tuple is a list under ``items``; Draft 2020-12, which the Singer SDK validates with, refuses both.
"""

from __future__ import annotations

from typing import Any

from singer_sdk.exceptions import InvalidJSONSchema

from target_mysql_replace.column_types import resolve_reference

#: Keywords whose value maps names to schemas: the names are no keywords.
_NAMED = frozenset({"properties", "patternProperties", "definitions", "$defs", "dependentSchemas"})
#: Keywords whose value is data.
_DATA = frozenset({"enum", "const", "default", "examples"})
_BOUNDS = (("exclusiveMaximum", "maximum"), ("exclusiveMinimum", "minimum"))


def modern(schema: Any) -> Any:  # noqa: ANN401 any part of a schema
    """Return a schema that says in Draft 2020-12 what ``schema`` says in Draft 3, 4 or 6."""
    if isinstance(schema, list):
        return [modern(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    new: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            new[key] = {name: modern(each) for name, each in value.items()}
        else:
            new[key] = value if key in _DATA else modern(value)
    # It would make the compiled validator read the rest by the rules of that draft.
    new.pop("$schema", None)
    for exclusive, bound in _BOUNDS:
        if isinstance(new.get(exclusive), bool) and new.pop(exclusive) and bound in new:
            new[exclusive] = new.pop(bound)
    if isinstance(new.get("required"), bool):
        del new["required"]
    if isinstance(new.get("items"), list):
        new["prefixItems"] = new.pop("items")
        if "additionalItems" in new:
            new["items"] = new.pop("additionalItems")
    return new


def check_references(schema: Any, root: dict[str, Any], stream: str) -> None:  # noqa: ANN401 any part of a schema
    """Check that every ``$ref`` points at a part of the schema itself.

    Args:
        schema: where to look.
        root: the whole document.
        stream: the stream's name, for the message.

    Raises:
        InvalidJSONSchema: one does not, and no record could be held against the schema.
    """
    if isinstance(schema, dict):
        # "#" is the whole document.
        left = resolve_reference(schema, root).get("$ref", "#")
        if isinstance(left, str) and left != "#":
            raise InvalidJSONSchema(
                f"The SCHEMA message of stream '{stream}' refers to '{schema['$ref']}', which is not in it. The tap "
                "has to send its schemas whole."
            )
        for value in schema.values():
            check_references(value, root, stream)
    elif isinstance(schema, list):
        for value in schema:
            check_references(value, root, stream)
