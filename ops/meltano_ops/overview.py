"""What page and terminal show, read from the facts' file: one line per pipeline, the days, the open questions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from meltano_ops.store import local_text
from meltano_ops.texts import Text

if TYPE_CHECKING:
    import sqlite3
    from zoneinfo import ZoneInfo

DAYS_SHOWN = 30
QUARANTINE_CHECK = "quarantine"
COMPLETENESS_PREFIX = "complete"
_HOUR = 3600
_MINUTE = 60
_DAY_HOURS = 48


@dataclass(frozen=True)
class Pipeline:
    """One line of the first screen; instants are seconds since 1970, `lag` seconds, None where nothing is known."""

    name: str
    state: str | None
    run_id: str | None
    started_at: int | None
    ended_at: int | None
    success_at: int | None
    next_due_at: int | None
    schedule: str | None
    rows_read: int | None
    rows_loaded: int | None
    failures: int
    covered_to_at: int | None
    lag: int | None
    unresolved_windows: int
    quarantined: int
    sentence: Text

    @property
    def in_trouble(self) -> bool:
        """Whether its numbers cannot be trusted as they are."""
        return bool(self.failures or self.unresolved_windows or self.quarantined)


def pipelines(connection: sqlite3.Connection, zone: ZoneInfo, now: float) -> list[Pipeline]:
    """Return the pipelines: those in trouble first, then scheduled ones, then by name."""
    quarantined = _quarantined(connection)
    found = []
    for row in connection.execute("SELECT * FROM pipelines ORDER BY schedule IS NULL, pipeline"):
        covered = row["covered_to_at"]
        rows = quarantined.get(row["pipeline"], 0)
        found.append(
            Pipeline(
                name=row["pipeline"],
                state=row["state"],
                run_id=row["run_id"],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                success_at=row["success_at"],
                next_due_at=row["next_due_at"],
                schedule=row["schedule"],
                rows_read=row["rows_read"],
                rows_loaded=row["rows_loaded"],
                failures=row["failures"],
                covered_to_at=covered,
                # A repair that was asked for once falls behind nothing.
                lag=int(now - covered) if covered is not None and row["schedule"] else None,
                unresolved_windows=row["unresolved_windows"],
                quarantined=rows,
                sentence=_sentence(row, zone, rows),
            )
        )
    return sorted(found, key=lambda line: not line.in_trouble)


def _sentence(row: sqlite3.Row, zone: ZoneInfo, quarantined: int) -> Text:
    """Say in one sentence whether this pipeline's numbers can be trusted, and how far."""
    if row["state"] is None:
        return Text("还没有运行过", "has not run yet")
    failed = row["failures"]
    prefix = Text(f"连续失败 {failed} 次；", f"failed {failed} time(s) in a row; ") if failed else Text("", "")
    if row["covered_to_at"] is not None:
        covered = local_text(row["covered_to_at"], zone)
        open_windows = row["unresolved_windows"]
        return Text(
            f"{prefix.zh}覆盖到 {covered}，{open_windows} 个未核对窗口，{quarantined} 条隔离行",
            f"{prefix.en}covered to {covered}, {open_windows} unverified windows, {quarantined} quarantined rows",
        )
    success = local_text(row["success_at"], zone)
    if success is None:
        return Text(f"{prefix.zh}还没有成功过", f"{prefix.en}has never succeeded")
    # A tap that does not report windows can be trusted as far as its last success, no further.
    return Text(
        f"{prefix.zh}最近成功于 {success}；该 tap 不报告窗口，无法证明完整",
        f"{prefix.en}last success {success}; this tap reports no windows, so completeness cannot be proved",
    )


def _quarantined(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the rows now in quarantine per pipeline: as the check counted them, else as the last run told."""
    row = connection.execute(
        "SELECT rows FROM check_results WHERE name = ? AND status IN ('ok', 'failing')", (QUARANTINE_CHECK,)
    ).fetchone()
    if row is None:
        return {
            row["pipeline"]: row["quarantined"]
            for row in connection.execute("SELECT pipeline, quarantined FROM pipelines WHERE quarantined > 0")
        }
    counts: dict[str, int] = {}
    for entry in json.loads(row["rows"]):
        # The stream's newest pipeline stands for it: repairs and main runs write to the same tables.
        owner = connection.execute(
            "SELECT pipeline FROM streams WHERE stream = ? ORDER BY seen_at DESC LIMIT 1", (entry.get("stream"),)
        ).fetchone()
        if owner:
            counts[owner[0]] = counts.get(owner[0], 0) + int(entry.get("n") or 0)
    return counts


@dataclass(frozen=True)
class Day:
    """Runs and rows of one day in the project's zone."""

    day: str
    succeeded: int
    failed: int
    rows_read: int
    rows_loaded: int


def days(connection: sqlite3.Connection, zone: ZoneInfo, now: float, count: int = DAYS_SHOWN) -> list[Day]:
    """Return the last `count` days, oldest first, days without runs included."""
    today = datetime.fromtimestamp(now, zone).date()
    first = today - timedelta(days=count - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=zone).timestamp()
    found = {
        row["day"]: row
        for row in connection.execute(
            """SELECT local_day(started_at) AS day, sum(state = 'SUCCESS') AS succeeded,
                      sum(state IN ('FAIL', 'DEAD')) AS failed, sum(rows_read) AS rows_read,
                      coalesce(sum(rows_loaded), 0) AS rows_loaded
               FROM runs WHERE started_at >= ? GROUP BY day""",
            (since,),
        )
    }
    result = []
    for offset in range(count):
        day = (first + timedelta(days=offset)).isoformat()
        row = found.get(day)
        values = (row["succeeded"], row["failed"], row["rows_read"], row["rows_loaded"]) if row else (0, 0, 0, 0)
        result.append(Day(day, *values))
    return result


@dataclass(frozen=True)
class CheckState:
    """The last result of a check."""

    name: str
    title: Text
    severity: str
    status: str
    failing: int
    rows: list[dict[str, Any]]
    row_count: int
    detail: str | None
    checked_at: int


def check_states(connection: sqlite3.Connection) -> list[CheckState]:
    """Return the last result of every check, what needs attention first."""
    order = "CASE status WHEN 'failing' THEN 0 WHEN 'error' THEN 1 WHEN 'skipped' THEN 2 ELSE 3 END, name"
    found = []
    for row in connection.execute(f"SELECT * FROM check_results ORDER BY {order}"):  # noqa: S608 - a constant
        title = json.loads(row["title"])
        found.append(
            CheckState(
                name=row["name"],
                title=Text(title["zh"], title["en"]),
                severity=row["severity"],
                status=row["status"],
                failing=row["failing"],
                rows=json.loads(row["rows"]),
                row_count=row["row_count"],
                detail=row["detail"],
                checked_at=row["checked_at"],
            )
        )
    return found


@dataclass(frozen=True)
class CompleteDays:
    """A completeness check by day: the newest days and every day that is not whole, newest first."""

    rows: list[dict[str, Any]]
    whole: int
    broken: int


def complete_days(check: CheckState, count: int) -> CompleteDays:
    """Return the days of a completeness check.

    Args:
        check: A check whose rows have the columns `day`, `source_total`, `table_rows`, `missing`; others are left out.
        count: How many whole days to show.
    """
    rows = [row for row in check.rows if row.get("day")]
    rows.sort(key=lambda row: str(row["day"]), reverse=True)
    broken = [row for row in rows if row.get("missing")]
    shown = [row for number, row in enumerate(rows) if number < count or row.get("missing")]
    return CompleteDays(shown, len(rows) - len(broken), len(broken))


def meta(connection: sqlite3.Connection, name: str) -> int | None:
    """Return `collected_at` or `checked_at`, or None when that has never happened."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def span(seconds: float | None) -> Text:
    """Return a length of time for people: `3 小时 20 分`."""
    if seconds is None:
        return Text("—", "—")
    seconds = max(0, int(seconds))
    if seconds < _MINUTE:
        return Text(f"{seconds} 秒", f"{seconds} s")
    hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
    if hours >= _DAY_HOURS:
        return Text(f"{hours // 24} 天 {hours % 24} 小时", f"{hours // 24} d {hours % 24} h")
    if hours:
        return Text(f"{hours} 小时 {minutes} 分", f"{hours} h {minutes} min")
    return Text(f"{minutes} 分", f"{minutes} min")
