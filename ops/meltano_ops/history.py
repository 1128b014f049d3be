"""Meltano's own run history: the table `runs` of its system database, read and never written.

States and columns: https://docs.meltano.com/concepts/project/#system-database. A run killed hard stays RUNNING there
until some Meltano command looks; its heartbeat, written every second, tells the truth.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

from meltano_ops.facts import pipeline_name, redact
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from pathlib import Path

    from meltano_ops.settings import Settings

_COLUMNS = 'id, job_name, run_id, state, started_at, ended_at, last_heartbeat_at, payload, "trigger"'
# STATE_EDIT rows are `meltano state set`, not runs.
_RUNS = f"SELECT {_COLUMNS} FROM runs WHERE state IN ('RUNNING', 'SUCCESS', 'FAIL', 'DEAD')"  # noqa: S608 - a constant
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_AT_ONCE = 1000
_BUSY_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """One row of Meltano's `runs`; instants are seconds since 1970, `run_id` 32 hexadecimal digits."""

    id: int
    run_id: str
    pipeline: str
    state: str
    started_at: int
    ended_at: int | None
    heartbeat_at: int | None
    triggered_by: str | None
    error: str | None


class History:
    """Meltano's run history of one project.

    Args:
        settings: The project; `MELTANO_DATABASE_URI` is honoured.
        database_uri: The same as `meltano.yml` has it. Without either the database is `.meltano/meltano.db`.
    """

    def __init__(self, settings: Settings, database_uri: str | None = None) -> None:
        folder = settings.root / settings.variables.get("MELTANO_SYS_DIR_ROOT", ".meltano")
        known = {
            **settings.variables,
            "MELTANO_PROJECT_ROOT": str(settings.root),
            "MELTANO_SYS_DIR_ROOT": str(folder),
        }
        uri = settings.variables.get("MELTANO_DATABASE_URI") or database_uri or f"sqlite:///{folder / 'meltano.db'}"
        uri = _VARIABLE.sub(lambda found: known.get(found[1], ""), uri)
        self.file: Path | None = None
        self._uri = uri
        if uri.startswith("sqlite:"):
            self.file = settings.root / uri.partition(":///")[2].partition("?")[0]

    @property
    def local(self) -> bool:
        """Whether every run that writes here runs on this machine."""
        return self.file is not None

    def after(self, row_id: int) -> list[Run]:
        """Return runs that began after row `row_id`, oldest first; not all at once where there are very many."""
        return self._read(f"{_RUNS} AND id > {int(row_id)} ORDER BY id LIMIT {_AT_ONCE}")

    def last_id(self) -> int:
        """Return the highest row id there is, 0 where there is none."""
        return max((run.id for run in self._read(f"{_RUNS} ORDER BY id DESC LIMIT 1")), default=0)

    def running(self) -> list[Run]:
        """Return the runs that Meltano believes to be running."""
        return self._read(f"{_RUNS} AND state = 'RUNNING'")

    def again(self, run_ids: list[str]) -> list[Run]:
        """Return the rows of the given runs as they are now."""
        if not run_ids:
            return []
        return self._read(f"{_RUNS} AND run_id IN ({', '.join(repr(UUID(run_id).hex) for run_id in run_ids)})")

    def _read(self, query: str) -> list[Run]:
        rows = self._read_file(self.file, query) if self.file else self._read_server(query)
        return [_run(row) for row in rows]

    @staticmethod
    def _read_file(file: Path, query: str) -> list[dict[str, Any]]:
        if not file.exists():
            return []
        # Meltano commits a heartbeat each second: read-only and patient.
        address = file.absolute().as_uri() + "?mode=ro"
        if not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists():
            # SQLite would want to make files beside it.
            address += "&immutable=1"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(query)]
        except sqlite3.DatabaseError as error:
            if "no such table" in str(error):
                return []
            raise OpsError(f"Meltano's run history {file} cannot be read: {error}") from None

    def _read_server(self, query: str) -> list[dict[str, Any]]:
        # A second of start-up that only those pay whose system database is a server.
        import sqlalchemy as sa  # noqa: PLC0415

        try:
            with sa.create_engine(self._uri, poolclass=sa.NullPool).connect() as connection:
                return [dict(row) for row in connection.execute(sa.text(query)).mappings()]
        except sa.exc.SQLAlchemyError as error:
            raise OpsError(f"Meltano's run history cannot be read: {redact(str(error))}") from None


def _run(row: dict[str, Any]) -> Run:
    return Run(
        id=row["id"],
        run_id=UUID(str(row["run_id"])).hex,
        pipeline=pipeline_name(row["job_name"] or ""),
        state=row["state"],
        started_at=_seconds(row["started_at"]) or 0,
        ended_at=_seconds(row["ended_at"]),
        heartbeat_at=_seconds(row["last_heartbeat_at"]),
        triggered_by=row["trigger"],
        error=_payload_error(row["payload"]),
    )


def _seconds(value: object) -> int | None:
    """Return a DATETIME of the system database, which is UTC without saying so, as seconds since 1970."""
    if value is None or value == "":
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def _payload_error(payload: object) -> str | None:
    try:
        document = json.loads(str(payload or "{}"))
    except ValueError:
        return None
    error = document.get("error") if isinstance(document, dict) else None
    return redact(str(error)) if error else None
