"""Made-up values for a documented field: of its kind, now and then of the nasty sort.

A field is compiled once to a function, because a page of 200 orders has some 80,000 of them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import to_text

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

#: "Not set" in the platform's answers: 2000-01-01 and 2001-01-01, midnight in Beijing.
UNSET_MS = (946_656_000_000, 978_278_400_000)
#: Above 2^53, where a reader that goes through a double loses the last digits.
BIG_ID = 9_007_199_254_740_993
HARMLESS = ("测试商品", "默认仓库", "红色;L", "韵达快递", "客服小王", "SKU-0042", "华东一仓", "已联系买家")
NASTY = (
    "😀👍🏽 很满意",
    'O\'Brien said "no"',
    "C:\\new\\table",
    "第一行\n第二行\r\n第三行",
    "'; DROP TABLE tickets; --",
    "100%_通配",
    "null",
    "0012",
    "𠮷野家",
    "  前后空格  ",
    "a,b;c|||d\te",
    "<b>粗体</b>&amp;",
    "$1 \\N :name %s {x}",
)
SOME_ABSENT = 0.15


@dataclass(frozen=True)
class Context:
    """What the fields of one row, or of one element of its arrays, have in common."""

    dice: random.Random
    #: The row's number; an element has one of its own.
    ordinal: int
    #: The number in the row's key.
    row_id: int
    created_ms: int
    modified_ms: int


if TYPE_CHECKING:
    Maker = Callable[[Context], Any]


def text(dice: random.Random) -> str:
    """Return some text, one time in five a nasty one."""
    return dice.choice(NASTY) if dice.random() < 0.2 else dice.choice(HARMLESS)


def money(dice: random.Random) -> float:
    """Return an amount in 元 with two decimals."""
    return dice.randrange(0, 200_000) / 100


def compile_fields(fields: dict[str, Any], seed: int, path: str) -> dict[str, Maker]:
    """Return a maker for each field of an object.

    Args:
        fields: Name to kind, as in the declarations.
        seed: Where the documentation leaves a kind open (number or text), the seed decides it for the field as a whole.
        path: The object's place, so that equal names in different places differ.
    """
    return {name: _compile(name, spec, seed, f"{path}.{name}") for name, spec in fields.items()}


def make(makers: dict[str, Maker], context: Context, *, always: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return an object; a field that is null is None, whether it is sent is the gateway's choice.

    Args:
        makers: From `compile_fields`.
        context: The row or element.
        always: Fields that are never null.
    """
    chance = context.dice.random
    return {
        name: maker(context) if name in always or chance() > SOME_ABSENT else None for name, maker in makers.items()
    }


def _compile(name: str, spec: Any, seed: int, path: str) -> Maker:  # noqa: ANN401 - a name, or an object of the JSON
    if isinstance(spec, str):
        spec = {"type": spec}
    variant = (zlib.crc32(path.encode()) + seed) % 3
    kind = spec["type"]
    if kind in _EITHER:
        first, second = _EITHER[kind]
        kind = first if variant else second
    if "fields" in spec and kind != "string":
        return _nested(kind, spec, seed, path)
    if "enum" in spec and kind in {"integer", "string"}:
        return _one_of([int(value) for value in spec["enum"]] if kind == "integer" else spec["enum"])
    if kind == "integer":
        return _integer(name, spec)
    if kind == "string":
        return _string(name)
    if kind == "ms_or_datetime_string":
        return (_instant_number, _instant_digits, _instant_text)[variant]
    return _PLAIN[kind]


#: Where table and example of the documentation disagree: two kinds, of which one holds for a field.
_EITHER = {
    "integer_or_string": ("integer", "string"),
    "number_or_string": ("number", "decimal_string"),
    "boolean_or_string": ("boolean", "boolean_text"),
    "array_or_object": ("array", "object"),
    "array_or_string": ("array", "string"),
    "object_or_string": ("object", "string"),
}


def _nested(kind: str, spec: dict[str, Any], seed: int, path: str) -> Maker:
    makers = compile_fields(spec["fields"], seed, path)
    always = frozenset({"id"} & makers.keys())

    def one(context: Context, number: int) -> dict[str, Any]:
        element = replace(context, ordinal=context.ordinal * 8 + number)
        return make(makers, element, always=always)

    if kind == "object":
        return lambda context: one(context, 0)
    return lambda context: [one(context, number) for number in range(context.dice.randrange(4))]


def _one_of(values: list[Any]) -> Maker:
    return lambda context: context.dice.choice(values)


def _integer(name: str, spec: dict[str, Any]) -> Maker:
    if name == "id":
        return lambda context: BIG_ID + context.ordinal * 3
    if name.endswith(("Id", "Sid", "sid", "oid")):
        return lambda context: BIG_ID - context.dice.randrange(10**15) if context.dice.random() < 0.8 else -1
    if spec.get("unit") == "分":
        return lambda context: context.dice.randrange(0, 200_000)
    return lambda context: context.dice.randrange(0, 1000)


def _string(name: str) -> Maker:
    lowered = name.lower()
    if lowered.endswith(("phone", "mobile")):
        return lambda context: f"138{context.dice.randrange(10**8):08d}"
    if lowered == "id" or lowered.endswith("id"):
        return lambda context: str(6_917_000_000_000_000_000 + context.ordinal * 3)
    return lambda context: text(context.dice)


def _instant(context: Context) -> int:
    """Return an instant of the row's life; one time in ten the platform's "not set"."""
    if context.dice.random() < 0.1:
        return context.dice.choice(UNSET_MS)
    return context.dice.randrange(context.created_ms, context.modified_ms + 1) // 1000 * 1000


def _instant_number(context: Context) -> int:
    return _instant(context)


def _instant_digits(context: Context) -> str:
    return str(_instant(context))


def _instant_text(context: Context) -> str:
    return to_text(_instant(context))


_PLAIN: dict[str, Maker] = {
    "number": lambda context: money(context.dice),
    "decimal_string": lambda context: f"{money(context.dice):.2f}",
    "boolean": lambda context: context.dice.random() < 0.5,
    "boolean_text": lambda context: context.dice.choice(("true", "false")),
    "epoch_ms": _instant_number,
    "digits_string_or_ms": lambda context: context.dice.choice((_instant_number, _instant_digits))(context),
    "datetime_string": _instant_text,
    "date_string": lambda context: _instant_text(context)[:10],
    "array": lambda context: [text(context.dice) for _ in range(context.dice.randrange(3))],
    "object": lambda context: {"code": context.dice.randrange(10), "text": text(context.dice)},
}


def show_instant(spec: Any, instant_ms: int, seed: int, path: str) -> int | str:  # noqa: ANN401 - as `_compile`
    """Return an instant the way the field shows it: ms, digits or text.

    Args:
        spec: The field's kind in the declaration.
        instant_ms: Epoch ms.
        seed: As for `compile_fields`.
        path: The field's place.
    """
    kind = spec if isinstance(spec, str) else spec["type"]
    if kind == "ms_or_datetime_string":
        kind = ("epoch_ms", "digits", "datetime_string")[(zlib.crc32(path.encode()) + seed) % 3]
    if kind == "digits_string_or_ms":
        kind = "digits" if instant_ms % 7000 < 1000 else "epoch_ms"
    if kind == "digits":
        return str(instant_ms)
    if kind == "datetime_string":
        return to_text(instant_ms)
    return instant_ms
