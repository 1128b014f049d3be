"""Keeping secrets out of everything that is said aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MASK = "******"


def redact(text: str, secrets: Iterable[object]) -> str:
    """Mask every secret in a text.

    Args:
        text: what is about to be logged or raised.
        secrets: the values to hide; empty ones are ignored.

    Returns:
        The text with each secret replaced. The longest goes first, so that a secret which contains another one
        leaves nothing behind.
    """
    for secret in sorted({str(secret) for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text
