"""Keeping secrets out of everything that is said aloud."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MASK = "******"
_LONGEST = 300
_NAMED = re.compile(r"(?i)\b(access_?token|app_?key|app_?secret|corp_?secret)(\"?\s*[=:(]\s*\"?)[^\s&\"',;)\]}]+")


def redact(text: str, secrets: Iterable[object]) -> str:
    """Mask every secret in a text that comes from the platform, and shorten it.

    The platform repeats keys in its messages (``appKey(ding…)`` when an address is not allowed), and its old API has
    the token in the address of every call.

    Args:
        text: What is about to be logged or raised.
        secrets: The values to hide; blank ones are ignored.

    Returns:
        The text in one line without the secrets and without what stands behind the name of one. The longest secret
        goes first, so that one which contains another leaves nothing behind.
    """
    for secret in sorted({str(one) for one in secrets if str(one or "").strip()}, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    text = " ".join(_NAMED.sub(rf"\1\2{_MASK}", text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
