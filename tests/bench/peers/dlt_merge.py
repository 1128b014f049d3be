"""dlt merging into MySQL, told the types that it cannot see in the data."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import measure
from tests.bench.columns import COLUMNS
from tests.bench.environments import environment

if TYPE_CHECKING:
    from tests.bench.columns import Column
    from tests.bench.destination import Destination
    from tests.bench.tickets import Tickets

LABEL = "dlt 1.31.0, `merge` on the key (`delete-insert`)"
OWN_TABLE = True

_PROGRAM = Path(__file__).parent / "programs" / "dlt_merge.py"
_TYPES = {
    "integer": "bigint",
    "boolean": "bool",
    "string": "text",
    "number": "decimal",
    "date-time": "timestamp",
    "array": "json",
}


def prepare() -> None:
    """Install dlt."""
    _python()


def run(lines: Tickets, server: Destination) -> measure.Measurement:
    """Run a pipeline that reads the Singer lines."""
    hints = {column.name: _hint(column) for column in COLUMNS}
    working = Path(tempfile.gettempdir()) / f"bench-dlt-{server.server.port}"
    try:
        return measure.run(
            [_python(), _PROGRAM, lines.singer, server.database, working],
            server,
            lines.rows,
            environment={"DATABASE_URL": server.url, "COLUMNS": json.dumps(hints)},
        )
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _hint(column: Column) -> dict[str, Any]:
    hint: dict[str, Any] = {"data_type": _TYPES[column.kind]}
    if column.kind == "number":
        hint |= {"precision": 24, "scale": column.scale}
    if column.kind == "date-time":
        hint |= {"timezone": False, "precision": 6}
    return hint


def _python() -> Path:
    return environment("dlt", "dlt[sqlalchemy]==1.31.0", "sqlalchemy==2.0.58", "pymysql==1.2.4") / "python"
