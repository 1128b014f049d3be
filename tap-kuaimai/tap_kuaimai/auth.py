"""Who we are to the platform: signing requests, and keeping the session alive."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from tap_kuaimai import metrics
from tap_kuaimai.errors import KuaimaiError, StoppedError
from tap_kuaimai.values import BEIJING, format_datetime, parse_datetime, platform_time

if TYPE_CHECKING:
    import logging
    import threading
    from collections.abc import Mapping, MutableMapping

    from tap_kuaimai.client import Client

SignMethod = Literal["hmac-sha256", "hmac", "md5"]

_REFRESH_EVERY = timedelta(hours=24)
_SESSION_LIVES = timedelta(days=30)
_WARN_BEFORE = timedelta(days=5)


@dataclass(frozen=True)
class Credentials:
    """What the platform's e-mail grants. Never shown, not even by `repr`.

    Attributes:
        app_key: who calls.
        app_secret: signs the calls.
        access_token: the session.
        sign_method: how calls are signed.
    """

    app_key: str = field(repr=False)
    app_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    sign_method: SignMethod = "hmac-sha256"


def sign(params: Mapping[str, str], secret: str, method: SignMethod) -> str:
    """Sign a request as https://open.kuaimai.com/docs/api/ prescribes.

    Args:
        params: all parameters that will be sent, except `sign`; none of them empty.
        secret: the app secret.
        method: `md5` puts the secret around the text, the two others use it as a key.

    Returns:
        Upper-case hex, 64 characters for hmac-sha256 and 32 for the others.
    """
    # Byte order: with UTF-8, Python's order of strings by code point is the same.
    text = "".join(f"{name}{params[name]}" for name in sorted(params)).encode()
    key = secret.encode()
    if method == "md5":
        digest = hashlib.md5(key + text + key, usedforsecurity=False).hexdigest()
    else:
        digest = hmac.new(key, text, "sha256" if method == "hmac-sha256" else "md5").hexdigest()
    return digest.upper()


def signed(method: str, params: Mapping[str, Any], who: Credentials, now: datetime) -> dict[str, str]:
    """The form of one call: common parameters, the API's own, and the signature over both.

    Args:
        method: name of the API.
        params: its parameters; None and empty ones are left out, because the platform's own samples disagree on
            whether they are part of the signature.
        who: credentials.
        now: the platform tolerates 10 minutes of difference, so every attempt needs a fresh one.

    Returns:
        Form field → text.
    """
    form = {name: _text(value) for name, value in params.items() if value is not None and value != ""}
    form |= {
        "method": method,
        "appKey": who.app_key,
        "session": who.access_token,
        "timestamp": platform_time(now),
        "format": "json",
        "version": "1.0",
        "sign_method": who.sign_method,
    }
    form["sign"] = sign(form, who.app_secret, who.sign_method)
    return form


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def keep_session(
    client: Client,
    memory: MutableMapping[str, Any],
    *,
    refresh_token: str | None,
    stop: threading.Event,
    logger: logging.Logger,
) -> bool:
    """Extend the session, at most once in 24 hours, and log how old it is.

    The platform grants 30 days, extends them with `open.token.refresh` at most once an hour, and cannot revive a
    session that is dead. So this is done by age alone and never as an answer to `invalid_session`.

    Args:
        client: makes the call.
        memory: part of the state that is kept between runs; `refreshed_at` is read from it and written to it.
        refresh_token: None when the user did not ask for refreshing.
        stop: ends the wait early.
        logger: where the age and failures are told.

    Returns:
        True if `memory` has changed.
    """
    now = datetime.now(BEIJING)
    last = _last_refresh(memory)
    changed = False
    if refresh_token and (last is None or now - last >= _REFRESH_EVERY):
        changed = _refresh(client, refresh_token, stop, logger)
        if changed:
            last = now
            memory["refreshed_at"] = format_datetime(now.replace(microsecond=0))
    if last is not None:
        age = now - last
        days = age / timedelta(days=1)
        metrics.session_age(days)
        logger.info("The session was last refreshed %.1f days ago; it lives for 30.", days)
        if age > _SESSION_LIVES - _WARN_BEFORE:
            logger.warning(
                "The session dies in %.1f days: set refresh_session, or refresh it.",
                _SESSION_LIVES / timedelta(days=1) - days,
            )
    return changed


def _last_refresh(memory: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_datetime(memory["refreshed_at"])
    except (KeyError, ValueError, AttributeError):
        return None


def _refresh(client: Client, refresh_token: str, stop: threading.Event, logger: logging.Logger) -> bool:
    """Whether the session is known to be fresh now. A failure is not the run's: the session may have days left."""
    try:
        answer = client.call("open.token.refresh", {"refreshToken": refresh_token}, stream="session", stop=stop)
    except StoppedError:
        return False
    except KuaimaiError as error:
        if error.code == "refresh_frequently":  # Somebody else did it within the last hour.
            return True
        logger.warning("The session was not refreshed: %s", error)
        return False
    session = answer.get("session")
    if isinstance(session, dict) and client.adopt_token(session.get("accessToken")):
        logger.warning(
            "The platform gave out a new access_token, which this run goes on with: look it up there and set it.",
        )
    return True
