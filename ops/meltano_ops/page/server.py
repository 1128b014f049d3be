"""Serve the page: uvicorn, and a thread that keeps the facts fresh while nobody else does."""

from __future__ import annotations

import ipaddress
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import uvicorn

from meltano_ops import store
from meltano_ops.collect import collect
from meltano_ops.page.app import LOOPBACK, Page
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    import threading

    from meltano_ops.settings import Settings

COLLECT_SECONDS = 20

logger = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def page_server(settings: Settings, host: str, port: int) -> uvicorn.Server:
    """Return the server, not yet running.

    Raises:
        OpsError: It would be reachable from elsewhere without a password.
    """
    loopback = is_loopback(host)
    if not loopback and not settings.page_password:
        raise OpsError(f"Binding the page to {host} needs a password: set MELTANO_OPS_PASSWORD, or stay on 127.0.0.1.")
    app = Page(settings).app(loopback_only=loopback and not settings.page_password)
    return uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="warning", server_header=False))


def keep_collecting(settings: Settings, stop: threading.Event) -> None:
    """Collect now and then until `stop` is set; call it in a thread of its own."""
    while True:
        try:
            with closing(store.connect(settings.database, settings.timezone)) as connection:
                collect(connection, settings)
        except (OpsError, sqlite3.OperationalError) as error:
            # Shown as it is: the page itself says how old its facts are.
            logger.error("%s", error)  # noqa: TRY400
        if stop.wait(COLLECT_SECONDS):
            return
