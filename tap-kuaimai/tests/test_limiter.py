"""The pace: never too fast, slower for everybody after a 429, and back again. Time is made here, not waited for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tap_kuaimai.limiter import MARGIN, Limiter


class Time:
    """A clock that a wait moves on; it also stands for the event that ends a wait early."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late
        self.stopped = False

    def clock(self) -> float:
        """The time."""
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass."""
        self.now += timeout or 0.0
        if timeout:
            self.now += self.late
        return self.stopped


def depart(limiter: Limiter, time: Time, count: int) -> list[float]:
    """The moments at which `count` requests leave."""
    moments = []
    for _ in range(count):
        assert limiter.acquire(time)
        moments.append(time.now)
    return moments


def most_in_a_second(moments: list[float]) -> int:
    return max(sum(start <= moment < start + 1 for moment in moments) for start in moments)


@given(st.integers(1, 50), st.lists(st.floats(0, 3), max_size=30))
def test_no_second_sees_more_requests_than_allowed_whenever_they_come(limit: int, rests: list[float]) -> None:
    time = Time()
    limiter = Limiter(limit, clock=time.clock)
    moments = []
    for rest in rests:
        time.now += rest
        moments += depart(limiter, time, 5)
    moments += depart(limiter, time, 3 * limit)

    assert most_in_a_second(moments) <= limit


def test_threads_that_wake_up_late_do_not_slow_the_pace_down() -> None:
    time = Time(late=0.03)
    limiter = Limiter(10, clock=time.clock)

    moments = depart(limiter, time, 100)

    assert 99 / (moments[-1] - moments[0]) >= 10 * MARGIN * 0.95


def test_after_a_429_nobody_sends_for_as_long_as_the_server_asked_and_then_at_half_the_pace() -> None:
    time = Time()
    limiter = Limiter(10, clock=time.clock)
    depart(limiter, time, 5)
    before = time.now

    limiter.slow_down(7.0)
    moments = depart(limiter, time, 10)

    assert moments[0] >= before + 7.0
    assert min(b - a for a, b in pairwise(moments)) >= 1 / (10 * MARGIN * 0.6)


def test_several_429s_at_once_halve_the_pace_once() -> None:
    time = Time()
    limiter = Limiter(10, clock=time.clock)

    for _ in range(4):
        limiter.slow_down(1.0)
    time.now += 1.0

    assert limiter.pace() == 10 * MARGIN / 2


def test_the_pace_recovers_within_half_a_minute_and_never_exceeds_the_limit() -> None:
    time = Time()
    limiter = Limiter(10, clock=time.clock)
    limiter.slow_down(1.0)
    time.now += 1.0
    paces = []
    for _ in range(90):
        paces.append(limiter.pace())
        time.now += 1.0

    assert paces == sorted(paces)
    assert paces[-1] == paces[31] == 10 * MARGIN


def test_a_run_that_is_being_ended_does_not_wait_for_its_turn() -> None:
    time = Time()
    limiter = Limiter(0.001, clock=time.clock)
    assert limiter.acquire(time)
    time.stopped = True

    assert not limiter.acquire(time)
