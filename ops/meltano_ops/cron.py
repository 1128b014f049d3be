"""Meltano's schedule intervals as APScheduler triggers and systemd calendars.

Two traps lie between crontab and APScheduler 3: there Monday is 0 (crontab: Sunday), and a day of the month and a day
of the week are both required (crontab: either is enough when both are given). Every field is therefore expanded to
plain numbers here, and an "either" becomes two triggers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from apscheduler.triggers.combining import OrTrigger  # type: ignore[import-untyped] # ships no types
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

# https://docs.meltano.com/reference/command-line-interface/#schedule; the rest never runs by itself.
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
BY_HAND = frozenset({"@once", "@manual", "@none"})

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# First and last value of minute, hour, day, month, weekday; crontab also writes Sunday as 7.
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_HOURS = 24
_DAY_LAST = "l"
# How far back a due time is looked for: the 29th of February may be eight years away.
_LOOK_BACK = (timedelta(hours=2), timedelta(days=2), timedelta(days=40), timedelta(days=400), timedelta(days=3000))


class Trigger(Protocol):
    """What APScheduler's triggers have in common, as far as it is used here."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the first time to fire at or after `now`, or None."""


@dataclass(frozen=True)
class Cron:
    """A crontab expression with every field expanded.

    Attributes:
        minutes: Minutes, 0 to 59.
        hours: Hours, 0 to 23.
        days: Days of the month, or None for every day.
        last_day: Whether the last day of the month is meant too.
        months: Months, 1 to 12.
        weekdays: Days of the week, 0 = Sunday, or None for every day.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | None
    last_day: bool
    months: tuple[int, ...]
    weekdays: tuple[int, ...] | None

    def trigger(self, timezone: ZoneInfo) -> Trigger:
        """Return the APScheduler trigger that fires when cron would."""
        common = {
            "minute": _numbers(self.minutes),
            "hour": _numbers(self.hours),
            "month": _numbers(self.months),
            "timezone": timezone,
        }
        by_day = [str(day) for day in self.days or ()] + (["last"] if self.last_day else [])
        triggers = []
        if by_day:
            triggers.append(CronTrigger(day=",".join(by_day), **common))
        if self.weekdays is not None:
            names = ",".join(_WEEKDAYS[day] for day in self.weekdays)
            triggers.append(CronTrigger(day_of_week=names, **common))
        if not triggers:
            triggers.append(CronTrigger(**common))
        trigger: Trigger = triggers[0] if len(triggers) == 1 else OrTrigger(triggers)
        return trigger

    def calendars(self, timezone: str) -> list[str]:
        """Return the same as systemd calendar expressions (systemd.time(7)); it fires when any of them matches."""
        hours = "*" if len(self.hours) == _HOURS else _numbers(self.hours, 2)
        clock = f"{hours}:{_numbers(self.minutes, 2)}:00 {timezone}"
        months = "*" if len(self.months) == len(_MONTHS) else _numbers(self.months, 2)
        calendars = []
        if self.days is not None and self.days:
            calendars.append(f"*-{months}-{_numbers(self.days, 2)} {clock}")
        if self.last_day:
            calendars.append(f"*-{months}~01 {clock}")
        if self.weekdays is not None:
            names = ",".join(_WEEKDAYS[day].capitalize() for day in self.weekdays)
            calendars.append(f"{names} *-{months}-* {clock}")
        return calendars or [f"*-{months}-* {clock}"]


def parse_interval(interval: str) -> Cron | None:
    """Return what an interval of `meltano.yml` means, or None for one that is only started by hand.

    Raises:
        OpsError: It is no crontab expression of five fields and no known alias.
    """
    text = interval.strip().lower()
    if text in BY_HAND:
        return None
    fields = ALIASES.get(text, text).split()
    if len(fields) != len(_LIMITS):
        raise OpsError(f"The interval {interval!r} must have five fields, such as '2 */2 * * *', or be an alias.")
    try:
        minute, hour, day, month, weekday = fields
        day_parts = [part for part in day.split(",") if part != _DAY_LAST]
        weekdays = None if weekday in {"*", "?"} else _expand(weekday, 4, _WEEKDAYS)
        return Cron(
            minutes=_expand(minute, 0),
            hours=_expand(hour, 1),
            days=None if day in {"*", "?", _DAY_LAST} else _expand(",".join(day_parts), 2),
            last_day=_DAY_LAST in day.split(","),
            months=_expand(month, 3, _MONTHS),
            weekdays=None if weekdays is None else tuple(sorted({value % 7 for value in weekdays})),
        )
    except ValueError as error:
        raise OpsError(f"The interval {interval!r} cannot be understood: {error}") from None


def due_times(trigger: Trigger, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the last time at or before `now` and the first time after it at which `trigger` is due."""
    following = trigger.get_next_fire_time(None, now + timedelta(microseconds=1))
    for span in _LOOK_BACK:
        last = None
        at = trigger.get_next_fire_time(None, now - span)
        while at is not None and at <= now:
            last = at
            at = trigger.get_next_fire_time(at, at + timedelta(microseconds=1))
        if last is not None:
            return last, following
    return None, following


def _expand(text: str, field: int, names: tuple[str, ...] = ()) -> tuple[int, ...]:
    """Return the numbers that one crontab field stands for, ascending."""
    low, high = _LIMITS[field]
    offset = 0 if names is _WEEKDAYS else 1

    def number(word: str) -> int:
        value = names.index(word) + offset if word in names else int(word)
        if not low <= value <= high:
            raise ValueError(f"{word} is not between {low} and {high}")
        return value

    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in {"*", "?"}:
            # A star in the weekday field must not count Sunday twice.
            start, end = low, min(high, 6) if names is _WEEKDAYS else high
        else:
            first, dash, last = span.partition("-")
            start = number(first)
            end = number(last) if dash else (high if step else start)
        if end < start:
            raise ValueError(f"{span} runs backwards")
        if (step and not step.isdigit()) or step == "0":
            raise ValueError(f"{step} is no step")
        values.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(values))


def _numbers(values: Iterable[int], width: int = 1) -> str:
    return ",".join(f"{value:0{width}}" for value in values)
