"""Tokens, the pace per API and the month's quota."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict, deque
from dataclasses import dataclass

from tests.sandbox.clock import to_text

#: Life of a token in seconds (https://open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app).
TOKEN_SECONDS = 7200


@dataclass
class _Token:
    text: str
    expires_ms: int


class Tokens:
    """The access tokens of the app, one per generation.

    The new API's token opens the old API too; whether the reverse holds nobody published, so here it does not.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, _Token] = {}
        self._made = 0

    def issue(self, generation: str, now_ms: int) -> str:
        """Return the token of a generation: the same, with a new term, while it is valid."""
        token = self._tokens.get(generation)
        if token is None or token.expires_ms <= now_ms:
            self._made += 1
            token = _Token(hashlib.md5(f"{generation}/{self._made}".encode(), usedforsecurity=False).hexdigest(), 0)
            self._tokens[generation] = token
        token.expires_ms = now_ms + TOKEN_SECONDS * 1000
        return token.text

    def opens(self, text: str, generation: str, now_ms: int) -> bool:
        """Return whether a token is valid for an API of a generation."""
        good = (generation,) if generation == "v1.0" else ("topapi", "v1.0")
        tokens = (self._tokens[name] for name in good if name in self._tokens)
        return any(token.text == text and now_ms < token.expires_ms for token in tokens)

    def expire(self) -> None:
        """Let every token end now."""
        self._tokens.clear()


class Pace:
    """Counts calls per API in any second of real time: a frozen clock must not block a caller for ever."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def allows(self, api: str, per_second: int) -> bool:
        """Return whether one more call is within the limit, and count it if it is; 0 is no limit."""
        now = time.monotonic()
        calls = self._calls[api]
        while calls and calls[0] <= now - 1:
            calls.popleft()
        if per_second and len(calls) >= per_second:
            return False
        calls.append(now)
        return True


class Quota:
    """Calls per calendar month in Beijing, of the whole organisation."""

    def __init__(self) -> None:
        self._used: dict[str, int] = defaultdict(int)

    def used(self, now_ms: int) -> int:
        """Return the calls of the present month."""
        return self._used[_month(now_ms)]

    def count(self, now_ms: int) -> None:
        """Count one call."""
        self._used[_month(now_ms)] += 1

    def set(self, now_ms: int, used: int) -> None:
        """Set the calls of the present month, as if other apps had called."""
        self._used[_month(now_ms)] = used

    def months(self) -> dict[str, int]:
        """Return the calls by month, ``{"2026-11": 412}``."""
        return dict(self._used)


def _month(now_ms: int) -> str:
    return to_text(now_ms)[:7]
