"""One writer a table at a time: GET_LOCK for the length of a flush."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from target_mysql_replace.errors import OperatorError, server_error
from target_mysql_replace.session import Flavour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_mysql_replace.session import Session

_LOGGER = logging.getLogger("target-mysql-replace")
#: Seconds between two lines of a writer that waits, and until it gives up.
SAY_SECONDS, GIVE_UP_SECONDS = 15, 900
#: No such function: some distributed engines have no GET_LOCK.
_NO_FUNCTION = (1305, 1128)


def lock_name(database: str, table: str) -> str:
    """Return the lock's name: server-wide, so with the database in it, and at most 64 characters."""
    digest = hashlib.sha256(f"{database}\x00{table}".encode()).hexdigest()[:32]
    return f"target-mysql-replace:{digest}"


@contextmanager
def table_locks(session: Session, tables: Iterable[tuple[str | None, str]]) -> Iterator[None]:
    """Hold the locks of the tables; a lost connection frees them by itself.

    Always taken in the same order, so that two writers cannot wait for each other.

    Args:
        session: whose locks they are.
        tables: database (None is the connection's own) and name of each table.

    Raises:
        OperatorError: another writer held a table for 15 minutes.
    """
    own = str(session.rows("SELECT DATABASE()")[0][0])
    names = {lock_name(database or own, table): table for database, table in tables}
    held = []
    try:
        for name in sorted(names):
            taken = _take(session, name, names[name])
            if taken is not None:
                held.append(taken)
        session.driver.rollback()
        yield
    finally:
        if session.driver.open:
            for name in held:
                session.rows("SELECT RELEASE_LOCK(%s)", (name,))


def hold(session: Session, database: str | None, table: str) -> None:
    """Take a table's lock until the connection ends.

    Raises:
        OperatorError: another writer held it for 15 minutes.
    """
    own = str(session.rows("SELECT DATABASE()")[0][0])
    _take(session, lock_name(database or own, table), table)


def _take(session: Session, name: str, table: str) -> str | None:
    """Take one lock, however long it takes; return its name, or None where the server has no locks."""
    started = time.monotonic()
    wanted, orphans, seconds = name, 0, 0
    while (free := _get(session, wanted, seconds)) is False:
        waited = time.monotonic() - started
        if waited > GIVE_UP_SECONDS:
            raise OperatorError(
                f"Another writer has held table '{table}' for {int(waited)} s. Let it end (SHOW PROCESSLIST), then "
                "run again."
            )
        holder = session.rows("SELECT IS_USED_LOCK(%s)", (wanted,))[0][0]
        if holder is not None and _is_orphan(session, holder):
            orphans += 1
            wanted, seconds = f"{name}:{orphans}", 0
            continue
        if holder is not None and holder == session.former_id:
            _end_former(session, holder)
        _LOGGER.info(
            "Waiting for another writer of table '%s' (connection %s of the server), %d s so far.",
            table,
            holder,
            waited,
        )
        seconds = SAY_SECONDS
    return wanted if free else None


def _get(session: Session, name: str, seconds: int) -> bool | None:
    """Whether the lock was free within some seconds; None where the server has no locks."""
    try:
        return bool(session.rows("SELECT GET_LOCK(%s, %s)", (name, seconds))[0][0])
    except Exception as error:
        found = server_error(error)
        if found is None or found[0] not in _NO_FUNCTION:
            raise
        return None


def _is_orphan(session: Session, holder: int) -> bool:
    """Whether a lock's holder has ended: OceanBase keeps the locks of a client that was killed, for minutes at least.

    Every writer sees the same, and takes the next name instead.
    """
    if session.server.flavour is not Flavour.OCEANBASE:
        return False
    return not session.rows("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s", (holder,))


def _end_former(session: Session, connection: int) -> None:
    """End this target's own lost connection, of which the server does not know yet; a COMMIT under way is finished."""
    try:
        session.execute(f"KILL {connection:d}")
    except Exception as error:
        if server_error(error) is None:
            raise
        # It has ended by itself, or may not be ended: then there is only waiting.
        _LOGGER.debug("The lost connection %d could not be ended.", connection)
