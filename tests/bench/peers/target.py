"""target-mysql-replace as a user runs it: lines on standard input, the server in a file, all else as it ships."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import measure

if TYPE_CHECKING:
    from tests.bench.destination import Destination
    from tests.bench.tickets import Tickets

LABEL = "**target-mysql-replace**"
OWN_TABLE = False

executable = Path(__file__).parents[3] / ".venv" / "bin" / "target-mysql-replace"


def prepare() -> None:
    """Find the target.

    Raises:
        measure.LoadFailedError: it is not installed.
    """
    if not executable.exists():
        raise measure.LoadFailedError(f"{executable} is missing: run `make setup`, or name another with --target")


def run(lines: Tickets, server: Destination) -> measure.Measurement:
    """Pipe the Singer lines into the target."""
    account = server.server
    settings = {
        "host": account.host,
        "port": account.port,
        "user": account.user,
        "password": account.password,
        "database": server.database,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(settings, config)
        config.flush()
        return measure.run([executable, "--config", config.name], server, lines.rows, standard_input=lines.singer)
