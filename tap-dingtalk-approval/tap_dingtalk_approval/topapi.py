"""The old generation, https://oapi.dingtalk.com: HTTP 200 with an `errcode`, the token in the address.

https://open.dingtalk.com/document/orgapp/obtain-an-approval-list-of-instance-ids and
https://open.dingtalk.com/document/orgapp/obtains-the-details-of-a-single-approval-instance
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.api import Call, Page, approval_in, object_of, page_of
from tap_dingtalk_approval.approval import Approval, Keys, parse_approval
from tap_dingtalk_approval.errors import topapi_code

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = Keys()


class TopApi:
    """The old generation of the API. It tells instants to the second."""

    default_url = "https://oapi.dingtalk.com"

    def token_call(self, app_key: str, app_secret: str) -> Call:
        """``GET /gettoken``; within two hours it gives the same token again."""
        return Call("/gettoken", "GET", {"appkey": app_key, "appsecret": app_secret}, counted=False)

    def token_of(self, body: Mapping[str, Any]) -> str:
        """`access_token`."""
        return str(body["access_token"])

    def authorised(self, call: Call, token: str) -> Call:
        """The token goes into the query."""
        return call.with_params(access_token=token)

    def listing_call(self, process_code: str, start_ms: int, end_ms: int, *, cursor: int | str, size: int) -> Call:
        """``processinstance/listids``."""
        body = {
            "process_code": process_code,
            "start_time": start_ms,
            "end_time": end_ms,
            "size": size,
            "cursor": cursor,
        }
        return Call("/topapi/processinstance/listids", json=body)

    def page_of(self, body: Mapping[str, Any]) -> Page:
        """The last page has no `next_cursor`; there is no `has_more`."""
        result = object_of(body, "result")
        return page_of(result.get("list"), result.get("next_cursor"))

    def detail_call(self, instance_id: str) -> Call:
        """``processinstance/get``."""
        return Call("/topapi/processinstance/get", json={"process_instance_id": instance_id})

    def approval_of(self, instance_id: str, body: Mapping[str, Any]) -> Approval:
        """`process_instance`."""
        return parse_approval(instance_id, approval_in(body, "process_instance"), _KEYS)

    def failure_of(self, body: Mapping[str, Any]) -> tuple[str, str] | None:
        """`errcode`, or what it wraps."""
        code = topapi_code(body)
        return None if code is None else (code, str(body.get("sub_msg") or body.get("errmsg") or ""))
