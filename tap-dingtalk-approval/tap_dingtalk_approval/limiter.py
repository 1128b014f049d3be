"""The pace of one API, for all threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MARGIN = 0.96
"""Share of the allowed rate that is used: calls leave evenly spaced but arrive with the network's jitter, and no second
of the platform's shall see one too many."""

_SLOWEST = 1 / 16
_RECOVERY_SECONDS = 30.0
_MOST_LATE = 0.5
"""Seconds by which threads may wake up late without the pace becoming slower. What is not used within is lost."""


class Limiter:
    """A token bucket that smooths: calls leave evenly spaced.

    A thread that wakes up late does not delay those behind it; but whatever the threads' sleep does, no second sees
    more departures than allowed.

    A refusal for pace holds all threads back for as long as the platform asks and then halves the pace, which climbs
    back to the limit in half a minute.

    Args:
        per_second: Calls a second that are allowed.
        stop: Ends waits early when set.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, per_second: float, stop: threading.Event, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = per_second * MARGIN
        self._stop = stop
        self._clock = clock
        self._turn = threading.Lock()  # Held while waiting: one thread waits for the time, the others for it.
        self._lock = threading.Lock()
        self._next_slot = clock()
        self._closed_until = self._next_slot
        self._left: deque[float] = deque(maxlen=max(1, int(per_second)))
        self._reduced_to = self._limit
        self._reduced_at = self._next_slot

    def pace(self) -> float:
        """Calls a second at this moment."""
        recovered = self._limit * max(0.0, self._clock() - self._reduced_at) / _RECOVERY_SECONDS
        return min(self._limit, self._reduced_to + recovered)

    def acquire(self) -> None:
        """Wait for the turn of one call. Returns at once when `stop` is set."""
        with self._turn:
            while (wait := self._leave()) > 0:
                if self._stop.wait(wait):
                    return

    def _leave(self) -> float:
        """Note a departure, if its time has come; else say for how many seconds it has not."""
        with self._lock:
            now = self._clock()
            ready = max(self._next_slot, self._closed_until)
            if len(self._left) == self._left.maxlen:
                ready = max(ready, self._left[0] + 1 / MARGIN)
            if now < ready:
                return ready - now
            self._left.append(now)
            self._next_slot = max(self._next_slot, now - _MOST_LATE) + 1 / self.pace()
            return 0.0

    def slow_down(self, seconds: float) -> None:
        """Answer a refusal for pace: nobody sends for `seconds`, and then at half the pace.

        Several calls are on their way when the platform loses patience. Their refusals are one sign, not several:
        the pace is halved once until it has been tried.
        """
        with self._lock:
            now = self._clock()
            if now >= self._closed_until:
                self._reduced_to = max(self._limit * _SLOWEST, self.pace() / 2)
            self._closed_until = max(self._closed_until, now + seconds)
            self._reduced_at = self._closed_until
            self._next_slot = max(self._next_slot, self._closed_until)
