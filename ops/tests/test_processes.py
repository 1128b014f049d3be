"""Processes: ended gently, ended in time, none left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import pytest
from meltano_ops import locks, processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A leader that starts a child which ignores SIGTERM, as a plugin deep in a request would.
LEADER = """
import os, signal, subprocess, sys, time
def gently(*_):
    open(sys.argv[1] + ".gently", "w").write("x")
    sys.exit(143)
signal.signal(signal.SIGTERM, gently)
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
child.stdout.readline()
open(sys.argv[1] + ".new", "w").write(str(child.pid))
os.replace(sys.argv[1] + ".new", sys.argv[1])
if sys.argv[2] == "end":
    sys.exit(3)
time.sleep(60)
"""


@pytest.fixture
def mark() -> str:
    return f"test-{uuid4()}"


def _run(folder: Path, mark: str, what: str, **arguments: object) -> processes.Ended:
    settings = {"stop": lambda: False, "time_limit_seconds": 100, "grace_seconds": 60, **arguments}
    command = [sys.executable, "-c", LEADER, str(folder / "child"), what]
    return processes.run(command, folder, os.environ, mark, **settings)  # type: ignore[arg-type] # as tests give them


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Return whether a process does anything yet: one that only waits to be collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_ends_leaves_no_child_behind(tmp_path: Path, mark: str) -> None:
    ended = _run(tmp_path, mark, "end", grace_seconds=0.3)
    assert (ended.exit_code, ended.ended_by) == (3, None)
    assert processes.marked(mark) == []
    assert not _lives(int((tmp_path / "child").read_text()))


def test_a_run_over_its_time_limit_is_asked_to_stop_and_then_made_to(tmp_path: Path, mark: str) -> None:
    def never_once_it_listens() -> bool:
        _wait_until((tmp_path / "child").exists)
        return False

    ended = _run(tmp_path, mark, "sleep", time_limit_seconds=0.01, stop=never_once_it_listens)
    assert (ended.exit_code, ended.ended_by) == (143, "timeout")
    assert (tmp_path / "child.gently").exists()
    assert processes.marked(mark) == []


def test_stop_ends_a_run_gently(tmp_path: Path, mark: str) -> None:
    ended = _run(tmp_path, mark, "sleep", stop=(tmp_path / "child").exists)
    assert (ended.exit_code, ended.ended_by) == (143, "stopped")
    assert processes.marked(mark) == []


def test_what_a_killed_scheduler_left_running_is_found_and_ended(tmp_path: Path, mark: str) -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER, str(tmp_path / "child"), "sleep"],
        env={**os.environ, processes.MARK: f"{mark}:run"},
        start_new_session=True,
    )
    # Meltano itself was killed too: only its plugin is left.
    _wait_until((tmp_path / "child").exists)
    leader.kill()
    leader.wait()
    assert len(processes.marked(mark)) == 1
    assert processes.end_orphans(mark, grace_seconds=0.5) == 1
    assert processes.marked(mark) == []
    assert processes.end_orphans(mark, grace_seconds=0.5) == 0


def test_a_process_that_ended_since_it_was_listed_is_no_mistake(mark: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={processes.MARK: mark})
    _wait_until(lambda: len(processes.marked(mark)) == 1)
    [listed] = processes.marked(mark)
    child.kill()
    child.wait()
    processes.kill(listed)
    assert processes.marked(mark) == []


def test_a_lock_is_kept_by_the_child_when_its_parent_is_killed(tmp_path: Path, mark: str) -> None:
    # A scheduler killed hard leaves Meltano running: the next scheduler must not start beside it.
    path = tmp_path / "table.lock"
    program = (
        "import pathlib, subprocess, sys, time\nfrom meltano_ops import locks\n"
        "with locks.held(pathlib.Path(sys.argv[1])) as held:\n"
        "    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], pass_fds=(held,))\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, processes.MARK: mark},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"held\n"
        parent.kill()
    with pytest.raises(locks.LockedError), locks.held(path, wait=False):
        pass
    processes.end_orphans(mark, grace_seconds=5)
    with locks.held(path, wait=False):
        pass


def test_waiting_for_a_lock_can_be_given_up(tmp_path: Path) -> None:
    give_up = threading.Event()
    with locks.held(tmp_path / "lock"):
        threading.Timer(0.3, give_up.set).start()
        with pytest.raises(locks.LockedError), locks.held(tmp_path / "lock", give_up=give_up.is_set):
            pass
