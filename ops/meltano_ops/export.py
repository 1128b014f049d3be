"""The same schedules for servers that bring their own timer: systemd units and a crontab, made from `meltano.yml`."""

from __future__ import annotations

import pwd
import re
import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from meltano_ops.cron import ALIASES, parse_interval

if TYPE_CHECKING:
    from meltano_ops.project import Project
    from meltano_ops.settings import Settings

_CHECK_MINUTES = 5


def program() -> str:
    """Return the path of the `meltano-ops` program that is running."""
    beside = Path(sys.executable).with_name("meltano-ops")
    return str(beside if beside.exists() else Path(sys.argv[0]).resolve())


def systemd_units(settings: Settings, project: Project) -> dict[str, str]:
    """Return systemd units by file name: a timer and a service per schedule, the page, and the checks with their alarm.

    `KillMode=mixed` sends SIGTERM to the supervisor alone, which lets the target finish its batch; what is left after
    the grace time is killed with the whole control group. A service that is still running is not started again.
    """
    base = f"meltano-{_unit_name(settings.root.name)}"
    # No EnvironmentFile: meltano-ops and Meltano read the project's .env themselves, by rules of their own.
    common = (
        f"WorkingDirectory={str(settings.root).replace('%', '%%')}\n{_user(settings)}"
        "KillMode=mixed\n"
        f"TimeoutStopSec={int(settings.stop_grace_seconds) + 30}\n"
    )
    units = {}
    for schedule in project.schedules:
        cron = parse_interval(schedule.interval)
        if cron is None:
            continue
        name = f"{base}-{_unit_name(schedule.name)}"
        calendars = "".join(f"OnCalendar={calendar}\n" for calendar in cron.calendars(str(settings.timezone)))
        units[f"{name}.timer"] = (
            f"[Unit]\nDescription={_text(schedule.name)} ({schedule.interval})\n\n"
            f"[Timer]\n{calendars}Persistent=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
        )
        units[f"{name}.service"] = (
            f"[Unit]\nDescription={_text(' '.join(('meltano', *schedule.command)))}\nOnFailure={base}-check.service\n\n"
            # Type=exec: RuntimeMaxSec has no effect on a oneshot service.
            f"[Service]\nType=exec\n{_start('schedule', '--once', schedule.name)}\n{common}"
            f"RuntimeMaxSec={int(settings.time_limit_minutes * 60 + settings.stop_grace_seconds + 120)}\n"
        )
    units[f"{base}-check.timer"] = (
        f"[Unit]\nDescription=Checks and alerts of {_text(settings.root.name)}\n\n"
        f"[Timer]\nOnBootSec=1min\nOnUnitActiveSec={_CHECK_MINUTES}min\n\n[Install]\nWantedBy=timers.target\n"
    )
    units[f"{base}-check.service"] = (
        f"[Unit]\nDescription=Checks and alerts of {_text(settings.root.name)}\nOnFailure={base}-silent.service\n\n"
        # Exit code 1 says that a problem is open and was told; anything else is a failure of the check itself.
        f"[Service]\nType=oneshot\n{_start('check')}\nSuccessExitStatus=1\n{common}TimeoutStartSec=15min\n"
    )
    units[f"{base}-silent.service"] = (
        f"[Unit]\nDescription=The checks of {_text(settings.root.name)} failed themselves\n\n"
        f"[Service]\nType=oneshot\n{_start('alert-test', '--reason', 'check-failed')}\n{common}"
    )
    units[f"{base}-page.service"] = (
        f"[Unit]\nDescription=Status page of {_text(settings.root.name)}\nAfter=network.target\n\n"
        f"[Service]\nType=exec\n{_start('serve')}\n{common}Restart=on-failure\nRestartSec=10\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
    return units


def _unit_name(name: str) -> str:
    """Return a name with nothing in it that a unit's file name may not have."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def _text(text: str) -> str:
    return text.replace("%", "%%")


def _start(*words: str) -> str:
    """Return the ExecStart= of a `meltano-ops` command: quoted where needed, without specifiers and variables."""
    quoted = []
    for word in (program(), *words):
        plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
        quoted.append(plain if re.fullmatch(r"[\w@%+=:,./-]+", plain) else f'"{plain}"')
    return f"ExecStart={' '.join(quoted)}"


def _user(settings: Settings) -> str:
    """Return who runs the units: the owner of the project, so that state and facts stay theirs; nothing for root."""
    owner = settings.root.stat().st_uid
    try:
        return f"User={pwd.getpwuid(owner).pw_name}\n" if owner else ""
    except KeyError:
        return f"User={owner}\n"


def crontab(settings: Settings, project: Project) -> str:
    """Return a crontab with one line per schedule and one for the checks.

    CRON_TZ is honoured by cronie; Debian's cron takes the system's zone, which must then be the project's.
    """
    command = f"cd {shlex.quote(str(settings.root))} && {shlex.quote(program())}"
    lines = [
        f"# Made by `meltano-ops export cron` from {settings.root / 'meltano.yml'}; the times are changed there.",
        f"# cronie honours CRON_TZ; Debian's cron does not: there, timedatectl set-timezone {settings.timezone}",
        f"CRON_TZ={settings.timezone}",
    ]
    for schedule in project.schedules:
        if parse_interval(schedule.interval) is None:
            continue
        interval = ALIASES.get(schedule.interval.lower(), schedule.interval)
        lines.append(f"{interval} {command} schedule --once {shlex.quote(schedule.name)}")
    lines.append(f"*/{_CHECK_MINUTES} * * * * {command} check")
    # cron ends a command at an unescaped percent sign.
    return "\n".join(line if line.startswith("#") else line.replace("%", "\\%") for line in lines) + "\n"


def logging_yaml() -> str:
    """Return the `logging.yaml` that makes Meltano write the log this program reads."""
    return (resources.files("meltano_ops") / "logging.yaml").read_text(encoding="utf-8")
