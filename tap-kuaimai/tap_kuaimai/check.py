"""`--test`: one real call, and one line about what is wrong."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_kuaimai.errors import KuaimaiError, Topic
from tap_kuaimai.values import BEIJING, platform_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_kuaimai.client import Client
    from tap_kuaimai.schema import Declaration

_PING = "open.system.time.get"
_STREAM = "aftersale_list_query"
_MOST_SECONDS_APART = 300.0
"""The platform refuses requests when clocks differ by 10 minutes; at half of that it is time to say so."""


def diagnose(client: Client, apis: Mapping[str, Declaration]) -> tuple[bool, str]:
    """Try the connection and the tap's main API.

    Args:
        client: makes the calls.
        apis: the list APIs, by the names of their streams.

    Returns:
        Whether everything is well, and a line that begins with `OK` or with what is wrong: address, clock, key,
        signature, session, permission, request, platform or data.
    """
    never = threading.Event()
    api = apis[_STREAM]
    now = datetime.now(BEIJING)
    params = dict(api.params)
    if api.window:
        params |= {api.window.start: platform_time(now - timedelta(minutes=2)), api.window.end: platform_time(now)}
    if api.paging:
        params |= {api.paging.page: 1, api.paging.size: api.paging.min_size}
    try:
        try:
            client.call(_PING, {}, stream="test", stop=never)
        except KuaimaiError as error:
            if error.rule.topic is not Topic.PERMISSION:  # Listed by no page of the documentation; may be closed.
                raise
        client.call(api.method, params, stream="test", stop=never)
    except KuaimaiError as error:
        return False, f"{error.rule.topic.value}: {error}{_clocks(client)}"
    if abs(client.clock_ahead or 0.0) > _MOST_SECONDS_APART:
        return False, f"{Topic.CLOCK.value}: the platform still answers{_clocks(client)}. Set this machine's clock."
    return True, f"OK: {api.method} answers; address, clock, key, signature, session and permission are right."


def _clocks(client: Client) -> str:
    ahead = client.clock_ahead
    if ahead is None or abs(ahead) <= _MOST_SECONDS_APART:
        return ""
    return f" (this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's)"
