"""What an operator reads when something went wrong, and what must not be in it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError

from target_mysql_replace.errors import OperatorError
from target_mysql_replace.loader import LoaderFailed

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


def tell(error: BaseException) -> str:
    """Return the one line an operator reads. It never quotes a record: a message that is not ours is left out."""
    if isinstance(error, LoaderFailed) and error.__cause__ is not None:
        return tell(error.__cause__)
    if isinstance(error, ConfigValidationError):
        return "The settings are wrong: " + "; ".join(error.errors)
    if isinstance(error, (OperatorError, SingerSDKError)):
        return str(error).replace("\n", " ")
    if isinstance(error, BrokenPipeError):
        return "Nobody reads the target's STATE any more; the run that started it has ended."
    place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    where = f" at {place.filename.rsplit('/', 1)[-1]}:{place.lineno}" if place else ""
    return f"{type(error).__name__}{where}: a fault of the target. Please report it; the STATE is safe."
