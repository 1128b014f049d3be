"""The gateway: one address, the API in a parameter, everything signed.

The order of the checks is that of https://open.kuaimai.com/docs/api/ as far as it is told there, else the likely one.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.sandbox.bucket import TokenBucket
from tests.sandbox.clock import to_ms
from tests.sandbox.kuaimai import checks, lists, signature
from tests.sandbox.kuaimai.control import Control
from tests.sandbox.kuaimai.declarations import read_apis
from tests.sandbox.kuaimai.errors import ApiError
from tests.sandbox.kuaimai.options import Options
from tests.sandbox.kuaimai.script import Script
from tests.sandbox.kuaimai.session import APP_KEY, APP_SECRET, Session
from tests.sandbox.kuaimai.world import SKU_STOCK, TICKETS, Seen
from tests.sandbox.platform import Answer, Call, Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.routing import BaseRoute

    from tests.sandbox.clock import Clock
    from tests.sandbox.faults import Fault
    from tests.sandbox.kuaimai.declarations import Api
    from tests.sandbox.kuaimai.script import Step
    from tests.sandbox.kuaimai.table import Table
    from tests.sandbox.kuaimai.world import World
    from tests.sandbox.platform import Incoming

#: Not for the request log.
SECRET_PARAMS = frozenset({"sign", "session", "appKey", "refreshToken"})
LONGEST_GET = 1024
TOLERANCE_SECONDS = 600
DAY_MS = 86_400_000


class Gateway(Platform):
    """快麦 on loopback."""

    name = "kuaimai"
    path = "/router"
    fault_kinds = frozenset({"error", "no_list", "empty_list", "no_total", "wrong_total", "duplicate_rows"})

    def __init__(self, clock: Clock, seed: int, world: World) -> None:
        super().__init__(clock, seed)
        self.apis = read_apis()
        self.world = world
        self.session = Session(clock)
        self.script = Script()
        self._options = Options()
        self._bucket = self._new_bucket()
        self._calls = 0

    # -- what the server asks ------------------------------------------------------------------------------------------

    def describe(self, incoming: Incoming) -> Call:
        """Return method, page and business parameters of a call."""
        params = {name: value for name, value in incoming.params.items() if name not in SECRET_PARAMS}
        page = params.get("pageNo", "1")
        return Call(params.get("method", incoming.path), params, int(page) if page.isdigit() else None)

    def answer(self, incoming: Incoming, fault: Fault | None) -> Answer:
        """Answer a call of ``/router``."""
        if incoming.path != self.path:
            return Answer(b"Not Found", 404, "text/plain", outcome="http_404")
        if incoming.verb not in {"GET", "POST"}:
            return Answer(b"Method Not Allowed", 405, "text/plain", outcome="http_405")
        if incoming.verb == "GET" and len(incoming.raw_query) >= LONGEST_GET:
            return Answer(b"URI Too Long", 414, "text/plain", outcome="http_414")
        if self._bucket and not self._bucket.take():
            wait = self._options.retry_after
            headers = {} if wait is None else {"retry-after": f"{wait:g}"}
            return Answer(b"", 429, "text/plain", headers, outcome="http_429")
        self._calls += 1
        trace = str(1_876_936_694_000_000_000 + self._calls)
        params = incoming.params
        try:
            _refuse_on_order(fault)
            self._admit(params)
            content = self._serve(params, fault)
        except ApiError as error:
            layout = error.layout(params.get("method", ""), trace)
            return Answer.json(layout, status=self._options.error_status, outcome=error.code)
        return Answer.json({"traceId": trace, "success": True, **content})

    def wall_seconds(self) -> float:
        """Return the machine's time, ahead by as much as the switch says."""
        return time.time() + self._options.skew_seconds

    def control_routes(self) -> list[BaseRoute]:
        """Return the calls of ``control.py``."""
        return Control(self).routes()

    def options(self) -> dict[str, Any]:
        """Return the switches."""
        return asdict(self._options)

    def set_options(self, changes: dict[str, Any]) -> None:
        """Set switches; see `options.Options`."""
        self._options.change(changes)
        if "rate_per_second" in changes:
            self._bucket = self._new_bucket()

    def reset(self) -> None:
        """Forget the script, and set switches and session back."""
        self.script.clear()
        self._options = Options()
        self._bucket = self._new_bucket()
        self.session = Session(self.clock)

    # -- the call ------------------------------------------------------------------------------------------------------

    def _admit(self, params: Mapping[str, str]) -> None:
        """Check the common parameters, in the gateway's order.

        Raises:
            ApiError: One of them is missing or wrong, or the API is unknown or not permitted.
        """
        method = params.get("method", "")
        for code, wrong in (
            ("26", not method),
            ("22", not params.get("appKey")),
            ("23", params.get("appKey") != APP_KEY),
            ("28", not params.get("version")),
            ("29", params.get("version") != "1.0"),
            ("24", not params.get("sign")),
            ("40", not self._is_now(params.get("timestamp", ""))),
            ("25", not signature.is_signed(params, APP_SECRET)),
        ):
            if wrong:
                raise ApiError(code)
        self.session.check(params)
        if method not in self.apis and method not in {"open.system.time.get", "open.token.refresh"}:
            raise ApiError("27")
        if params.get("format", "json") != "json":
            raise ApiError("50")
        if method in self._options.forbidden:
            raise ApiError(self._options.forbidden[method])

    def _is_now(self, timestamp: str) -> bool:
        try:
            stamp_ms = to_ms(timestamp)
        except ValueError:
            return False
        return abs(stamp_ms / 1000 - self.wall_seconds()) <= TOLERANCE_SECONDS

    def _serve(self, params: Mapping[str, str], fault: Fault | None) -> dict[str, Any]:
        method = params["method"]
        if method == "open.system.time.get":
            return {}
        if method == "open.token.refresh":
            return self.session.refresh(params)
        return self._list(self.apis[method], params, fault)

    def _list(self, api: Api, params: Mapping[str, str], fault: Fault | None) -> dict[str, Any]:
        """Answer a call of a list API; what a test scheduled for this page happens before or after it is taken."""
        page = checks.page_of(api, params, self._options.oversize_code if api.method == TICKETS else None)
        windows = checks.windows_of(api, params)
        self._check_span(windows[0])
        checks.check_others(api, params)
        self.world.let_appear(self.clock.now_ms())
        table = self.world.table(api.method)
        steps = self.script.count(api.method, page.number)
        self._run(steps, "before", table, windows[0], [])
        selection = lists.select(table, windows, params, page, self._options)
        if fault and fault.kind == "duplicate_rows" and page.number > 1:
            before = checks.Page(page.number - 1, page.size)
            earlier = lists.select(table, windows, params, before, self._options).ordinals
            repeated = earlier[-int(fault.args.get("count", 1)) :]
            selection.ordinals = [*repeated, *selection.ordinals][: len(selection.ordinals)]
        content = lists.envelope(api, selection, params, page, self._options)
        if lists.shows_list(api, selection, params, self._options):
            content[api.list_key] = [self.show(api, table.row(ordinal)) for ordinal in selection.ordinals]
        if api.method == SKU_STOCK and selection.ordinals:
            content["outerId"] = table.row(selection.ordinals[0])["outerId"]
        self._run(steps, "after", table, windows[0], selection.ordinals)
        return _spoil(content, api, fault)

    def _run(self, steps: list[Step], moment: str, table: Table, window: checks.Window, served: list[int]) -> None:
        for step in steps:
            if step.moment == moment:
                rows = lists.window_rows(table, window, self._options)
                seen = Seen(rows, served, (window.start_ms, window.end_ms))
                step.ids += self.world.apply(step.change, self.clock.now_ms(), seen)

    def _check_span(self, window: checks.Window) -> None:
        longest = self._options.max_span_days
        if longest is None or window.start_ms is None or window.end_ms is None:
            return
        if window.end_ms - window.start_ms > longest * DAY_MS:
            raise ApiError("50", f"查询时间跨度不能超过{longest:g}天")

    def show(self, api: Api, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row as an answer prints it: no nulls, the elements of its arrays in another order each call."""
        shown = {}
        for name, value in row.items():
            if (value is None and self._options.null_keys == "omit") or (name == "outerId" and api.method == SKU_STOCK):
                continue
            if isinstance(value, list) and value and isinstance(value[0], dict):
                turn = self._calls % len(value)
                shown[name] = [self._show_element(api, name, element) for element in value[turn:] + value[:turn]]
            else:
                shown[name] = value
        return shown

    def _show_element(self, api: Api, name: str, element: dict[str, Any]) -> dict[str, Any]:
        drop_id = name == "items" and not self._options.item_ids and api.total != "trade"
        return {
            field: value
            for field, value in element.items()
            if (value is not None or self._options.null_keys == "send") and not (drop_id and field == "id")
        }

    def _new_bucket(self) -> TokenBucket | None:
        rate = self._options.rate_per_second
        return TokenBucket(rate) if rate else None


def _refuse_on_order(fault: Fault | None) -> None:
    if fault and fault.kind == "error":
        raise ApiError(str(fault.args.get("code", "9")), fault.args.get("msg"))


def _spoil(content: dict[str, Any], api: Api, fault: Fault | None) -> dict[str, Any]:
    """Do to an answer what a test ordered."""
    kind = fault.kind if fault else ""
    if kind == "no_list":
        content.pop(api.list_key, None)
    if kind == "empty_list":
        content[api.list_key] = []
    if kind == "no_total":
        content.pop("total", None)
    if kind == "wrong_total" and fault and "total" in content:
        content["total"] = type(content["total"])(int(content["total"]) + int(fault.args.get("delta", 1)))
    return content
