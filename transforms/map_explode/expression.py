"""Expressions of stream maps: evaluated by simpleeval as in the SDK, but null-safe, exact and checked beforehand.

The rules of null are those of SQL: a field that is missing is null, a field or element of null is null, so is
arithmetic, ordering, text or a method call with null. `==`, `!=`, `is`, `in`, `and`, `or` and `not` work as in Python.
Numbers are integers and decimals, never binary fractions: 0.1 + 0.2 is 0.3.
"""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import operator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import simpleeval  # type: ignore[import-untyped]  # it ships no types
import simplejson
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.singerlib.json import deserialize_json

from map_explode import functions
from map_explode.infer import BUILT_IN_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Record: TypeAlias = "dict[str, Any]"


class _Json:
    """What expressions know as `json`: the standard module's functions, which neither write nor read decimals."""

    loads = staticmethod(deserialize_json)

    @staticmethod
    def dumps(value: object, **options: Any) -> str:  # noqa: ANN401 - those of `json.dumps`
        """Return JSON as Python's `json.dumps` writes it."""
        return simplejson.dumps(value, use_decimal=True, ignore_nan=True, **options)


def _python_text(value: object) -> str | None:
    """Return what Python's `str` gives, but null for null, digits for decimals, and JSON for arrays and objects."""
    return str(value) if isinstance(value, bool) else functions.text(value)


FUNCTIONS: dict[str, Any] = {
    # those of the SDK's stream maps
    "bool": bool,
    "float": functions.decimal_,
    "int": functions.to_int,
    "str": _python_text,
    "rand": simpleeval.DEFAULT_FUNCTIONS["rand"],
    "randint": simpleeval.DEFAULT_FUNCTIONS["randint"],
    "md5": functions.md5,
    "sha256": functions.sha256,
    "datetime": simpleeval.ModuleWrapper(dt),
    "json": _Json(),
    # and ours
    "beijing": functions.beijing,
    "coalesce": functions.coalesce,
    "concat_ws": functions.concat_ws,
    "date": functions.date,
    "decimal": functions.decimal_,
    "mask_name": functions.mask_name,
    "mask_phone": functions.mask_phone,
}

#: Methods that change what they belong to. A record's objects and arrays are shared by all rows made of it.
_CHANGING = frozenset(
    {
        "add",
        "append",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "insert",
        "intersection_update",
        "pop",
        "popitem",
        "remove",
        "reverse",
        "setdefault",
        "sort",
        "symmetric_difference_update",
        "update",
    }
)
_PADDING = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})
_MAX_TEXT = simpleeval.MAX_STRING_LENGTH
#: What a quotient that does not end is rounded to: the digits of a Python decimal.
_QUOTIENT = decimal.Context(prec=28)


def _exact(value: Any) -> Any:  # noqa: ANN401 - any value of an expression
    return Decimal(repr(value)) if isinstance(value, float) else value


def _null_if_null(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def wrapped(left: Any, right: Any) -> Any:  # noqa: ANN401 - operands of any type
        return None if left is None or right is None else function(left, right)

    return wrapped


def _arithmetic(plain: Callable[[Any, Any], Any], exact: Callable[[Any, Any], Decimal]) -> Callable[[Any, Any], Any]:
    """Return an operator that does not round decimals to the 28 digits of Python's default."""

    def wrapped(left: Any, right: Any) -> Any:  # noqa: ANN401 - operands of any type
        if left is None or right is None:
            return None
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            return exact(left, right)
        return plain(left, right)

    return wrapped


def _divide(left: Any, right: Any) -> Decimal:  # noqa: ANN401 - operands of any type
    functions.EXACT.clear_flags()
    quotient = functions.EXACT.divide(left, right)
    return _QUOTIENT.divide(left, right) if functions.EXACT.flags[decimal.Inexact] else quotient


def _negative(value: Any) -> Any:  # noqa: ANN401 - an operand of any type
    if value is None:
        return None
    return functions.EXACT.minus(value) if isinstance(value, Decimal) else -value


_DEFAULTS = simpleeval.DEFAULT_OPERATORS
_OPERATORS: dict[type, Any] = {
    **_DEFAULTS,
    **{
        kind: _null_if_null(_DEFAULTS[kind])
        for kind in (
            ast.FloorDiv,
            ast.Mod,
            ast.Pow,
            ast.RShift,
            ast.LShift,
            ast.BitXor,
            ast.BitOr,
            ast.BitAnd,
            ast.Gt,
            ast.Lt,
            ast.GtE,
            ast.LtE,
        )
    },
    ast.Add: _arithmetic(_DEFAULTS[ast.Add], functions.EXACT.add),
    ast.Sub: _arithmetic(_DEFAULTS[ast.Sub], functions.EXACT.subtract),
    ast.Mult: _arithmetic(_DEFAULTS[ast.Mult], functions.EXACT.multiply),
    ast.Div: _null_if_null(_divide),
    ast.In: lambda item, container: None if container is None else item in container,
    ast.NotIn: lambda item, container: None if container is None else item not in container,
    ast.USub: _negative,
    ast.UAdd: lambda value: value,
    ast.Invert: lambda value: None if value is None else operator.invert(value),
}


class _Exact(ast.NodeTransformer):
    """Turns the fractions of an expression into decimals, digit for digit."""

    def __init__(self, source: str) -> None:
        self._source = source

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Return the constant, a fraction as a decimal."""
        if isinstance(node.value, float):
            digits = ast.get_source_segment(self._source, node) or repr(node.value)
            # `ast` does not mind a constant of another type, and the evaluator returns it as it is.
            node.value = Decimal(digits.replace("_", ""))  # type: ignore[assignment]
        return node


def parse(source: str, where: str) -> ast.expr:
    """Return the syntax tree of an expression.

    Args:
        source: the expression.
        where: what it belongs to, for the message: "stream 'x', column 'y'".

    Raises:
        MapExpressionError: it is not one Python expression, or it calls a function that does not exist.
    """
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise MapExpressionError(f"{where}: cannot read the expression {source!r}: {reason}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in _CALLABLE:
            raise MapExpressionError(
                f"{where}: the expression {source!r} calls '{node.func.id}', which does not exist; "
                f"there are {', '.join(sorted(_CALLABLE))}"
            )
    exact: ast.expr = _Exact(source.strip()).visit(tree)
    return exact


_CALLABLE = frozenset(FUNCTIONS) - {"datetime", "json"} | {"list", "tuple", "dict", "set"}


class _Names:
    """The names of one evaluation: a mapping in which a known column that the record lacks is null."""

    def __init__(self, constants: Mapping[str, Any], known: frozenset[str]) -> None:
        self._constants = constants
        self._reserved = BUILT_IN_NAMES | constants.keys()
        self._known = known
        self.record: Record = {}
        self.nested: Record = {}
        self.column: str | None = None

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        if name in self._reserved:
            if name == "self" and self.column is not None:
                return self.nested.get(self.column, self.record.get(self.column))
            if name in {"_", "record"}:
                return self.record if self.nested is self.record else {**self.record, **self.nested}
            if name in self._constants:
                return self._constants[name]
        # An array is an array here, not the text that flattening makes of it.
        if name in self.nested:
            return self.nested[name]
        if name in self.record:
            return self.record[name]
        if name in self._known:
            return None
        raise KeyError(name)


class Evaluator(simpleeval.EvalWithCompoundTypes):  # type: ignore[misc]  # its base class ships no types
    """Evaluates the expressions of one stream."""

    def __init__(self, constants: Mapping[str, Any], known: frozenset[str]) -> None:
        """Make an evaluator.

        Args:
            constants: names with the same value for every record, such as `config`.
            known: the columns of the stream; one that a record lacks is null.
        """
        super().__init__(operators=_OPERATORS, functions=FUNCTIONS.copy(), names={})
        self._scope = _Names(constants, known)
        self.names = self._scope

    def value(self, tree: ast.expr, record: Record, nested: Record, column: str | None) -> Any:  # noqa: ANN401 - any
        """Return the value of an expression for a record.

        Args:
            tree: what `parse` returned.
            record: the flat record.
            nested: the record before flattening, whose objects may be named too.
            column: the column the value is for, which `self` means.

        Raises:
            Exception: whatever the expression provokes. Its message may hold values of the record.
        """
        scope = self._scope
        scope.record, scope.nested, scope.column = record, nested, column
        self._max_count = 0
        return self._eval(tree)

    def _eval(self, node: ast.AST) -> Any:  # noqa: ANN401 - any value
        # Leaves out the base class's search of every value for modules and functions, as the SDK's evaluator does:
        # records come from JSON and hold neither; modules among the functions are wrapped.
        handler = self.nodes.get(type(node))
        if handler is None:
            raise simpleeval.FeatureNotAvailable(f"{type(node).__name__} is not available in an expression")
        return handler(node)

    def _eval_name(self, node: ast.Name) -> Any:  # noqa: ANN401 - any value
        try:
            return self._scope[node.id]
        except KeyError:
            if node.id in self.functions:
                return self.functions[node.id]
        raise simpleeval.NameNotDefined(node.id, "")

    def _eval_subscript(self, node: ast.Subscript) -> Any:  # noqa: ANN401 - any value
        container = self._eval(node.value)
        key = self._eval(node.slice)
        if container is None or key is None:
            return None
        try:
            return _exact(container[key])
        except (KeyError, IndexError):
            return None

    def _eval_attribute(self, node: ast.Attribute) -> Any:  # noqa: ANN401 - any value
        if node.attr in _CHANGING:
            holder = self._eval(node.value)
            if isinstance(holder, dict) and node.attr in holder:
                return _exact(holder[node.attr])
            if isinstance(holder, (dict, list, set)):
                raise simpleeval.FeatureNotAvailable(
                    f"an expression must not change a record, as '.{node.attr}()' does"
                )
        try:
            return _exact(super()._eval_attribute(node))
        except simpleeval.AttributeDoesNotExist:
            if isinstance(self._eval(node.value), (dict, type(None))):
                return None
            raise

    def _eval_call(self, node: ast.Call) -> Any:  # noqa: ANN401 - any value
        if isinstance(node.func, ast.Attribute):
            function = self._eval(node.func)
            if function is None:
                return None
        elif isinstance(node.func, ast.Name) and node.func.id in self.functions:
            function = self.functions[node.func.id]
        else:
            raise simpleeval.FeatureNotAvailable("only functions and methods can be called")
        positional = [self._eval(each) for each in node.args]
        named = dict(self._eval_keyword(each) for each in node.keywords) if node.keywords else {}
        if isinstance(node.func, ast.Attribute) and node.func.attr in _PADDING:
            width = positional[0] if positional else 0
            if isinstance(width, int) and width > _MAX_TEXT:
                raise simpleeval.IterableTooLong("the text is too long")
        try:
            return _exact(function(*positional, **named))
        except TypeError:
            values = (*positional, *named.values())
            if any(each is None for each in values):
                return None
            if not any(isinstance(each, Decimal) for each in values):
                raise
        # The standard library's functions about times know no decimals.
        floats = [float(each) if isinstance(each, Decimal) else each for each in positional]
        return _exact(
            function(
                *floats, **{name: float(each) if isinstance(each, Decimal) else each for name, each in named.items()}
            )
        )

    def _eval_comprehension(self, node: Any) -> Any:  # noqa: ANN401 - any kind of comprehension, any value
        if self._eval(node.generators[0].iter) is None:
            return None
        return super()._eval_comprehension(node)

    def _eval_joinedstr(self, node: ast.JoinedStr) -> str | None:
        parts = [_python_text(self._eval(each)) for each in node.values]
        if any(part is None for part in parts):
            return None
        joined = "".join(part for part in parts if part is not None)
        if len(joined) > _MAX_TEXT:
            raise simpleeval.IterableTooLong("the text is too long")
        return joined

    def _eval_formattedvalue(self, node: ast.FormattedValue) -> Any:  # noqa: ANN401 - any value
        value = self._eval(node.value)
        if value is None or node.format_spec is None:
            return value
        return format(value, self._eval(node.format_spec))
