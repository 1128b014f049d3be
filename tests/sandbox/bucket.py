"""A token bucket: what the platforms count calls with before they answer "too many"."""

from __future__ import annotations

import time


class TokenBucket:
    """Lets ``rate`` calls a second through, and ``burst`` (a second's worth, but at least one) at once after a rest.

    It counts real seconds, not the stand-in's clock: a frozen clock must not block a caller for ever.
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = max(rate, 1.0) if burst is None else burst
        self._tokens = self.burst
        self._filled_at = time.monotonic()

    def take(self) -> bool:
        """Return whether one more call is within the rate, and count it if it is."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
