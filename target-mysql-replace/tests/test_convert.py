"""Values keep their meaning on the way to text, and the quick way is the slow way."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from target_mysql_replace.convert import (
    Unstorable,
    WallClock,
    calendar_date,
    check_json_numbers,
    integral,
    json_text,
    parse_offset,
    time_of_day,
    wall_clock,
)

_OFFSETS = st.integers(-14 * 4, 14 * 4).map(lambda quarters: dt.timezone(dt.timedelta(minutes=15 * quarters)))
_FIRST, _LAST = dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)  # noqa: DTZ001 without a zone on purpose
_BEIJING = parse_offset("+08:00")


def _either(text: str, zone: dt.timezone) -> str | None:
    try:
        return wall_clock(text, zone)
    except Unstorable:
        return None


@given(
    st.datetimes(_FIRST, _LAST),
    _OFFSETS,
    _OFFSETS,
    st.sampled_from("T t"),
    st.booleans(),
)
def test_a_date_time_is_the_same_moment_on_the_wall_clock_of_the_zone(
    moment: dt.datetime,
    source: dt.timezone,
    zone: dt.timezone,
    separator: str,
    zulu: bool,  # noqa: FBT001
) -> None:
    aware = moment.replace(tzinfo=dt.timezone.utc if zulu else source)
    text = aware.isoformat(sep=separator)
    text = text.replace("+00:00", "Z") if zulu else text

    stored = wall_clock(text, zone)

    assert dt.datetime.fromisoformat(stored).replace(tzinfo=zone) == aware
    quick = WallClock(zone)
    assert [dt.datetime.fromisoformat(quick(text)) for _ in range(2)] == [dt.datetime.fromisoformat(stored)] * 2


@given(st.from_regex(r"\A\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d(:[0-6]\d(\.\d{1,8})?)?(Z|[+-]\d\d:\d\d)?\Z"), _OFFSETS)
@example("0001-01-01T00:00:00Z", _BEIJING)
@example("9999-12-31T23:00:00Z", _BEIJING)
@example("2026-01-01T00:00:00.123456000Z", _BEIJING)
@example("2026-01-02Tab:cd:ef+08:00", _BEIJING)
@example("2026-01-02T03:04:05.12a+08:00", _BEIJING)
@example("2026/01/02T03:04:05+08:00", _BEIJING)
@example("2026-01-02T 3:04:05+08:00", _BEIJING)
@example("2026-01-02T03:04:5 Z", _BEIJING)
def test_the_quick_clock_says_what_the_slow_one_says(text: str, zone: dt.timezone) -> None:
    slow = _either(text, zone)
    try:
        quick = WallClock(zone)(text)
    except Unstorable:
        quick = None
    assert (quick is None) == (slow is None)
    if quick is not None and slow is not None:
        assert dt.datetime.fromisoformat(_padded(quick)) == dt.datetime.fromisoformat(_padded(slow))


def _padded(text: str) -> str:
    return text.ljust(26, "0") if "." in text else text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-01T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-01-01T00:00:00.1234567Z",
        "10000-01-01",
        "2026-02-30",
        "2026-01-01T00:00:00+25:00",
        "２０２６-01-01T00:00:00Z",
        "2026-W01-1",
        "20260101T000000Z",
    ],
)
def test_what_is_no_storable_date_time_is_refused(text: str) -> None:
    with pytest.raises(Unstorable) as caught:
        wall_clock(text, _BEIJING)
    assert text not in str(caught.value) or not text


def test_dates_and_times_of_day() -> None:
    assert calendar_date("2024-02-29", _BEIJING) == "2024-02-29"
    assert calendar_date("2024-02-28T16:00:00Z", _BEIJING) == "2024-02-29"
    assert time_of_day("20:30:00Z", _BEIJING) == "04:30:00"
    assert time_of_day("20:30", _BEIJING) == "20:30:00"
    assert time_of_day("08:00:00.5+08:00", _BEIJING) == "08:00:00.500000"


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children),
    max_leaves=10,
)


@given(_JSON, st.booleans())
def test_json_keeps_every_value_and_loses_only_space_and_escapes(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    from singer_sdk.singerlib.json import serialize_json  # noqa: PLC0415 only here

    raw = serialize_json(value, ensure_ascii=ascii_only).encode()
    text = json_text(raw)
    assert json.loads(text, parse_float=Decimal) == json.loads(raw, parse_float=Decimal)
    assert "\\u4" not in text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_whole_number_becomes_an_integer_and_no_other(number: Decimal) -> None:
    text = integral(str(number))
    assert Decimal(text) == number
    assert (number == number.to_integral_value()) == text.lstrip("-").isdigit()


@pytest.mark.parametrize(
    ("text", "digits", "kept"),
    [
        ('{"a": 19.95}', 17, True),
        ("[1234567890123456.78]", 17, False),
        ("[0.30000000000000004]", 17, True),
        ("[0.30000000000000004]", 15, False),
        ("[18446744073709551615, -9223372036854775808]", 15, True),
        ("[18446744073709551616]", 17, False),
        ("[18446744073709551617]", 17, False),
        ("[1e400]", 17, False),
        ('["1234567890123456.78"]', 15, True),
    ],
)
def test_numbers_a_native_json_column_would_change_are_refused(text: str, digits: int, kept: bool) -> None:  # noqa: FBT001
    check = check_json_numbers(digits)
    if kept:
        check(text)
    else:
        with pytest.raises(Unstorable):
            check(text)
