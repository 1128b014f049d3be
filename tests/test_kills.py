"""``kill -9`` of every process of the main job at a random moment: after the next run the tables equal the source.

``KILL_ROUNDS=20 pytest tests/test_kills.py`` repeats each case more often than the suite has time for.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import tickets
from tests.tickets import RUN

if TYPE_CHECKING:
    from tests.project import Project
    from tests.sandbox.client import KuaimaiSandbox

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
VICTIMS = {"tap": "bin/tap-kuaimai", "target": "bin/target-mysql-replace", "meltano": "bin/meltano"}


def processes_of(project: Project, program: str) -> list[int]:
    """Return the processes of this project that run a program of .venv/bin."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        if program in command and "--discover" not in command and where.is_relative_to(project.directory):
            found.append(int(entry.name))
    return found


def kill_at_a_random_moment(project: Project, victim: str, dice: random.Random) -> None:
    """Start the main job, and end one of its processes, or the database server, somewhere in the middle."""
    job = project.start("meltano", *RUN[:1], "--force", *RUN[1:])
    deadline = time.monotonic() + 60
    while not processes_of(project, VICTIMS["target"]) and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(dice.uniform(0, 4))
    if victim == "server":
        project.server.kill()
    else:
        for pid in processes_of(project, VICTIMS[victim]):
            os.kill(pid, signal.SIGKILL)
    try:
        job.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
        pytest.fail(f"the job hung after kill -9 of {victim}")


@pytest.mark.parametrize("victim", [*VICTIMS, "server"])
def test_the_next_run_completes_what_a_kill_interrupted(project: Project, kuaimai: KuaimaiSandbox, victim: str) -> None:
    dice = random.Random(f"{victim} {ROUNDS}")
    project.settings |= {"TAP_KUAIMAI_WINDOW_MINUTES": "360", "TARGET_MYSQL_REPLACE_BATCH_SIZE_ROWS": "100"}
    kuaimai.set_latency(0.05)
    for _ in range(ROUNDS):
        kill_at_a_random_moment(project, victim, dice)
        if victim == "server":
            project.server.restart()
        kuaimai.change(count=15)
        # A killed Meltano cannot say that its run is over; --force does not wait five minutes for its heartbeat.
        project.meltano(*RUN[:1], "--force", *RUN[1:])
        tickets.assert_tables_equal(project, kuaimai)
