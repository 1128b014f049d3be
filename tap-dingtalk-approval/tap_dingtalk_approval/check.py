"""`--test`: real calls, and one line about what is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tap_dingtalk_approval.errors import DingTalkError
from tap_dingtalk_approval.reader import read_approval
from tap_dingtalk_approval.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tap_dingtalk_approval.client import Client
    from tap_dingtalk_approval.settings import Process


def diagnose(client: Client, processes: Iterable[Process], now: datetime) -> tuple[bool, str]:
    """Ask for a token, for a page of every template, and for one approval. That is two calls and one a template.

    Args:
        client: Sends the calls.
        processes: The templates.
        now: Where listings end.

    Returns:
        Whether everything is well, and a line that begins with `OK` or with what is wrong: address, credentials,
        permission, permission scope, template, quota, request, platform or data.
    """
    window = Window(now - timedelta(days=30), now)
    found: list[str] = []
    names = []
    try:
        client.token()
        for process in processes:
            call = client.api.listing_call(process.code, window.start_ms, window.end_ms, cursor=0, size=1)
            found += client.send(call, client.api.page_of).ids
            names.append(process.name)
        for one in found[:1]:
            read_approval(client, one)
    except DingTalkError as error:
        return False, f"{error.rule.topic.value}: {error}"
    return True, f"OK: {', '.join(names)} can be read; address, credentials, permission and templates are right."
