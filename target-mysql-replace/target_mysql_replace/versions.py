"""ACTIVATE_VERSION: rows of an older version of the table are deleted, or marked as deleted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_mysql_replace.bookkeeping import local_now
from target_mysql_replace.locks import table_locks
from target_mysql_replace.prepare import look_at

if TYPE_CHECKING:
    import datetime as dt

    from target_mysql_replace.session import Session
    from target_mysql_replace.table import Table

_LOGGER = logging.getLogger("target-mysql-replace")
VERSION_COLUMN, DELETED_COLUMN = "_sdc_table_version", "_sdc_deleted_at"


def activate_version(table: Table, version: int, zone: dt.timezone, hard: bool, session: Session, _: int) -> None:  # noqa: FBT001 bound by position
    """Delete the rows of versions before ``version``, or mark those that are not marked yet.

    Rows without a version are left: nothing is known about them.

    Args:
        table: the table.
        version: the version the tap has finished.
        zone: the zone of the mark.
        hard: whether to delete.
        session: the connection.
    """
    with table_locks(session, [(table.database, table.name)]):
        found = look_at(session, table.name, table.database)
        columns = {column.name for column in found[0]} if found else set()
        if VERSION_COLUMN not in columns or (not hard and DELETED_COLUMN not in columns):
            _LOGGER.warning(
                "Table '%s' has no record of versions (its records carry none), so none can be activated.", table.name
            )
            return
        if hard:
            session.execute(f"DELETE FROM {table.quoted} WHERE `{VERSION_COLUMN}` < %s", (version,))  # noqa: S608 quoted
        else:
            session.execute(
                f"UPDATE {table.quoted} SET `{DELETED_COLUMN}` = %s "  # noqa: S608 quoted
                f"WHERE `{VERSION_COLUMN}` < %s AND `{DELETED_COLUMN}` IS NULL",
                (local_now(zone), version),
            )
        session.driver.commit()
