"""Expressions: null-safe, exact, safe, checked before the first record."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
import simpleeval  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st
from map_explode.expression import Evaluator, parse
from singer_sdk.exceptions import MapExpressionError

if TYPE_CHECKING:
    from tests.conftest import Runner

COLUMNS = {
    "id": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "phone": {"type": ["string", "null"]},
    "cnt": {"type": ["integer", "null"]},
    "price": {"type": ["number", "null"]},
    "done": {"type": ["boolean", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "receiver": {
        "type": ["object", "null"],
        "properties": {
            "city": {"type": "string"},
            "geo": {"type": ["object", "null"], "properties": {"lat": {"type": "number"}}},
        },
    },
    "tags": {"type": ["array", "null"], "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    "free": {},
    "closed": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
}


def evaluate(source: str, record: dict[str, Any], **constants: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of an expression."""
    return Evaluator(constants, frozenset(COLUMNS)).value(parse(source, "test"), record, record, "cnt")


@pytest.mark.parametrize(
    "source",
    [
        "name",
        "_['name']", "_.get('name')", "record.name", "self", "name.upper()", "name + 'x'", "'x' + name",
        "cnt * 2", "2 - cnt", "-cnt", "cnt / 3", "price > 3", "cnt % 2", "receiver['city']", "receiver.city",
        "receiver['geo']['lat']", "receiver.get('geo').get('lat')", "tags[0]['n']", "tags[0].n", "name[0]", "name[1:3]",
        "int(cnt)", "float(price)", "str(name)", "f'{name}-1'", "f'{price:.2f}'", "beijing(at)", "date(at)",
        "'a'.replace('a', name)", "decimal(price) * cnt", "sha256(phone)", "mask_phone(phone)", "mask_name(name)",
        "coalesce(name, phone)", "concat_ws(name, 'a')",
        "'a' in name", "datetime.datetime.fromisoformat(at)", "free.x.y",
        "name.split('-')[0].strip()", "[t.n for t in tags]", "json.loads(name)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("record", [{}, dict.fromkeys(COLUMNS)])
def test_missing_fields_and_null_parents_give_null(source: str, record: dict[str, Any]) -> None:
    assert evaluate(source, record) is None


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("price * 1.1", Decimal("21.945")),
        ("price + 0.1 + 0.2", Decimal("20.25")),
        ("0.1 + 0.2 == 0.3", True),
        ("cnt / 100", Decimal("0.03")),
        ("decimal(cnt / 7, 2)", Decimal("0.43")),
        ("123456789012345678901234567890.123456789 * 10", Decimal("1234567890123456789012345678901.23456789")),
        ("-12345678901234567890123456789012345.5", Decimal("-12345678901234567890123456789012345.5")),
        ("12345678901234567890123456789012345 / 100", Decimal("123456789012345678901234567890123.45")),
        ("float('0.1')", Decimal("0.1")),
        ("name.upper() + '!'", "BOB!"),
        ("f'{name}: {price:.1f}'", "bob: 20.0"),
        ("receiver['geo']['lat'] + 1", Decimal("31.25")),
        ("[t['n'] for t in tags]", [1, 2]),
        ("'yes' if done else 'no'", "yes"),
        ("name in ['bob', 'eve']", True),
        ("not missing_is_fine if False else cnt", 3),
        ("{'3': 'three'}[str(cnt)]", "three"),
        ("coalesce(_.get('x'), cnt)", 3),
        ("concat_ws('-', name, None, cnt, price)", "bob-3-19.95"),
        ("config['salt']", "pepper"),
        ("json.dumps(tags)", '[{"n": 1}, {"n": 2}]'),
        ("json.dumps(price, indent=1)", "19.95"),
        ("json.loads('[1.10]')[0]", Decimal("1.10")),
        ("str(done)", "True"),
        ("f'{done}'", "True"),
        ("datetime.datetime.fromtimestamp(cnt / 2, datetime.timezone.utc).microsecond", 500000),
        ("datetime.date.fromisoformat('2026-01-31').year", 2026),
        ("datetime.datetime.fromisoformat(at).timestamp()", Decimal("1769860800.0")),
    ],
)
def test_values(source: str, value: object) -> None:
    record = {
        "name": "bob", "cnt": 3, "price": Decimal("19.95"), "done": True, "tags": [{"n": 1}, {"n": 2}],
        "receiver": {"geo": {"lat": Decimal("30.25")}}, "at": "2026-01-31T20:00:00+08:00",
    }  # fmt: skip
    assert evaluate(source, record, config={"salt": "pepper"}) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10), st.decimals(-(10**20), 10**20, places=10))
def test_sums_differences_and_products_are_exact(a: Decimal, b: Decimal) -> None:
    record = {"price": a, "cnt": b}
    assert evaluate("price + cnt - cnt == price", record) is True
    assert evaluate("price * cnt", record) == evaluate("cnt * price", record)
    product = evaluate("price * cnt", record)
    assert Fraction(product) == Fraction(a) * Fraction(b)


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os')", "open('/etc/passwd')", "().__class__.__bases__", "name.__class__", "eval('1')",
        "datetime.sys.modules", "json.loads.__globals__", "lambda: 1",
        "'{0.__class__}'.format(1)", "getattr(name, 'x')",
        "[x for x in ().__class__.__mro__]", "(yield 1)", "a := 1", "import os", "name; cnt", "json.codecs",
    ],
)  # fmt: skip
def test_nothing_but_values_can_be_reached(source: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the evaluator refuses in several ways
        evaluate(source, {"name": "x", "cnt": 1})
    assert type(caught.value).__module__ in {"simpleeval", "singer_sdk.exceptions"}


@pytest.mark.parametrize(
    "source",
    [
        "record.pop('name')",
        "_.update({'cnt': 9})",
        "o.clear()",
        "xs.append(1) or xs",
        "xs.sort()",
        "o.setdefault('x', 1)",
    ],
)
def test_an_expression_cannot_change_a_record(source: str) -> None:
    """Rows of one record share its objects and arrays: a changed one would show in the other rows."""
    record = {"name": "x", "o": {"a": 1}, "xs": [2, 1]}
    with pytest.raises(Exception, match="must not change a record"):
        evaluate(source, record)
    assert record == {"name": "x", "o": {"a": 1}, "xs": [2, 1]}


def test_a_field_called_like_a_method_can_be_read() -> None:
    assert evaluate("o.update", {"o": {"update": 5}}) == 5


@pytest.mark.parametrize("source", ["str(price)", "int(price)", "f'{name}{price}'", "'x'.ljust(10 ** 9)"])
def test_a_few_characters_of_a_record_cannot_become_gigabytes(source: str) -> None:
    with pytest.raises((ValueError, simpleeval.IterableTooLong)):
        evaluate(source, {"name": "x", "price": Decimal("1e999999999")})


WRONG = {
    "unknown column": ("nmae.upper()", "there is no 'nmae'"),
    "unknown field of the record": ("_['nmae']", "there is no 'nmae'"),
    "unknown function": ("upper(name)", "calls 'upper', which does not exist; there are beijing, "),
    "syntax": ("name +", "cannot read the expression 'name +'"),
    "two expressions": ("name; id", "cannot read"),
    "method of another type": ("price.upper()", "'upper'"),
    "text and number": ("name + cnt", "str"),
    "arguments": ("beijing()", "argument"),
    "forbidden": ("name.__class__", "__attributes"),
    "statement": ("name = 1", "cannot read"),
    "constant": ("date('soon')", "ValueError"),
    "division by zero": ("cnt / 0", "divides by zero"),
    "result that no column can hold": ("datetime.timedelta(days=cnt)", "timedelta"),
    "field that the schema excludes": ("closed['nmae']", "the schema of `closed` has no field 'nmae'"),
    "misspelt method": ("name.uper()", "there is no 'uper'"),
    "change": ("tags.clear()", "must not change"),
}


@pytest.mark.parametrize(("source", "reason"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_expression_is_found_before_the_first_record(run: Runner, source: str, reason: str) -> None:
    with pytest.raises(MapExpressionError) as caught:
        run({"stream_maps": {"t": {"new": source}}}, [run.schema("t", COLUMNS, "id")])
    message = str(caught.value)
    assert reason in message
    assert "'t'" in message
    assert "column 'new'" in message
    assert repr(source) in message


@pytest.mark.parametrize(
    ("source", "told"),
    [("receiver['zip']", "`receiver`"), ("receiver.geo.lon", "`receiver.geo`"), ("config['slat']", "`config`")],
)
def test_a_field_that_a_schema_does_not_name_is_told(
    run: Runner, source: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Misspelt it would be null for ever; but objects may have fields that their schema does not name."""
    config = {"stream_map_config": {"salt": "x"}, "stream_maps": {"t": {"new": source}}}
    schema = run.schema("t", COLUMNS, "id")
    record = {"id": 1, "receiver": {"zip": "310000", "geo": {"lon": "310000"}}}
    out = run(config, [schema, schema, *run.records("t", record)]).check()
    assert out.rows("t")[0]["new"] == (None if "config" in source else "310000")
    assert caplog.text.count(f"the schema of {told} has no field") == 1


def test_a_wrong_filter_is_found_too(run: Runner) -> None:
    with pytest.raises(MapExpressionError, match=r"stream 't', `__filter__`: .* there is no 'nmae'"):
        run({"stream_maps": {"t": {"__filter__": "nmae == 'x'"}}}, [run.schema("t", COLUMNS, "id")])


def test_an_expression_that_fails_for_a_record_stops_the_run_and_tells_no_value(run: Runner) -> None:
    messages = [run.schema("t", COLUMNS, "id"), *run.records("t", {"id": 1, "name": "5"}, {"id": 2, "name": "secret"})]
    with pytest.raises(MapExpressionError) as caught:
        run({"stream_maps": {"t": {"n": "int(name)"}}}, messages)
    assert str(caught.value) == (
        "stream 't', column 'n': the expression 'int(name)' fails: ValueError "
        "(input line 3, id 2: name is text of 6 characters)"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("on_error", [None, "null"])
def test_on_error_null_leaves_the_column_null_and_counts(
    run: Runner, on_error: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["5", "secret", "6", "secret"]
    messages = [run.schema("t", COLUMNS, "id"), *run.records("t", *[{"id": 1, "name": name} for name in names])]
    out = run({"on_error": on_error, "stream_maps": {"t": {"n": "int(name)"}}}, messages).check()
    assert [row["n"] for row in out.rows("t")] == [5, None, 6, None]
    assert "first in input line 3" in caplog.text
    assert "2 times" in caplog.text
    assert "secret" not in caplog.text


def test_a_key_that_becomes_null_stops_the_run(run: Runner) -> None:
    messages = [run.schema("t", COLUMNS, "id"), *run.records("t", {"id": 1, "name": None})]
    for expression in ("name", "name.upper()"):
        config = {"on_error": None, "stream_maps": {"t": {"id": expression}}}
        with pytest.raises(MapExpressionError, match=r"column 'id': .* a key is null \(input line 2"):
            run(config, messages)


def test_a_key_that_is_masked_is_not_shown(run: Runner) -> None:
    columns = {"phone": {"type": "string"}, "n": {"type": "string"}}
    messages = [run.schema("t", columns, "phone"), *run.records("t", {"phone": "13800138000", "n": "x"})]
    with pytest.raises(MapExpressionError) as caught:
        run({"stream_maps": {"t": {"phone": "mask_phone(phone)", "n": "int(n)"}}}, messages)
    assert "13800138000" not in str(caught.value)
    with pytest.raises(MapExpressionError, match=r"\(input line 2, phone 13800138000: n is text"):
        run({"stream_maps": {"t": {"n": "int(n)"}}}, messages)


def test_a_failing_filter_or_key_stops_the_run_even_so(run: Runner) -> None:
    messages = [run.schema("t", COLUMNS, "id"), *run.records("t", {"id": 1, "name": "x"})]
    for stream_map in ({"__filter__": "int(name) > 1"}, {"id": "int(name)"}):
        with pytest.raises(MapExpressionError, match=r"ValueError \(input line 2"):
            run({"on_error": None, "stream_maps": {"t": stream_map}}, messages)
