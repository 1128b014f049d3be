"""What a reader should end up with, in a form that belongs to neither generation of the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import to_text
from tests.sandbox.dingtalk.detail import detail, started_unseen

if TYPE_CHECKING:
    from tests.sandbox.dingtalk.history import Approval
    from tests.sandbox.dingtalk.office import Office


@dataclass(frozen=True)
class Run:
    """What one run of a perfect reader does: ids listed for the first time, and details asked for."""

    listed: int
    details: int


def instant(at_ms: int, generation: str | None) -> str:
    """Return an instant as RFC 3339 in Beijing; ``v1.0`` knows no seconds."""
    text = to_text(at_ms).replace(" ", "T")
    return f"{text[:16]}:00+08:00" if generation == "v1.0" else f"{text}+08:00"


def normal_form(office: Office, approval: Approval, at_ms: int, generation: str | None = None) -> dict[str, Any]:
    """Return an approval as it reads at an instant.

    Args:
        office: Where it lies.
        approval: Which.
        at_ms: When it is read.
        generation: ``v1.0`` leaves the seconds out of instants; anything else has them.
    """
    shown = detail(office, approval, at_ms)
    reading, originator = shown.reading, approval.life.originator
    finished = reading.finished_ms
    return {
        "process_instance_id": approval.id,
        "process_code": approval.code,
        "title": shown.title,
        "create_time": instant(approval.life.created_ms, generation),
        "finish_time": None if finished is None else instant(finished, generation),
        "originator_userid": originator.userid,
        "originator_dept_id": originator.department.id,
        "originator_dept_name": originator.department.path,
        "status": reading.status,
        "result": reading.result or None,
        "business_id": approval.business_id,
        "biz_action": approval.biz_action,
        "main_process_instance_id": approval.main_id,
        "attached_process_instance_ids": shown.attached,
        "cc_userids": list(approval.life.copied),
        "values": {
            entry.component.id: {
                "label": entry.component.label,
                "type": entry.component.type,
                "value": None if entry.filled is None else entry.filled.plain,
            }
            for entry in shown.form
        },
        "operation_records": [
            {
                "userid": record.userid,
                "date": instant(record.at_ms, generation),
                "operation_type": record.operation,
                "operation_result": record.result,
                "remark": record.remark or None,
            }
            for record in reading.records
        ],
        "tasks": [
            {
                "taskid": str(task.number),
                "userid": task.userid,
                "task_status": task.status,
                "task_result": task.result,
                "create_time": None if started_unseen(task) else instant(task.created_ms, generation),
                "finish_time": None if task.finished_ms is None else instant(task.finished_ms, generation),
            }
            for task in reading.tasks
        ],
    }


def readable(office: Office, code: str, at_ms: int, *, since_ms: int = 0) -> list[Approval]:
    """Return the approvals of a template that can be read at an instant, in the order of creation."""
    return [one for one in office.between(code, since_ms, at_ms) if not one.life.deleted_at(at_ms)]


def perfect_reader(
    office: Office, code: str, runs: list[int], *, since_ms: int = 0, deleted_listed: bool = False
) -> tuple[dict[str, int], list[Run]]:
    """Return what a reader holds that lists and follows every approval until it is final, and reads nothing twice.

    Args:
        office: What there is to read.
        code: The template.
        runs: When it runs, epoch ms, in order; the clock is thought to stand still during a run.
        since_ms: Where its history starts.
        deleted_listed: Whether listings show deleted approvals.

    Returns:
        For every approval it could read when it was last read, and what each run had to do. One that was deleted
        while it was followed costs one more call and stays as it was read before.
    """
    held: dict[str, int] = {}
    opened: dict[str, Approval] = {}
    done: list[Run] = []
    listed_until = since_ms - 1
    for now_ms in runs:
        new = [
            one
            for one in office.between(code, listed_until + 1, now_ms)
            if deleted_listed or not one.life.deleted_at(now_ms)
        ]
        asked = [*opened.values(), *new]
        for approval in asked:
            opened.pop(approval.id, None)
            if approval.life.deleted_at(now_ms):
                continue
            held[approval.id] = now_ms
            if not approval.life.final_at(now_ms):
                opened[approval.id] = approval
        done.append(Run(listed=len(new), details=len(asked)))
        listed_until = now_ms
    return held, done
