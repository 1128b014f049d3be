"""The limit: one LOAD DATA LOCAL of a ready TSV by the server's own command-line client. Nobody parses or converts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.bench import measure
from tests.bench.tickets import STREAM

if TYPE_CHECKING:
    from tests.bench.destination import Destination
    from tests.bench.tickets import Tickets

LABEL = "`LOAD DATA … REPLACE` of a ready TSV, `mariadb` client (the limit)"
OWN_TABLE = False


def prepare() -> None:
    """Find the client.

    Raises:
        measure.LoadFailedError: it is not installed.
    """
    _client()


def run(lines: Tickets, server: Destination) -> measure.Measurement:
    """Load the TSV in one statement."""
    statement = f"LOAD DATA LOCAL INFILE '{lines.tsv}' REPLACE INTO TABLE {STREAM} CHARACTER SET utf8mb4"
    account = server.server
    return measure.run(
        [
            _client(),
            "--no-defaults",
            "--local-infile=1",
            f"--host={account.host}",
            f"--port={account.port}",
            f"--user={account.user}",
            f"--execute={statement}",
            server.database,
        ],
        server,
        lines.rows,
        environment={"MYSQL_PWD": account.password},
    )


def _client() -> str:
    for name in ("mariadb", "mysql"):
        if found := shutil.which(name):
            return found
    raise measure.LoadFailedError("the server's command-line client is missing: install the package mariadb-client")
