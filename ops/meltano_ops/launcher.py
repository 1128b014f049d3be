"""Start one schedule now: the locks of its tables, the trigger's name, the time limit, what came of it."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from meltano_ops import locks, processes, store
from meltano_ops.collect import collect
from meltano_ops.history import History
from meltano_ops.meltano import meltano_command
from meltano_ops.project import load_project
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from meltano_ops.history import Run
    from meltano_ops.project import Block, Project, Schedule
    from meltano_ops.settings import Settings

# Meltano writes a heartbeat each second and waits five minutes before it believes that a run is dead.
_SILENT_SECONDS = 20
_LOOK_SECONDS = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a launch: `success`, `failed`, `timeout`, `stopped`, or `refused` (it runs already)."""

    outcome: str
    exit_code: int


def project_mark(root: Path) -> str:
    """Return the mark of every process started for the project in `root`."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


def table_locks(settings: Settings, project: Project, blocks: Sequence[Block]) -> list[Path]:
    """Return the lock files of the tables that these steps write to.

    Two pipelines meet in the same tables when their taps and targets come from the same plugins, whatever their
    inherited names or state-id suffixes: a repair and a main run, for example.
    """
    names = sorted({f"{project.base_name(block.tap)}-to-{project.base_name(block.target)}" for block in blocks})
    return [settings.root / ".meltano" / "ops" / f"{name}.lock" for name in names]


def launch(
    connection: sqlite3.Connection,
    settings: Settings,
    project: Project,
    schedule: Schedule,
    *,
    due_at: int,
    attempt: int = 1,
    stop: Callable[[], bool],
) -> Outcome:
    """Run a schedule to its end and return what came of it.

    Args:
        connection: The facts' file, writable; the launch is noted there before and after.
        settings: The project.
        project: What `meltano.yml` says.
        schedule: What to run.
        due_at: The time it was due, in seconds since 1970.
        attempt: 1, or more for a retry.
        stop: Asked while waiting and running; True ends the run gently.
    """
    run_id = str(uuid4())
    environment = {
        **settings.environ,
        "MELTANO_JOB_TRIGGER": f"schedule:{schedule.name}",
        **schedule.env,
        "MELTANO_RUN_ID": run_id,
    }
    with ExitStack() as stack:
        try:
            held = [
                stack.enter_context(locks.held(path, give_up=stop))
                for path in table_locks(settings, project, schedule.blocks)
            ]
        except locks.LockedError:
            return Outcome("stopped", -1)
        command = [*meltano_command(settings), *schedule.command]
        history = History(settings, project.database_uri)
        if _only_dead(history, schedule):
            logger.warning("%s: the last run was killed; its row is passed over", schedule.name)
            environment["MELTANO_RUN_FORCE"] = "true"
        with store.transaction(connection):
            launch_id = connection.execute(
                "INSERT INTO launches (schedule, due_at, attempt, run_id, started_at) VALUES (?, ?, ?, ?, ?)",
                (schedule.name, due_at, attempt, run_id.replace("-", ""), int(time.time())),
            ).lastrowid
        logger.info("%s: starts (attempt %s)", schedule.name, attempt)
        ended = processes.run(
            command,
            settings.root,
            environment,
            f"{project_mark(settings.root)}:{run_id}",
            stop=stop,
            time_limit_seconds=_time_limit(settings, schedule),
            grace_seconds=settings.stop_grace_seconds,
            keep_open=held,
        )
        outcome = Outcome(_word(ended, history, schedule, run_id), ended.exit_code)
    with store.transaction(connection):
        connection.execute(
            "UPDATE launches SET ended_at = ?, exit_code = ?, outcome = ? WHERE id = ?",
            (int(time.time()), outcome.exit_code, outcome.outcome, launch_id),
        )
    logger.info("%s: %s (exit code %s)", schedule.name, outcome.outcome, outcome.exit_code)
    return outcome


def _time_limit(settings: Settings, schedule: Schedule) -> float:
    own = schedule.env.get("MELTANO_OPS_TIME_LIMIT_MINUTES")
    try:
        return float(own or settings.time_limit_minutes) * 60
    except ValueError:
        raise OpsError(f"MELTANO_OPS_TIME_LIMIT_MINUTES of schedule {schedule.name} must be a number.") from None


def _running(history: History, schedule: Schedule) -> list[Run]:
    """Return the runs of the schedule's pipelines that Meltano believes to be running."""
    return [run for run in history.running() if run.pipeline in schedule.pipelines]


def _only_dead(history: History, schedule: Schedule) -> bool:
    """Return whether what Meltano believes to be running is surely dead, so that its five-minute wait can be spared.

    Dead is a heartbeat that is old and does not move while it is looked at (a machine that wakes up has old heartbeats
    too), and only where every run happens on this machine.
    """
    if not history.local:
        return False
    first = {run.run_id: run.heartbeat_at for run in _running(history, schedule)}
    began = time.time()
    while first:
        time.sleep(1)
        now = time.time()
        heartbeats = {run.run_id: run.heartbeat_at for run in _running(history, schedule)}
        if any(heartbeats.get(run_id, at) != at for run_id, at in first.items()):
            return False
        if now - began >= _LOOK_SECONDS and all((at or 0) < now - _SILENT_SECONDS for at in first.values()):
            return True
    return False


def _word(ended: processes.Ended, history: History, schedule: Schedule, run_id: str) -> str:
    if ended.ended_by:
        return ended.ended_by
    if ended.exit_code == 0:
        return "success"
    # A refused run leaves no row of its own (https://github.com/meltano/meltano: "… is already running").
    if not history.again([run_id]) and _running(history, schedule):
        return "refused"
    return "failed"


def run_once(settings: Settings, name: str, stop: threading.Event) -> int:
    """Run one schedule now, as cron and systemd do, and return Meltano's exit code.

    Raises:
        OpsError: There is no such schedule.
    """
    project = load_project(settings.root, settings.environment)
    schedule = next((entry for entry in project.schedules if entry.name == name), None)
    if schedule is None:
        known = ", ".join(entry.name for entry in project.schedules) or "none"
        raise OpsError(f"meltano.yml has no schedule {name}; it has: {known}.")
    with closing(store.connect(settings.database, settings.timezone)) as connection:
        outcome = launch(connection, settings, project, schedule, due_at=int(time.time()), stop=stop.is_set)
        collect(connection, settings)
    return max(0, outcome.exit_code) if outcome.exit_code >= 0 else 1
