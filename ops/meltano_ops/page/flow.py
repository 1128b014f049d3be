"""The drawing of the flow, tap → mapper → target → tables: where every box and line goes, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from meltano_ops.project import Block, split_pipeline

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from meltano_ops.project import Project

COLUMNS = ("tap", "mapper", "target", "table")
TABLES_PER_TARGET = 14
BOX_HEIGHT = 30
ROW_HEIGHT = 42
CAPTION_HEIGHT = 22
COLUMN_GAP = 56
_CHARACTER = 7.4
_WIDE_CHARACTER = 13
_PADDING = 22


@dataclass(frozen=True)
class Box:
    """A plugin or a table. `x`, `y` is its left upper corner, in pixels."""

    kind: str
    name: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Caption:
    """The kind of the boxes of one column, and where the column begins."""

    kind: str
    x: float


@dataclass(frozen=True)
class Drawing:
    """Captions over the columns, boxes, lines between them as SVG paths, and the size of it all, in pixels."""

    captions: tuple[Caption, ...]

    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    width: float
    height: float


def draw(project: Project, connection: sqlite3.Connection) -> Drawing:
    """Return the drawing of all scheduled and defined jobs, with the tables that runs have told of.

    A project without jobs is drawn from what has run.
    """
    blocks = dict.fromkeys(
        [block for schedule in project.schedules for block in schedule.blocks]
        + [block for job in project.jobs.values() for block in job]
    )
    if not blocks:
        for (pipeline,) in connection.execute("SELECT DISTINCT pipeline FROM runs ORDER BY pipeline"):
            name = split_pipeline(pipeline)
            if name.tap in project.plugins and name.target in project.plugins:
                blocks[Block(name.tap, (), name.target)] = None
    streams = connection.execute(
        "SELECT pipeline, coalesce(table_name, stream) AS name FROM streams ORDER BY name"
    ).fetchall()
    tables: dict[str, list[str]] = {}
    for pipeline, name in streams:
        target = split_pipeline(pipeline).target
        if name not in tables.setdefault(target, []):
            tables[target].append(name)
    return layout(list(blocks), tables)


def layout(blocks: Iterable[Block], tables: dict[str, list[str]]) -> Drawing:
    """Place every plugin once, column by column, and connect what a step connects.

    Args:
        blocks: The extract-load steps.
        tables: The tables of each target.
    """
    columns: dict[str, dict[str, None]] = {kind: {} for kind in COLUMNS}
    edges: dict[tuple[tuple[str, str], tuple[str, str]], None] = {}
    for block in blocks:
        path = [("tap", block.tap), *(("mapper", name) for name in block.mappings), ("target", block.target)]
        for kind, name in path:
            columns[kind][name] = None
        edges |= dict.fromkeys(pairwise(path))
        names = tables.get(block.target, [])
        shown = names[:TABLES_PER_TARGET] + (
            [f"… +{len(names) - TABLES_PER_TARGET}"] if len(names) > TABLES_PER_TARGET else []
        )
        for name in shown:
            columns["table"][name] = None
            edges[("target", block.target), ("table", name)] = None
    return _place({kind: list(names) for kind, names in columns.items() if names}, list(edges))


def _place(columns: dict[str, list[str]], edges: list[tuple[tuple[str, str], tuple[str, str]]]) -> Drawing:
    # Mappers have the top rows to themselves, so that a line that goes past them does not look as if it went through.
    above = len(columns.get("mapper", ()))
    rows = max((len(names) for kind, names in columns.items() if kind != "mapper"), default=0)
    height = CAPTION_HEIGHT + (above + rows) * ROW_HEIGHT
    captions = []
    boxes: dict[tuple[str, str], Box] = {}
    x = 1.0
    for kind, names in columns.items():
        captions.append(Caption(kind, x))
        width = max(_text_width(name) for name in names) + _PADDING
        first_row = 0 if kind == "mapper" else above + (rows - len(names)) / 2
        for number, name in enumerate(names):
            y = CAPTION_HEIGHT + (first_row + number) * ROW_HEIGHT + (ROW_HEIGHT - BOX_HEIGHT) / 2
            boxes[kind, name] = Box(kind, name, x, y, width)
        x += width + COLUMN_GAP
    lines = tuple(_line(boxes[source], boxes[target]) for source, target in edges)
    return Drawing(tuple(captions), tuple(boxes.values()), lines, max(x - COLUMN_GAP + 1, 0), height)


def _line(source: Box, target: Box) -> str:
    x1, y1 = source.x + source.width, source.y + BOX_HEIGHT / 2
    x2, y2 = target.x, target.y + BOX_HEIGHT / 2
    middle = (x1 + x2) / 2
    return f"M{x1:.0f},{y1:.0f} C{middle:.0f},{y1:.0f} {middle:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"


def _text_width(text: str) -> float:
    return sum(_CHARACTER if character.isascii() else _WIDE_CHARACTER for character in text)
