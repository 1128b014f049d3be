"""Intervals of `meltano.yml`: due exactly when cron would run them."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meltano_ops.cron import due_times, parse_interval
from meltano_ops.settings import OpsError

ZONE = ZoneInfo("Asia/Shanghai")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def _fires(interval: str, at: str) -> str:
    cron = parse_interval(interval)
    assert cron is not None
    following = cron.trigger(ZONE).get_next_fire_time(None, _at(at))
    assert following is not None
    return following.strftime("%Y-%m-%d %H:%M %a")


def test_monday_in_cron_is_monday_though_apscheduler_counts_from_monday_as_zero() -> None:
    # CronTrigger.from_crontab("0 3 * * 1") fires on Tuesday.
    assert _fires("0 3 * * 1", "2026-11-22 00:00") == "2026-11-23 03:00 Mon"
    assert _fires("0 3 * * 0", "2026-11-23 00:00") == "2026-11-29 03:00 Sun"
    assert _fires("0 3 * * 7", "2026-11-23 00:00") == "2026-11-29 03:00 Sun"
    assert _fires("0 3 * * fri-sat", "2026-11-23 00:00") == "2026-11-27 03:00 Fri"


def test_day_of_month_or_day_of_week_is_enough_when_both_are_given() -> None:
    assert _fires("0 0 13 * 5", "2026-11-14 00:00") == "2026-11-20 00:00 Fri"
    assert _fires("0 0 13 * 5", "2026-12-12 00:00") == "2026-12-13 00:00 Sun"


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        pytest.param("2 */2 * * *", "2026-11-22 10:02 Sun", id="the shipped main schedule"),
        pytest.param("@hourly", "2026-11-22 10:00 Sun", id="hourly"),
        pytest.param("@daily", "2026-11-23 00:00 Mon", id="daily"),
        pytest.param("@weekly", "2026-11-29 00:00 Sun", id="weekly"),
        pytest.param("@monthly", "2026-12-01 00:00 Tue", id="monthly"),
        pytest.param("30 4 L * *", "2026-11-30 04:30 Mon", id="last day of the month"),
        pytest.param("0 0 29 feb *", "2028-02-29 00:00 Tue", id="leap day"),
    ],
)
def test_intervals_fire_next_at(interval: str, expected: str) -> None:
    assert _fires(interval, "2026-11-22 09:30") == expected


@pytest.mark.parametrize("interval", ["@once", "@manual", "@none"])
def test_what_is_started_by_hand_has_no_time(interval: str) -> None:
    assert parse_interval(interval) is None


@pytest.mark.parametrize("interval", ["* * * *", "60 * * * *", "* * * * 8", "*/0 * * * *", "5-2 * * * *", "every day"])
def test_an_interval_that_cannot_be_meant_is_named(interval: str) -> None:
    with pytest.raises(OpsError, match=re.escape(interval)):
        parse_interval(interval)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    part = st.one_of(
        number.map(str),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.tuples(number, number, st.integers(1, 9)).map(
            lambda triple: f"{min(triple[:2])}-{max(triple[:2])}/{triple[2]}"
        ),
        st.integers(1, 30).map(lambda step: f"*/{step}"),
    )
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


def _matches(text: str, value: int, low: int, high: int) -> bool:
    """Crontab's own rule, written the other way round: does `value` match the field?"""
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("*", "", "") if span == "*" else span.partition("-")
        start, end = (low, high) if first == "*" else (int(first), int(last or first))
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


# Each example walks through half a day of minutes.
@settings(max_examples=12)
@given(
    minute=_field(0, 59),
    hour=_field(0, 23),
    day=_field(1, 28),
    weekday=_field(0, 6),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - the zone is added
)
def test_due_times_are_those_of_crontab(minute: str, hour: str, day: str, weekday: str, now: datetime) -> None:
    def due(at: datetime) -> bool:
        by_day, by_weekday = _matches(day, at.day, 1, 31), _matches(weekday, at.isoweekday() % 7, 0, 6)
        either = by_day or by_weekday if day != "*" and weekday != "*" else by_day and by_weekday
        return _matches(minute, at.minute, 0, 59) and _matches(hour, at.hour, 0, 23) and either

    cron = parse_interval(f"{minute} {hour} {day} * {weekday}")
    assert cron is not None
    at = now.replace(tzinfo=ZONE)
    last, following = due_times(cron.trigger(ZONE), at)
    assert last is not None
    assert following is not None
    assert last <= at < following
    assert due(last)
    assert due(following)
    # Nothing is due between the two: looked at minute by minute for a day on either side of now.
    moment = max(last, at - timedelta(hours=6)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    while moment < min(following, at + timedelta(hours=6)):
        assert not due(moment), moment
        moment += timedelta(minutes=1)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("interval", ["2 */2 * * *", "0 3 * * 1", "0 0 13 * 5", "30 4 L * *", "@hourly"])
def test_systemd_understands_the_calendars(interval: str) -> None:
    cron = parse_interval(interval)
    assert cron is not None
    for calendar in cron.calendars("Asia/Shanghai"):
        subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)
