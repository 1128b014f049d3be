"""Is a record what its schema says? Compiled once per SCHEMA message.

Most schemas of Singer taps say only types, required properties and lengths. Such a schema is *plain*: it becomes a
msgspec type, and decoding a record is validating it. Any other schema is checked on the decoded record: a compiled
validator may accept, and what it does not accept is judged by the same Draft 2020-12 validator the Singer SDK uses, so
that the verdicts are the SDK's.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Union

import fastjsonschema
import jsonschema
import msgspec
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from target_mysql_replace.column_types import resolve_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

#: Keywords that say nothing about validity (formats are not validated, as in the SDK).
_SILENT = frozenset(
    [
        "$schema",
        "$id",
        "$comment",
        "title",
        "description",
        "default",
        "examples",
        "format",
        "readOnly",
        "writeOnly",
        "deprecated",
        "precision",
        "scale",
        "definitions",
        "$defs",
        "key_properties",
        "replication_key",
        "replication_method",
        "selected",
        "inclusion",
    ]
)
_PLAIN = _SILENT | {"type", "properties", "required", "additionalProperties", "items", "maxLength", "minLength"}
#: Keywords the compiled validator treats as Draft 2020-12 does (or more strictly, and then the last word is not its
#: own).
_COMPILED = (_PLAIN | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern"}) | {
    "anyOf",
    "allOf",
    "oneOf",
    "not",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
}
_SCALARS: Mapping[str, Any] = {"string": str, "integer": int, "boolean": bool, "null": None}


def _is_integer(_: Any, value: Any) -> bool:  # noqa: ANN401 any JSON value
    """JSON Schema's integer: a number without a fraction, also written with a point (``1.0``)."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, (float, Decimal)) and value == int(value))


def _multiple_of(
    validator: Any,  # noqa: ANN401 as jsonschema calls it
    multiple: Any,  # noqa: ANN401
    instance: Any,  # noqa: ANN401
    _: Any,  # noqa: ANN401
) -> Iterator[jsonschema.ValidationError]:
    """``multipleOf``, exactly: 0.07 is a multiple of 0.01, and so is a number of 40 digits."""
    if validator.is_type(instance, "number") and Fraction(str(instance)) % Fraction(str(multiple)):
        yield jsonschema.ValidationError("not a multiple")


#: The SDK's validator, which would not know that a Decimal can be an integer, and would divide with 28 digits.
RecordValidator = jsonschema.validators.extend(  # type: ignore[no-untyped-call] # not typed in the stubs
    DEFAULT_JSONSCHEMA_VALIDATOR,
    {"multipleOf": _multiple_of},
    type_checker=DEFAULT_JSONSCHEMA_VALIDATOR.TYPE_CHECKER.redefine("integer", _is_integer),
)


class _AnyObject(msgspec.Struct, gc=False):
    """Any JSON object; its members are passed over, not decoded."""


class NotPlainError(Exception):
    """The schema says more than a msgspec type can."""


def check_schema(schema: Mapping[str, Any], stream: str) -> None:
    """Check that the schema of a stream is a valid one.

    Raises:
        InvalidJSONSchema: it is not; the message says where.
    """
    try:
        DEFAULT_JSONSCHEMA_VALIDATOR.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise InvalidJSONSchema(
            f"The SCHEMA message of stream '{stream}' is no valid JSON Schema: {error.message} (at {place})"
        ) from None


def plain_type(schema: Any, root: Mapping[str, Any]) -> Any:  # noqa: ANN401 a schema may be `true`; a type in typing's sense
    """Return the msgspec type that accepts exactly what a plain schema accepts.

    "Exactly" with one exception on the safe side: whole numbers written with a point (``1.0``) are integers in JSON
    Schema and are not in msgspec.

    Args:
        schema: a property's schema.
        root: the whole document, for ``$ref``.

    Raises:
        NotPlainError: the schema uses a keyword a type cannot express.
    """
    if schema is True or schema == {}:
        return Any
    if not isinstance(schema, dict):
        raise NotPlainError
    if "$ref" in schema:
        schema = resolve_reference(schema, root)
    if "anyOf" in schema and "type" not in schema:
        return _plain_union(schema, root)
    _only_plain_keywords(schema)
    declared = schema.get("type")
    if declared is None:
        if set(schema) <= _SILENT:
            return Any
        raise NotPlainError
    names = {declared} if isinstance(declared, str) else set(declared)
    if {"object", "array", "string", "number", "boolean", "null"} <= names and set(schema) <= _SILENT | {"type"}:
        return Any
    return _union(_plain_branch(name, schema, root) for name in sorted(names))


def record_type(
    schema: Mapping[str, Any], fields: Mapping[str, Any], defaults: Mapping[str, Any], *, forbid_unknown: bool
) -> type[msgspec.Struct]:
    """Return the type of whole records: one field a property, in the schema's order.

    Args:
        schema: the stream's schema.
        fields: the msgspec type of each property.
        defaults: the value of an absent property.
        forbid_unknown: whether a property the schema does not have is an error.

    Raises:
        NotPlainError: a property's name is nothing msgspec takes.
    """
    required = set(schema.get("required", ()))
    return _struct(
        fields, {name: default for name, default in defaults.items() if name not in required}, forbid_unknown
    )


class Validator:
    """Judges decoded records of one stream against its schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._last_word = RecordValidator(schema)
        self._accepts: Callable[[Any], Any] | None = None
        if _keywords(schema) <= _COMPILED and not _has_fraction(schema):
            with contextlib.suppress(fastjsonschema.JsonSchemaDefinitionException):
                self._accepts = fastjsonschema.compile(dict(schema), use_formats=False, use_default=False)

    def objection(self, record: Any) -> str | None:  # noqa: ANN401 any JSON value
        """Return why the schema does not allow ``record``, without its values, or None where it does."""
        if self._accepts is not None:
            with contextlib.suppress(fastjsonschema.JsonSchemaValueException):
                self._accepts(record)
                return None
        error = jsonschema.exceptions.best_match(self._last_word.iter_errors(record))
        return None if error is None else describe(error)


def describe(error: jsonschema.ValidationError) -> str:
    """Return what a record does wrong: where, and against which keyword; never the value itself."""
    place = ".".join(str(part) for part in error.absolute_path) or "the record"
    if error.validator == "required":
        wanted: Any = error.validator_value
        record: Any = error.instance
        missing = [name for name in wanted if name not in record]
        return f"{place} lacks the required property {', '.join(repr(name) for name in missing)}"
    if error.validator == "type":
        return f"{place} is not of type {error.validator_value}"
    if error.validator == "additionalProperties":
        return f"{place} has properties the schema does not allow"
    return f"{place} breaks the schema's rule '{error.validator}'"


def _plain_union(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:  # noqa: ANN401 a type in typing's sense
    """``anyOf`` of scalars without bounds: their types together."""
    if not set(schema) <= _SILENT | {"anyOf"}:
        raise NotPlainError
    branches = []
    for branch in schema["anyOf"]:
        resolved = resolve_reference(branch, root) if isinstance(branch, dict) else {}
        names = resolved.get("type", "object")
        names = {names} if isinstance(names, str) else set(names)
        if not set(resolved) <= _SILENT | {"type"} or names & {"object", "array"}:
            raise NotPlainError
        branches.append(plain_type(resolved, root))
    return _union(branches)


def _union(members: Iterable[Any]) -> Any:  # noqa: ANN401 a type in typing's sense
    return Union[tuple(members)]  # noqa: UP007 the members are known at run time only


def _only_plain_keywords(schema: Mapping[str, Any]) -> None:
    if any(key not in _PLAIN and not key.startswith("x-") for key in schema):
        raise NotPlainError


def _plain_branch(name: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:  # noqa: ANN401 a type in typing's sense
    if name == "number":
        return int | float
    if name == "array":
        items = plain_type(schema.get("items", True), root)
        return list[msgspec.Raw if items is Any else items]  # type: ignore[misc] # known at run time only
    if name == "object":
        return _plain_object(schema, root)
    if name == "string" and ("maxLength" in schema or "minLength" in schema):
        bounds = msgspec.Meta(min_length=schema.get("minLength"), max_length=schema.get("maxLength"))
        return Annotated[str, bounds]
    if name not in _SCALARS:
        raise NotPlainError
    return _SCALARS[name]


def _plain_object(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:  # noqa: ANN401 a type in typing's sense
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    required = schema.get("required", [])
    if others not in (True, False) or any(name not in properties for name in required):
        raise NotPlainError
    if not properties and others:
        return _AnyObject
    fields = {name: plain_type(value, root) for name, value in properties.items()}
    return _struct(fields, {name: None for name in fields if name not in required}, not others)


def _struct(fields: Mapping[str, Any], defaults: Mapping[str, Any], forbid_unknown: bool) -> type[msgspec.Struct]:  # noqa: FBT001
    if any(not name.isprintable() or set(name) & set('"\\') for name in fields):
        # msgspec finds fields by their escaped text and refuses names that need escapes.
        raise NotPlainError
    names = {name: f"p{position}" for position, name in enumerate(fields)}
    return msgspec.defstruct(
        "Record",
        [
            (names[name], kind, defaults[name]) if name in defaults else (names[name], kind)
            for name, kind in fields.items()
        ],
        rename={attribute: name for name, attribute in names.items()},
        forbid_unknown_fields=forbid_unknown,
        kw_only=True,
        gc=False,
    )


def _has_fraction(schema: Any) -> bool:  # noqa: ANN401 any part of a schema
    """Whether a bound has a fraction; the compiled validator would compare with the nearest double."""
    if isinstance(schema, dict):
        return any(map(_has_fraction, schema.values()))
    return any(map(_has_fraction, schema)) if isinstance(schema, list) else isinstance(schema, (float, Decimal))


def _keywords(schema: Any) -> set[str]:  # noqa: ANN401 any part of a schema
    """Every keyword of a schema and of the schemas in it, without the names of properties."""
    if isinstance(schema, list):
        return set().union(*map(_keywords, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found: set[str] = set()
    for key, value in schema.items():
        if key.startswith("x-") or key in {"default", "examples"}:
            continue
        found.add(key)
        if key in {"properties", "patternProperties", "definitions", "$defs"} and isinstance(value, dict):
            found |= _keywords(list(value.values()))
        elif key not in {"required", "type"}:
            found |= _keywords(value)
    return found
