"""One round: collect, check, open and close problems, tell people, ping the dead man's switch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meltano_ops import alerts, locks, store
from meltano_ops.checks import load_checks, run_checks, save_results
from meltano_ops.collect import collect
from meltano_ops.problems import open_problems, update_problems

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.alerts import Delivery
    from meltano_ops.checks import Result
    from meltano_ops.problems import Problem
    from meltano_ops.settings import Settings


@dataclass(frozen=True)
class Round:
    """What one round found and told."""

    results: list[Result]
    problems: tuple[Problem, ...]
    deliveries: list[Delivery]

    @property
    def undelivered(self) -> bool:
        """Whether there was something to tell and nobody took it."""
        return bool(self.deliveries) and not any(delivery.accepted for delivery in self.deliveries)


def check_round(
    connection: sqlite3.Connection, settings: Settings, now: float | None = None, *, only_due: bool = False
) -> Round:
    """Run one round.

    Args:
        connection: The facts' file, writable.
        settings: The project.
        now: Seconds since 1970; the clock where it is not given.
        only_due: Spare the checks that ran less than their `every_minutes` ago.

    Raises:
        OpsError: `meltano.yml` or `checks.yml` has a mistake.
    """
    at = time.time() if now is None else now
    # Scheduler and `meltano-ops check` may come at once: a problem is told by one of them.
    with locks.held(settings.database.with_name(f"{settings.database.name}.round.lock")):
        return _round(connection, settings, at, only_due=only_due)


def _round(connection: sqlite3.Connection, settings: Settings, at: float, *, only_due: bool) -> Round:
    collect(connection, settings, at)
    book = load_checks(settings.root)
    results = run_checks(connection, settings, book, at, only_due=only_due)
    with store.transaction(connection):
        save_results(connection, book, results, int(at))
        update_problems(connection, book, results, int(at))
        connection.execute(
            "INSERT INTO meta VALUES ('checked_at', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (int(at),),
        )
    deliveries = alerts.tell(connection, settings, at)
    done = Round(results, open_problems(connection), deliveries)
    if not done.undelivered:
        alerts.heartbeat(settings)
    return done
