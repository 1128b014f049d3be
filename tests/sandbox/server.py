"""Running a stand-in as a program of its own."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.sandbox.app import TRANSPORT, Sandbox

if TYPE_CHECKING:
    import asyncio

    from tests.sandbox.platform import Platform


class Protocol(H11Protocol):
    """HTTP/1.1 that lets the application reach its connection, to reset it on order."""

    def connection_made(  # type: ignore[override]  # uvicorn narrows asyncio's signature the same way
        self, transport: asyncio.Transport
    ) -> None:
        """Pass the connection on in the ASGI state, which every connection has a copy of."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


def serve(platform: Platform, port: int, *, until_stdin_closes: bool = False) -> None:
    """Serve a platform on loopback until the process is told to stop.

    Prints one line that ends in the address as soon as the server listens.

    Args:
        platform: The stand-in.
        port: The port; 0 for one that is free.
        until_stdin_closes: Stop when standard input ends, so that the server never outlives the test that started it.
    """
    # The protocol is named because asyncio sends at once (TCP_NODELAY) only where it is; else every answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}{platform.path}"

    def on_listening() -> None:
        print(f"{platform.name} sandbox listens on {address}", flush=True)  # noqa: T201 - the one line promised

    config = uvicorn.Config(
        Sandbox(platform, on_listening),
        http=Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        date_header=False,  # the platform's own time is sent instead
        log_level="critical",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
