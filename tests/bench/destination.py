"""The server and database that every loader of the benchmarks writes to, and whether what it wrote is right."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests import servers
from tests.bench.columns import COLUMNS, KEY, Column
from tests.bench.tickets import CHECKED_SCALE, CREATE_TABLE, STREAM, Checksum, Tickets

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "bench"
#: The table fits: what is measured is loading, not a disk that is short of memory.
BUFFER_POOL = "2G"
_SETTLE_SECONDS = 60
#: Old row versions the server has still to remove. Below it the clean-up is no load that a measurement would see.
_QUIET_HISTORY = 1000


@dataclasses.dataclass(frozen=True)
class Destination:
    """A database on a server that nobody else uses."""

    server: servers.Server
    database: str = DATABASE

    @property
    def url(self) -> str:
        """The database as SQLAlchemy names it, with the password."""
        account = self.server
        login = f"{quote(account.user)}:{quote(account.password)}"
        return f"mysql+pymysql://{login}@{account.host}:{account.port}/{self.database}?charset=utf8mb4"

    def version(self) -> str:
        """Return the server's version number."""
        ((text,),) = self._query("SELECT VERSION()")
        return str(text).partition("-")[0]

    def reset(self, *, with_table: bool) -> None:
        """Empty the database.

        Args:
            with_table: make the table, for a loader that does not insist on one of its own.
        """
        self._query(
            f"DROP DATABASE IF EXISTS {self.database}",
            # Where dlt stages what it merges.
            f"DROP DATABASE IF EXISTS {self.database}_staging",
            f"CREATE DATABASE {self.database} DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin",
            f"USE {self.database}",
            *([CREATE_TABLE] if with_table else []),
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the server has cleaned up behind the load before, a minute at most."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            ((_, length),) = self._query("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")
            if int(length) < _QUIET_HISTORY:
                return
            time.sleep(0.2)

    def cpu_seconds(self) -> float | None:
        """Return the processor time the server has taken so far, or None where there is no ``/proc``."""
        status = Path(f"/proc/{self.server.pid}/stat")
        if not status.exists():
            return None
        # The second field is the program's name in brackets and may hold anything; user and system time are 14 and 15.
        fields = status.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def differences(self, tickets: Tickets) -> list[str]:
        """Return the columns that do not hold what ``tickets`` say; ``rows`` where their number is wrong."""
        sums = ", ".join(f"COUNT(`{column.name}`), SUM({_checksum(column)})" for column in COLUMNS)
        ((rows, *found),) = self._query(f"USE {self.database}", f"SELECT COUNT(*), {sums} FROM {STREAM}")
        held = {column.name: Checksum(found[2 * at], int(found[2 * at + 1] or 0)) for at, column in enumerate(COLUMNS)}
        wrong = [name for name, expected in tickets.checksums.items() if held[name] != expected]
        return [*([] if rows == tickets.rows else ["rows"]), *wrong]

    def _query(self, *statements: str) -> tuple[Any, ...]:
        """Run the statements on one connection and return the rows of the last."""
        with self.server.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())


@contextlib.contextmanager
def start() -> Iterator[Destination]:
    """Start a MariaDB server for the length of a ``with`` block; its data is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        # Some loaders make databases of their own, with the server's character set.
        options = [f"--innodb-buffer-pool-size={BUFFER_POOL}", "--character-set-server=utf8mb4"]
        server = servers.start("mariadb", Path(folder), options=options)
        try:
            yield Destination(server)
        finally:
            server.stop()


def _checksum(column: Column) -> str:
    """The SQL of `tickets.checksum`: every kind of column as its canonical text, whatever type the loader gave it."""
    name = f"`{column.name}`"
    text = {
        "number": f"CAST({name} AS DECIMAL(38,{CHECKED_SCALE}))",
        "date-time": f"DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s.%f')",
        "array": f"JSON_COMPACT({name})",
    }.get(column.kind, name)
    return f"CRC32(CONCAT(`{KEY}`, '|', {text}))"
