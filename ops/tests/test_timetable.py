"""The scheduler's timetable follows meltano.yml, what it includes, and .env, while it runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from meltano_ops.scheduler import Scheduler
from meltano_ops.settings import OpsError

from ops.tests.life import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.tests.life import Life

EXTRA = "schedules:\n- {name: extra, interval: '@hourly', job: life}\n- {name: by-hand, interval: '@once', job: life}\n"


def _planned(scheduler: Scheduler) -> set[str]:
    return {job.id for job in scheduler._clock.get_jobs()}


def test_changes_are_taken_over_whole_or_not_at_all(make_life: Callable[..., Life]) -> None:
    life = make_life(project=PROJECT + "\ninclude_paths: [more/*.yml]\n")
    (life.root / "more").mkdir()
    (life.root / "more" / "a.yml").write_text("{}", encoding="utf-8")
    scheduler = Scheduler(life.settings, threading.Event())
    scheduler._load()
    assert _planned(scheduler) == {"life-2h"}
    (life.root / "more" / "a.yml").write_text(EXTRA, encoding="utf-8")
    scheduler._reload()
    assert _planned(scheduler) == {"life-2h", "extra"}
    # Somebody is in the middle of editing: what was known stays in force.
    for mistake in (PROJECT.replace("'2 */2 * * *'", "'2 */2 * *"), PROJECT.replace("*/2", "*/99999x"), "jobs: 5"):
        (life.root / "meltano.yml").write_text(mistake, encoding="utf-8")
        scheduler._reload()
        assert _planned(scheduler) == {"life-2h", "extra"}
    (life.root / "meltano.yml").write_text(PROJECT.replace("life-2h", "renamed"), encoding="utf-8")
    (life.root / ".env").write_text("MELTANO_OPS_ALERT_URLS=json://127.0.0.1:9/new", encoding="utf-8")
    scheduler._reload()
    assert _planned(scheduler) == {"renamed"}
    assert scheduler._settings.alert_urls == ("json://127.0.0.1:9/new",)


def test_a_scheduler_does_not_start_with_a_schedule_it_cannot_understand(make_life: Callable[..., Life]) -> None:
    life = make_life(project=PROJECT.replace("'2 */2 * * *'", "every day"))
    with pytest.raises(OpsError, match="every day"):
        Scheduler(life.settings, threading.Event())._load()
