"""How page and terminal name columns and values: plain words in both languages, and short forms of long names."""

from __future__ import annotations

import re

from meltano_ops.project import split_pipeline
from meltano_ops.texts import Text

_STATE_ID = re.compile(r"(?<![\w:-])[\w-]+:tap-[\w.-]+?-to-target-[\w.-]+(?::[\w.-]+)?")
COLUMNS = {
    "accepted": Text("已送达", "Accepted"),
    "address": Text("地址", "Address"),
    "alerted_at": Text("最近告警", "Last alert"),
    "alerts": Text("告警次数", "Alerts"),
    "at": Text("时间", "When"),
    "attempt": Text("第几次", "Attempt"),
    "budget": Text("额度", "Quota"),
    "checked_at": Text("检查时间", "Checked"),
    "counted_at": Text("计数时间", "Counted"),
    "cron": Text("计划", "Interval"),
    "day": Text("日期", "Day"),
    "detail": Text("说明", "Detail"),
    "distinct_keys": Text("读到", "Read"),
    "due_at": Text("应运行", "Due"),
    "end_at": Text("窗口止", "Window end"),
    "ended_at": Text("结束", "Ended"),
    "error": Text("错误", "Error"),
    "exit_code": Text("退出码", "Exit code"),
    "failing": Text("问题数", "Problems"),
    "job": Text("命令", "Command"),
    "last": Text("最后值", "Last value"),
    "level": Text("级别", "Level"),
    "lines": Text("日志行", "Log lines"),
    "logged_at": Text("记录时间", "Logged"),
    "message": Text("内容", "Message"),
    "metric": Text("指标", "Metric"),
    "missing": Text("缺", "Missing"),
    "month": Text("月份", "Month"),
    "month_total": Text("本月调用", "Calls this month"),
    "n": Text("行数", "Rows"),
    "name": Text("名称", "Name"),
    "next_due_at": Text("下次", "Next due"),
    "opened_at": Text("开始", "Opened"),
    "outcome": Text("结果", "Outcome"),
    "pipeline": Text("管道", "Pipeline"),
    "plugin": Text("插件", "Plugin"),
    "quarantined": Text("隔离行", "Quarantined"),
    "reason": Text("原因", "Reason"),
    "recovered_at": Text("恢复", "Recovered"),
    "recovery_alerted_at": Text("恢复通知", "Recovery told"),
    "repeats": Text("重读", "Read again"),
    "requests": Text("请求", "Requests"),
    "resolved_at": Text("补核对于", "Verified later"),
    "retries": Text("重试", "Retries"),
    "retry_at": Text("再试于", "Retry at"),
    "role": Text("角色", "Role"),
    "rows_loaded": Text("写入行", "Rows loaded"),
    "rows_read": Text("读取行", "Rows read"),
    "run_id": Text("运行号", "Run"),
    "schedule": Text("计划", "Schedule"),
    "seconds": Text("用时", "Duration"),
    "seen_at": Text("最近出现", "Last seen"),
    "sent_at": Text("发送时间", "Sent"),
    "severity": Text("严重程度", "Severity"),
    "source_total": Text("源总数", "Source total"),
    "start_at": Text("窗口起", "Window start"),
    "started_at": Text("开始", "Started"),
    "state": Text("状态", "State"),
    "status": Text("结果", "Result"),
    "stream": Text("流", "Stream"),
    "subject": Text("对象", "Subject"),
    "table_name": Text("表", "Table"),
    "table_rows": Text("表行数", "Table rows"),
    "tag": Text("细分", "Tag"),
    "title": Text("标题", "Title"),
    "total": Text("合计", "Total"),
    "triggered_by": Text("触发", "Trigger"),
    "verified": Text("核对", "Verified"),
}
# Values that are words of ours or Meltano's, with the colour they are shown in.
VALUES = {
    "SUCCESS": (Text("成功", "success"), "good"),
    "FAIL": (Text("失败", "failed"), "bad"),
    "DEAD": (Text("中断", "dead"), "bad"),
    "RUNNING": (Text("运行中", "running"), "busy"),
    "success": (Text("成功", "success"), "good"),
    "failed": (Text("失败", "failed"), "bad"),
    "timeout": (Text("超时", "timed out"), "bad"),
    "stopped": (Text("已停止", "stopped"), ""),
    "refused": (Text("已在运行", "refused"), "warn"),
    "ok": (Text("通过", "ok"), "good"),
    "failing": (Text("不通过", "failing"), "bad"),
    "error": (Text("无法执行", "cannot run"), "bad"),
    "skipped": (Text("暂无数据", "no data yet"), ""),
    "critical": (Text("严重", "critical"), "bad"),
    "warning": (Text("提醒", "warning"), "warn"),
    "succeeded": (Text("成功", "succeeded"), "good"),
    "unresolved": (Text("未核对", "unverified"), "bad"),
    "repeated": (Text("重读过", "read again"), ""),
    "rows": (Text("行数", "rows"), ""),
    "requests": (Text("请求", "requests"), ""),
    "open": (Text("未解决", "open"), "bad"),
}


def column_title(name: str) -> Text:
    """Return a column's title; a column of a project's own check keeps its name."""
    return COLUMNS.get(name, Text(name, name))


def value_word(value: object) -> tuple[Text, str]:
    """Return a value as people read it, and its colour; what is no word of ours stays as it is."""
    return VALUES.get(str(value), (Text(str(value), str(value)), ""))


def short_pipeline(name: str, environment: str | None) -> tuple[str, str]:
    """Return a pipeline as `tap → target`, and what else its state id says.

    Args:
        name: Meltano's state id.
        environment: The project's active environment, which goes without saying.
    """
    parts = split_pipeline(name)
    if parts.tap == name:
        return name, ""
    more = (parts.environment if parts.environment != environment else "", parts.suffix)
    return f"{parts.tap} → {parts.target}", " · ".join(part for part in more if part)


def with_short_names(text: str, environment: str | None) -> str:
    """Return a text in which every state id is written as `tap → target`."""

    def short(found: re.Match[str]) -> str:
        name, more = short_pipeline(found[0], environment)
        return f"{name} ({more})" if more else name

    return _STATE_ID.sub(short, text)


def lead(message: str) -> tuple[str, str]:
    """Split a problem's message into its first sentence and the rest, which holds the cause word for word."""
    for mark in ("。", ". "):
        first, found, rest = message.partition(mark)
        if found and rest.strip():
            return first + mark.strip(), rest.strip()
    return message, ""
