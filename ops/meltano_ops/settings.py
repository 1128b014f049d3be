"""Settings: where the project is, and what the environment says."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import platformdirs
from dotenv import dotenv_values

if TYPE_CHECKING:
    from collections.abc import Mapping


class OpsError(Exception):
    """A mistake the operator can mend; its text says how, in one line."""


@dataclass(frozen=True)
class Settings:
    """What `meltano-ops` needs to know about its surroundings.

    Attributes:
        root: The folder of `meltano.yml`.
        database: The SQLite file with the collected facts.
        timezone: The zone in which schedules are meant and days are counted.
        environment: The Meltano environment (`MELTANO_ENVIRONMENT`), or None for the project's default.
        alert_urls: Apprise addresses; every message goes to each of them.
        alert_repeat_hours: A problem that stays is repeated at most this often.
        alert_max_per_minute: No address gets more messages in a minute (a 钉钉 robot takes 20).
        heartbeat_url: Asked for after every completed check, so that another service notices missing checks.
        page_password: Password of the page; needed when it is bound to more than loopback.
        page_url: Address of the page as people reach it, for the links in alerts.
        retention_days: Facts older than this are removed.
        time_limit_minutes: A run started by the scheduler is ended after this time.
        stop_grace_seconds: What a run gets between SIGTERM and SIGKILL.
        retry_pauses: Seconds before the first, second, … retry of a failed run.
        environ: The process environment. Meltano gets this and reads `.env` itself: a renewed key counts at once.
        variables: The process environment with the values of `.env` beneath it.
    """

    root: Path
    database: Path
    timezone: ZoneInfo
    environment: str | None
    alert_urls: tuple[str, ...]
    alert_repeat_hours: float
    alert_max_per_minute: int
    heartbeat_url: str | None
    page_password: str | None
    page_url: str | None
    retention_days: int
    time_limit_minutes: float
    stop_grace_seconds: float
    retry_pauses: tuple[float, ...]
    environ: Mapping[str, str]
    variables: Mapping[str, str]


def find_project(start: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Return the nearest folder with a `meltano.yml`, from `start` upwards, or `MELTANO_PROJECT_ROOT`, as Meltano does.

    Raises:
        OpsError: There is none.
    """
    named = (os.environ if environ is None else environ).get("MELTANO_PROJECT_ROOT")
    for folder in (Path(named).resolve(),) if named else (start, *start.parents):
        if (folder / "meltano.yml").is_file():
            return folder
    raise OpsError(f"No meltano.yml in {start} or above it: change into a Meltano project or name it with --project.")


def load_settings(root: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the project in `root`.

    Args:
        root: The folder of `meltano.yml`.
        environ: The environment; the process's own where it is not given. It wins over the project's `.env`.

    Raises:
        OpsError: A value cannot be understood.
    """
    dotenv = {name: value for name, value in dotenv_values(root / ".env").items() if value is not None}
    environ = dict(os.environ if environ is None else environ)
    variables = {**dotenv, **environ}

    def text(name: str, default: str = "") -> str:
        return variables.get(f"MELTANO_OPS_{name}", "").strip() or default

    def number(name: str, default: float) -> float:
        value = text(name, str(default))
        try:
            result = float(value)
        except ValueError:
            result = -1
        if result < 0:
            raise OpsError(f"MELTANO_OPS_{name} must be a number that is not negative, not {value!r}.")
        return result

    zone = text("TIMEZONE", "Asia/Shanghai")
    try:
        timezone = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise OpsError(f"MELTANO_OPS_TIMEZONE must be a zone such as Asia/Shanghai, not {zone!r}.") from None
    pauses = text("RETRY_PAUSES", "60 300 900").replace(",", " ").split()
    try:
        retry_pauses = tuple(float(pause) for pause in pauses if pause != "none")
    except ValueError:
        raise OpsError(
            f"MELTANO_OPS_RETRY_PAUSES must be seconds such as '60 300 900', or 'none', not {' '.join(pauses)!r}."
        ) from None
    return Settings(
        root=root,
        database=_database(root, text("DATABASE")),
        timezone=timezone,
        environment=variables.get("MELTANO_ENVIRONMENT") or None,
        alert_urls=tuple(text("ALERT_URLS").split()),
        alert_repeat_hours=number("ALERT_REPEAT_HOURS", 12),
        alert_max_per_minute=int(number("ALERT_MAX_PER_MINUTE", 20)),
        heartbeat_url=text("HEARTBEAT_URL") or None,
        page_password=text("PASSWORD") or None,
        page_url=text("PAGE_URL") or None,
        retention_days=int(number("RETENTION_DAYS", 90)),
        time_limit_minutes=number("TIME_LIMIT_MINUTES", 240),
        stop_grace_seconds=number("STOP_GRACE_SECONDS", 120),
        retry_pauses=retry_pauses,
        environ=environ,
        variables=variables,
    )


def _database(root: Path, named: str) -> Path:
    """Return where the facts' file is: as named, else in the project, else (a project that is read-only) the user's."""
    if named:
        return root / named
    path = root / "ops.db"
    if os.access(root, os.W_OK) and (not path.exists() or os.access(path, os.W_OK)):
        return path
    mark = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return platformdirs.user_state_path("meltano-ops") / f"{root.name}-{mark}" / "ops.db"
