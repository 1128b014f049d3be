"""A connection prepared for loading: strict, in the target's time zone, and aware of which server it talks to."""

from __future__ import annotations

import dataclasses
import enum
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from target_mysql_replace.errors import server_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from target_mysql_replace.driver import StreamingConnection

#: Strict in every table, nothing invented, backslashes are ordinary, and 0 in an AUTO_INCREMENT column is 0.
SQL_MODE = (
    "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO"
)
_UNKNOWN_VARIABLE = (1193, 1231, 1238, 1227)
#: One hour in microseconds, the unit of OceanBase's timeouts; its default of 10 s ends a large batch half written.
_HOUR = 3_600_000_000
#: Collations that compare text byte for byte with every trailing space, newest first.
_EXACT_COLLATIONS = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin")
_PADDED_COLLATION = "utf8mb4_bin"


class Flavour(enum.Enum):
    """The family a server belongs to."""

    MARIADB = "MariaDB"
    MYSQL = "MySQL"
    OCEANBASE = "OceanBase"
    TIDB = "TiDB"


@dataclasses.dataclass(frozen=True)
class Server:
    """What a server is and can do.

    Attributes:
        flavour: its family.
        version: major and minor number, and the third.
        collation: the collation of the tables made on it.
        max_allowed_packet: longest statement in bytes.
        folds_names: whether tables whose names differ only in case are one (lower_case_table_names).
    """

    flavour: Flavour
    version: tuple[int, ...]
    collation: str
    max_allowed_packet: int
    folds_names: bool = False

    @property
    def json_digits(self) -> int | None:
        """How many digits of a number a JSON column keeps; None where all, as text.

        MariaDB's JSON is text. MySQL's keeps 64-bit integers and doubles, OceanBase's and TiDB's write fewer digits of
        them.
        """
        return {Flavour.MARIADB: None, Flavour.MYSQL: 17}.get(self.flavour, 15)

    @property
    def row_alias(self) -> bool:
        """Whether ``VALUES (…) AS new`` names the new row in ON DUPLICATE KEY UPDATE (MySQL 8.0.19)."""
        return self.flavour is Flavour.MYSQL and self.version >= (8, 0, 19)


def flavour_of(version: str, comment: str) -> Flavour:
    """Return the family of a server from ``@@version`` and ``@@version_comment``."""
    text = f"{version} {comment}".lower()
    for flavour in (Flavour.OCEANBASE, Flavour.TIDB, Flavour.MARIADB):
        if flavour.value.lower() in text:
            return flavour
    return Flavour.OCEANBASE if "seekdb" in text else Flavour.MYSQL


class Session:
    """One connection to the server; everything the target does there goes through it.

    Args:
        connection: SQLAlchemy's connection, for looking at tables and for DDL.
        time_zone: the zone of TIMESTAMP columns and of NOW(), such as ``+08:00``.
        former_id: the server's number of the connection this one takes the place of, if that was lost.
    """

    def __init__(self, connection: sa.Connection, time_zone: str, former_id: int | None = None) -> None:
        self._connection = connection
        self.driver: StreamingConnection = connection.connection.driver_connection  # type: ignore[assignment] # made by our creator
        self.former_id = former_id
        self.connection_id = int(self.driver.thread_id())  # type: ignore[no-untyped-call] # not typed in the stubs
        self.server = self._prepare(time_zone)

    def _prepare(self, time_zone: str) -> Server:
        version, comment = self.rows("SELECT @@version, @@version_comment")[0]
        flavour = flavour_of(version, comment)
        self.execute("SET SESSION sql_mode = %s", (SQL_MODE,))
        self.execute("SET SESSION time_zone = %s", (time_zone,))
        self._set_where_known("sql_notes", 1)
        self._set_where_known("max_error_count", 1024)
        if flavour is Flavour.OCEANBASE:
            self._set_where_known("ob_query_timeout", _HOUR)
            self._set_where_known("ob_trx_timeout", _HOUR)
        names = ", ".join(f"'{name}'" for name in _EXACT_COLLATIONS)
        found = {
            name
            for (name,) in self.rows(
                f"SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ({names})"  # noqa: S608 constants
            )
        }
        packet, folds_names = map(int, self.rows("SELECT @@max_allowed_packet, @@lower_case_table_names")[0])
        self.driver.commit()
        return Server(
            flavour=flavour,
            version=tuple(int(part) for part in re.findall(r"\d+", version)[:3]),
            collation=next((name for name in _EXACT_COLLATIONS if name in found), _PADDED_COLLATION),
            max_allowed_packet=packet,
            folds_names=bool(folds_names),
        )

    def _set_where_known(self, variable: str, value: int) -> None:
        try:
            self.execute(f"SET SESSION {variable} = {value}")
        except Exception as error:
            found = server_error(error)
            if found is None or found[0] not in _UNKNOWN_VARIABLE:
                raise

    def execute(self, statement: str | bytes, values: Sequence[Any] | None = None) -> int:
        """Run a statement and return how many warnings the server counted."""
        with self.driver.cursor() as cursor:
            cursor.execute(statement, values)  # type: ignore[arg-type] # bytes are fine, the stubs do not know
            return int(cursor.warning_count)

    def rows(self, query: str, values: Sequence[Any] | None = None) -> tuple[tuple[Any, ...], ...]:
        """Run a query and return its rows."""
        with self.driver.cursor() as cursor:
            cursor.execute(query, values)
            return tuple(cursor.fetchall())

    def warnings(self) -> list[tuple[int, str]]:
        """Return code and text of each warning of the last statement."""
        return [(int(code), str(text)) for _, code, text in self.rows("SHOW WARNINGS")]

    @contextmanager
    def sqlalchemy(self) -> Iterator[sa.Connection]:
        """Lend the connection to SQLAlchemy, for its inspector and its DDL; what it does is committed."""
        try:
            yield self._connection
        finally:
            if not self._connection.closed:
                self._connection.rollback()

    def close(self) -> None:
        """Close the connection; the server ends its transaction and frees its locks."""
        self._connection.invalidate()
        self._connection.close()
