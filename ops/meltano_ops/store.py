"""The facts' file `ops.db`: its tables, and how it is opened.

All instants are whole seconds since 1970 (UTC) in columns that end in `_at`; `local()` and `local_day()` turn them to
text in the project's zone wherever a query runs through `connect`. A `pipeline` is Meltano's state id
(`prod:tap-a-to-target-b`), a `destination` its environment and target (`prod:target-b`).
"""

from __future__ import annotations

import logging
import sqlite3
import statistics
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from meltano_ops.causes import cause_of, kind_of
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from zoneinfo import ZoneInfo

SCHEMA_VERSION = 2
BUSY_SECONDS = 30
# SQLITE_CORRUPT and SQLITE_NOTADB, which Python 3.10 tells by their texts alone.
_DAMAGE = ("malformed", "file is not a database")

logger = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What the last collection could not read: Meltano's history, a schedule's interval.
CREATE TABLE IF NOT EXISTS unreadable (
    what TEXT PRIMARY KEY, cause TEXT NOT NULL, since_at INTEGER NOT NULL
) WITHOUT ROWID;

-- How far each log file has been read. A rotated file keeps its inode; the head tells a new file on a used inode.
CREATE TABLE IF NOT EXISTS log_files (
    device INTEGER, inode INTEGER, head TEXT, path TEXT NOT NULL, position INTEGER NOT NULL, read_at INTEGER NOT NULL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    state TEXT NOT NULL,          -- SUCCESS, FAIL, RUNNING, …: Meltano's word
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    heartbeat_at INTEGER,
    triggered_by TEXT,            -- MELTANO_JOB_TRIGGER
    error TEXT,
    rows_read INTEGER NOT NULL DEFAULT 0,
    rows_loaded INTEGER,          -- NULL where the target does not tell
    requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run_id, pipeline)
);
CREATE INDEX IF NOT EXISTS runs_by_pipeline ON runs (pipeline, started_at);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (started_at);

-- When a run last said something: known before its row, and by the run id alone (Meltano's own lines name no pipeline).
CREATE TABLE IF NOT EXISTS run_logs (run_id TEXT PRIMARY KEY, last_log_at INTEGER NOT NULL) WITHOUT ROWID;

-- What METRIC lines say, summed per run: a counter's total, a timer's seconds, a gauge's last value.
CREATE TABLE IF NOT EXISTS metrics (
    run_id TEXT, pipeline TEXT, plugin TEXT, role TEXT, metric TEXT, stream TEXT, tag TEXT,
    lines INTEGER NOT NULL, total REAL NOT NULL, last REAL NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (run_id, pipeline, plugin, metric, stream, tag)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS metrics_by_name ON metrics (metric, at);

CREATE TABLE IF NOT EXISTS windows (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    destination TEXT NOT NULL,
    stream TEXT NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    source_total INTEGER,         -- NULL where the API has none
    distinct_keys INTEGER,
    repeats INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    logged_at INTEGER NOT NULL,
    resolved_at INTEGER,          -- when later verified windows had covered one that was not verified
    UNIQUE (run_id, pipeline, stream, start_at, end_at, logged_at, verified)
);
CREATE INDEX IF NOT EXISTS windows_unresolved ON windows (pipeline) WHERE verified = 0 AND resolved_at IS NULL;
CREATE INDEX IF NOT EXISTS windows_repeated ON windows (logged_at) WHERE repeats > 0;
CREATE INDEX IF NOT EXISTS windows_by_stream ON windows (destination, stream, end_at);
CREATE INDEX IF NOT EXISTS windows_by_log ON windows (logged_at);
CREATE INDEX IF NOT EXISTS windows_by_pipeline ON windows (pipeline, logged_at);

-- End of the last verified window; survives the retention of `windows`.
CREATE TABLE IF NOT EXISTS coverage (
    pipeline TEXT, stream TEXT, covered_to_at INTEGER NOT NULL, logged_at INTEGER NOT NULL,
    PRIMARY KEY (pipeline, stream)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS streams (
    pipeline TEXT, stream TEXT, table_name TEXT, seen_at INTEGER NOT NULL,
    PRIMARY KEY (pipeline, stream)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS errors (
    id INTEGER PRIMARY KEY,
    run_id TEXT, pipeline TEXT, plugin TEXT, level TEXT NOT NULL, message TEXT NOT NULL, logged_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS errors_by_run ON errors (run_id);
CREATE INDEX IF NOT EXISTS errors_by_log ON errors (logged_at);

CREATE TABLE IF NOT EXISTS api_calls (
    month TEXT, pipeline TEXT, month_total INTEGER NOT NULL, budget INTEGER, logged_at INTEGER NOT NULL,
    PRIMARY KEY (month, pipeline)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS schedules (
    name TEXT, pipeline TEXT, job TEXT, cron TEXT NOT NULL, triggered_by TEXT, previous_due_at INTEGER,
    due_at INTEGER, next_due_at INTEGER, interval_seconds INTEGER, first_seen_at INTEGER NOT NULL,
    PRIMARY KEY (name, pipeline)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS launches (
    id INTEGER PRIMARY KEY,
    schedule TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    exit_code INTEGER,
    outcome TEXT,                 -- success, failed, timeout, stopped, refused
    retry_at INTEGER
);
CREATE INDEX IF NOT EXISTS launches_by_schedule ON launches (schedule, id);

CREATE TABLE IF NOT EXISTS check_results (
    name TEXT PRIMARY KEY, title TEXT NOT NULL, severity TEXT NOT NULL, checked_at INTEGER NOT NULL,
    status TEXT NOT NULL,         -- ok, failing, skipped, error
    failing INTEGER NOT NULL, row_count INTEGER NOT NULL, rows TEXT NOT NULL, detail TEXT, seconds REAL NOT NULL
) WITHOUT ROWID;

-- Every change of a check's status, so that a day can be explained later.
CREATE TABLE IF NOT EXISTS check_history (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, checked_at INTEGER NOT NULL, status TEXT NOT NULL,
    failing INTEGER NOT NULL, detail TEXT
);
CREATE INDEX IF NOT EXISTS check_history_by_name ON check_history (name, id);

CREATE TABLE IF NOT EXISTS problems (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,           -- the check
    subject TEXT NOT NULL,        -- what it is about: a pipeline, a day, a table
    severity TEXT NOT NULL,
    message TEXT NOT NULL, message_en TEXT NOT NULL, advice TEXT NOT NULL, advice_en TEXT NOT NULL,
    opened_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, recovered_at INTEGER,
    alerted_at INTEGER, alerts INTEGER NOT NULL DEFAULT 0, recovery_alerted_at INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS problems_open ON problems (name, subject) WHERE recovered_at IS NULL;

CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, sent_at INTEGER NOT NULL, address TEXT NOT NULL, accepted INTEGER NOT NULL,
    title TEXT NOT NULL, detail TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (sent_at);

-- One row per pipeline: its last run, its last success, its schedule, how far it is covered. Bare columns beside max()
-- are those of the row with the maximum (https://www.sqlite.org/lang_select.html#bareagg).
CREATE VIEW IF NOT EXISTS pipelines AS
WITH names AS (
    SELECT pipeline FROM runs UNION SELECT pipeline FROM schedules
), last AS (
    SELECT pipeline, max(started_at) AS started_at, run_id, state, ended_at, heartbeat_at, error, triggered_by,
           rows_read, rows_loaded, quarantined
    FROM runs GROUP BY pipeline
), success AS (
    SELECT pipeline, max(started_at) AS started_at, ended_at FROM runs WHERE state = 'SUCCESS' GROUP BY pipeline
), plan AS (
    SELECT pipeline, min(next_due_at) AS next_due_at, max(due_at) AS due_at,
           max(previous_due_at) AS previous_due_at, min(interval_seconds) AS interval_seconds,
           min(first_seen_at) AS first_seen_at, group_concat(name, ', ') AS schedule
    FROM schedules GROUP BY pipeline
)
SELECT names.pipeline, last.run_id, last.state, last.started_at, last.ended_at, last.heartbeat_at, last.error,
       last.triggered_by, last.rows_read, last.rows_loaded, last.quarantined,
       success.started_at AS success_started_at, success.ended_at AS success_at,
       plan.schedule, plan.previous_due_at, plan.due_at, plan.next_due_at, plan.interval_seconds, plan.first_seen_at,
       (SELECT last_log_at FROM run_logs WHERE run_logs.run_id = last.run_id) AS last_log_at,
       (SELECT count(*) FROM runs WHERE runs.pipeline = names.pipeline AND runs.state IN ('FAIL', 'DEAD')
          AND runs.started_at > coalesce(success.started_at, 0)
          -- What the scheduler ended because it was told to stop is made up for at its next start.
          AND runs.run_id NOT IN (SELECT launches.run_id FROM launches WHERE outcome = 'stopped')) AS failures,
       (SELECT min(covered_to_at) FROM coverage WHERE coverage.pipeline = names.pipeline
          AND coverage.logged_at >= coalesce(success.started_at, 0)) AS covered_to_at,
       (SELECT count(*) FROM windows WHERE windows.pipeline = names.pipeline AND verified = 0 AND resolved_at IS NULL)
          AS unresolved_windows
FROM names LEFT JOIN last USING (pipeline) LEFT JOIN success USING (pipeline) LEFT JOIN plan USING (pipeline);
"""


class _Cause:
    """The SQL function `cause(message)` over a run's error messages in their order."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def step(self, message: str, /) -> None:
        self.messages.append(message)

    def finalize(self) -> str:
        return cause_of(self.messages)


class _Median:
    """The SQL function `median(number)`; NULLs do not count."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def step(self, value: float | None, /) -> None:
        if value is not None:
            self.values.append(value)

    def finalize(self) -> float | None:
        return statistics.median(self.values) if self.values else None


def _of_kind(part: str, language: str) -> Callable[[str | None], str]:
    """Return the SQL function that gives a cause's name or advice in one language."""
    return lambda cause: str(getattr(getattr(kind_of(cause or ""), part), language))


def local_text(seconds: float | None, zone: ZoneInfo, pattern: str = "%Y-%m-%d %H:%M") -> str | None:
    """Return an instant (seconds since 1970) as wall-clock text in `zone`; None stays None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).astimezone(zone).strftime(pattern)


def connect(path: Path, zone: ZoneInfo, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the facts' file, and make its tables where they are missing.

    Args:
        path: The file.
        zone: The zone of the SQL functions `local(seconds)` and `local_day(seconds)`.
        read_only: Refuse every write; the file must exist.

    Returns:
        A connection whose rows are `sqlite3.Row`, which leaves transactions to `transaction`.

    Raises:
        OpsError: It cannot be written. (One that is damaged is set aside, since facts can be collected again.)
    """
    try:
        return _open(path, zone, read_only=read_only)
    except sqlite3.DatabaseError as error:
        if read_only or not is_damage(error):
            raise
        set_aside(path)
        return _open(path, zone, read_only=False)
    except OSError as error:
        raise OpsError(
            f"{path} cannot be written ({error.strerror}): name a place with MELTANO_OPS_DATABASE."
        ) from None


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether an error says that the file itself is broken, so that asking again is of no use."""
    return any(word in str(error) for word in _DAMAGE)


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that the next `connect` begins a new one and the facts are collected again."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.damaged-{stamp}{suffix}"))
    logger.error("%s was damaged and is set aside; the facts are collected again", path)


def _open(path: Path, zone: ZoneInfo, *, read_only: bool) -> sqlite3.Connection:
    if not read_only and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Error texts of plugins are in it: for the owner only, from the first moment.
        path.touch(mode=0o600)
    address = path.absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rwc")
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, zone, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, zone: ZoneInfo, *, read_only: bool) -> None:
    connection.row_factory = sqlite3.Row
    connection.create_function("local", 1, lambda at: local_text(at, zone), deterministic=True)
    connection.create_function("local_day", 1, lambda at: local_text(at, zone, "%Y-%m-%d"), deterministic=True)
    connection.create_aggregate("cause", 1, _Cause)  # type: ignore[arg-type] # typeshed knows integers only
    for language in ("zh", "en"):
        connection.create_function(f"kind_{language}", 1, _of_kind("name", language), deterministic=True)
        connection.create_function(f"advice_{language}", 1, _of_kind("advice", language), deterministic=True)
    connection.create_aggregate("median", 1, _Median)  # type: ignore[arg-type] # typeshed knows integers only
    if not read_only and connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{SCHEMA}\nPRAGMA user_version = {SCHEMA_VERSION};")
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Hold the write lock from the start, so that what is read inside is still true when it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def forget(connection: sqlite3.Connection, before_at: int) -> int:
    """Remove facts older than `before_at` (seconds since 1970), and return how many rows that were.

    What is still open stays, however old: running runs, unresolved windows, problems, and each pipeline's last run.
    """
    statements = (
        "DELETE FROM windows WHERE logged_at < :before AND (verified = 1 OR resolved_at IS NOT NULL)",
        "DELETE FROM metrics WHERE at < :before",
        "DELETE FROM errors WHERE logged_at < :before",
        """DELETE FROM runs WHERE started_at < :before AND state <> 'RUNNING'
           AND id NOT IN (SELECT max(id) FROM runs GROUP BY pipeline)""",
        "DELETE FROM run_logs WHERE last_log_at < :before AND run_id NOT IN (SELECT run_id FROM runs)",
        """DELETE FROM launches WHERE started_at < :before
           AND id NOT IN (SELECT max(id) FROM launches GROUP BY schedule)""",
        """DELETE FROM check_history WHERE checked_at < :before
           AND id NOT IN (SELECT max(id) FROM check_history GROUP BY name)""",
        "DELETE FROM problems WHERE recovered_at < :before",
        "DELETE FROM deliveries WHERE sent_at < :before",
    )
    with transaction(connection):
        return sum(connection.execute(statement, {"before": before_at}).rowcount for statement in statements)
