"""The columns of the streams, described for the people who read the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tap_dingtalk_approval.settings import Field, Process, Table

Column = dict[str, Any]


def _column(kind: str, description: str, **more: object) -> Column:
    return {"type": [kind, "null"], "description": description, **more}


def _key(kind: str, description: str) -> Column:
    return {"type": kind, "description": description}


def _text(description: str) -> Column:
    return _column("string", description)


def _instant(description: str) -> Column:
    return _column("string", description, format="date-time")


def _texts(description: str) -> Column:
    return _column("array", description, items={"type": "string"})


TYPES: dict[str, Column] = {
    "string": {"type": ["string", "null"]},
    "number": {"type": ["number", "null"]},
    "integer": {"type": ["integer", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "json": {"type": ["array", "null"]},
}
"""What `type` of a field may be → its schema."""

_INSTANCE = _key("string", "审批实例ID")
_REVISION = _key(
    "integer", "版本：审批操作记录的条数，每有一次操作加一；子表行与主表行的版本一致，小于主表版本的子表行已不存在"
)

APPROVAL_COLUMNS: dict[str, Column] = {
    "process_instance_id": _INSTANCE,
    "process_code": _key("string", "审批模板编码"),
    "title": _text("审批标题"),
    "create_time": _instant("发起时间（北京时间；只用新版接口读过时没有秒）"),
    "finish_time": _instant("结束时间（北京时间；新版接口没有秒），未结束为空"),
    "originator_userid": _text("发起人userid"),
    "originator_dept_id": _text("发起部门ID，-1为根部门"),
    "originator_dept_name": _text("发起部门名称"),
    "status": _text("状态：NEW新建，RUNNING审批中，COMPLETED完成，TERMINATED撤销，CANCELED取消"),
    "result": _text("结果：agree同意，refuse拒绝，未完成为空"),
    "business_id": _text("审批编号"),
    "biz_action": _text("NONE正常，MODIFY修改原审批，REVOKE撤销原审批"),
    "main_process_instance_id": _text("被修改或被撤销的原审批实例ID"),
    "attached_process_instance_ids": _texts(
        "修改或撤销本审批的实例ID；本审批结束后新增的不再更新，请用对方的main_process_instance_id"
    ),
    "approver_userids": _texts("审批人userid（平台不一定返回）"),
    "cc_userids": _texts("抄送人userid"),
    "biz_data": _text("业务数据（只有新版接口返回）"),
    "form_component_values": _column(
        "array",
        "表单的全部控件：id, name, component_type, value, ext_value",
        items={"type": "object", "additionalProperties": True},
    ),
    "revision": _REVISION,
}

TABLE_ROW_COLUMNS: dict[str, Column] = {
    "process_instance_id": _INSTANCE,
    "row_number": _key("integer", "明细行号，从1开始"),
    "revision": _REVISION,
}

RECORD_COLUMNS: dict[str, Column] = {
    "process_instance_id": _INSTANCE,
    "record_number": _key("integer", "操作记录序号，按时间从1开始"),
    "userid": _text("操作人userid"),
    "date": _instant("操作时间（北京时间；新版接口没有秒）"),
    "operation_type": _text(
        "操作类型，如START_PROCESS_INSTANCE发起，EXECUTE_TASK_NORMAL审批，ADD_REMARK评论，PROCESS_CC抄送"
    ),
    "operation_result": _text("操作结果：AGREE同意，REFUSE拒绝，NONE无"),
    "remark": _text("评论内容"),
    "attachments": _column(
        "array",
        "评论附件：file_name, file_size（字节）, file_type, file_id",
        items={"type": "object", "additionalProperties": True},
    ),
    "revision": _REVISION,
}

TASK_COLUMNS: dict[str, Column] = {
    "process_instance_id": _INSTANCE,
    "taskid": _key("string", "任务ID"),
    "userid": _text("处理人userid"),
    "task_status": _text("任务状态：NEW未启动，RUNNING处理中，PAUSED暂停，CANCELED取消，COMPLETED完成，TERMINATED终止"),
    "task_result": _text("任务结果：AGREE同意，REFUSE拒绝，REDIRECTED转交，NONE无"),
    "create_time": _instant("任务开始时间（北京时间；新版接口没有秒）"),
    "finish_time": _instant("任务结束时间（北京时间；新版接口没有秒）"),
    "activity_id": _text("流程节点ID"),
    "revision": _REVISION,
}

TOTAL_COLUMNS: dict[str, Column] = {
    "process_code": _key("string", "审批模板编码"),
    "window_start": {"type": "string", "format": "date-time", "description": "统计日开始（北京时间零点，含）"},
    "window_end": {"type": "string", "format": "date-time", "description": "统计日结束（次日零点，不含）"},
    "time_field": _text("按哪个时间字段统计"),
    "source_total": _column("integer", "平台列出且可读的审批单数量"),
    "counted_at": _instant("列表已完整读到的时间"),
}


def approval_schema(process: Process) -> Column:
    """JSON Schema of a process's own stream: the documented fields, then the configured ones."""
    return _schema({**APPROVAL_COLUMNS, **_configured(process.fields)})


def table_schema(table: Table) -> Column:
    """JSON Schema of the rows of a TableField."""
    return _schema({**TABLE_ROW_COLUMNS, **_configured(table.fields)})


def record_schema() -> Column:
    """JSON Schema of `<name>_operation_records`."""
    return _schema(RECORD_COLUMNS)


def task_schema() -> Column:
    """JSON Schema of `<name>_tasks`."""
    return _schema(TASK_COLUMNS)


def totals_schema() -> Column:
    """JSON Schema of `<name>_totals`."""
    return _schema(TOTAL_COLUMNS)


def _configured(fields: tuple[Field, ...]) -> dict[str, Column]:
    return {
        field.column: {**TYPES[field.type], "description": f"表单控件：{field.label or field.id}"} for field in fields
    }


def _schema(columns: dict[str, Column]) -> Column:
    return {"type": "object", "properties": columns}
