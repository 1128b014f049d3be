"""The time a stand-in believes in, which tests can set, advance and freeze."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

#: The platforms write and read wall-clock text in Beijing time; China has no daylight saving time.
BEIJING = timezone(timedelta(hours=8), "GMT+8")


def to_text(instant_ms: int) -> str:
    """Return an instant in epoch ms as ``yyyy-MM-dd HH:mm:ss`` in Beijing; parts of a second are dropped."""
    return datetime.fromtimestamp(instant_ms // 1000, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def to_ms(instant: str | float) -> int:
    """Return an instant as epoch ms.

    Args:
        instant: Epoch ms, or ISO text; text without an offset is Beijing time.

    Raises:
        ValueError: The text is no instant.
    """
    if isinstance(instant, (int, float)):
        return int(instant)
    parsed = datetime.fromisoformat(instant)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=BEIJING)
    return round(parsed.timestamp() * 1000)


class Clock:
    """A clock that runs with the machine's, from any instant, or stands still."""

    def __init__(self, start_ms: int | None = None) -> None:
        self._shown_ms = time.time() * 1000 if start_ms is None else float(start_ms)
        self._set_at = time.monotonic()
        self.frozen = False

    def now_ms(self) -> int:
        """Return the present in epoch ms."""
        if self.frozen:
            return int(self._shown_ms)
        return int(self._shown_ms + (time.monotonic() - self._set_at) * 1000)

    def set(self, instant_ms: int) -> None:
        """Jump to an instant, forwards or backwards."""
        self._shown_ms = float(instant_ms)
        self._set_at = time.monotonic()

    def advance(self, seconds: float) -> None:
        """Jump ahead by ``seconds``."""
        self.set(self.now_ms() + round(seconds * 1000))

    def freeze(self, *, frozen: bool) -> None:
        """Stop the clock at the present, or let it run on from where it stands."""
        self.set(self.now_ms())
        self.frozen = frozen
