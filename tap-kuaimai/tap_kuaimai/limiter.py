"""One pace for all requests of the tap."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MARGIN = 0.94
"""Share of the allowed rate that is used: requests are evenly spaced here, but arrive with the network's jitter, and
none of the server's seconds shall see one too many."""

_SLOWEST = 1 / 8
_RECOVERY_SECONDS = 30.0

_MOST_LATE = 0.5
"""Seconds by which threads may wake up late without the pace becoming slower. What is not used within is lost."""


class Stop(Protocol):
    """What can end a wait early; a `threading.Event` does."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, at most `timeout` seconds; true if it is time to stop."""


class Limiter:
    """A token bucket that smooths, shared by all streams and threads: requests leave evenly spaced.

    A thread that wakes up late does not delay those behind it; but whatever the threads' sleep does, no second sees
    more departures than allowed.

    A 429 halves the pace for everybody and holds everybody back for as long as the server asked for. From there the
    pace climbs back to the limit in half a minute.

    Args:
        per_second: requests a second that are allowed.
        clock: seconds that only go forward.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_second * MARGIN
        self._clock = clock
        self._turn = threading.Lock()  # Held while waiting: one thread waits for the time, the others for it.
        self._lock = threading.Lock()
        self._next_slot = clock()
        self._closed_until = self._next_slot
        self._left: deque[float] = deque(maxlen=max(1, int(per_second)))
        self._reduced_to = self._limit
        self._reduced_at = self._next_slot

    def pace(self) -> float:
        """Requests a second at this moment."""
        recovered = self._limit * max(0.0, self._clock() - self._reduced_at) / _RECOVERY_SECONDS
        return min(self._limit, self._reduced_to + recovered)

    def acquire(self, stop: Stop) -> bool:
        """Wait for the turn of one request.

        Args:
            stop: ends the wait early.

        Returns:
            True when the request may leave, False when `stop` was set meanwhile.
        """
        with self._turn:
            while (wait := self._leave()) > 0:
                if stop.wait(wait):
                    return False
        return True

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
        """Answer a 429: nobody sends for `seconds`, and then at half the pace.

        Several requests are on their way when the server loses patience. Their 429s are one sign, not several: the
        pace is halved once until it has been tried.

        Args:
            seconds: length of the pause.
        """
        with self._lock:
            now = self._clock()
            if now >= self._closed_until:
                self._reduced_to = max(self._limit * _SLOWEST, self.pace() / 2)
            self._closed_until = max(self._closed_until, now + seconds)
            self._reduced_at = self._closed_until
            self._next_slot = max(self._next_slot, self._closed_until)
