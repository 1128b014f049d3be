"""钉钉 without its web server: who may call what, how often, and in which words it answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.sandbox.dingtalk import topapi, v1
from tests.sandbox.dingtalk.control import Control
from tests.sandbox.dingtalk.errors import TWINS, RefusedError, ban, punished_text, quota_text
from tests.sandbox.dingtalk.metering import TOKEN_SECONDS, Pace, Quota, Tokens
from tests.sandbox.dingtalk.robot import PATH as ROBOT_PATH
from tests.sandbox.dingtalk.robot import Robots
from tests.sandbox.platform import Answer, Call, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import BaseRoute

    from tests.sandbox.clock import Clock
    from tests.sandbox.dingtalk.office import Office
    from tests.sandbox.dingtalk.switches import Switches
    from tests.sandbox.faults import Fault
    from tests.sandbox.platform import Incoming

#: Public, and they open nothing.
APP_KEY = "dingsandbox0app0key"
APP_SECRET = "sandbox-app-secret-that-opens-nothing"

_SECRET_PARAMS = frozenset({"access_token", "appkey", "appsecret", "appKey", "appSecret", "sign"})
_NEW_TOKEN_HEADER = "x-acs-dingtalk-access-token"  # a name
#: Calls refused like this do not count: https://open.dingtalk.com/document/orgapp/api-call-quota tells it of calls
#: over a rate; calls without a valid token belong to nobody.
_UNCOUNTED = frozenset(
    code
    for name in ("bad_token", "app_qps", "api_qps", "app_qpm", "quota", "denied", "address")
    for code in TWINS[name]
) | {"40000", "AuthenticationFailed.MissingParameter", "ban"}


@dataclass(frozen=True)
class Operation:
    """One API.

    Attributes:
        new: Whether it belongs to the new generation.
        handler: Answers from the parameters: a JSON body, or the query for GET.
    """

    new: bool
    handler: Callable[[Office, Switches, int, dict[str, Any]], dict[str, Any]]


_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/topapi/processinstance/listids"): Operation(new=False, handler=topapi.listids),
    ("POST", "/topapi/processinstance/get"): Operation(new=False, handler=topapi.get),
    ("POST", "/topapi/process/listbyuserid"): Operation(new=False, handler=topapi.listbyuserid),
    ("POST", "/topapi/process/get_by_name"): Operation(new=False, handler=topapi.get_by_name),
    ("POST", "/v1.0/workflow/processes/instanceIds/query"): Operation(new=True, handler=v1.query_ids),
    ("GET", "/v1.0/workflow/processInstances"): Operation(new=True, handler=v1.get),
    ("GET", "/v1.0/workflow/forms/schemas/processCodes"): Operation(new=True, handler=v1.schema),
}


class DingTalk(Platform):
    """The stand-in.

    Args:
        clock: The time of approvals, tokens and the quota's months; paces and robots keep real time.
        seed: The same seed gives the same approvals.
        office: The approvals.
        switches: How the platform behaves until a test says otherwise.
    """

    name = "dingtalk"
    fault_kinds = frozenset({*TWINS, "error", "ban"})

    def __init__(self, clock: Clock, seed: int, office: Office, switches: Switches) -> None:
        super().__init__(clock, seed)
        self.office = office
        self.switches = switches
        self.tokens = Tokens()
        self.quota = Quota()
        self.robots = Robots()
        self._pace = Pace()
        self._defaults = replace(switches)
        self._answered = 0

    def describe(self, incoming: Incoming) -> Call:
        """Return path and parameters without token, secret and signature; a listing's page from its cursor."""
        params = {**incoming.query, **(_json(incoming) or {})}
        shown = {name: value for name, value in params.items() if name not in _SECRET_PARAMS}
        cursor = params.get("cursor", params.get("nextToken"))
        size = params.get("size", params.get("maxResults"))
        page = cursor // size + 1 if isinstance(cursor, int) and isinstance(size, int) and size else None
        return Call(incoming.path, shown, page)

    def answer(self, incoming: Incoming, fault: Fault | None) -> Answer:
        """Answer one request of either generation, or to a robot."""
        self._answered += 1
        if fault is not None and fault.kind == "ban":
            return ban(str(fault.args.get("layout", "html")), status=int(fault.args.get("status", 200)))
        if incoming.path == ROBOT_PATH and fault is None:
            return self.robots.send(incoming)
        new = incoming.path.startswith("/v1.0/")
        operation = _OPERATIONS.get((incoming.verb, incoming.path))
        try:
            if fault is not None:
                raise _ordered(fault, incoming.path, self.switches, self.clock.now_ms())
            answer = Answer.json(self._content(operation, incoming, new=new))
        except RefusedError as refusal:
            layout = "top" if incoming.path == ROBOT_PATH else self.switches.error_layout
            answer = refusal.answer(new=new, layout=layout, request_id=self._request_id())
        if operation is not None and answer.outcome not in _UNCOUNTED:
            self.quota.count(self.clock.now_ms())
        return answer

    def control_routes(self) -> list[BaseRoute]:
        """Return the control interface of approvals, truth, templates, quota, tokens and robots."""
        return Control(self).routes()

    def options(self) -> dict[str, Any]:
        """Return the switches."""
        return asdict(self.switches)

    def set_options(self, changes: dict[str, Any]) -> None:
        """Set switches by name.

        Raises:
            TypeError: A switch is unknown.
            ValueError: A switch cannot have the value.
        """
        self.switches = replace(self.switches, **changes)

    def reset(self) -> None:
        """Set switches, robots and the month's calls back; the approvals stay."""
        self.switches = replace(self._defaults)
        self.quota = Quota()
        self._pace = Pace()
        self.robots.reset()

    def _content(self, operation: Operation | None, incoming: Incoming, *, new: bool) -> dict[str, Any]:
        now_ms = self.clock.now_ms()
        if not self._pace.allows(incoming.path, self.switches.calls_per_second):
            raise RefusedError("app_qps")
        if (incoming.verb, incoming.path) == ("GET", "/gettoken"):
            return self._old_token(incoming.query, now_ms)
        if (incoming.verb, incoming.path) == ("POST", "/v1.0/oauth2/accessToken"):
            return self._new_token(_json(incoming) or {}, now_ms)
        if operation is None:
            raise _no_such_api(incoming.path, new=new)
        self._check_token(incoming, now_ms, new=new)
        if incoming.path in self.switches.denied:
            raise RefusedError("denied")
        used, limit = self.quota.used(now_ms), self.switches.calls_per_month
        if limit and used >= limit:
            raise RefusedError("quota", quota_text(used, limit))
        if incoming.verb == "GET":
            return operation.handler(self.office, self.switches, now_ms, dict(incoming.query))
        body = _json(incoming)
        if not incoming.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError("invalidParameter" if new else "43004")
        if body is None:
            raise RefusedError("invalidParameter" if new else "43009")
        return operation.handler(self.office, self.switches, now_ms, body)

    def _old_token(self, query: dict[str, str], now_ms: int) -> dict[str, Any]:
        if not query.get("appkey") or not query.get("appsecret"):
            raise RefusedError("40035")
        if (query["appkey"], query["appsecret"]) != (APP_KEY, APP_SECRET):
            raise RefusedError("40096")
        token = self.tokens.issue("topapi", now_ms)
        return {"errcode": 0, "access_token": token, "errmsg": "ok", "expires_in": TOKEN_SECONDS}

    def _new_token(self, body: dict[str, Any], now_ms: int) -> dict[str, Any]:
        if (body.get("appKey"), body.get("appSecret")) != (APP_KEY, APP_SECRET):
            raise RefusedError("invalidClientIdOrSecret")
        return {"accessToken": self.tokens.issue("v1.0", now_ms), "expireIn": TOKEN_SECONDS}

    def _check_token(self, incoming: Incoming, now_ms: int, *, new: bool) -> None:
        token = incoming.headers.get(_NEW_TOKEN_HEADER) if new else incoming.query.get("access_token")
        if not token:
            raise RefusedError("AuthenticationFailed.MissingParameter" if new else "40000", layout="wrapped")
        if not self.tokens.opens(token, "v1.0" if new else "topapi", now_ms):
            raise RefusedError("bad_token")

    def _request_id(self) -> str:
        return hashlib.md5(f"{self.seed}/{self._answered}".encode(), usedforsecurity=False).hexdigest()[:12]


def _json(incoming: Incoming) -> dict[str, Any] | None:
    try:
        content = json.loads(incoming.body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _no_such_api(path: str, *, new: bool) -> RefusedError:
    if new:
        return RefusedError("NotFound")
    if path.startswith("/topapi/"):
        name = path.removeprefix("/topapi/").replace("/", ".")
        return RefusedError("22", f"Invalid method[submsg=不合法ApiName，ApiName = dingtalk.oapi.{name}]")
    return RefusedError("404", "请求的URI地址不存在", layout="top")


def _ordered(fault: Fault, path: str, switches: Switches, now_ms: int) -> RefusedError:
    """Return the refusal that a test ordered."""
    layout = fault.args.get("layout")
    if fault.kind == "error":
        return RefusedError(str(fault.args["code"]), fault.args.get("text"), layout)
    text = fault.args.get("text")
    if fault.kind == "api_qps" and text is None:
        text = punished_text(path, now_ms, float(fault.args.get("seconds", 1)), switches.calls_per_second)
    if fault.kind == "quota" and text is None:
        text = quota_text(switches.calls_per_month, switches.calls_per_month)
    return RefusedError(fault.kind, text, layout)
