"""Ways to write a batch. All take the same texts and leave the same rows.

Adding one means a class with the two methods of :class:`Writer`, a name in :data:`WRITERS`, and a column in the
conformance table of the tests.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from target_mysql_replace.session import Flavour
from target_mysql_replace.writers.load_data import LoadData
from target_mysql_replace.writers.values import Replace, Upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_mysql_replace.encode import Texts
    from target_mysql_replace.session import Server, Session
    from target_mysql_replace.table import Table


class Writer(Protocol):
    """Writes the texts of a batch into a table."""

    method: str

    def payload(self, server: Server, table: Table, blocks: Iterable[Texts]) -> list[bytes]:
        """Return what goes over the wire, made ahead of time by the reading thread.

        Args:
            server: where it goes.
            table: the same.
            blocks: the texts of the batch, some rows at a time.

        Raises:
            pymysql.err.DataError: a row is larger than the server takes in one statement.
        """

    def write(self, session: Session, table: Table, payload: list[bytes]) -> list[tuple[int, str]]:
        """Send a payload inside the session's transaction.

        Returns:
            Code and text of each warning of the server.

        Raises:
            pymysql.err.MySQLError: the server refused.
        """


WRITERS: Mapping[str, Writer] = {writer.method: writer for writer in (LoadData(), Replace(), Upsert())}
_LOGGER = logging.getLogger("target-mysql-replace")
#: Where ``auto`` is LOAD DATA; TiDB's behaviour changed with its versions.
_LOAD_DATA_FLAVOURS = frozenset({Flavour.MARIADB, Flavour.MYSQL})


def choose(write_method: str, session: Session) -> Writer:
    """Return the writer for the setting ``write_method``; ``auto`` is LOAD DATA where the server allows it."""
    flavour = session.server.flavour
    if write_method == "auto":
        allowed = flavour in _LOAD_DATA_FLAVOURS and session.rows("SELECT @@local_infile")[0][0]
        return WRITERS["load_data" if allowed else "replace"]
    if write_method == "load_data" and flavour is Flavour.OCEANBASE:
        # Tried on seekdb 1.4: '' becomes NULL, a quote in the data breaks the statement, a batch is not atomic after a
        # timeout; and it is no faster than REPLACE.
        _LOGGER.warning("LOAD DATA of OceanBase changes values; writing with REPLACE instead.")
        return WRITERS["replace"]
    return WRITERS[write_method]
