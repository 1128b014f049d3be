"""One Meltano process and everything it starts: run it, stop it gently, leave nothing behind.

On SIGTERM Meltano passes the signal on to the plugins once and waits for them, so that the target writes its batch.
After `kill -9` of Meltano its plugins live on. Every process started here therefore carries a mark in its environment,
by which it and its children are found again, also by the next scheduler.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MARK = "MELTANO_OPS_RUN"
_POLL_SECONDS = 0.1
_KILL_SECONDS = 5


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, and whether it was ended here (`timeout`, `stopped`) or by itself (None)."""

    exit_code: int
    ended_by: str | None


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes of this user whose environment carries `mark`, or one that begins with it."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.environ().get(MARK, "").startswith(mark) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    mark: str,
    *,
    stop: Callable[[], bool],
    time_limit_seconds: float,
    grace_seconds: float,
    keep_open: Sequence[int] = (),
) -> Ended:
    """Run a command to its end, and end it when it must.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        environment: Its environment; the mark is added.
        mark: By which it and its children are found.
        stop: Asked several times a second; True ends the run gently.
        time_limit_seconds: After this time it is ended gently too.
        grace_seconds: From SIGTERM to SIGKILL.
        keep_open: File descriptors (locks) that it inherits.
    """
    process = subprocess.Popen(  # noqa: S603 - Meltano's command line, made here
        list(command),
        cwd=folder,
        env={**environment, MARK: mark},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=tuple(keep_open),
    )
    deadline = time.monotonic() + time_limit_seconds
    ended_by = None
    while process.poll() is None:
        if stop():
            ended_by = "stopped"
        elif time.monotonic() > deadline:
            ended_by = "timeout"
        if ended_by:
            process.terminate()
            try:
                process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                _kill_group(process.pid)
            break
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    exit_code = process.wait()
    # A target whose Meltano was killed writes what it has and ends by itself: give it the same time.
    _wait_for(lambda: marked(mark), 0 if ended_by else grace_seconds)
    _kill_all(mark)
    return Ended(exit_code, ended_by)


def end_orphans(mark: str, grace_seconds: float) -> int:
    """End what an earlier scheduler left running, Meltano gently, then the rest; return how many there were."""
    orphans = marked(mark)
    pids = {orphan.pid for orphan in orphans}
    for orphan in orphans:
        # The top of each tree is Meltano; its plugins end when it closes their input.
        try:
            if orphan.ppid() not in pids:
                orphan.terminate()
        except psutil.Error:
            continue
    _wait_for(lambda: marked(mark), grace_seconds)
    _kill_all(mark)
    return len(orphans)


def kill(process: psutil.Process) -> None:
    """Kill a process; one that has ended since it was listed is no mistake."""
    try:
        process.kill()
    except psutil.Error:
        return


def _kill_all(mark: str) -> None:
    for process in marked(mark):
        kill(process)
    _wait_for(lambda: marked(mark), _KILL_SECONDS)


def _wait_for(left: Callable[[], list[psutil.Process]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
