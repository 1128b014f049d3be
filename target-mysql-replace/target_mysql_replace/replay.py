"""``--replay-quarantine``: writes quarantined records again.

The schema that refused a record is gone; what counts now is whether the table can hold it. What still cannot be stored
stays, with its new reason.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from target_mysql_replace import quarantine
from target_mysql_replace.batch import BadRow, Batch
from target_mysql_replace.column_types import read_property
from target_mysql_replace.convert import Family, family_of
from target_mysql_replace.encode import BadRecord, RecordEncoder, load_json
from target_mysql_replace.names import column_names
from target_mysql_replace.prepare import look_at
from target_mysql_replace.table import Column, Table

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from target_mysql_replace.loader import Loader
    from target_mysql_replace.session import Session
    from target_mysql_replace.store import BatchStore

_LOGGER = logging.getLogger("target-mysql-replace")
_CHUNK = 1000
_ANY_SCALAR = {"type": ["null", "string", "integer", "number", "boolean"]}

Row = tuple[int, bytes]
"""Number in the quarantine, and the record."""


def replay(loader: Loader, store: BatchStore, database: str | None, zone: datetime.timezone) -> None:
    """Write every quarantined record again; each leaves the quarantine in the transaction that writes it.

    Args:
        loader: the connection.
        store: writes the batches.
        database: where the tables are; None is the connection's own.
        zone: the zone DATETIME columns are kept in.
    """
    written = total = 0
    for stream, table in loader.call(lambda session, _: _groups(session)):
        # What is set aside anew gets a higher number; it is not tried again.
        last = loader.call(lambda session, _: session.rows(f"SELECT MAX(`id`) FROM `{quarantine.NAME}`"))[0][0]  # noqa: S608 a constant
        after = 0
        while rows := loader.call(partial(_next_rows, stream, table, after, last)):
            after = rows[-1][0]
            total += len(rows)
            written += loader.call(partial(_replay_rows, stream, Table(table, database, []), rows, store, zone))
    _LOGGER.info("Replayed %d of %d quarantined records.", written, total)


def _groups(session: Session) -> tuple[tuple[Any, ...], ...]:
    return session.rows(f"SELECT DISTINCT `stream`, `table_name` FROM `{quarantine.NAME}` ORDER BY 1, 2")  # noqa: S608 a constant


def _next_rows(stream: str, table: str, after: int, last: int, session: Session, _: int) -> list[Row]:
    found = session.rows(
        f"SELECT `id`, `record` FROM `{quarantine.NAME}` WHERE `stream` = %s AND `table_name` = %s "  # noqa: S608 a constant
        "AND `id` > %s AND `id` <= %s ORDER BY `id` LIMIT %s",
        (stream, table, after, last, _CHUNK),
    )
    session.driver.rollback()
    return [(number, record.encode()) for number, record in found]


def _replay_rows(
    stream: str,
    table: Table,
    rows: Sequence[Row],
    store: BatchStore,
    zone: datetime.timezone,
    session: Session,
    attempt: int,
) -> int:
    """Write some records again; return how many are stored now."""
    found = look_at(session, table.name, table.database)
    if found is None:
        _LOGGER.warning("Table '%s' does not exist; its quarantined records stay.", table.name)
        return 0
    batch = _batch(stream, table, found, [record for _, record in rows], zone, session)
    numbers = [number for number, _ in rows]

    def leave(session: Session) -> None:
        places = ", ".join(["%s"] * len(numbers))
        session.execute(f"DELETE FROM `{quarantine.NAME}` WHERE `id` IN ({places})", numbers)  # noqa: S608 a constant

    return store.write(session, attempt, batch, also=leave)


def _batch(
    stream: str, bare: Table, found: Any, records: list[bytes], zone: datetime.timezone, session: Session
) -> Batch:  # noqa: ANN401 what look_at returns
    """A batch for the table as it is: any scalar may go into any column that can hold it exactly."""
    existing, unique = found
    present = {column.name: column for column in existing if not column.generated}
    keys = set(unique[0]) if unique else set()
    readable, bad, properties = [], [], {}
    for record in records:
        try:
            value = load_json(record)
        except BadRecord as reason:
            bad.append(BadRow(record, str(reason)))
            continue
        readable.append(record)
        properties.update(dict.fromkeys(value))
    names = {source: column for source, column in column_names(properties, present).items() if column in present}
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    columns = []
    for source, column_name in names.items():
        sql_type = present[column_name].sql_type
        schema["properties"][source] = {} if family_of(sql_type) is Family.JSON else _ANY_SCALAR
        prop = read_property(schema["properties"][source])
        columns.append(Column(column_name, source, prop, sql_type, key=column_name in keys))
    table = Table(bare.name, bare.database, columns)
    encoder = RecordEncoder(
        schema,
        [column.source for column in columns if column.key],
        table,
        zone,
        validate=False,
        json_digits=session.server.json_digits,
        padded=session.server.padded,
        unknown=lambda _: None,
    )
    sorted_records = encoder.encode_each(readable)
    bad += [BadRow(record, reason) for record, reason in (*sorted_records.bad, *sorted_records.misfits)]
    size = sum(map(len, records))
    return Batch(stream, table, encoder, sorted_records.records, size, bad, sorted_records.texts)
