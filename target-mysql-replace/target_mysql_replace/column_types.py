"""Which MySQL type a JSON Schema property gets. Pure: schemas in, SQLAlchemy types out.

The promise behind every choice: a value the schema allows is stored without a change, or refused. Where the schema says
too little (a ``number`` without bounds), the type is a common one that grows when the data asks for it
(:mod:`target_mysql_replace.widen`).
"""

from __future__ import annotations

import dataclasses
import enum
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import mysql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.types import TypeEngine

#: DECIMAL for a ``number`` that declares no scale: 29 digits before the point, 9 after it.
NUMBER_PRECISION, NUMBER_SCALE = 38, 9
#: Longest VARCHAR made from ``maxLength``; longer text goes to LONGTEXT, which does not count against the row's size.
LONGEST_VARCHAR = 1000
#: Length of a text column that is part of a key and declares none.
KEY_LENGTH = 255
#: InnoDB's limit for all columns of an index together, in bytes (row formats DYNAMIC and COMPRESSED).
KEY_BYTES = 3072
#: Bytes one utf8mb4 character may take.
CHARACTER_BYTES = 4
#: MySQL's limit for all columns of a row together without BLOB and TEXT is 65,535 bytes; a part is left for the others.
ROW_BYTES = 60_000
_BIGINT_MIN, _BIGINT_MAX, _UNSIGNED_MAX = -(2**63), 2**63 - 1, 2**64 - 1


class Shape(enum.Enum):
    """How the values of a property look in JSON."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"
    #: Several kinds of scalars, or anything.
    ANY = "any"


@dataclasses.dataclass(frozen=True)
class Property:
    """What a property's schema says, with references and unions resolved.

    Attributes:
        types: JSON types it allows, without ``null``; empty where the schema allows only null.
        nullable: whether null is allowed.
        form: the ``format`` of its strings.
        max_length: longest string in characters.
        minimum: smallest number.
        maximum: largest number.
        precision: digits of a decimal, where the schema declares them.
        scale: digits after the point, where the schema declares them.
        description: text for people.
    """

    types: frozenset[str]
    nullable: bool = False
    form: str | None = None
    max_length: int | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    precision: int | None = None
    scale: int | None = None
    description: str | None = None

    @property
    def shape(self) -> Shape:
        """How the values look in JSON."""
        if self.types & {"object", "array"} or self.types >= _ALL_TYPES:
            return Shape.JSON
        if len(self.types) == 1:
            return Shape(next(iter(self.types)))
        if self.types == {"integer", "number"}:
            return Shape.NUMBER
        return Shape.ANY


_ALL_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array"})


def read_property(
    schema: Any,  # noqa: ANN401 a schema may be `true`
    root: Mapping[str, Any] | None = None,
    inside: frozenset[str] = frozenset(),
) -> Property:
    """Return what ``schema`` says about a property.

    Args:
        schema: the property's JSON Schema.
        root: the whole document, for ``$ref``.
        inside: the references it was come by; one that leads back to itself says nothing.
    """
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or reference in inside:
        return Property(_ALL_TYPES, nullable=True)
    inside |= {reference} if isinstance(reference, str) else set()
    schema = resolve_reference(schema, root or {})
    branches = [
        read_property(branch, root, inside)
        for keyword in ("anyOf", "oneOf", "allOf")
        for branch in schema.get(keyword, [])
    ]
    own = _own_types(schema)
    if own is None and branches:
        return _union(branches, schema.get("description"))
    types = _ALL_TYPES | {"null"} if own is None else own
    maximum = schema.get("maximum", schema.get("exclusiveMaximum"))
    minimum = schema.get("minimum", schema.get("exclusiveMinimum"))
    return Property(
        types=frozenset(types) - {"null"},
        nullable="null" in types,
        form=schema.get("format"),
        max_length=schema.get("maxLength"),
        minimum=_decimal(minimum),
        maximum=_decimal(maximum),
        precision=schema.get("precision"),
        scale=schema.get("scale", _scale_of(schema.get("multipleOf"))),
        description=schema.get("description"),
    )


def resolve_reference(schema: dict[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema a local ``$ref`` points at (``#/definitions/…``), or ``schema`` itself."""
    seen = set()
    while isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/") and reference not in seen:
        seen.add(reference)
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            break
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def column_type(prop: Property, *, key: bool = False) -> TypeEngine[Any]:  # noqa: PLR0911 one return a type
    """Return the type of a new column.

    Args:
        prop: what the schema says.
        key: whether the column is part of the table's key; such a column has to fit an index.
    """
    shape = prop.shape
    if shape is Shape.TEXT and (special := _formatted(prop)) is not None:
        return special
    if shape is Shape.BOOLEAN:
        return mysql.BOOLEAN()
    if shape is Shape.INTEGER:
        return _integer(prop)
    if shape is Shape.NUMBER:
        return _number(prop)
    if key:
        return mysql.VARCHAR(min(prop.max_length or KEY_LENGTH, KEY_BYTES // CHARACTER_BYTES))
    if shape is Shape.JSON:
        return mysql.JSON()
    if shape is Shape.TEXT and prop.max_length is not None and prop.max_length <= LONGEST_VARCHAR:
        return mysql.VARCHAR(max(prop.max_length, 1))
    return mysql.LONGTEXT()


def fit_key(types: Mapping[str, TypeEngine[Any]]) -> dict[str, TypeEngine[Any]]:
    """Return the key columns' types, text shortened where together they pass InnoDB's limit for an index.

    A value that is too long for its shortened column is a bad row, never a cut one.
    """
    room = KEY_BYTES - sum(_KEY_PART for sql_type in types.values() if not isinstance(sql_type, mysql.VARCHAR))
    texts = sorted(
        (sql_type.length or 0, name) for name, sql_type in types.items() if isinstance(sql_type, mysql.VARCHAR)
    )
    fitted = dict(types)
    for position, (length, name) in enumerate(texts):
        share = room // CHARACTER_BYTES // (len(texts) - position)
        fitted[name] = mysql.VARCHAR(max(1, min(length, share)))
        room -= fitted[name].length * CHARACTER_BYTES  # type: ignore[attr-defined] # a VARCHAR of the line above
    return fitted


#: Bytes a key column that is no text takes at most (a DECIMAL of 65 digits takes 30).
_KEY_PART = 32


def fit_row(types: Mapping[str, TypeEngine[Any]], keys: Iterable[str]) -> dict[str, TypeEngine[Any]]:
    """Return the types with the longest VARCHARs turned into LONGTEXT until a row fits MySQL's limit of 65,535 bytes.

    Args:
        types: the columns.
        keys: names of the key columns, which stay as they are.
    """
    fixed = set(keys)
    fitted = dict(types)
    used = sum(_row_bytes(sql_type) for sql_type in fitted.values())
    texts = [name for name, sql_type in fitted.items() if isinstance(sql_type, mysql.VARCHAR) and name not in fixed]
    for name in sorted(texts, key=lambda name: _row_bytes(fitted[name]), reverse=True):
        if used <= ROW_BYTES:
            break
        used += _TEXT_BYTES - _row_bytes(fitted[name])
        fitted[name] = mysql.LONGTEXT()
    return fitted


#: What a BLOB or TEXT column counts in the row's size: its length and a pointer.
_TEXT_BYTES = 12


def _row_bytes(sql_type: TypeEngine[Any]) -> int:
    if isinstance(sql_type, mysql.VARCHAR):
        return (sql_type.length or 0) * CHARACTER_BYTES + 2
    return _TEXT_BYTES if isinstance(sql_type, (mysql.LONGTEXT, mysql.JSON)) else _KEY_PART


def _own_types(schema: Mapping[str, Any]) -> set[str] | None:
    """The types a schema names itself, or None where it does not say."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return {declared}
    if isinstance(declared, list):
        return set(declared)
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values:
        return {_type_of(value) for value in values}
    if "properties" in schema:
        return {"object"}
    return {"array"} if "items" in schema else None


def _type_of(value: Any) -> str:  # noqa: ANN401 any JSON value
    for name, kind in (("null", type(None)), ("boolean", bool), ("integer", int), ("string", str), ("array", list)):
        if isinstance(value, kind):
            return name
    return "object" if isinstance(value, dict) else "number"


def _union(branches: list[Property], description: str | None) -> Property:
    """One property for several branches: their types together, and the bounds that hold for all.

    A date-time beside a plain string is how Singer taps of the first generation declare "a date-time": it stays one.
    """
    typed = [branch for branch in branches if branch.types]
    lengths = [branch.max_length for branch in typed if "string" in branch.types]
    return Property(
        types=frozenset().union(*(branch.types for branch in branches)),
        nullable=any(branch.nullable for branch in branches),
        form=next((branch.form for branch in typed if branch.form), None),
        max_length=None if None in lengths else max((length for length in lengths if length is not None), default=None),
        minimum=_all_or_none(min, [branch.minimum for branch in typed]),
        maximum=_all_or_none(max, [branch.maximum for branch in typed]),
        precision=next((branch.precision for branch in typed if branch.precision), None),
        scale=_all_or_none(max, [branch.scale for branch in typed]),
        description=description or next((branch.description for branch in branches if branch.description), None),
    )


def _all_or_none(choose: Any, values: list[Any]) -> Any:  # noqa: ANN401 min or max of ints or Decimals
    return choose(values) if values and None not in values else None


def _decimal(value: Any) -> Decimal | None:  # noqa: ANN401 any JSON value
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return Decimal(str(value))


def _scale_of(multiple: Any) -> int | None:  # noqa: ANN401 any JSON value
    """Digits after the point that ``multipleOf`` allows: 0.01 → 2; None where it is no power of ten."""
    try:
        digits = Decimal(str(multiple)).normalize()
    except InvalidOperation:
        return None
    exponent = digits.as_tuple().exponent
    if digits.as_tuple().digits != (1,) or not isinstance(exponent, int) or not -30 <= exponent <= 0:  # noqa: PLR2004 DECIMAL's largest scale
        return None
    return -exponent


def _formatted(prop: Property) -> TypeEngine[Any] | None:
    if prop.form == "date-time":
        return mysql.DATETIME(fsp=6)
    if prop.form == "date":
        return mysql.DATE()
    if prop.form == "time":
        return mysql.TIME(fsp=6)
    if prop.form in {"singer.decimal", "x-singer.decimal"}:
        return _number(prop)
    return None


def _integer(prop: Property) -> TypeEngine[Any]:
    low = Decimal(_BIGINT_MIN) if prop.minimum is None else prop.minimum
    high = Decimal(_BIGINT_MAX) if prop.maximum is None else prop.maximum
    if low >= _BIGINT_MIN and high <= _BIGINT_MAX:
        return mysql.BIGINT()
    if low >= 0 and high <= _UNSIGNED_MAX:
        return mysql.BIGINT(unsigned=True)
    return mysql.DECIMAL(65, 0)


def _number(prop: Property) -> TypeEngine[Any]:
    scale = min(NUMBER_SCALE if prop.scale is None else prop.scale, 30)
    precision = min(prop.precision or max(NUMBER_PRECISION, scale), 65)
    return mysql.DECIMAL(max(precision, scale, 1), scale)
