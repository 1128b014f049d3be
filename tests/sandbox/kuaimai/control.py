"""The gateway's part of the control interface: changes, scripts, the truth, the session."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tests.sandbox.clock import to_ms
from tests.sandbox.kuaimai.world import TICKETS, Order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from tests.sandbox.kuaimai.gateway import Gateway
    from tests.sandbox.kuaimai.table import Found, Table

ROWS_AT_A_TIME = 200


class Control:
    """The calls of the control interface that only this platform has; README.md tells what each does."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[BaseRoute]:
        """Return the calls as routes."""
        return [
            Route("/changes", self.changes, methods=["POST"]),
            Route("/script", self.script, methods=["GET", "POST", "DELETE"]),
            Route("/session", self.session, methods=["GET", "POST"]),
            Route("/count", self.count),
            Route("/truth", self.truth),
        ]

    async def changes(self, request: Request) -> Response:
        """Change data at once."""
        order = Order(**await request.json())
        ids = self._gateway.world.apply(order, self._gateway.clock.now_ms())
        return JSONResponse({"ids": ids})

    async def script(self, request: Request) -> Response:
        """Change data when a certain page is served."""
        script = self._gateway.script
        if request.method == "DELETE":
            script.clear()
        elif request.method == "POST":
            order = await request.json()
            script.add(order["when"], order["change"])
        return JSONResponse(list(script.report()))

    async def session(self, request: Request) -> Response:
        """Show when the session dies, or move that."""
        session = self._gateway.session
        if request.method == "POST":
            order = await request.json()
            if "expires" in order:
                session.expires_ms = to_ms(order["expires"])
            if order.get("forget_refresh"):
                session.refreshed_ms = None
        return JSONResponse(
            {
                "expires_ms": session.expires_ms,
                "refreshed_ms": session.refreshed_ms,
                "refreshes": session.refreshes,
            }
        )

    async def count(self, request: Request) -> Response:
        """Count the rows of a window."""
        return JSONResponse({"count": len(self._found(request))})

    async def truth(self, request: Request) -> Response:
        """Stream the rows of a window, or those with certain ids, one JSON object a line."""
        table = self._gateway.world.table(request.query_params.get("api", TICKETS))
        if "ids" in request.query_params:
            ordinals = [table.ordinal_of(int(row_id)) for row_id in request.query_params["ids"].split(",")]
        else:
            ordinals = list(self._found(request))
        return StreamingResponse(self._lines(table, ordinals), media_type="application/x-ndjson")

    async def _lines(self, table: Table, ordinals: list[int]) -> AsyncIterator[str]:
        for first in range(0, len(ordinals), ROWS_AT_A_TIME):
            part = ordinals[first : first + ROWS_AT_A_TIME]
            rows = (self._gateway.show(table.api, table.row(ordinal)) for ordinal in part)
            yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            await asyncio.sleep(0)

    def _found(self, request: Request) -> Found:
        asked = request.query_params
        self._gateway.world.let_appear(self._gateway.clock.now_ms())
        table = self._gateway.world.table(asked.get("api", TICKETS))
        return table.find(asked.get("time", "created"), _instant(asked.get("start")), _instant(asked.get("end")))


def _instant(value: str | None) -> int | None:
    if value is None:
        return None
    return int(value) if value.isdigit() else to_ms(value)
