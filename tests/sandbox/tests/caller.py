"""A bare client of the gateway: signs a call and sends it. Written for these tests, without the tap."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox

TICKETS = "erp.aftersale.list.query"
TRADES = "erp.trade.list.query"
SECRET = "sandbox-app-secret"


def beijing_now(ahead: timedelta = timedelta()) -> str:
    """Return the machine's time as the gateway wants its time stamp."""
    return (datetime.now(timezone(timedelta(hours=8))) + ahead).strftime("%Y-%m-%d %H:%M:%S")


def signed(method: str | None, changes: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the parameters of a call, signed with HMAC-SHA256; a change to None leaves a parameter out."""
    params = {
        "method": method,
        "appKey": "sandbox-app-key",
        "session": "sandbox-access-token",
        "version": "1.0",
        "timestamp": beijing_now(),
        "sign_method": "hmac-sha256",
        **(changes or {}),
    }
    kept = {name: str(value) for name, value in params.items() if value is not None}
    text = "".join(f"{name}{kept[name]}" for name in sorted(kept) if name != "sign")
    kept.setdefault("sign", hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest())
    return kept


def send(sandbox: KuaimaiSandbox, method: str | None, **changes: Any) -> requests.Response:  # noqa: ANN401 - any parameter
    """Send a signed call and return the HTTP answer."""
    return requests.post(sandbox.url, data=signed(method, changes), timeout=10)


def call(sandbox: KuaimaiSandbox, method: str | None = TICKETS, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Send a signed call and return its JSON."""
    response = send(sandbox, method, **changes)
    assert response.status_code == requests.codes.ok, response.status_code
    return dict(response.json())


def code(sandbox: KuaimaiSandbox, method: str | None = TICKETS, **changes: Any) -> str:  # noqa: ANN401
    """Send a call that is refused, and return its error code."""
    answer = call(sandbox, method, **changes)
    assert answer["success"] is False
    assert answer["trace_id"].isdigit()
    assert answer["msg"]
    assert "traceId" not in answer
    assert isinstance(answer["code"], str)
    return str(answer["code"])
