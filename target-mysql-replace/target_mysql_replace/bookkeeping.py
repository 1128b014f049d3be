"""What the bookkeeping tables share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from target_mysql_replace.names import quote

if TYPE_CHECKING:
    from target_mysql_replace.session import Session


def ensure_table(session: Session, name: str, columns: str, comment: str) -> None:
    """Make a bookkeeping table in the connection's database; one that is there already needs no right to CREATE."""
    found = session.rows(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s", (name,)
    )
    if not found:
        session.execute(
            f"CREATE TABLE IF NOT EXISTS {quote(name)} ({columns}) "
            f"DEFAULT CHARACTER SET utf8mb4 COLLATE {session.server.collation} COMMENT = '{comment}'"
        )
    session.driver.commit()


def local_now(zone: dt.timezone) -> dt.datetime:
    """Return the wall clock of ``zone``, without a zone, as DATETIME columns keep it."""
    return dt.datetime.now(zone).replace(tzinfo=None)
