"""Schedules for cron and systemd: the same times, and a run that nobody has to watch."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from meltano_ops import export
from meltano_ops.cli import cli
from meltano_ops.project import load_project

from ops.tests.life import BEIJING, PROJECT, Life


def test_systemd_units_catch_up_end_gently_and_raise_the_alarm(life: Life) -> None:
    units = export.systemd_units(life.settings, load_project(life.root))
    base = f"meltano-{life.root.name}"
    timer, service = units[f"{base}-life-2h.timer"], units[f"{base}-life-2h.service"]
    assert "OnCalendar=*-*-* 00,02,04,06,08,10,12,14,16,18,20,22:02:00 Asia/Shanghai" in timer
    assert "Persistent=true" in timer
    assert "schedule --once life-2h" in service
    assert "KillMode=mixed" in service
    assert "RuntimeMaxSec=14640" in service
    # RuntimeMaxSec does nothing for a oneshot service.
    assert "Type=exec" in service
    assert f"OnFailure={base}-silent.service" in units[f"{base}-check.service"]
    assert "SuccessExitStatus=1" in units[f"{base}-check.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize(
    "names", [("shop", "life-2h"), ("my shop, 100% $HOME", "every 2 hours, 50%")], ids=["plain", "odd"]
)
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path, names: tuple[str, str]) -> None:
    life = Life(tmp_path / names[0], PROJECT.replace("life-2h", names[1]))
    life.facts.close()
    folder = tmp_path / "units"
    result = CliRunner().invoke(cli, ["--project", str(life.root), "export", "systemd", "--output", str(folder)])
    assert result.exit_code == 0
    units = sorted([*folder.glob("*.timer"), *folder.glob("*.service")])
    assert len(units) == 6
    done = subprocess.run(["systemd-analyze", "verify", *units], check=False, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "units/" in line or "meltano" in line] == []


def test_an_odd_project_name_survives_the_crontab(tmp_path: Path) -> None:
    life = Life(tmp_path / "my shop, 100%")
    life.facts.close()
    [line] = [line for line in export.crontab(life.settings, load_project(life.root)).splitlines() if "--once" in line]
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    assert shlex.split(command)[1] == str(life.root)
    assert "100%" not in line


def test_exports_hold_no_secret(tmp_path: Path) -> None:
    life = Life(tmp_path / "shop", TAP_LIFE_TOKEN="s3cr3tvalue", MELTANO_OPS_PASSWORD="s3cr3tvalue")
    life.facts.close()
    (life.root / ".env").write_text("TAP_LIFE_TOKEN=s3cr3tvalue\nMELTANO_OPS_ALERT_URLS=dingtalk://s3cr3tvalue@x\n")
    project = load_project(life.root)
    exported = [*export.systemd_units(life.settings, project).values(), export.crontab(life.settings, project)]
    assert not [text for text in exported if "s3cr3tvalue" in text]


def test_the_crontab_has_the_zone_the_schedules_and_the_checks(life: Life) -> None:
    lines = export.crontab(life.settings, load_project(life.root)).splitlines()
    assert "CRON_TZ=Asia/Shanghai" in lines
    assert any(line.startswith("2 */2 * * * cd ") and line.endswith("schedule --once life-2h") for line in lines)
    assert lines[-1].startswith("*/5 * * * * ")
    assert lines[-1].endswith(" check")


def test_commands_say_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--project", str(tmp_path), "status"])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "No meltano.yml" in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MELTANO_OPS_TIMEZONE", "Mars/Base"),
        ("MELTANO_OPS_RETENTION_DAYS", "many"),
        ("MELTANO_OPS_RETRY_PAUSES", "soon"),
        ("MELTANO_OPS_STOP_GRACE_SECONDS", "-1"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(life: Life, name: str, value: str) -> None:
    result = CliRunner(env={name: value}).invoke(cli, ["--project", str(life.root), "status"])
    assert result.exit_code == 2
    assert name in result.output


def test_check_ends_with_one_when_something_is_wrong_and_status_tells_it(life: Life) -> None:
    runner = CliRunner()
    life.good_run(datetime.now(BEIJING) - timedelta(minutes=5))
    assert runner.invoke(cli, ["--project", str(life.root), "check"]).exit_code == 0
    life.failed_run(datetime.now(BEIJING), "会话已过期")
    result = runner.invoke(cli, ["--project", str(life.root), "check"])
    assert result.exit_code == 1
    assert "连续失败 1 次：授权会话已失效。会话已过期" in result.output
    status = runner.invoke(cli, ["--project", str(life.root), "status", "--lang", "en"])
    assert "1 open problem(s)" in status.output


def test_export_logging_prints_what_meltano_understands(life: Life) -> None:
    result = CliRunner().invoke(cli, ["--project", str(life.root), "export", "logging"])
    assert result.output == export.logging_yaml()


def test_the_readme_names_every_setting_and_every_command() -> None:
    package = Path(export.__file__).parent
    readme = (package.parent / "README.md").read_text(encoding="utf-8")
    settings = (package / "settings.py").read_text(encoding="utf-8")
    for name in re.findall(r'(?:text|number)\("([A-Z_]+)"', settings):
        assert f"`MELTANO_OPS_{name}`" in readme, name
    for command in cli.commands:
        assert f"meltano-ops {command}" in readme, command
