"""One approval as it reads at one instant, before a generation of the API puts it into its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sandbox.dingtalk.values import unfilled_table_value

if TYPE_CHECKING:
    from tests.sandbox.dingtalk.forms import Entry
    from tests.sandbox.dingtalk.history import Approval
    from tests.sandbox.dingtalk.lives import Reading, Record, Task
    from tests.sandbox.dingtalk.office import Office
    from tests.sandbox.dingtalk.templates import Template


@dataclass(frozen=True)
class Detail:
    """An approval with everything there is to read of it."""

    approval: Approval
    template: Template
    reading: Reading
    attached: list[str]
    form: list[Entry]

    @property
    def title(self) -> str:
        """Return what the approval is called in lists."""
        return f"{self.approval.life.originator.name}提交的{self.template.name}"


def detail(office: Office, approval: Approval, at_ms: int) -> Detail:
    """Return an approval as it reads at an instant (epoch ms)."""
    return Detail(
        approval,
        office.templates[approval.code],
        approval.life.read_at(at_ms),
        office.attached(approval, at_ms),
        office.form(approval, at_ms),
    )


def stored_value(entry: Entry) -> str | None:
    """Return what the platform has for a component, or None for nothing at all.

    A table nobody filled mostly comes as the description of its columns.
    """
    if entry.filled is not None:
        return entry.filled.value
    if entry.component.type == "TableField" and entry.quirk < 80:  # of a hundred
        return unfilled_table_value(entry.component)
    return None


def started_unseen(task: Task) -> bool:
    """Return whether this is one of the few tasks that come without the instant of their creation."""
    return task.number % 20 == 3


def activity_of(task: Task) -> str:
    """Return the id of the step in the flow a task belongs to."""
    return f"{task.number % 0x10000:04x}_1aaa"


def attachments_of(record: Record) -> list[dict[str, Any]]:
    """Return the files of a line of the history, in the words of the old API: comments have one."""
    if record.operation != "ADD_REMARK":
        return []
    return [{"file_name": "截图.png", "file_size": "20480", "file_id": f"R{record.at_ms}", "file_type": "png"}]
