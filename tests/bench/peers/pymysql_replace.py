"""Multi-row REPLACE by PyMySQL alone, from rows that need no conversion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import measure
from tests.bench.environments import environment
from tests.bench.tickets import STREAM

if TYPE_CHECKING:
    from tests.bench.destination import Destination
    from tests.bench.tickets import Tickets

LABEL = "PyMySQL 1.2.4, multi-row `REPLACE` of ready rows"
OWN_TABLE = False

_PROGRAM = Path(__file__).parent / "programs" / "pymysql_replace.py"


def prepare() -> None:
    """Install the driver."""
    _python()


def run(lines: Tickets, server: Destination) -> measure.Measurement:
    """Send the rows of the TSV, 10,000 a transaction."""
    return measure.run(
        [_python(), _PROGRAM, lines.tsv, STREAM], server, lines.rows, environment={"DATABASE_URL": server.url}
    )


def _python() -> Path:
    return environment("pymysql", "pymysql==1.2.4") / "python"
