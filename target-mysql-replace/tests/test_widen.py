"""A wider type holds what the old one held, and the new values; it is never narrower and never wider than needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql
from target_mysql_replace.convert import NULL
from target_mysql_replace.ddl import type_sql
from target_mysql_replace.widen import wider

if TYPE_CHECKING:
    from decimal import Decimal

_INTEGERS = st.integers(-(10**30), 10**30) | st.integers(-300, 300)
_DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40)
_BITS = {mysql.TINYINT: 8, mysql.SMALLINT: 16, mysql.MEDIUMINT: 24, mysql.INTEGER: 32, mysql.BIGINT: 64}


def _range(sql_type: object) -> tuple[int, int]:
    if isinstance(sql_type, mysql.DECIMAL):
        most = 10 ** (sql_type.precision - sql_type.scale) - 1  # type: ignore[operator] # both are given
        return -most, most
    bits = _BITS[type(sql_type)]  # type: ignore[index] # one of them
    return (0, 2**bits - 1) if sql_type.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)  # type: ignore[attr-defined] # an integer type


@given(
    st.sampled_from(list(_BITS)),
    st.booleans(),
    st.lists(st.integers(-(10**30), 10**30) | st.integers(-300, 300), min_size=1),
)
def test_an_integer_column_holds_the_old_range_and_the_new_values(
    kind: type,
    unsigned: bool,  # noqa: FBT001 drawn by position
    numbers: list[int],
) -> None:
    old = kind(unsigned=unsigned)
    low, high = _range(old)
    new = wider(old, [NULL, *map(str, numbers)])
    fits = all(low <= number <= high for number in numbers)
    assert (new is None) == fits
    if new is not None:
        assert _range(new)[0] <= min(low, *numbers)
        assert _range(new)[1] >= max(high, *numbers)


@given(
    st.integers(1, 65).flatmap(lambda precision: st.tuples(st.just(precision), st.integers(0, min(precision, 30)))),
    st.lists(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40), min_size=1),
)
def test_a_decimal_column_holds_the_old_digits_and_the_new(size: tuple[int, int], numbers: list[Decimal]) -> None:
    precision, scale = size
    new = wider(mysql.DECIMAL(precision, scale), list(map(str, numbers)))
    digits = [format(number, "f").partition(".") for number in numbers]
    need_scale = max(len(fraction.rstrip("0")) for _, _, fraction in digits)
    need_whole = max(len(whole.lstrip("-0")) for whole, _, _ in digits)
    fits = need_scale <= scale and need_whole <= precision - scale
    together = max(need_scale, scale) <= 30 and max(need_scale, scale) + max(need_whole, precision - scale) <= 65
    got = mysql.DECIMAL(precision, scale) if new is None else new
    assert isinstance(got, mysql.DECIMAL)
    assert got.precision is not None
    assert got.scale is not None
    assert got.scale >= scale
    assert got.precision - got.scale >= precision - scale
    assert (new is None) == fits or not together
    if together:
        assert got.scale == max(scale, need_scale)
        assert got.precision - got.scale == max(precision - scale, need_whole)


@pytest.mark.parametrize(
    ("old", "texts", "new"),
    [
        (mysql.VARCHAR(3), ["abcd"], "VARCHAR(4)"),
        (mysql.VARCHAR(3), ["abc"], None),
        (mysql.VARCHAR(3), ["x" * 2000], "LONGTEXT"),
        (mysql.CHAR(3), ["a "], "VARCHAR(3)"),
        (mysql.TEXT(), ["x" * 70000], "LONGTEXT"),
        (mysql.TEXT(), ["x" * 60000], None),
        (mysql.LONGTEXT(), ["x" * 70000], None),
        (mysql.DATETIME(), ["2026-01-01 00:00:00.5"], "DATETIME(6)"),
        (mysql.DATETIME(), ["2026-01-01 00:00:00.000"], None),
        (mysql.DATETIME(fsp=3), ["2026-01-01T00:00:00.1234"], "DATETIME(6)"),
        (mysql.TIMESTAMP(), ["2039-01-01 00:00:00"], "DATETIME"),
        (mysql.DATE(), ["2026-01-01 00:00:01"], "DATETIME(6)"),
        (mysql.FLOAT(), ["1.23456789"], "DOUBLE"),
        (mysql.DOUBLE(), ["1.23456789012345678901"], None),
        (mysql.INTEGER(), ["1.5"], "DECIMAL(21, 1)"),
        (mysql.BIGINT(), [str(2**70)], "DECIMAL(22, 0)"),
        (mysql.DECIMAL(5, 2), ["1e400"], None),
        # What fits nowhere does not keep the rest of its batch from fitting.
        (mysql.DECIMAL(5, 2), ["1e400", "1.234", "9" * 66, "1e-40"], "DECIMAL(6, 3)"),
        (mysql.INTEGER(), ["1e400", "9" * 66], None),
        (mysql.INTEGER(), ["1e400", str(2**40)], "BIGINT"),
    ],
    ids=str,
)
def test_each_kind_of_column_grows_in_its_own_way(old: object, texts: list[str], new: str | None) -> None:
    grown = wider(old, texts)  # type: ignore[arg-type] # a type
    assert (None if grown is None else type_sql(grown)) == new


def test_a_key_column_grows_only_as_far_as_an_index_allows() -> None:
    assert type_sql(wider(mysql.VARCHAR(255), ["x" * 700], key=True) or mysql.TEXT()) == "VARCHAR(700)"
    assert wider(mysql.VARCHAR(255), ["x" * 800], key=True) is None
    assert type_sql(wider(mysql.VARCHAR(255), ["x" * 800, "x" * 300], key=True) or mysql.TEXT()) == "VARCHAR(300)"
