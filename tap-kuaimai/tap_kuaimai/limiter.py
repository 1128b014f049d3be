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

_SLOWEST = 1 / 16
_RECOVERY_SECONDS = 60.0


class Stop(Protocol):
    """What can end a wait early; a `threading.Event` does."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, at most `timeout` seconds; true if it is time to stop."""


class Limiter:
    """A token bucket of one token, shared by all streams and threads: requests leave evenly spaced, without bursts.

    And whatever the threads' sleep does, no second sees more departures than allowed.

    A 429 halves the pace for everybody and holds everybody back for as long as the server asked for. From there the
    pace climbs back to the limit in a minute.

    Args:
        per_second: requests a second that are allowed.
        clock: seconds that only go forward.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_second * MARGIN
        self._clock = clock
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
        while True:
            with self._lock:
                slot = max(self._clock(), self._next_slot, self._closed_until)
                self._next_slot = slot + 1 / self.pace()
            # The slot is reserved before the wait: a thread that wakes up late does not delay the next one.
            if stop.wait(max(0.0, slot - self._clock())):
                return False
            if self._may_leave(slot):
                return True
            # Meanwhile the server asked for a pause, or late threads have bunched up: queue again.

    def _may_leave(self, slot: float) -> bool:
        with self._lock:
            now = self._clock()
            full = len(self._left) == self._left.maxlen
            if slot < self._closed_until or (full and now - self._left[0] < 1.0):
                return False
            self._left.append(now)
            return True

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
