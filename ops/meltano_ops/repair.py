"""漏单补救: read a range again, and compare what the source has with what the table has.

The range is one of the stream's replication key. It is read under a state id of its own, so the main pipeline's
bookmark stays where it is. (With `--no-state-update` Meltano would not note the run at all.)
"""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa

from meltano_ops import locks, processes
from meltano_ops.launcher import project_mark, table_locks
from meltano_ops.meltano import meltano_command
from meltano_ops.project import Block, Project, split_pipeline
from meltano_ops.settings import OpsError
from meltano_ops.warehouse import Warehouse, WarehouseError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from meltano_ops.settings import Settings

SUFFIX = "repair"
KEYS_SHOWN = 100

Key = tuple[str, ...]
Span = tuple[datetime, datetime]


@dataclass
class SourceKeys:
    """What the source has in a range.

    Attributes:
        key: The stream's key properties.
        replication_key: Its replication key, or None.
        rows: The replication value (text as sent, or None) by key.
    """

    key: tuple[str, ...] = ()
    replication_key: str | None = None
    rows: dict[Key, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Keys that the table lacks, keys that only the table has, and how many are in both."""

    missing: tuple[Key, ...]
    extra: tuple[Key, ...]
    equal: int


def parse_instant(text: str, settings: Settings, *, now: float | None = None) -> datetime:
    """Return `2026-11-20`, `2026-11-20 10:00`, an RFC 3339 instant or `now`, in the project's zone where it names none.

    Raises:
        OpsError: It is none of these.
    """
    if text == "now":
        return datetime.fromtimestamp(time.time() if now is None else now, settings.timezone)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise OpsError(f"{text!r} is no time: write 2026-11-20, '2026-11-20 10:00', or an RFC 3339 instant.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=settings.timezone)


def find_block(connection: sqlite3.Connection, project: Project, stream: str) -> Block:
    """Return the extract-load step that reads a stream: the one that last told of it, else the project's only one.

    Raises:
        OpsError: No run has read the stream, and the project has several steps.
    """
    blocks = [block for schedule in project.schedules for block in schedule.blocks]
    blocks += [block for job in project.jobs.values() for block in job if block not in blocks]
    pipelines = connection.execute(
        """SELECT streams.pipeline FROM streams LEFT JOIN schedules USING (pipeline) WHERE stream = ?
           ORDER BY schedules.name IS NULL, seen_at DESC""",
        (stream,),
    ).fetchall()
    for (pipeline,) in pipelines:
        name = split_pipeline(pipeline)
        for block in sorted(blocks, key=lambda block: project.plugins[block.tap].parent is not None):
            if (block.tap, block.target) == (name.tap, name.target):
                return block
        if name.tap in project.plugins and name.target in project.plugins:
            return Block(name.tap, (), name.target)
    if len(set(blocks)) == 1:
        return blocks[0]
    raise OpsError(f"No run has read the stream {stream} yet, so it is not known which pipeline it belongs to.")


def table_name(connection: sqlite3.Connection, block: Block, stream: str) -> str:
    """Return the table of a stream, as the target told it, else the stream's own name."""
    row = connection.execute(
        """SELECT table_name FROM streams WHERE stream = ? AND pipeline LIKE ? AND table_name IS NOT NULL
           ORDER BY seen_at DESC""",
        (stream, f"%{block.tap}-to-{block.target}%"),
    ).fetchone()
    return str(row[0]) if row else stream


def range_environment(settings: Settings, block: Block, stream: str, start: datetime, end: datetime) -> dict[str, str]:
    """Return the environment that makes the tap read one stream, its child streams and one range.

    `TAP_NAME_START_DATE` and so on: https://docs.meltano.com/guide/configuration/#configuring-settings.
    """
    prefix = block.tap.upper().replace("-", "_").replace(".", "_")
    selected = [f"{stream}.*", f"{stream}_*.*", f"!{stream}_totals.*"]
    return {
        **settings.environ,
        f"{prefix}_START_DATE": start.isoformat(timespec="seconds"),
        f"{prefix}_END_DATE": end.isoformat(timespec="seconds"),
        f"{prefix}__SELECT": json.dumps(selected),
        "MELTANO_JOB_TRIGGER": SUFFIX,
    }


def read_source(
    settings: Settings, block: Block, stream: str, environment: dict[str, str], reached: datetime
) -> SourceKeys:
    """Run the tap alone and return the keys it has in the range; the records themselves are not kept.

    Raises:
        OpsError: The tap failed, or the stream has no key.
    """
    found = SourceKeys()
    with subprocess.Popen(  # noqa: S603 - Meltano, with a plugin's name from the project
        [*meltano_command(settings), "invoke", block.tap],
        cwd=settings.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        if process.stdout is not None:
            take_messages(process.stdout, stream, found, reached)
    if process.returncode != 0:
        raise OpsError(f"{block.tap} failed (exit code {process.returncode}); its message is above.")
    if not found.key:
        raise OpsError(f"{block.tap} has no stream {stream} with a key, so there is nothing to compare.")
    return found


def take_messages(lines: Iterable[str], stream: str, found: SourceKeys, reached: datetime) -> None:
    """Take the keys of one stream out of Singer messages, up to (and without) the instant `reached`."""
    for line in lines:
        # Cheaper than parsing every record of the child streams.
        if f'"{stream}"' not in line:
            continue
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if not isinstance(message, dict) or message.get("stream") != stream:
            continue
        if message.get("type") == "SCHEMA":
            found.key = tuple(message.get("key_properties") or ())
            found.replication_key = next(iter(message.get("bookmark_properties") or ()), None)
        elif message.get("type") == "RECORD":
            record: dict[str, Any] = message.get("record") or {}
            value = record.get(found.replication_key) if found.replication_key else None
            if value is None or not _later(str(value), reached):
                found.rows[tuple(str(record.get(name)) for name in found.key)] = None if value is None else str(value)


def _later(value: str, reached: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return False
    return moment.tzinfo is not None and moment >= reached


def read_table(warehouse: Warehouse, table: str, source: SourceKeys, span: Span, zone: ZoneInfo) -> set[Key]:
    """Return the table's keys whose replication key is in the range; all its keys where the stream has none.

    Raises:
        OpsError: The table cannot be read.
    """
    names: list[sa.ColumnClause[Any]] = [sa.column(name) for name in source.key]
    query = sa.select(*names).select_from(sa.table(table))
    if source.replication_key:
        column: sa.ColumnClause[Any] = sa.column(source.replication_key)
        bounds = [moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") for moment in span]
        query = query.where(column >= bounds[0], column < bounds[1])
    text = str(query.compile(dialect=warehouse.url().get_dialect()(), compile_kwargs={"literal_binds": True}))
    try:
        return {tuple(str(value) for value in row.values()) for row in warehouse.rows(text)}
    except WarehouseError as error:
        raise OpsError(f"The table {table} cannot be read: {error}") from None


def compare(source: Iterable[Key], table: set[Key]) -> Difference:
    """Return what differs between two key sets, sorted."""
    known = set(source)
    return Difference(tuple(sorted(known - table)), tuple(sorted(table - known)), len(known & table))


def reload_range(
    settings: Settings, project: Project, block: Block, environment: dict[str, str], stop: Callable[[], bool]
) -> int:
    """Run the pipeline over the range, under the suffix `repair`; return Meltano's exit code.

    It waits for a scheduled run that writes to the same tables.
    """
    run_id = str(uuid4())
    command = [
        *meltano_command(settings),
        "run",
        "--full-refresh",
        f"--state-id-suffix={SUFFIX}",
        f"--run-id={run_id}",
        block.tap,
        *block.mappings,
        block.target,
    ]
    with ExitStack() as stack:
        held = [stack.enter_context(locks.held(path, give_up=stop)) for path in table_locks(settings, project, [block])]
        return processes.run(
            command,
            settings.root,
            environment,
            f"{project_mark(settings.root)}:{run_id}",
            stop=stop,
            time_limit_seconds=settings.time_limit_minutes * 60,
            grace_seconds=settings.stop_grace_seconds,
            keep_open=held,
        ).exit_code


@dataclass
class Comparison:
    """Source and table of one range, compared before and after a repair; the source is read once."""

    source: SourceKeys
    table: str
    span: Span
    zone: ZoneInfo
    warehouse: Warehouse
    difference: Difference

    @classmethod
    def begin(
        cls,
        settings: Settings,
        block: Block,
        *,
        stream: str,
        table: str,
        environment: dict[str, str],
        span: Span,
    ) -> Comparison:
        """Read the source's keys and the table's.

        Args:
            settings: The project.
            block: The step that reads the stream, and whose loader knows the database.
            stream: The stream.
            table: Its table.
            environment: What makes the tap read the range.
            span: Begin and end of the range.
        """
        warehouse = Warehouse(settings, block.target, {"loader": block.target})
        source = read_source(settings, block, stream, environment, span[1])
        keys = read_table(warehouse, table, source, span, settings.timezone)
        return cls(source, table, span, settings.timezone, warehouse, compare(source.rows, keys))

    def again(self) -> None:
        """Compare what the table has now with what the source had."""
        keys = read_table(self.warehouse, self.table, self.source, self.span, self.zone)
        self.difference = compare(self.source.rows, keys)

    def lines(self) -> list[str]:
        """Return the difference as lines for the operator."""
        return describe(self.difference, self.source.key)


def describe(difference: Difference, key: tuple[str, ...]) -> list[str]:
    """Return the difference as lines for the operator, in Chinese, with the keys by name."""
    lines = [f"两边都有 {difference.equal} 行，表中缺 {len(difference.missing)} 行，表中多 {len(difference.extra)} 行"]
    for title, keys in (("缺", difference.missing), ("多", difference.extra)):
        for values in keys[:KEYS_SHOWN]:
            shown = ", ".join(f"{name}={value}" for name, value in zip(key, values, strict=True))
            lines.append(f"  {title}：{shown}")
        if len(keys) > KEYS_SHOWN:
            lines.append(f"  ……另有 {len(keys) - KEYS_SHOWN} 行")
    return lines
