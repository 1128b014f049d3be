"""Keeps secrets out of every line the target writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "***"


def secrets_of(config: Mapping[str, Any]) -> set[str]:
    """Return the secret texts of the settings: the password, alone and inside the URL."""
    found = {str(config["password"])} if config.get("password") else set()
    if url := config.get("sqlalchemy_url"):
        found.add(str(url))
        try:
            password = sa.make_url(str(url)).password
        except (sa.exc.ArgumentError, ValueError):
            password = None
        if password:
            found.add(str(password))
    return found | {encode(secret) for secret in found for encode in (quote, quote_plus)}


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every secret replaced, the longest first so that none is left half visible."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
