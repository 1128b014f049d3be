"""The life of a problem: opened by a finding, seen again, recovered; and which of these deserves a message now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meltano_ops.texts import Text

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.checks import CheckBook, Finding, Result

# The shared problem of a database that cannot be reached, and that of a check that cannot run.
_SHARED = frozenset({"database", "check"})


@dataclass(frozen=True)
class Problem:
    """One problem as it is kept; instants are seconds since 1970."""

    id: int
    name: str
    subject: str
    severity: str
    message: Text
    advice: Text
    opened_at: int
    recovered_at: int | None
    alerted_at: int | None
    alerts: int


@dataclass(frozen=True)
class Due:
    """What is to be told now: new problems, problems to repeat, recoveries."""

    opened: tuple[Problem, ...]
    repeated: tuple[Problem, ...]
    recovered: tuple[Problem, ...]

    def __bool__(self) -> bool:
        return bool(self.opened or self.repeated or self.recovered)


def update_problems(connection: sqlite3.Connection, book: CheckBook, results: list[Result], now_at: int) -> None:
    """Open, refresh and close problems after a round of checks; call it inside a transaction.

    A problem stays open while its check cannot say anything, or was not asked in this round.
    """
    findings: dict[tuple[str, str], Finding] = {
        (finding.name, finding.subject): finding for result in results for finding in result.findings
    }
    for finding in findings.values():
        values = (
            finding.severity,
            finding.message.zh,
            finding.message.en,
            finding.advice.zh,
            finding.advice.en,
            now_at,
            finding.name,
            finding.subject,
        )
        refreshed = connection.execute(
            """UPDATE problems SET severity = ?, message = ?, message_en = ?, advice = ?, advice_en = ?, seen_at = ?
               WHERE name = ? AND subject = ? AND recovered_at IS NULL""",
            values,
        ).rowcount
        if not refreshed:
            connection.execute(
                """INSERT INTO problems
                     (severity, message, message_en, advice, advice_en, seen_at, name, subject, opened_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (*values, now_at),
            )
    decided = {result.check.name for result in results if result.status != "error"}
    waiting = {check.name for check in book.checks} - decided
    for row in connection.execute("SELECT id, name, subject FROM problems WHERE recovered_at IS NULL").fetchall():
        if (row["name"], row["subject"]) in findings or (row["name"] in waiting and row["name"] not in _SHARED):
            continue
        connection.execute("UPDATE problems SET recovered_at = ? WHERE id = ?", (now_at, row["id"]))


def due_messages(connection: sqlite3.Connection, repeat_seconds: float, now_at: int) -> Due:
    """Return what has not been told yet, or long enough ago. A recovery is told only where the problem was."""
    opened = "recovered_at IS NULL AND alerted_at IS NULL"
    repeated = "recovered_at IS NULL AND alerted_at <= ?"
    recovered = "recovered_at IS NOT NULL AND alerted_at IS NOT NULL AND recovery_alerted_at IS NULL"
    return Due(
        _problems(connection, opened),
        _problems(connection, repeated, now_at - repeat_seconds) if repeat_seconds > 0 else (),
        _problems(connection, recovered),
    )


def mark_told(connection: sqlite3.Connection, due: Due, now_at: int) -> None:
    """Note that a message about `due` was delivered."""
    with_alert = [(now_at, problem.id) for problem in (*due.opened, *due.repeated)]
    connection.executemany("UPDATE problems SET alerted_at = ?, alerts = alerts + 1 WHERE id = ?", with_alert)
    connection.executemany(
        "UPDATE problems SET recovery_alerted_at = ? WHERE id = ?", [(now_at, problem.id) for problem in due.recovered]
    )


def open_problems(connection: sqlite3.Connection) -> tuple[Problem, ...]:
    """Return the problems that are open now, critical ones and new ones first."""
    return _problems(connection, "recovered_at IS NULL")


def _problems(connection: sqlite3.Connection, condition: str, *values: float) -> tuple[Problem, ...]:
    rows = connection.execute(
        f"SELECT * FROM problems WHERE {condition} ORDER BY severity, opened_at DESC, id",  # noqa: S608 - from this module
        values,
    )
    return tuple(
        Problem(
            id=row["id"],
            name=row["name"],
            subject=row["subject"],
            severity=row["severity"],
            message=Text(row["message"], row["message_en"]),
            advice=Text(row["advice"], row["advice_en"]),
            opened_at=row["opened_at"],
            recovered_at=row["recovered_at"],
            alerted_at=row["alerted_at"],
            alerts=row["alerts"],
        )
        for row in rows
    )
