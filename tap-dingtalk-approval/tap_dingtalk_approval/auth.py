"""The access token: fetched once, kept for the run, fetched again when the platform refuses it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Token(NamedTuple):
    """A token, and how many were fetched before it."""

    text: str
    number: int


class TokenKeeper:
    """Keeps one token for all threads. Asking often is throttled, and within two hours gives the same token again.

    Args:
        fetch: Asks the platform for a token.

    Attributes:
        texts: All tokens so far; none of them may be seen.
    """

    def __init__(self, fetch: Callable[[], str]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._token: Token | None = None
        self.texts: list[str] = []
        self._accepted: int | None = None

    def get(self) -> Token:
        """The token, fetched at the first use."""
        return self._token or self.renew(None)

    def accepted(self, token: Token) -> None:
        """A token was good for a call."""
        self._accepted = token.number

    def was_accepted(self, token: Token) -> bool:
        """Whether a token was good for a call before it was refused; then a new one is worth a try."""
        return self._accepted == token.number

    def renew(self, refused: Token | None) -> Token:
        """A token other than one that was refused.

        The platform may well give the same text again. Several threads are refused at the same time: the first of
        them fetches, the others get what it got.

        Args:
            refused: The token of the refused call; None when there was none.
        """
        with self._lock:
            if self._token is None or (refused is not None and self._token.number == refused.number):
                self._token = Token(self._fetch(), self._token.number + 1 if self._token else 0)
                self.texts.append(self._token.text)
            return self._token
