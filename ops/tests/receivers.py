"""Servers that take messages as strictly as the real ones: a 钉钉 robot with signature, and a plain webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "SECexample0000000000000000000000000000000000000000000000000000000000"
TOKEN = "96fc7a7a0000000000000000000000aa"


class Receiver(ThreadingHTTPServer):
    """Keeps what it took; `refuse` is the answer to give instead of taking anything."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, Any]] = []
        self.asked = 0
        self.refuse: tuple[int, dict[str, Any]] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def dingtalk(self) -> str:
        """Its address as a 钉钉 robot with signature."""
        return f"dingtalk://{SECRET}@{TOKEN}/?api_url={self.url}/robot/send"

    @property
    def webhook(self) -> str:
        """Its address as a webhook."""
        return f"json://127.0.0.1:{self.server_port}/hook"

    def texts(self) -> list[str]:
        """Return the messages it took, as people read them."""
        return [
            message.get("text", {}).get("content") or f"{message.get('title')}\n{message.get('message')}"
            for message in self.messages
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        self.server.asked += 1
        self._answer(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        if self.server.refuse:
            self._answer(*self.server.refuse)
            return
        address = urlsplit(self.path)
        if address.path == "/robot/send":
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            if query.get("access_token") != TOKEN:
                self._answer(200, {"errcode": 300005, "errmsg": "token is not exist"})
                return
            stamp = query.get("timestamp", "0")
            digest = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
            fresh = abs(time.time() * 1000 - int(stamp)) < 3_600_000
            if query.get("sign") != base64.b64encode(digest).decode() or not fresh:
                self._answer(200, {"errcode": 310000, "errmsg": "sign not match"})
                return
        self.server.messages.append(body)
        self._answer(200, {"errcode": 0, "errmsg": "ok", "code": 0})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve on loopback until the end of the block."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
