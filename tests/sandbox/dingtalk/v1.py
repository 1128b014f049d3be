"""The new generation: https://api.dingtalk.com, camelCase, errors by HTTP status.

Sources: https://open.dingtalk.com/document/orgapp/obtain-a-list-of-approval-form-instance-ids,
https://open.dingtalk.com/document/orgapp/obtains-the-details-of-a-single-approval-instance-pop,
https://open.dingtalk.com/document/orgapp/obtain-the-form-schema, the models of the official SDK
``alibabacloud_dingtalk``, and published answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import to_text
from tests.sandbox.dingtalk.detail import Detail, activity_of, attachments_of, detail, started_unseen, stored_value
from tests.sandbox.dingtalk.errors import RefusedError
from tests.sandbox.dingtalk.listing import MOST_USERS, PAGE_SIZE, page, time_range
from tests.sandbox.dingtalk.office import Query
from tests.sandbox.dingtalk.values import dumps

if TYPE_CHECKING:
    from tests.sandbox.dingtalk.forms import Entry
    from tests.sandbox.dingtalk.lives import Record, Task
    from tests.sandbox.dingtalk.office import Office
    from tests.sandbox.dingtalk.switches import Switches
    from tests.sandbox.dingtalk.templates import Component

_SHOWN_AS = {"START_PROCESS_INSTANCE": ("sid-startevent", "发起人"), "PROCESS_CC": ("sid-cc", "抄送人")}
_FILE_KEYS = {"file_name": "fileName", "file_size": "fileSize", "file_id": "fileId", "file_type": "fileType"}


def query_ids(office: Office, switches: Switches, now_ms: int, body: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/v1.0/workflow/processes/instanceIds/query``.

    Raises:
        RefusedError: A parameter is missing or breaks a rule.
    """
    code = body.get("processCode")
    if not code or code not in office.templates:
        raise RefusedError("invalidProcessCode")
    start_ms = _long(body.get("startTime"), "invalidInstanceListIdsStartTime")
    end_ms = None if body.get("endTime") is None else _long(body["endTime"], "invalidEndTime")
    cursor = _long(body.get("nextToken"), "invalidNextToken")
    size = _long(body.get("maxResults"), "invalidMaxResults")
    users, statuses = body.get("userIds") or [], body.get("statuses") or []
    if cursor < 0:
        raise RefusedError("invalidNextToken")
    if not 0 < size <= PAGE_SIZE:
        raise RefusedError("invalidMaxResults")
    if not isinstance(users, list) or len(users) > MOST_USERS:
        raise RefusedError("invalidUserIds")
    first_ms, last_ms = time_range(start_ms, end_ms, now_ms, switches, code="invalidEndTime")
    query = Query(code, first_ms, last_ms, tuple(map(str, users)), tuple(map(str, statuses)))
    found = page(office, query, now_ms, switches, cursor=cursor, size=size)
    result: dict[str, Any] = {}
    if found.ids or switches.empty_list_key:
        result["list"] = found.ids
    if found.following is not None:
        result["nextToken"] = str(found.following)
    return {"result": result, "success": _success(switches)}


def get(office: Office, switches: Switches, now_ms: int, query: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/v1.0/workflow/processInstances``.

    Raises:
        RefusedError: There is no such approval (any more).
    """
    instance_id = query.get("processInstanceId")
    if not instance_id:
        raise RefusedError("processInstanceIdError")
    approval = office.find(instance_id, now_ms)
    if approval is None or approval.life.deleted_at(now_ms):
        raise RefusedError(switches.missing_new)
    return {"result": render(detail(office, approval, now_ms)), "success": _success(switches)}


def schema(office: Office, _switches: Switches, now_ms: int, query: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/v1.0/workflow/forms/schemas/processCodes``: the newest version of a form.

    Raises:
        RefusedError: There is no such template.
    """
    template = office.templates.get(query.get("processCode", ""))
    if template is None:
        raise RefusedError("processCodeError")
    items = template.components_at(now_ms)
    return {
        "result": {
            "appType": 0,
            "appUuid": "dingSANDBOX",
            "bizType": "",
            "creatorUserId": "user001",
            "engineType": 0,
            "formCode": template.code,
            "formUuid": template.code.removeprefix("PROC-"),
            "gmtCreate": "2025-01-01T09:00Z",
            "gmtModified": minutes(max(template.versions[-1].since_ms, 0)),
            "icon": "common",
            "memo": "",
            "name": template.name,
            "ownerIdType": "orgId",
            "procType": "inner",
            "status": "PUBLISHED",
            "schemaContent": {
                "title": template.name,
                "icon": "common",
                "items": [_schema_item(component) for component in items],
            },
        }
    }


def render(shown: Detail) -> dict[str, Any]:
    """Return an approval in the words of the new API; neither its id nor its template is among them."""
    approval, reading = shown.approval, shown.reading
    originator = approval.life.originator
    content: dict[str, Any] = {
        "title": shown.title,
        "createTime": minutes(approval.life.created_ms),
        "originatorUserId": originator.userid,
        "originatorDeptId": originator.department.id,
        "originatorDeptName": originator.department.path,
        "status": reading.status,
        "result": reading.result,
        "businessId": approval.business_id,
        "bizAction": approval.biz_action,
        "bizData": "",
        "attachedProcessInstanceIds": shown.attached,
        "formComponentValues": [_component(entry) for entry in shown.form],
        "operationRecords": [_record(record) for record in reading.records],
        "tasks": [_task(task) for task in reading.tasks],
    }
    if reading.finished_ms is not None:
        content["finishTime"] = minutes(reading.finished_ms)
    if approval.main_id is not None:
        content["mainProcessInstanceId"] = approval.main_id
    if approval.life.copied:
        content["ccUserIds"] = list(approval.life.copied)
    if approval.life.first_task % 2:
        content["approverUserIds"] = [step.person.userid for step in approval.life.steps]
    return content


def minutes(at_ms: int) -> str:
    """Return an instant as the new API writes it: Beijing's wall clock without seconds, with a Z that is not true."""
    return to_text(at_ms)[:16].replace(" ", "T") + "Z"


def _component(entry: Entry) -> dict[str, Any]:
    component = entry.component
    content: dict[str, Any] = {"componentType": component.type, "bizAlias": ""}
    if component.label:
        content["name"] = component.label
    if component.label or entry.quirk >= 50:  # what has no label sometimes has no id either
        content["id"] = component.id
    value = stored_value(entry)
    if value is not None:
        content["value"] = value
    if entry.filled is not None and entry.filled.ext is not None:
        content["extValue"] = entry.filled.ext
    return content


def _record(record: Record) -> dict[str, Any]:
    activity, name = _SHOWN_AS.get(record.operation, (f"{record.at_ms % 0x10000:04x}_1aaa", "审批人"))
    content: dict[str, Any] = {
        "userId": record.userid,
        "date": minutes(record.at_ms),
        "type": record.operation,
        "result": record.result,
        "activityId": activity,
        "showName": name,
    }
    if record.remark is not None:
        content["remark"] = record.remark
    if record.copied:
        content["ccUserIds"] = list(record.copied)
    if attachments := attachments_of(record):
        files = [{_FILE_KEYS[key]: value for key, value in one.items()} for one in attachments]
        content["attachments"] = [{**one, "spaceId": "900"} for one in files]
    return content


def _task(task: Task) -> dict[str, Any]:
    content: dict[str, Any] = {
        "taskId": task.number,
        "userId": task.userid,
        "status": task.status,
        "result": task.result,
        "activityId": activity_of(task),
        "mobileUrl": f"https://aflow.dingtalk.com/dingtalk/mobile/homepage.htm?taskId={task.number}",
        "pcUrl": f"https://aflow.dingtalk.com/dingtalk/pc/query/pchomepage.htm?taskId={task.number}",
    }
    if not started_unseen(task):
        content["createTime"] = minutes(task.created_ms)
    if task.finished_ms is not None:
        content["finishTime"] = minutes(task.finished_ms)
    return content


def _schema_item(component: Component) -> dict[str, Any]:
    props: dict[str, Any] = {"id": component.id, "label": component.label, "required": component.fill == 1}
    if component.type in {"DDSelectField", "DDMultiSelectField"}:
        props["options"] = [
            dumps({"value": option, "key": f"option_{place}"}) for place, option in enumerate(component.options)
        ]
    item: dict[str, Any] = {"componentName": component.type, "props": props}
    if component.columns:
        item["children"] = [_schema_item(column) for column in component.columns]
    return item


def _long(value: object, code: str) -> int:
    """Return a number sent as a number or as its digits, as the platform's JSON reader takes both."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise RefusedError(code)


def _success(switches: Switches) -> bool | str:
    return "true" if switches.success_text else True
