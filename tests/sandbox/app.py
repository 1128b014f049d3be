"""The server around a platform: request log, latency, faults of the wire and the control interface."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.sandbox.clock import to_ms, to_text
from tests.sandbox.faults import WIRE_FAULTS, Faults
from tests.sandbox.platform import Answer, Incoming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from tests.sandbox.faults import Fault
    from tests.sandbox.platform import Call, Platform

#: The name under which `server.Protocol` hands the connection to the application.
TRANSPORT = "sandbox.transport"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
REQUESTS_KEPT = 200_000


@dataclass
class Logged:
    """One line of the request log."""

    number: int
    api: str
    page: int | None
    params: dict[str, Any]
    #: The stand-in's clock when the request came, epoch ms.
    at_ms: int
    #: Real seconds of the machine's monotonic clock; for measuring a reader's pace.
    arrived: float
    status: int = 0
    outcome: str = ""
    fault: str | None = None
    seconds: float = field(default=0.0)


class Sandbox:
    """An ASGI application that serves one platform and lets tests steer it."""

    def __init__(self, platform: Platform, on_listening: Callable[[], None]) -> None:
        self.platform = platform
        self.faults = Faults(platform.seed, platform.fault_kinds)
        self.latency_seconds = 0.0
        self.log: deque[Logged] = deque(maxlen=REQUESTS_KEPT)
        self._count = 0
        self._control = Starlette(
            routes=[Mount("/_control", routes=[*self._shared_routes(), *platform.control_routes()])],
            exception_handlers={ValueError: _refuse, TypeError: _refuse, KeyError: _refuse},
            lifespan=_tell(on_listening),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: `/_control/` is ours, everything else the platform's."""
        if scope["type"] != "http" or scope["path"].startswith("/_control"):
            await self._control(scope, receive, send)
            return
        arrived = time.monotonic()
        incoming = await _read(Request(scope, receive))
        call = self.platform.describe(incoming)
        line = self._write_down(call, arrived)
        fault = self.faults.pick(call.api, call.page)
        line.fault = fault.kind if fault else None
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        answer = await self._answer(incoming, fault)
        answer.headers["date"] = formatdate(self.platform.wall_seconds(), usegmt=True)
        line.status, line.outcome = answer.status, answer.outcome
        how = fault.kind if fault else ""
        if how in {"reset", "reset_after"}:
            await _reset(scope)
        elif how == "cut":
            await _send_half(answer, send)
        else:
            await _response(answer)(scope, receive, send)
        line.seconds = time.monotonic() - arrived

    def _write_down(self, call: Call, arrived: float) -> Logged:
        self._count += 1
        line = Logged(self._count, call.api, call.page, call.params, self.platform.clock.now_ms(), arrived)
        self.log.append(line)
        return line

    async def _answer(self, incoming: Incoming, fault: Fault | None) -> Answer:
        if fault is None or fault.kind not in WIRE_FAULTS:
            return self.platform.answer(incoming, fault)
        if fault.kind in _NOT_THE_PLATFORM:
            return _NOT_THE_PLATFORM[fault.kind](fault.args)
        if fault.kind == "slow":
            await asyncio.sleep(float(fault.args.get("seconds", 1)))
        answer = self.platform.answer(incoming, None)
        if fault.kind == "truncated":
            answer.body = answer.body[: len(answer.body) // 2]
        if fault.kind != "slow":
            answer.outcome = fault.kind
        return answer

    def _shared_routes(self) -> list[Route]:
        return [
            Route("/clock", self._clock, methods=["GET", "POST"]),
            Route("/latency", self._latency, methods=["POST"]),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/requests", self._requests, methods=["GET", "DELETE"]),
            Route("/options", self._options, methods=["GET", "POST"]),
            Route("/reset", self._reset, methods=["POST"]),
        ]

    async def _clock(self, request: Request) -> Response:
        clock = self.platform.clock
        if request.method == "POST":
            order = await request.json()
            if "now" in order:
                clock.set(to_ms(order["now"]))
            if "advance_seconds" in order:
                clock.advance(float(order["advance_seconds"]))
            if "frozen" in order:
                clock.freeze(frozen=bool(order["frozen"]))
        now_ms = clock.now_ms()
        return JSONResponse({"now_ms": now_ms, "now": to_text(now_ms), "frozen": clock.frozen})

    async def _latency(self, request: Request) -> Response:
        self.latency_seconds = float((await request.json())["seconds"])
        return JSONResponse({"seconds": self.latency_seconds})

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            self.faults.add(await request.json())
        return JSONResponse(self.faults.report())

    async def _requests(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.log.clear()
        after = int(request.query_params.get("after", 0))
        return JSONResponse([asdict(line) for line in self.log if line.number > after])

    async def _options(self, request: Request) -> Response:
        if request.method == "POST":
            self.platform.set_options(await request.json())
        return JSONResponse(self.platform.options())

    async def _reset(self, _request: Request) -> Response:
        self.faults.clear()
        self.log.clear()
        self.latency_seconds = 0.0
        self.platform.reset()
        return JSONResponse({})


async def _read(request: Request) -> Incoming:
    form: dict[str, str] = {}
    body = b""
    if request.headers.get("content-type", "").startswith(FORM_TYPES):
        async with request.form() as fields:
            form = {name: value for name, value in fields.items() if not isinstance(value, UploadFile)}
    else:
        body = await request.body()
    return Incoming(
        verb=request.method,
        path=request.url.path,
        headers=request.headers,
        query=dict(request.query_params),
        form=form,
        body=body,
        raw_query=request.url.query,
    )


def _response(answer: Answer) -> Response:
    headers = {"content-type": answer.content_type, **answer.headers}
    return Response(answer.body, status_code=answer.status, headers=headers)


def _status(args: dict[str, Any]) -> Answer:
    headers = {"retry-after": str(args["retry_after"])} if "retry_after" in args else {}
    body = str(args.get("body", "")).encode()
    status = int(args.get("status", 503))
    return Answer(body, status, "text/plain", headers, outcome=f"http_{status}")


def _html(_args: dict[str, Any]) -> Answer:
    page = "<html><body><h1>系统维护中</h1></body></html>"
    return Answer(page.encode(), content_type="text/html;charset=UTF-8", outcome="html")


def _nothing(_args: dict[str, Any]) -> Answer:
    return Answer(b"", outcome="empty")


#: Faults that hit a request before the platform sees it, and what answers in its place.
_NOT_THE_PLATFORM: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "status": _status,
    "html": _html,
    "empty": _nothing,
    "reset": lambda _args: Answer(b"", status=0, outcome="reset"),
}


async def _reset(scope: Scope) -> None:
    """Close the connection the hard way (RST), so that the client sees "connection reset by peer"."""
    transport: asyncio.Transport = scope["state"][TRANSPORT]
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0)  # lets the server notice, so that it does not try to answer


async def _send_half(answer: Answer, send: Send) -> None:
    """Promise the whole body, send half of it and leave; the server then closes the connection."""
    headers = _response(answer).raw_headers
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})


async def _refuse(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)


def _tell(on_listening: Callable[[], None]) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        on_listening()
        yield

    return lifespan
