"""Keeping the session alive, which is all the authentication there is: the token comes by e-mail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_kuaimai import metrics
from tap_kuaimai.errors import KuaimaiError, StoppedError
from tap_kuaimai.values import BEIJING, format_datetime, parse_datetime

if TYPE_CHECKING:
    import logging
    import threading
    from collections.abc import Mapping, MutableMapping

    from tap_kuaimai.client import Client

_REFRESH_EVERY = timedelta(hours=24)
_SESSION_LIVES = timedelta(days=30)
_WARN_BEFORE = timedelta(days=5)


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
