"""The functions of expressions: exact, null for null, and masks that do not leak."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_explode import functions as f

if TYPE_CHECKING:
    from collections.abc import Callable

BEIJING = dt.timezone(dt.timedelta(hours=8))
MIN_MS, MAX_MS = -62135596800000 + 86_400_000, 253402271999999 - 86_400_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1767457525000, "2026-01-04T00:25:25+08:00"),
        pytest.param("1767457525000", "2026-01-04T00:25:25+08:00", id="digits"),
        (Decimal(1767457525123), "2026-01-04T00:25:25.123000+08:00"),
        (Decimal("1767457525123.5"), "2026-01-04T00:25:25.123500+08:00"),
        (0, "1970-01-01T08:00:00+08:00"),
        (-1, "1970-01-01T07:59:59.999000+08:00"),
        ("2026-01-04 00:25:25", "2026-01-04T00:25:25+08:00"),
        ("2026-01-04 00:25", "2026-01-04T00:25:00+08:00"),
        ("2026-01-04T00:25:25.5", "2026-01-04T00:25:25.500000+08:00"),
        ("2026-01-03T16:25:25Z", "2026-01-04T00:25:25+08:00"),
        ("2026-01-03T11:25:25.1234567-05:00", "2026-01-04T00:25:25.123456+08:00"),
        ("2026-01-04", "2026-01-04T00:00:00+08:00"),
        (" 2026-01-04 ", "2026-01-04T00:00:00+08:00"),
        ("", None),
        (None, None),
    ],
)
def test_beijing_takes_milliseconds_and_text(value: object, expected: str | None) -> None:
    assert f.beijing(value) == expected
    assert f.date(value) == (None if expected is None else expected[:10])


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "24", "0001-01-01T00:00:00+14:00", 10**18, -(10**18)])
def test_beijing_refuses_what_is_no_time(value: object) -> None:
    if value == "24":
        assert f.beijing(value) == "1970-01-01T08:00:00.024000+08:00"
        return
    with pytest.raises(ValueError, match=r"."):
        f.beijing(value)


@given(st.integers(MIN_MS, MAX_MS))
def test_beijing_keeps_the_instant_to_the_millisecond(ms: int) -> None:
    text = f.beijing(ms)
    assert text is not None
    instant = dt.datetime.fromisoformat(text)
    assert instant.utcoffset() == dt.timedelta(hours=8)
    assert (instant - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)) == dt.timedelta(milliseconds=ms)
    assert f.beijing(text) == text


@given(st.datetimes(min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 1, 1)))  # noqa: DTZ001 - naive is meant
def test_text_without_an_offset_is_beijing_time(naive: dt.datetime) -> None:
    assert f.beijing(str(naive)) == naive.replace(tzinfo=BEIJING).isoformat()


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimal_is_exact(number: Decimal) -> None:
    assert f.decimal_(number) == number
    assert f.decimal_(str(number)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=8))
def test_decimal_reads_thousands_separators_and_rounds_like_commerce(number: Decimal) -> None:
    assert f.decimal_(f"¥ {number:,}") == number
    rounded = f.decimal_(number, 2)
    assert rounded is not None
    assert abs(rounded - number) <= Decimal("0.005")
    assert rounded.as_tuple().exponent == -2
    assert f.decimal_(number, places=8) == number


@pytest.mark.parametrize(
    ("value", "expected"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("2.675", "2.68"), (1, "1.00")]
)
def test_half_a_cent_goes_away_from_zero(value: object, expected: str) -> None:
    assert str(f.decimal_(value, 2)) == expected


@pytest.mark.parametrize("value", ["NaN", "Infinity", "abc", "1.2.3", "1,5", "12,34", "1,2345"])
def test_decimal_refuses_what_is_no_number(value: str) -> None:
    with pytest.raises(ValueError, match="number") as caught:
        f.decimal_(value)
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13800138000", "138****8000"),
        pytest.param(13800138000, "138****8000", id="number"),
        ("138****8000", "138****8000"),
        ("138 0013 8000", "138 **** 8000"),
        ("+86 138-0013-8000", "+86 138-****-8000"),
        ("8613800138000", "86138****8000"),
        ("0571-87654321", "057*-****4321"),
        ("87654321", "******21"),
        ("12345", "*****"),
        ("13800138000转1234", "138********转1234"),
        ("张三13800138000", "张三1******8000"),
        ("", ""),
        (None, None),
    ],
)
def test_a_phone_number_keeps_its_ends_only(phone: object, masked: str | None) -> None:
    assert f.mask_phone(phone) == masked


@given(st.text(st.characters(categories=["Nd"], max_codepoint=127), max_size=20))
def test_a_masked_phone_hides_most_digits_for_good(phone: str) -> None:
    masked = f.mask_phone(phone)
    assert masked is not None
    assert len(masked) == len(phone)
    shown = sum(sign != "*" for sign in masked)
    assert shown <= 7 + (4 if phone.startswith(("86", "0086")) else 0)
    assert shown <= max(len(phone) - 4, 2 if len(phone) >= 6 else 0)
    assert f.mask_phone(masked) == masked


@pytest.mark.parametrize(
    ("name", "masked"),
    [("张三", "张*"), ("欧阳娜娜", "欧***"), ("李", "*"), ("", ""), ("J Smith", "J******"), (None, None)],
)
def test_a_name_keeps_its_first_character_only(name: str | None, masked: str | None) -> None:
    assert f.mask_name(name) == masked


@given(st.text())
def test_masking_a_name_twice_changes_nothing(name: str) -> None:
    masked = f.mask_name(name)
    assert masked is not None
    assert f.mask_name(masked) == masked
    assert set(masked[1:]) <= {"*"}


@given(st.text() | st.integers())
def test_hashes_are_those_of_the_text(value: object) -> None:
    data = str(value).encode("utf-8", "surrogatepass")
    assert f.sha256(value) == hashlib.sha256(data).hexdigest()
    assert f.md5(value) == hashlib.md5(data).hexdigest()  # noqa: S324 - what is tested


@given(st.text(), st.lists(st.none() | st.text()))
def test_concat_ws_leaves_nulls_out(separator: str, values: list[str | None]) -> None:
    assert f.concat_ws(separator, *values) == separator.join(value for value in values if value is not None)
    assert f.concat_ws(None, *values) is None


@given(st.lists(st.none() | st.integers()))
def test_coalesce_gives_the_first_value(values: list[int | None]) -> None:
    given_ = [value for value in values if value is not None]
    assert f.coalesce(*values) == (given_[0] if given_ else None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1E+2"), "100"),
        (Decimal("0.10"), "0.10"),
        (True, "true"),
        ({"名": [Decimal("1.50"), None]}, '{"名":[1.50,null]}'),
        (12345678901234567890123, "12345678901234567890123"),
    ],
)
def test_text_of_a_value_is_plain(value: object, expected: str) -> None:
    assert f.text(value) == expected


@pytest.mark.parametrize(
    "function", [f.beijing, f.date, f.decimal_, f.mask_phone, f.mask_name, f.sha256, f.md5, f.to_int, f.text]
)
def test_null_gives_null(function: Callable[[object], object]) -> None:
    assert function(None) is None
