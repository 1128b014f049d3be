"""The type of an expression's result, read off the expression and the schema; pure.

``{}`` means unknown. The caller then declares text.
"""

from __future__ import annotations

import ast
import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from map_explode import schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from map_explode.schemas import Schema

#: Names every expression may use beside the stream's columns.
BUILT_IN_NAMES = frozenset({"_", "record", "self", "config", "fake", "__stream_name__", "__original_stream_name__"})

UNKNOWN: Schema = {}
STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
DATE: Schema = {"type": "string", "format": "date"}
DATE_TIME: Schema = {"type": "string", "format": "date-time"}

_STRINGS: Schema = {"type": "array", "items": STRING}

_FUNCTIONS: dict[str, Schema] = {
    "beijing": DATE_TIME,
    "bool": BOOLEAN,
    "concat_ws": STRING,
    "date": DATE,
    "decimal": NUMBER,
    "dict": {"type": "object"},
    "float": NUMBER,
    "int": INTEGER,
    "list": {"type": "array"},
    "mask_name": STRING,
    "mask_phone": STRING,
    "md5": STRING,
    "rand": NUMBER,
    "randint": INTEGER,
    "sha256": STRING,
    "str": STRING,
    "tuple": {"type": "array"},
}

_METHODS: dict[str, Schema] = {
    **dict.fromkeys(
        [
            "capitalize",
            "casefold",
            "center",
            "expandtabs",
            "isoformat",
            "join",
            "ljust",
            "lower",
            "lstrip",
            "removeprefix",
            "removesuffix",
            "replace",
            "rjust",
            "rstrip",
            "strftime",
            "strip",
            "swapcase",
            "title",
            "translate",
            "upper",
            "zfill",
            "dumps",
            "ctime",
            "hexdigest",
        ],
        STRING,
    ),
    **dict.fromkeys(
        [
            "endswith",
            "isalnum",
            "isalpha",
            "isascii",
            "isdecimal",
            "isdigit",
            "isidentifier",
            "islower",
            "isnumeric",
            "isspace",
            "istitle",
            "isupper",
            "startswith",
            "is_finite",
            "is_zero",
        ],
        BOOLEAN,
    ),
    **dict.fromkeys(["count", "find", "index", "rfind", "rindex", "toordinal", "weekday", "isoweekday"], INTEGER),
    **dict.fromkeys(["split", "rsplit", "splitlines"], _STRINGS),
    **dict.fromkeys(["quantize", "total_seconds", "timestamp"], NUMBER),
    **dict.fromkeys(
        ["now", "utcnow", "fromtimestamp", "utcfromtimestamp", "astimezone", "combine", "strptime"], DATE_TIME
    ),
    **dict.fromkeys(["date", "today"], DATE),
}

_PARTS_OF_TIMES = frozenset({"year", "month", "day", "hour", "minute", "second", "microsecond"})

_Scope: TypeAlias = "Mapping[str, Schema]"


def result(node: ast.expr, scope: Mapping[str, Schema]) -> Schema:
    """Return the schema of an expression's result, apart from null.

    Args:
        node: the parsed expression.
        scope: name -> schema of everything the expression may name; schemas must be resolved.
    """
    rule = _RULES.get(type(node))
    return UNKNOWN if rule is None else rule(node, scope)


def merge(left: Schema, right: Schema) -> Schema:
    """Return a schema for values of either; unknown when the types differ."""
    if left in (right, NULL):
        return right
    if right == NULL:
        return left
    kinds = (schemas.types(left) - {"null"}) | (schemas.types(right) - {"null"})
    if not schemas.types(left) or not schemas.types(right):
        return UNKNOWN
    if kinds <= {"integer", "number"}:
        return NUMBER if "number" in kinds else INTEGER
    return {"type": next(iter(kinds))} if len(kinds) == 1 else UNKNOWN


def _constant(node: ast.Constant, _: _Scope) -> Schema:
    value: Any = node.value
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    for kind, schema in ((int, INTEGER), (Decimal, NUMBER), (str, STRING)):
        if isinstance(value, kind):
            return schema
    return UNKNOWN


def _name(node: ast.Name, scope: _Scope) -> Schema:
    return scope.get(node.id, UNKNOWN)


def _field(holder: Schema, name: str) -> Schema:
    declared = schemas.properties(holder).get(name)
    return schemas.resolve(declared, holder) if declared else UNKNOWN


def _subscript(node: ast.Subscript, scope: _Scope) -> Schema:
    if isinstance(node.value, ast.Dict):
        return _merged([result(each, scope) for each in node.value.values])
    holder = result(node.value, scope)
    kinds = schemas.types(holder) - {"null"}
    if isinstance(node.slice, ast.Slice) or kinds == {"string"}:
        return {"type": "array"} if kinds == {"array"} else STRING if kinds == {"string"} else UNKNOWN
    if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return _field(holder, node.slice.value)
    return schemas.resolve(holder.get("items"), holder) if kinds == {"array"} else UNKNOWN


def _attribute(node: ast.Attribute, scope: _Scope) -> Schema:
    holder = result(node.value, scope)
    # Of a time computed here; a column's value is text and has no such attributes.
    if node.attr in _PARTS_OF_TIMES and holder in (DATE, DATE_TIME) and not isinstance(node.value, ast.Name):
        return INTEGER
    return _field(holder, node.attr)


def _call(node: ast.Call, scope: _Scope) -> Schema:
    if isinstance(node.func, ast.Name):
        if node.func.id == "coalesce":
            return _merged([result(each, scope) for each in node.args])
        return _FUNCTIONS.get(node.func.id, UNKNOWN)
    if not isinstance(node.func, ast.Attribute):
        return UNKNOWN
    return _method_call(node, node.func, scope)


def _method_call(node: ast.Call, function: ast.Attribute, scope: _Scope) -> Schema:
    method, holder = function.attr, function.value
    if method == "get" and node.args:
        looked_up = ast.Subscript(holder, node.args[0], ast.Load())
        return _merged([_subscript(looked_up, scope), *(result(each, scope) for each in node.args[1:])])
    # A method of a class of the module, such as `fromisoformat`; then the class called itself.
    if isinstance(holder, ast.Attribute) and isinstance(holder.value, ast.Name) and holder.value.id == "datetime":
        return {"datetime": DATE_TIME, "date": DATE}.get(holder.attr, UNKNOWN)
    if isinstance(holder, ast.Name) and holder.id == "datetime":
        return {"datetime": DATE_TIME, "date": DATE}.get(method, UNKNOWN)
    return _METHODS.get(method, UNKNOWN)


def _merged(found: list[Schema]) -> Schema:
    merged = found[0] if found else NULL
    for each in found[1:]:
        merged = merge(merged, each)
    return merged


def _binary(node: ast.BinOp, scope: _Scope) -> Schema:
    if _is_timedelta(node.right):
        return result(node.left, scope)
    left, right = (schemas.types(result(side, scope)) - {"null"} for side in (node.left, node.right))
    numeric = {"integer", "number"}
    if left and right and left | right <= numeric:
        if isinstance(node.op, ast.Div) or "number" in left | right:
            return NUMBER
        return INTEGER if not isinstance(node.op, ast.Pow) else NUMBER
    if isinstance(node.op, ast.Div):
        return NUMBER
    of_text = (left == {"string"} and isinstance(node.op, (ast.Add, ast.Mod, ast.Mult))) or (
        right == {"string"} and isinstance(node.op, (ast.Add, ast.Mult))
    )
    return STRING if of_text else UNKNOWN


def _is_timedelta(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "timedelta"


def _unary(node: ast.UnaryOp, scope: _Scope) -> Schema:
    if isinstance(node.op, ast.Not):
        return BOOLEAN
    kinds = schemas.types(result(node.operand, scope)) - {"null"}
    # The type alone: limits of the operand are not those of its opposite.
    return {"type": next(iter(kinds))} if len(kinds) == 1 else UNKNOWN


_RULES: dict[type[ast.expr], Callable[[Any, _Scope], Schema]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Subscript: _subscript,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: lambda _node, _scope: BOOLEAN,
    ast.BoolOp: lambda node, scope: _merged([result(each, scope) for each in node.values]),
    ast.IfExp: lambda node, scope: merge(result(node.body, scope), result(node.orelse, scope)),
    ast.JoinedStr: lambda _node, _scope: STRING,
    ast.List: lambda _node, _scope: {"type": "array"},
    ast.Tuple: lambda _node, _scope: {"type": "array"},
    ast.ListComp: lambda _node, _scope: {"type": "array"},
    ast.GeneratorExp: lambda _node, _scope: {"type": "array"},
    ast.Dict: lambda _node, _scope: {"type": "object"},
    ast.DictComp: lambda _node, _scope: {"type": "object"},
}


def free_names(node: ast.expr) -> frozenset[str]:
    """Return the names an expression needs: those it mentions, less the functions it calls and its loop variables.

    A constant key of the whole record, `_['name']`, counts as a name.
    """
    called = {each.func for each in ast.walk(node) if isinstance(each, ast.Call)}
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name) and each not in called]
    bound = {each.id for each in names if isinstance(each.ctx, ast.Store)}
    keys = {
        each.slice.value
        for each in ast.walk(node)
        if isinstance(each, ast.Subscript)
        and isinstance(each.value, ast.Name)
        and each.value.id in {"_", "record"}
        and isinstance(each.slice, ast.Constant)
    }
    return (frozenset(each.id for each in names) - bound) | {str(key) for key in keys}


@dataclasses.dataclass(frozen=True)
class Holder:
    """An object an expression takes a field of; its text is how the expression calls it."""

    source: str
    closed: bool

    def __str__(self) -> str:
        return f"`{self.source}`"


def unknown_fields(node: ast.expr, scope: Mapping[str, Schema]) -> Iterator[tuple[Holder, str]]:
    """Yield the fields that an expression takes of an object whose schema declares others but not these.

    `.get('name')` asks for a field that may be missing and is not among them.
    """
    called = {each.func for each in ast.walk(node) if isinstance(each, ast.Call)}
    for each in ast.walk(node):
        name: object
        if isinstance(each, ast.Attribute) and each not in called:
            name = each.attr
        elif isinstance(each, ast.Subscript) and isinstance(each.slice, ast.Constant):
            name = each.slice.value
        else:
            continue
        holder = result(each.value, scope)
        declared = schemas.properties(holder)
        if isinstance(name, str) and declared and schemas.types(holder) <= {"object", "null"} and name not in declared:
            yield Holder(ast.unparse(each.value), holder.get("additionalProperties") is False), name


def divides_by_zero(node: ast.expr) -> bool:
    """Return whether an expression has a division by the constant zero in it."""
    return any(
        isinstance(each, ast.BinOp)
        and isinstance(each.op, (ast.Div, ast.FloorDiv, ast.Mod))
        and isinstance(each.right, ast.Constant)
        and not isinstance(each.right.value, str)
        and each.right.value == 0
        for each in ast.walk(node)
    )


def plain_name(node: ast.expr) -> str | None:
    """Return the column an expression consists of, or None."""
    return node.id if isinstance(node, ast.Name) and node.id not in BUILT_IN_NAMES else None
