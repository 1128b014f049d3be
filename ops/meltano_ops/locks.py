"""Locks between processes: `flock`, which the system gives back however its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL_SECONDS = 0.2


class LockedError(Exception):
    """Somebody else holds the lock."""


def _never() -> bool:
    return False


@contextmanager
def held(path: Path, *, wait: bool = True, give_up: Callable[[], bool] = _never) -> Iterator[int]:
    """Hold the lock on `path` and yield its file descriptor.

    A child process that inherits the descriptor keeps the lock for as long as it lives, also when the parent is killed.

    Args:
        path: The lock's file; it is made, and left there.
        wait: Wait for the lock, else fail at once.
        give_up: Asked while waiting; True ends the wait.

    Raises:
        LockedError: It was not to be had.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait or give_up():
                    raise LockedError(str(path)) from None
                time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
