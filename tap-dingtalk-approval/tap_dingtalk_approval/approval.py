"""An approval in a normal form that belongs to neither generation of the API.

Only what both generations tell is kept, so that the rows do not depend on the setting `api_version`: the new API's
`showName`, `images` and `ccUserIds` of a record, and the addresses of tasks (`url`, or `mobileUrl` and `pcUrl`), are
left out. `biz_data` and `biz_alias` exist in the new API alone and are hardly ever filled; they are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.values import Instant, instant_or_none, structure_or_none, text_or_none, texts_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FINAL = frozenset({"COMPLETED", "TERMINATED", "CANCELED"})
"""States after which nothing happens any more. All others, also unknown ones, are followed."""

TEXTS = (
    "title",
    "originator_userid",
    "originator_dept_id",
    "originator_dept_name",
    "status",
    "result",
    "business_id",
    "biz_action",
    "biz_data",
    "main_process_instance_id",
)
INSTANTS = ("create_time", "finish_time")
LISTS = ("approver_userids", "cc_userids", "attached_process_instance_ids")

NOTE = "TextNote"
"""A component without a value of its own."""

_MINUTE_AND_SECOND = re.compile(r"(\d\d)([0-5]\d)", re.ASCII)
_FILLED = {"rowValue", "value", "extValue"}
_TYPE_IN_ID = re.compile(r"([A-Z][A-Za-z]+)[-_]")


@dataclass(frozen=True)
class Keys:
    """How one generation spells the columns, where it does not spell them like them.

    Attributes:
        approval: Column → key, of an approval.
        record: The same for a record of an operation.
        task: The same for a task.
        component: The same for a component of the form.
        attachment: The same for a file at a record.
    """

    approval: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, str] = field(default_factory=dict)
    task: Mapping[str, str] = field(default_factory=dict)
    component: Mapping[str, str] = field(default_factory=dict)
    attachment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Component:
    """A component of the form, or a cell of a TableField, which is the same.

    Attributes:
        id: Stays the same within a template; may be missing.
        name: The label, which users edit. That of a range of dates is a JSON list of two.
        type: ``MoneyField`` and so on, an open set.
        value: What was filled in, as text; None for every spelling of nothing.
        ext_value: More about it (ids of people and departments, keys of options), JSON text.
        biz_alias: A name given by the template's author, new API only.
    """

    id: str | None
    name: str | None
    type: str | None
    value: str | None
    ext_value: str | None
    biz_alias: str | None = None

    def raw(self) -> dict[str, str | None]:
        """What `form_component_values` keeps of it."""
        kept = {
            "id": self.id,
            "name": self.name,
            "component_type": self.type,
            "value": self.value,
            "ext_value": self.ext_value,
        }
        return {**kept, "biz_alias": self.biz_alias} if self.biz_alias else kept


@dataclass
class Approval:
    """One approval as it reads at a moment.

    Attributes:
        id: Its instance id. The answer does not carry it.
        columns: Its own fields by column.
        records: What was done to it, in the order of time.
        tasks: Who has or had to decide.
        components: The form.
    """

    id: str
    columns: dict[str, Any]
    records: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    components: list[Component]

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return str(self.columns["status"]).upper() in FINAL

    @property
    def create_time(self) -> Instant | None:
        """When it was started."""
        created: Instant | None = self.columns["create_time"]
        return created

    def known_seconds(self) -> str:
        """The seconds of all its instants, for a later reading by the API that does not tell them.

        Returns:
            Minute and second of each, for example ``create=1542 records=1542,4004 tasks=7:1543-4004,8:4004-``,
            of a task behind its id: begin and end. Empty when no seconds are known.
        """
        if not any(instant and instant.exact for instant in self._instants()):
            return ""
        records = ",".join(_seconds(record["date"]) for record in self.records)
        tasks = ",".join(
            f"{task['taskid']}:{_seconds(task['create_time'])}-{_seconds(task['finish_time'])}" for task in self.tasks
        )
        return f"create={_seconds(self.create_time)} records={records} tasks={tasks}"

    def restore_seconds(self, known: str) -> None:
        """Put back the seconds that an earlier reading told, where this one does not tell any.

        Args:
            known: What `known_seconds` of the earlier reading gave. An instant whose minute differs is left alone.
        """
        told = dict(pair.partition("=")[::2] for pair in known.split())
        _restore(self.columns, "create_time", told.get("create", ""))
        for record, seconds in zip(self.records, told.get("records", "").split(","), strict=False):
            _restore(record, "date", seconds)
        pairs = dict(pair.rpartition(":")[::2] for pair in told.get("tasks", "").split(","))
        for task in self.tasks:
            begin, _, end = pairs.get(task["taskid"], "").partition("-")
            _restore(task, "create_time", begin)
            _restore(task, "finish_time", end)

    def _instants(self) -> Iterator[Instant | None]:
        yield self.create_time
        yield from (record["date"] for record in self.records)
        yield from (task[column] for task in self.tasks for column in ("create_time", "finish_time"))


def _seconds(instant: Instant | None) -> str:
    return f"{instant.at:%M%S}" if instant and instant.exact else ""


def _restore(row: dict[str, Any], column: str, seconds: str) -> None:
    instant: Instant | None = row[column]
    told = _MINUTE_AND_SECOND.fullmatch(seconds)
    if told and instant and not instant.exact and told[1] == f"{instant.at:%M}":
        row[column] = Instant(instant.at.replace(second=int(told[2])), exact=True)


def parse_approval(instance_id: str, content: Mapping[str, Any], keys: Keys) -> Approval:
    """Bring an answer into the normal form.

    Args:
        instance_id: Its id.
        content: The approval as one generation of the API describes it.
        keys: That generation's spelling.
    """
    columns: dict[str, Any] = {column: text_or_none(_get(content, column, keys.approval)) for column in TEXTS}
    columns |= {column: instant_or_none(_get(content, column, keys.approval)) for column in INSTANTS}
    columns |= {column: texts_or_none(_get(content, column, keys.approval)) for column in LISTS}
    records = [_record(record, keys) for record in _objects(_get(content, "operation_records", keys.approval))]
    # To the minute, so that both generations number alike; the order within a minute is the platform's.
    records.sort(key=lambda record: f"{record['date'].at:%Y%m%d%H%M}" if record["date"] else "")
    tasks = [
        _task(task, keys, number) for number, task in enumerate(_objects(_get(content, "tasks", keys.approval)), 1)
    ]
    components = [
        parse_component(component, keys.component)
        for component in _objects(_get(content, "form_component_values", keys.approval))
    ]
    return Approval(instance_id, columns, records, tasks, components)


def parse_component(content: Mapping[str, Any], keys: Mapping[str, str]) -> Component:
    """Bring a component into the normal form.

    Args:
        content: The component as the platform describes it.
        keys: Column → key, where they differ.
    """
    component_id, value = text_or_none(_get(content, "id", keys)), text_or_none(_get(content, "value", keys))
    in_id = _TYPE_IN_ID.match(component_id or "")
    # Old answers leave the type out of some components. It is the first part of every id.
    kind = text_or_none(_get(content, "component_type", keys)) or (in_id[1] if in_id else None)
    return Component(
        # A note is the template's text and nothing that anybody fills in; the new API tells no id of it.
        id=None if kind == NOTE else component_id,
        name=None if kind == NOTE else text_or_none(_get(content, "name", keys)),
        type=kind,
        value=None if is_table_schema(structure_or_none(value)) else value,
        ext_value=text_or_none(_get(content, "ext_value", keys)),
        biz_alias=text_or_none(_get(content, "biz_alias", keys)),
    )


def is_table_schema(structure: object) -> bool:
    """Whether a TableField's value is its list of columns, as it is when nobody filled it, and not a list of rows.

    The parts of a DDBizSuite look alike, but they carry values.
    """
    return (
        isinstance(structure, list)
        and bool(structure)
        and all(isinstance(item, dict) and "props" in item and not _FILLED & item.keys() for item in structure)
    )


def _record(content: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    row: dict[str, Any] = {
        column: text_or_none(_get(content, column, keys.record))
        for column in ("userid", "operation_type", "operation_result", "remark")
    }
    row["date"] = instant_or_none(_get(content, "date", keys.record))
    files = _objects(_get(content, "attachments", keys.record))
    columns = ("file_name", "file_size", "file_type", "file_id")
    row["attachments"] = [
        {column: text_or_none(_get(file, column, keys.attachment)) for column in columns} for file in files
    ] or None
    return row


def _task(content: Mapping[str, Any], keys: Keys, number: int) -> dict[str, Any]:
    columns = ("taskid", "userid", "task_status", "task_result", "activity_id")
    row: dict[str, Any] = {column: text_or_none(_get(content, column, keys.task)) for column in columns}
    row["taskid"] = row["taskid"] or f"#{number}"
    for column in ("create_time", "finish_time"):
        row[column] = instant_or_none(_get(content, column, keys.task))
    return row


def _get(content: Mapping[str, Any], column: str, keys: Mapping[str, str]) -> object:
    return content.get(keys.get(column, column))


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
