"""The old generation: https://oapi.dingtalk.com, snake_case, HTTP 200 with an errcode.

Sources: https://open.dingtalk.com/document/orgapp/obtain-an-approval-list-of-instance-ids,
https://open.dingtalk.com/document/orgapp/obtains-the-details-of-a-single-approval-instance, and published answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import to_text
from tests.sandbox.dingtalk.detail import Detail, activity_of, attachments_of, detail, started_unseen, stored_value
from tests.sandbox.dingtalk.errors import RefusedError
from tests.sandbox.dingtalk.listing import MOST_USERS, PAGE_SIZE, page, time_range
from tests.sandbox.dingtalk.office import Query

if TYPE_CHECKING:
    from tests.sandbox.dingtalk.forms import Entry
    from tests.sandbox.dingtalk.lives import Record, Task
    from tests.sandbox.dingtalk.office import Office
    from tests.sandbox.dingtalk.switches import Switches

MOST_TEMPLATES = 100
#: How an empty component is spelled, by its quirk: mostly the word null; None for no key.
_EMPTY: tuple[tuple[int, str | None], ...] = ((70, "null"), (80, ""), (90, "[]"), (100, None))


def listids(office: Office, switches: Switches, now_ms: int, body: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/topapi/processinstance/listids``.

    Raises:
        RefusedError: A parameter is missing or breaks a rule.
    """
    code, start_ms, end_ms = body.get("process_code"), body.get("start_time"), body.get("end_time")
    if not isinstance(start_ms, int) or not isinstance(end_ms, (int, type(None))) or not code:
        raise RefusedError("400002")
    if code not in office.templates:
        raise RefusedError("820001")
    size, cursor = body.get("size", PAGE_SIZE), body.get("cursor", 0)
    if not _is_int(size) or not 0 < size <= PAGE_SIZE:
        raise RefusedError("200003")
    if not _is_int(cursor) or cursor < 0:
        raise RefusedError("200002")
    users = tuple(str(body.get("userid_list") or "").split(",")) if body.get("userid_list") else ()
    if len(users) > MOST_USERS:
        raise RefusedError("400002")
    first_ms, last_ms = time_range(start_ms, end_ms, now_ms, switches, code="400003")
    found = page(office, Query(code, first_ms, last_ms, users), now_ms, switches, cursor=cursor, size=size)
    result: dict[str, Any] = {}
    if found.ids or switches.empty_list_key:
        result["list"] = found.ids
    if found.following is not None:
        result["next_cursor"] = found.following
    return {"errcode": 0, "errmsg": "ok", "result": result}


def get(office: Office, switches: Switches, now_ms: int, body: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/topapi/processinstance/get``.

    Raises:
        RefusedError: There is no such approval (any more).
    """
    instance_id = body.get("process_instance_id")
    if not instance_id or not isinstance(instance_id, str):
        raise RefusedError("400002")
    approval = office.find(instance_id, now_ms)
    if approval is None or approval.life.deleted_at(now_ms):
        raise RefusedError(switches.missing_old)
    shown = render(detail(office, approval, now_ms), switches)
    return {"errcode": 0, "errmsg": "ok", "process_instance": shown}


def listbyuserid(office: Office, _switches: Switches, _now_ms: int, body: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/topapi/process/listbyuserid``: the templates somebody may use.

    Raises:
        RefusedError: The page is no page.
    """
    offset, size = body.get("offset", 0), body.get("size", MOST_TEMPLATES)
    if not _is_int(size) or not 0 < size <= MOST_TEMPLATES:
        raise RefusedError("200003")
    if not _is_int(offset) or offset < 0:
        raise RefusedError("200002")
    templates = list(office.templates.values())
    result: dict[str, Any] = {
        "process_list": [
            {
                "name": template.name,
                "icon_url": "https://static.dingtalk.com/media/icon.png",
                "process_code": template.code,
                "url": f"https://aflow.dingtalk.com/dingtalk/mobile/homepage.htm?processCode={template.code}",
            }
            for template in templates[offset : offset + size]
        ]
    }
    if offset + size < len(templates):
        result["next_cursor"] = offset + size
    return {"errcode": 0, "errmsg": "ok", "result": result}


def get_by_name(office: Office, _switches: Switches, _now_ms: int, body: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/topapi/process/get_by_name``.

    Raises:
        RefusedError: No template has the name.
    """
    for template in office.templates.values():
        if template.name == body.get("name"):
            return {"errcode": 0, "errmsg": "ok", "process_code": template.code}
    raise RefusedError("820004", layout="top")


def render(shown: Detail, switches: Switches) -> dict[str, Any]:
    """Return an approval in the words of the old API; neither its id nor its template is among them."""
    approval, reading = shown.approval, shown.reading
    originator = approval.life.originator
    content: dict[str, Any] = {
        "title": shown.title,
        "create_time": to_text(approval.life.created_ms),
        "originator_userid": originator.userid,
        "originator_dept_id": originator.department.id,
        "originator_dept_name": originator.department.path,
        "status": reading.status,
        "result": reading.result,
        "business_id": approval.business_id,
        "biz_action": approval.biz_action,
        "attached_process_instance_ids": _listed(shown.attached, switches),
        "form_component_values": [_component(entry) for entry in shown.form],
        "operation_records": [_record(record) for record in reading.records],
        "tasks": [_task(task, approval.id, approval.business_id, switches) for task in reading.tasks],
    }
    if reading.finished_ms is not None:
        content["finish_time"] = to_text(reading.finished_ms)
    if approval.main_id is not None:
        content["main_process_instance_id"] = approval.main_id
    if approval.life.copied:
        content["cc_userids"] = _listed(list(approval.life.copied), switches)
    if approval.life.first_task % 2:
        content["approver_userids"] = [step.person.userid for step in approval.life.steps]
    return content


def _listed(ids: list[str], switches: Switches) -> list[str] | str:
    return ",".join(ids) if switches.lists_as_text else ids


def _component(entry: Entry) -> dict[str, Any]:
    component = entry.component
    content: dict[str, Any] = {"name": component.label, "id": component.id}
    if entry.quirk % 33:  # a few rows come without their type
        content["component_type"] = component.type
    value = stored_value(entry)
    if value is None:
        value = next(spelling for below, spelling in _EMPTY if entry.quirk < below)
    if value is not None:
        content["value"] = value
    if entry.filled is not None and entry.filled.ext is not None:
        content["ext_value"] = entry.filled.ext
    return content


def _record(record: Record) -> dict[str, Any]:
    content: dict[str, Any] = {
        "userid": record.userid,
        "date": to_text(record.at_ms),
        "operation_type": record.operation,
        "operation_result": record.result,
    }
    if record.remark is not None:
        content["remark"] = record.remark
    if attachments := attachments_of(record):
        content["attachments"] = attachments
    return content


def _task(task: Task, instance_id: str, business_id: str, switches: Switches) -> dict[str, Any]:
    def instant(at_ms: int) -> str | int:
        return at_ms // 1000 * 1000 if switches.task_times_ms else to_text(at_ms)

    content: dict[str, Any] = {
        "userid": task.userid,
        "taskid": str(task.number),
        "task_status": task.status,
        "task_result": task.result,
        "activity_id": activity_of(task),
        "url": "https://aflow.dingtalk.com/dingtalk/mobile/homepage.htm"
        f"?procInsId={instance_id}&taskId={task.number}&businessId={business_id}",
    }
    if not started_unseen(task):
        content["create_time"] = instant(task.created_ms)
    if task.finished_ms is not None:
        content["finish_time"] = instant(task.finished_ms)
    return content


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
