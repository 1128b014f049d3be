"""The new generation, https://api.dingtalk.com: errors by HTTP status, the token in a header, no seconds.

https://open.dingtalk.com/document/orgapp/obtain-an-approval-list-of-instance-ids-1 and
https://open.dingtalk.com/document/orgapp/obtains-the-details-of-a-single-approval-instance-pop
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.api import Call, Page, approval_in, object_of, page_of
from tap_dingtalk_approval.approval import Approval, Keys, parse_approval

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = Keys(
    approval={
        "create_time": "createTime",
        "finish_time": "finishTime",
        "originator_userid": "originatorUserId",
        "originator_dept_id": "originatorDeptId",
        "originator_dept_name": "originatorDeptName",
        "business_id": "businessId",
        "biz_action": "bizAction",
        "biz_data": "bizData",
        "main_process_instance_id": "mainProcessInstanceId",
        "attached_process_instance_ids": "attachedProcessInstanceIds",
        "approver_userids": "approverUserIds",
        "cc_userids": "ccUserIds",
        "operation_records": "operationRecords",
        "form_component_values": "formComponentValues",
    },
    record={"userid": "userId", "operation_type": "type", "operation_result": "result"},
    task={
        "taskid": "taskId",
        "userid": "userId",
        "task_status": "status",
        "task_result": "result",
        "create_time": "createTime",
        "finish_time": "finishTime",
        "activity_id": "activityId",
    },
    component={"component_type": "componentType", "ext_value": "extValue", "biz_alias": "bizAlias"},
    attachment={"file_name": "fileName", "file_size": "fileSize", "file_type": "fileType", "file_id": "fileId"},
)


class V1Api:
    """The new generation of the API."""

    default_url = "https://api.dingtalk.com"

    def token_call(self, app_key: str, app_secret: str) -> Call:
        """``oauth2/accessToken``."""
        return Call("/v1.0/oauth2/accessToken", json={"appKey": app_key, "appSecret": app_secret}, counted=False)

    def token_of(self, body: Mapping[str, Any]) -> str:
        """`accessToken`."""
        return str(body["accessToken"])

    def authorised(self, call: Call, token: str) -> Call:
        """The token goes into a header."""
        return call.with_headers({"x-acs-dingtalk-access-token": token})

    def listing_call(self, process_code: str, start_ms: int, end_ms: int, *, cursor: int | str, size: int) -> Call:
        """``processes/instanceIds/query``, without `statuses`: a filter loses what changes its status meanwhile."""
        body = {
            "processCode": process_code,
            "startTime": start_ms,
            "endTime": end_ms,
            "nextToken": cursor,
            "maxResults": size,
        }
        return Call("/v1.0/workflow/processes/instanceIds/query", json=body)

    def page_of(self, body: Mapping[str, Any]) -> Page:
        """`nextToken` is sent as a number and comes back as text; the last page has none."""
        result = object_of(body, "result")
        return page_of(result.get("list"), result.get("nextToken"))

    def detail_call(self, instance_id: str) -> Call:
        """``workflow/processInstances``."""
        return Call("/v1.0/workflow/processInstances", "GET", {"processInstanceId": instance_id})

    def schema_call(self, process_code: str) -> Call:
        """``forms/schemas/processCodes``: the form of a template (permission 工作流模板读权限)."""
        return Call("/v1.0/workflow/forms/schemas/processCodes", "GET", {"processCode": process_code})

    def approval_of(self, instance_id: str, body: Mapping[str, Any]) -> Approval:
        """`result`."""
        return parse_approval(instance_id, approval_in(body, "result"), _KEYS)

    def failure_of(self, body: Mapping[str, Any]) -> tuple[str, str] | None:
        """`code` and `message`."""
        code = body.get("code")
        return None if code is None else (str(code), str(body.get("message") or ""))
