"""Checks: SQL with an expectation, a severity and a message, over the facts or over a warehouse."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from meltano_ops.facts import redact
from meltano_ops.settings import OpsError
from meltano_ops.texts import Text, fill
from meltano_ops.warehouse import MissingTableError, Warehouse, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from meltano_ops.settings import Settings

FACTS = "ops"
SEVERITIES = ("critical", "warning")
ROWS_KEPT = 400
_BOUNDS = ("equals", "min", "max")
_KEYS = frozenset(
    {
        "name",
        "title",
        "database",
        "severity",
        "subject",
        "sql",
        "expect",
        "message",
        "advice",
        "enabled",
        "every_minutes",
    }
)


@dataclass(frozen=True)
class Check:
    """One entry of `checks.yml`.

    Attributes:
        name: Its name, unique.
        title: What it looks for.
        database: `ops`, or a name under `databases:`.
        severity: `critical` or `warning`.
        subject: What a row is about; there is one problem per subject.
        sql: The query.
        expect: What every row must satisfy, `{column: {equals|min|max: number}}`; empty: no row at all.
        message: What is wrong, for people.
        advice: What to do about it.
        every_minutes: The scheduler runs it no more often than this; 0 is every round.
    """

    name: str
    title: Text
    database: str
    severity: str
    subject: str
    sql: str
    expect: dict[str, dict[str, float]]
    message: Text
    advice: Text
    every_minutes: float = 0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the check, what it is about, and the texts for people."""

    name: str
    subject: str
    severity: str
    message: Text
    advice: Text


@dataclass(frozen=True)
class Result:
    """What came of one check. `status` is `ok`, `failing`, `skipped` (its table is not there yet) or `error`."""

    check: Check
    status: str
    rows: list[dict[str, Any]]
    findings: list[Finding]
    detail: str | None
    seconds: float


@dataclass(frozen=True)
class CheckBook:
    """All checks of a project, and how its warehouses are reached (`{"loader": …}` or `{"url": …}` by name)."""

    checks: tuple[Check, ...]
    databases: dict[str, dict[str, str]]


def load_checks(root: Path) -> CheckBook:
    """Return the shipped checks with the project's `checks.yml` laid over them.

    Raises:
        OpsError: The file has a mistake; the text names the entry and what is wrong with it.
    """
    shipped = yaml.safe_load((resources.files("meltano_ops") / "checks.yml").read_text(encoding="utf-8"))
    own: dict[str, Any] = {}
    path = root / "checks.yml"
    if path.is_file():
        try:
            own = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError as error:
            raise OpsError(f"checks.yml cannot be read: {error}") from None
        if not isinstance(own, dict) or not set(own) <= {"checks", "databases"}:
            raise OpsError("checks.yml may only have the keys 'checks' and 'databases'.")
    databases = own.get("databases") or {}
    entries: dict[str, dict[str, Any]] = {}
    for entry in [*shipped["checks"], *(own.get("checks") or [])]:
        if not isinstance(entry, dict) or not entry.get("name"):
            raise OpsError("Every check in checks.yml needs a name.")
        replaced = entries.get(entry["name"], {}) if set(entry) <= {"name", "enabled", "severity"} else {}
        entries[entry["name"]] = {**replaced, **entry}
    checks = tuple(_check(entry, databases) for entry in entries.values() if entry.get("enabled", True))
    return CheckBook(checks, databases)


def _check(entry: dict[str, Any], databases: dict[str, Any]) -> Check:
    name = entry["name"]
    if unknown := set(entry) - _KEYS:
        raise OpsError(f"Check {name}: unknown key {', '.join(sorted(unknown))}.")
    for needed in ("sql", "message"):
        if not entry.get(needed):
            raise OpsError(f"Check {name}: {needed} is missing.")
    database = entry.get("database", FACTS)
    if database != FACTS and database not in databases:
        raise OpsError(f"Check {name}: the database {database} is not under 'databases:'.")
    severity = entry.get("severity", "warning")
    if severity not in SEVERITIES:
        raise OpsError(f"Check {name}: severity must be one of {', '.join(SEVERITIES)}, not {severity}.")
    return Check(
        name=name,
        title=_text(entry.get("title") or name),
        database=database,
        severity=severity,
        subject=str(entry.get("subject") or name),
        sql=entry["sql"],
        expect=_expect(name, entry.get("expect") or {}),
        message=_text(entry["message"]),
        advice=_text(entry.get("advice") or ""),
        every_minutes=_minutes(name, entry.get("every_minutes", 0)),
    )


def _minutes(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise OpsError(f"Check {name}: every_minutes must be a number of minutes, not {value!r}.")
    return float(value)


def _expect(name: str, entry: object) -> dict[str, dict[str, float]]:
    if not isinstance(entry, dict):
        raise OpsError(f"Check {name}: expect must look like 'missing: 0' or 'share: {{max: 0.1}}'.")
    expect = {}
    for column, bounds in entry.items():
        wanted = bounds if isinstance(bounds, dict) else {"equals": bounds}
        if not wanted or not set(wanted) <= set(_BOUNDS):
            raise OpsError(f"Check {name}: expect.{column} takes {', '.join(_BOUNDS)}.")
        if any(isinstance(bound, bool) or not isinstance(bound, (int, float)) for bound in wanted.values()):
            raise OpsError(f"Check {name}: the bounds of expect.{column} must be numbers.")
        expect[str(column)] = {key: float(bound) for key, bound in wanted.items()}
    return expect


def _text(value: object) -> Text:
    if isinstance(value, dict):
        zh, en = str(value.get("zh") or value.get("en") or ""), str(value.get("en") or value.get("zh") or "")
        return Text(zh, en)
    return Text(str(value), str(value))


def violates(row: Mapping[str, Any], expect: Mapping[str, Mapping[str, float]]) -> bool:
    """Return whether a row breaks the expectation. Without one every row does; a missing value breaks any bound."""
    if not expect:
        return True
    for column, bounds in expect.items():
        value = row.get(column)
        if value is None:
            return True
        number = float(value)
        if "equals" in bounds and number != bounds["equals"]:
            return True
        if number < bounds.get("min", number) or number > bounds.get("max", number):
            return True
    return False


def run_checks(
    connection: sqlite3.Connection,
    settings: Settings,
    book: CheckBook,
    now: float | None = None,
    *,
    only_due: bool = False,
) -> list[Result]:
    """Run the checks; one that cannot run gives a result too, and does not stop the others.

    Args:
        connection: The facts' file.
        settings: The project.
        book: The checks.
        now: Seconds since 1970; the clock where it is not given.
        only_due: Leave out those that ran less than `every_minutes` ago.
    """
    at = time.time() if now is None else now
    parameters = {
        "now": int(at),
        "month": datetime.fromtimestamp(at, settings.timezone).strftime("%Y-%m"),
        "today": datetime.fromtimestamp(at, settings.timezone).strftime("%Y-%m-%d"),
        "time_limit": int(settings.time_limit_minutes * 60),
    }
    warehouses = {name: Warehouse(settings, name, entry) for name, entry in book.databases.items()}
    try:
        last = dict(connection.execute("SELECT name, checked_at FROM check_results").fetchall())
        return [
            _run(check, connection, warehouses, parameters)
            for check in book.checks
            if not only_due or at - last.get(check.name, 0) >= check.every_minutes * 60
        ]
    finally:
        for warehouse in warehouses.values():
            warehouse.close()


def _run(
    check: Check, connection: sqlite3.Connection, warehouses: dict[str, Warehouse], parameters: dict[str, Any]
) -> Result:
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    findings: list[Finding] = []
    detail = None
    try:
        if check.database == FACTS:
            rows = [dict(row) for row in connection.execute(check.sql, parameters)]
        else:
            rows = warehouses[check.database].rows(check.sql, parameters)
        # Whatever a query returns (a database quotes values in its reasons), nobody's number is kept or shown.
        rows = [
            {name: redact(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
        ]
        broken = [row for row in rows if violates(row, check.expect)]
        findings = [_finding(check, row) for row in broken]
        status = "failing" if broken else "ok"
        # What fails is never cut off by what does not.
        rows = [*broken, *(row for row in rows if row not in broken)][:ROWS_KEPT] if len(rows) > ROWS_KEPT else rows
    except MissingTableError as error:
        status, detail = "skipped", str(error)
    except WarehouseError as error:
        status, detail = "error", str(error)
        findings = [_unreachable(check.database, error)] if error.unreachable else [_broken(check, str(error))]
    except (sqlite3.Error, ValueError, TypeError) as error:
        status, detail = "error", redact(str(error))
        findings = [_broken(check, detail)]
    return Result(check, status, rows, _one_per_subject(findings), detail, round(time.monotonic() - began, 3))


def _finding(check: Check, row: Mapping[str, Any]) -> Finding:
    return Finding(
        check.name, fill(check.subject, row), check.severity, check.message.filled(row), check.advice.filled(row)
    )


def _one_per_subject(findings: list[Finding]) -> list[Finding]:
    return list({finding.subject: finding for finding in reversed(findings)}.values())[::-1]


def _unreachable(database: str, error: WarehouseError) -> Finding:
    """Return the one problem that all checks over a database share while it cannot be reached."""
    return Finding(
        "database",
        database,
        "critical",
        Text(f"数据库 {database} 无法连接，数据检查暂停：{error}", f"Database {database} cannot be reached: {error}"),
        Text("检查数据库是否在运行、网络和账号", "See whether the database runs, its network and its account"),
    )


def _broken(check: Check, detail: str) -> Finding:
    return Finding(
        "check",
        check.name,
        "warning",
        Text(f"检查 {check.name} 无法执行：{detail}", f"Check {check.name} cannot run: {detail}"),
        Text("修正 checks.yml 中的 SQL", "Correct its SQL in checks.yml"),
    )


def save_results(connection: sqlite3.Connection, book: CheckBook, results: list[Result], now_at: int) -> None:
    """Keep the results for the page, and drop those of checks that are gone; call it inside a transaction."""
    names = [check.name for check in book.checks]
    connection.execute(
        f"DELETE FROM check_results WHERE name NOT IN ({', '.join('?' * len(names))})",  # noqa: S608 - marks only
        names,
    )
    for result in results:
        check = result.check
        before = connection.execute(
            "SELECT status, failing FROM check_results WHERE name = ?", (check.name,)
        ).fetchone()
        failing = len(result.findings)
        connection.execute(
            "INSERT OR REPLACE INTO check_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                check.name,
                json.dumps({"zh": check.title.zh, "en": check.title.en}, ensure_ascii=False),
                check.severity,
                now_at,
                result.status,
                failing,
                len(result.rows),
                json.dumps(result.rows, ensure_ascii=False, default=str),
                result.detail,
                result.seconds,
            ),
        )
        if before is None or (before["status"], before["failing"]) != (result.status, failing):
            connection.execute(
                "INSERT INTO check_history (name, checked_at, status, failing, detail) VALUES (?, ?, ?, ?, ?)",
                (check.name, now_at, result.status, failing, result.detail),
            )
