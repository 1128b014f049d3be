"""The pace is never above the limit, and obeys the platform."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_dingtalk_approval.client import punishment, retry_after
from tap_dingtalk_approval.limiter import MARGIN, Limiter
from tap_dingtalk_approval.values import BEIJING


class Time:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The present."""
        return self.now


class Waiting(threading.Event):
    """An event whose waiting takes no time but on the clock."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def wait(self, timeout: float | None = None) -> bool:
        """Move the clock."""
        self._time.now += timeout or 0.0
        return self.is_set()


def make(rate: float) -> tuple[Limiter, Time]:
    time = Time()
    return Limiter(rate, Waiting(time), clock=time), time


@given(st.floats(0.5, 200), st.lists(st.floats(0, 2), max_size=30))
def test_no_second_ever_sees_more_calls_than_allowed(rate: float, rests: list[float]) -> None:
    limiter, time = make(rate)
    left = []
    for rest in [*rests, *[0.0] * 30]:
        time.now += rest
        limiter.acquire()
        left.append(time.now)
    for number, start in enumerate(left):
        assert sum(1 for one in left[number:] if one < start + 1) <= max(1, int(rate))


def test_the_limit_is_used() -> None:
    limiter, time = make(15)
    for _ in range(1001):
        limiter.acquire()
    assert time.now == pytest.approx(1000 / (15 * MARGIN), rel=0.01)


def test_a_refusal_holds_everybody_back_then_halves_the_pace_which_recovers() -> None:
    limiter, time = make(10)
    limiter.acquire()
    limiter.slow_down(3)
    limiter.slow_down(3)  # the same impatience, seen by another thread
    limiter.acquire()
    assert time.now == pytest.approx(3)
    assert limiter.pace() == pytest.approx(10 * MARGIN / 2, rel=0.01)
    time.now += 40
    assert limiter.pace() == pytest.approx(10 * MARGIN)


PUNISHED = "apiPath(x), 从 2026-09-03 00:01:02 到 2026-09-03 00:01:02 请求总次数超过 1200 次, {}将在 {} 结束."


@pytest.mark.parametrize(
    ("word", "ends", "now", "seconds"),
    [
        # With the last second, which shall be over, too.
        ("限制", "2026-09-03 00:01:09", "2026-09-03 00:01:02", 8.0),
        ("处罚", "2026-09-03 00:01:09", "2026-09-03 00:01:02", 8.0),
        ("限制", "2026-09-03 00:01:03", "2026-09-03 00:01:02", 2.0),
        # This machine's clock cannot be right: the punishment's own length counts.
        ("限制", "2026-09-03 00:01:09", "2026-11-22 10:00:00", 8.0),
        ("限制", "2026-09-03 00:01:09", "2026-09-01 10:00:00", 8.0),
    ],
)
def test_the_end_of_a_punishment_is_obeyed(word: str, ends: str, now: str, seconds: float) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=BEIJING)
    assert punishment(PUNISHED.format(word, ends), moment) == seconds


def test_an_end_is_enough() -> None:
    text = "请求被暂时限制了, 限制将在 2026-09-03 00:01:09 结束"
    assert punishment(text, datetime(2026, 9, 3, 0, 1, 2, tzinfo=BEIJING)) == 8.0
    assert punishment(text, datetime(2026, 11, 3, tzinfo=BEIJING)) is None


@given(st.text(max_size=60))
def test_other_texts_name_no_punishment(text: str) -> None:
    assert punishment(text, datetime.now(BEIJING)) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [("3", 3.0), ("0", 0.0), (None, None), ("soon", None), ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, expected: float | None) -> None:
    found: Any = retry_after(header)
    assert found == expected
