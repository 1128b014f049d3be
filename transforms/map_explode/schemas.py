"""Reading and changing JSON Schemas of Singer streams; pure functions, no schema given is ever changed in place."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

Schema: TypeAlias = "dict[str, Any]"

TEXT: Schema = {"type": ["string", "null"]}
SCALARS = frozenset({"string", "integer", "number", "boolean"})
_ALTERNATIVES = ("anyOf", "oneOf")
_MAX_REFERENCES = 32
#: Rules about an object as a whole.
_ABOUT_THE_WHOLE = frozenset(
    {
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "minProperties",
        "maxProperties",
        "propertyNames",
        "patternProperties",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "const",
        "enum",
    }
)


def resolve(schema: object, root: Schema) -> Schema:
    """Return a schema with a local ``$ref`` followed, ``allOf`` joined, a choice of one beside null taken.

    Several object alternatives are merged to one object with the properties of all; a property they describe
    differently takes what any of them takes. Whatever else cannot be resolved is returned as it is.

    Args:
        schema: the schema of a property or an element; anything but an object counts as ``{}``.
        root: the schema of the stream, which references point into.
    """
    if not isinstance(schema, dict):
        return {}
    for _ in range(_MAX_REFERENCES):
        target = _referenced(schema, root)
        if target is None:
            break
        schema = {**target, **about(schema)}
    if isinstance(schema.get("allOf"), list):
        schema = _joined([{word: schema[word] for word in schema if word != "allOf"}, *schema["allOf"]], root)
    for word in _ALTERNATIVES:
        alternatives = [resolve(each, root) for each in schema.get(word) or []]
        nullable = any("null" in types(each) for each in alternatives)
        real = [each for each in alternatives if types(each) != {"null"}]
        merged = _merged(real)
        if merged is not None:
            outer = {key: value for key, value in schema.items() if key not in _ALTERNATIVES}
            merged = {**merged, **outer}
            return with_null(merged) if nullable else merged
    return schema


def _referenced(schema: Schema, root: Schema) -> Schema | None:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    target: Any = root
    for part in reference[2:].split("/"):
        target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
    return target if isinstance(target, dict) else None


def _joined(parts: list[Schema], root: Schema) -> Schema:
    """Return one schema for values that fit all parts; where they differ the first counts."""
    joined: Schema = {}
    declared: Schema = {}
    required: list[str] = []
    kinds: frozenset[str] = frozenset()
    for part in [resolve(each, root) for each in parts]:
        declared.update({name: value for name, value in properties(part).items() if name not in declared})
        required += part.get("required", [])
        kinds = kinds & types(part) or kinds or types(part)
        joined = {**part, **joined}
    if kinds:
        joined["type"] = sorted(kinds) if len(kinds) > 1 else next(iter(kinds))
    if declared:
        # A part that forbids further properties means those of the other parts too, which nothing could fit.
        joined = {word: value for word, value in joined.items() if word != "additionalProperties"}
        joined["properties"] = declared
    return {**joined, "required": required} if required else joined


def _merged(alternatives: list[Schema]) -> Schema | None:
    """Return one schema for all alternatives: the only one, or the union of several objects, else None."""
    if len(alternatives) == 1:
        return alternatives[0]
    if not alternatives or any("object" not in types(each) for each in alternatives):
        return None
    choices: dict[str, list[Schema]] = {}
    for each in alternatives:
        for name, schema in properties(each).items():
            if schema not in choices.setdefault(name, []):
                choices[name].append(schema)
    merged = {name: found[0] if len(found) == 1 else {"anyOf": found} for name, found in choices.items()}
    return {"type": "object", "properties": merged}


def types(schema: Schema) -> frozenset[str]:
    """Return the JSON types a schema names, also those of its alternatives; empty when it names none."""
    named = schema.get("type")
    if isinstance(named, str):
        return frozenset({named})
    if isinstance(named, list):
        return frozenset(str(each) for each in named)
    if isinstance(schema.get("properties"), dict):
        return frozenset({"object"})
    collected: set[str] = set()
    for word in _ALTERNATIVES:
        for each in schema.get(word) or []:
            inner = types(each) if isinstance(each, dict) else frozenset()
            if not inner:
                return frozenset()
            collected |= inner
    return frozenset(collected)


def properties(schema: Schema) -> dict[str, Schema]:
    """Return the declared properties of an object schema."""
    declared = schema.get("properties")
    if not isinstance(declared, dict):
        return {}
    # `true`, for anything, is a schema too.
    return {name: value if isinstance(value, dict) else {} for name, value in declared.items()}


def about(schema: Schema) -> Schema:
    """Return only what a schema says to people."""
    return {word: schema[word] for word in ("title", "description") if word in schema}


def inline(schema: Schema, root: Schema) -> Schema:
    """Return the schema itself, or what it refers to: a target that knows no ``$ref`` still knows the type."""
    return resolve(schema, root) if isinstance(schema, dict) and "$ref" in schema else schema


def with_null(schema: Schema) -> Schema:
    """Return the schema with null allowed, whatever form it has."""
    if not schema:
        return {}
    result = dict(schema)
    named = schema.get("type")
    if any(word in schema for word in ("$ref", "oneOf", "allOf", "not", "const")):
        return {**about(schema), "anyOf": [schema, {"type": "null"}]}
    if isinstance(named, str) and named != "null":
        result["type"] = [named, "null"]
    elif isinstance(named, list) and "null" not in named:
        result["type"] = [*named, "null"]
    if "enum" in schema and None not in schema["enum"]:
        result["enum"] = [*schema["enum"], None]
    if "anyOf" in schema and not any(each == {"type": "null"} for each in schema["anyOf"]):
        result["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return result


def without_null(schema: Schema) -> Schema:
    """Return the schema with null taken out of its type and its enumeration."""
    result = dict(schema)
    if isinstance(schema.get("type"), list):
        rest = [each for each in schema["type"] if each != "null"]
        result["type"] = rest[0] if len(rest) == 1 else rest
    if "enum" in schema:
        result["enum"] = [each for each in schema["enum"] if each is not None]
    return result


def root(schema: Schema) -> Schema:
    """Return the schema of a stream with its properties in the place where they are looked for.

    A few taps write ``$ref`` or ``allOf`` at the top. Definitions stay, as properties may refer to them.
    """
    if properties(schema) or not ({"$ref", "allOf", *_ALTERNATIVES} & schema.keys()):
        return schema
    kept: Schema = {word: schema[word] for word in ("definitions", "$defs") if word in schema}
    return {**kept, **resolve(schema, schema)}


def with_properties(schema: Schema, columns: dict[str, Schema], *, closed: bool | None = None) -> Schema:
    """Return an object schema with other properties; ``required`` keeps the names that are left.

    Rules about the object as a whole (``minProperties``, ``anyOf`` of requirements …) are left out, as they were
    written for the properties there were.

    Args:
        schema: the schema to start from; its other keywords (definitions, title) stay.
        columns: the new properties.
        closed: whether further properties are forbidden; None leaves that as it was.
    """
    kept = {word: value for word, value in schema.items() if word not in _ABOUT_THE_WHOLE}
    result = {**kept, "type": "object", "properties": copy.deepcopy(columns)}
    if "required" in schema:
        result["required"] = [name for name in schema["required"] if name in columns]
    if closed is not None or "patternProperties" in schema:
        result.pop("additionalProperties", None)
        if closed:
            result["additionalProperties"] = False
    return result
