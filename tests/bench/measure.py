"""What one load costs: time on the clock, processor time of the loader and of the server, the loader's memory."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.destination import Destination

_LAST_CHARACTERS = 2000
#: getrusage(2) counts in bytes on macOS and in KiB elsewhere.
_MAXRSS_PER_MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10


class LoadFailedError(RuntimeError):
    """A loader ended with an error; the message holds the end of what it said."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One load.

    Attributes:
        rows: rows sent.
        seconds: on the clock, from the start of the loader's process to its end.
        client_cpu: processor seconds of the loader and what it started.
        server_cpu: processor seconds of the database server in that time; None where the system does not tell.
        peak_megabytes: largest resident memory of the loader's processes, each on its own.
    """

    rows: int
    seconds: float
    client_cpu: float
    server_cpu: float | None
    peak_megabytes: float

    @property
    def rows_per_second(self) -> float:
        """Rows sent in a second on the clock."""
        return self.rows / self.seconds


def run(
    command: Sequence[str | Path],
    server: Destination,
    rows: int,
    *,
    standard_input: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Measurement:
    """Run a loader to its end and return what it cost.

    Args:
        command: the program and its arguments.
        server: where it loads to.
        rows: how many rows it sends.
        standard_input: a file that it reads as its standard input.
        environment: variables beside those of this process.

    Raises:
        LoadFailedError: it ended with another code than 0.
    """
    # The output goes to a file and not to a pipe: nobody has to read along, and it cannot fill up.
    with tempfile.TemporaryFile() as output, (standard_input or Path(os.devnull)).open("rb") as lines:
        server_before, start = server.cpu_seconds(), time.perf_counter()
        process = subprocess.Popen(
            command, stdin=lines, stdout=output, stderr=output, env={**_inherited(), **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds, server_after = time.perf_counter() - start, server.cpu_seconds()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")[-_LAST_CHARACTERS:]
            raise LoadFailedError(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
    return Measurement(
        rows=rows,
        seconds=seconds,
        client_cpu=usage.ru_utime + usage.ru_stime,
        server_cpu=None if server_before is None or server_after is None else server_after - server_before,
        peak_megabytes=usage.ru_maxrss / _MAXRSS_PER_MEGABYTE,
    )


def _inherited() -> dict[str, str]:
    """This process's environment, with Python's cache of compiled modules: else they are compiled at every start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
