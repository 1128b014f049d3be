"""The scheduler: runs the `schedules:` of `meltano.yml`, and the rounds of checks beside them.

APScheduler keeps the times; what a run is, `launcher` knows. The times stand in `meltano.yml` only: the file is read
again when it changes. What was missed while nothing ran is made up for once, not once per missed time.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped] # ships no types
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]

from meltano_ops import locks, processes, store
from meltano_ops.collect import collect
from meltano_ops.cron import due_times, parse_interval
from meltano_ops.launcher import Outcome, launch, project_mark
from meltano_ops.project import load_project
from meltano_ops.rounds import check_round
from meltano_ops.settings import OpsError, load_settings

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from meltano_ops.project import Project, Schedule
    from meltano_ops.settings import Settings

COLLECT_SECONDS = 20
CHECK_SECONDS = 300
RELOAD_SECONDS = 30
_TRY_AGAIN = frozenset({"failed", "timeout", "refused"})
_REFUSED_PAUSE_SECONDS = 60

logger = logging.getLogger(__name__)


class Scheduler:
    """Runs schedules and checks until it is told to stop.

    Args:
        settings: The project.
        stop: Set by a signal handler; running pipelines then get SIGTERM and their time to finish the batch.
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._project: Project = load_project(settings.root, settings.environment)
        self._read: frozenset[tuple[Path, int]] = frozenset()
        self._round = threading.Lock()
        workers = max(10, 2 * len(self._project.schedules) + 5)
        self._clock = BackgroundScheduler(
            timezone=settings.timezone,
            executors={"default": ThreadPoolExecutor(workers)},
            # A late start is better than none, and one is enough.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def run(self) -> None:
        """Run until `stop` is set, and until everything that was started has ended.

        Raises:
            OpsError: Another scheduler of this project is running, or `meltano.yml` has a mistake.
        """
        lock = self._settings.root / ".meltano" / "ops" / "scheduler.lock"
        try:
            with locks.held(lock, wait=False):
                self._run()
        except locks.LockedError:
            raise OpsError("A scheduler of this project is running already.") from None

    def _run(self) -> None:
        ended = processes.end_orphans(project_mark(self._settings.root), self._settings.stop_grace_seconds)
        if ended:
            logger.warning("Ended %s process(es) that an earlier scheduler had left behind", ended)
        self._collect()
        self._load()
        self._catch_up()
        now = datetime.now(self._settings.timezone)
        self._clock.add_job(self._reload, "interval", seconds=RELOAD_SECONDS, id=":reload")
        self._clock.add_job(self._collect, "interval", seconds=COLLECT_SECONDS, id=":collect")
        self._clock.add_job(self._check, "interval", seconds=CHECK_SECONDS, id=":check", next_run_time=now)
        self._clock.start()
        try:
            self._stop.wait()
            logger.info("Stopping; running pipelines finish their batch")
        finally:
            self._stop.set()
            self._clock.shutdown(wait=True)
            self._collect()

    def _connect(self) -> closing[sqlite3.Connection]:
        return closing(store.connect(self._settings.database, self._settings.timezone))

    def _load(self) -> None:
        """Give the clock what `meltano.yml` says now: all of it, or nothing where it has a mistake."""
        self._read = self._watched()
        project = load_project(self._settings.root, self._settings.environment)
        crons = {
            schedule.name: (schedule.interval, parse_interval(schedule.interval)) for schedule in project.schedules
        }
        self._project = project
        wanted = set()
        for name, (interval, cron) in crons.items():
            if cron is None:
                continue
            wanted.add(name)
            trigger = cron.trigger(self._settings.timezone)
            self._clock.add_job(self._fire, trigger, args=[name], id=name, replace_existing=True)
            logger.info("%s: %s", name, interval)
        for job in self._clock.get_jobs():
            if not job.id.startswith(":") and job.id.partition("#")[0] not in wanted:
                job.remove()

    def _reload(self) -> None:
        try:
            if self._watched() != self._read:
                self._read = self._watched()
                self._settings = load_settings(self._settings.root, self._settings.environ)
                self._load()
        except (OpsError, OSError) as error:
            # Somebody is editing it; what was read before stays in force.
            logger.error("meltano.yml or .env is not taken over: %s", error)  # noqa: TRY400 - the text says it all

    def _watched(self) -> frozenset[tuple[Path, int]]:
        """Return the files that say what to do, and when they were changed."""
        files = {self._settings.root / "meltano.yml", self._settings.root / ".env", *self._project.files}
        return frozenset((path, path.stat().st_mtime_ns) for path in files if path.exists())

    def _catch_up(self) -> None:
        """Start now what was due while no scheduler ran, and take up the retries that were planned."""
        now = datetime.now(self._settings.timezone)
        with self._connect() as connection:
            for schedule in self._project.schedules:
                cron = parse_interval(schedule.interval)
                due = due_times(cron.trigger(self._settings.timezone), now)[0] if cron else None
                if due is None:
                    continue
                last = connection.execute(
                    "SELECT * FROM launches WHERE schedule = ? ORDER BY id DESC LIMIT 1", (schedule.name,)
                ).fetchone()
                if _missed(connection, schedule, int(due.timestamp())):
                    logger.info("%s: makes up for %s", schedule.name, due.strftime("%Y-%m-%d %H:%M"))
                    self._later(schedule.name, now, int(due.timestamp()), 1)
                elif last is not None and last["retry_at"] is not None:
                    at = max(now, datetime.fromtimestamp(last["retry_at"], self._settings.timezone))
                    self._later(schedule.name, at, last["due_at"], last["attempt"] + 1)

    def _later(self, name: str, at: datetime, due_at: int, attempt: int) -> None:
        arguments: dict[str, Any] = {"due_at": due_at, "attempt": attempt}
        self._clock.add_job(
            self._fire, "date", run_date=at, args=[name], kwargs=arguments, id=f"{name}#again", replace_existing=True
        )

    def _fire(self, name: str, due_at: int | None = None, attempt: int = 1) -> None:
        """Run one schedule; on failure plan the next try, unless the next regular time comes first."""
        schedule = next((entry for entry in self._project.schedules if entry.name == name), None)
        if schedule is None or self._stop.is_set():
            return
        if due_at is None:
            due_at = int(time.time())
        with self._connect() as connection:
            try:
                outcome = launch(
                    connection,
                    self._settings,
                    self._project,
                    schedule,
                    due_at=due_at,
                    attempt=attempt,
                    stop=self._stop.is_set,
                )
            except OpsError as error:
                logger.error("%s: %s", name, error)  # noqa: TRY400 - a message for the operator
                return
            if outcome.outcome in _TRY_AGAIN:
                self._plan_retry(connection, schedule, outcome, due_at, attempt)
        if not self._stop.is_set():
            self._clock.add_job(self._check, "date", id=":check-now", replace_existing=True)

    def _plan_retry(
        self, connection: sqlite3.Connection, schedule: Schedule, outcome: Outcome, due_at: int, attempt: int
    ) -> None:
        pauses = self._settings.retry_pauses
        if attempt > len(pauses):
            return
        pause = _REFUSED_PAUSE_SECONDS if outcome.outcome == "refused" else pauses[attempt - 1]
        at = datetime.now(self._settings.timezone) + timedelta(seconds=pause)
        regular = self._clock.get_job(schedule.name)
        if regular is not None and regular.next_run_time is not None and regular.next_run_time <= at:
            return
        logger.info("%s: tries again at %s", schedule.name, at.strftime("%H:%M:%S"))
        with store.transaction(connection):
            connection.execute(
                "UPDATE launches SET retry_at = ? WHERE id = (SELECT max(id) FROM launches WHERE schedule = ?)",
                (int(at.timestamp()), schedule.name),
            )
        self._later(schedule.name, at, due_at, attempt + 1)

    def _collect(self) -> None:
        with self._connect() as connection:
            try:
                collect(connection, self._settings)
            except OpsError as error:
                logger.error("%s", error)  # noqa: TRY400 - a message for the operator

    def _check(self) -> None:
        if not self._round.acquire(blocking=False):
            return
        try:
            with self._connect() as connection:
                check_round(connection, self._settings, only_due=True)
        except OpsError as error:
            logger.error("%s", error)  # noqa: TRY400 - a message for the operator
        finally:
            self._round.release()


def _missed(connection: sqlite3.Connection, schedule: Schedule, due_at: int) -> bool:
    """Return whether nothing has served the time `due_at`: no launch that ended, and no run by other means."""
    first_seen = connection.execute(
        "SELECT min(first_seen_at) FROM schedules WHERE name = ?", (schedule.name,)
    ).fetchone()[0]
    if first_seen is None or due_at < first_seen:
        return False
    served = connection.execute(
        """SELECT count(*) FROM launches WHERE schedule = ? AND started_at >= ?
           AND outcome IS NOT NULL AND outcome <> 'stopped'""",
        (schedule.name, due_at),
    ).fetchone()[0]
    if served:
        return False
    begun = connection.execute(
        "SELECT count(*) FROM launches WHERE schedule = ? AND started_at >= ?", (schedule.name, due_at)
    ).fetchone()[0]
    if begun:
        return True
    marks = ", ".join("?" * len(schedule.pipelines))
    runs = connection.execute(
        f"SELECT count(DISTINCT pipeline) FROM runs WHERE pipeline IN ({marks}) AND started_at >= ?",  # noqa: S608 - marks only
        (*schedule.pipelines, due_at),
    ).fetchone()[0]
    return bool(runs < len(set(schedule.pipelines)))
