"""``--replay-quarantine``: writes quarantined records again.

The schema that refused a record is gone; what counts now is whether the table can hold it. What still cannot be stored
stays, with its new reason.
"""

from __future__ import annotations

import dataclasses
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from target_mysql_replace import quarantine
from target_mysql_replace.batch import BadRow, Batch
from target_mysql_replace.column_types import Property, read_property
from target_mysql_replace.convert import Family, family_of
from target_mysql_replace.encode import BadRecord, RecordEncoder, load_json
from target_mysql_replace.names import column_names
from target_mysql_replace.prepare import as_it_is, look_at
from target_mysql_replace.table import Column, Table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    import msgspec
    from sqlalchemy.types import TypeEngine

    from target_mysql_replace.ddl import Existing
    from target_mysql_replace.loader import Loader
    from target_mysql_replace.session import Session
    from target_mysql_replace.store import BatchStore

_LOGGER = logging.getLogger("target-mysql-replace")
_CHUNK = 1000
_ANY_SCALAR = {"type": ["null", "string", "integer", "number", "boolean"]}

Row = tuple[int, bytes]
"""Number in the quarantine, and the record."""


def replay(loader: Loader, store: BatchStore, database: str | None, zone: dt.timezone) -> None:
    """Write every quarantined record again; each leaves the quarantine in the transaction that writes it.

    Args:
        loader: the connection.
        store: writes the batches.
        database: where the tables are; None is the connection's own.
        zone: the zone DATETIME columns are kept in.
    """
    written = total = 0
    # What is set aside anew gets a higher number; it is not tried again.
    last = loader.call(lambda session, _: _last_number(session))
    for stream, name in loader.call(lambda session, _: _groups(session)):
        group = _Group(stream, Table(name, database, []), last, store, zone)
        after = 0
        while rows := loader.call(partial(group.next_rows, after)):
            after = rows[-1][0]
            total += len(rows)
            written += loader.call(partial(group.write, rows))
    _LOGGER.info("Replayed %d of %d quarantined records.", written, total)


def _last_number(session: Session) -> int:
    return int(session.rows(f"SELECT COALESCE(MAX(`id`), 0) FROM `{quarantine.NAME}`")[0][0])  # noqa: S608 a constant


def _groups(session: Session) -> tuple[tuple[Any, ...], ...]:
    return session.rows(f"SELECT DISTINCT `stream`, `table_name` FROM `{quarantine.NAME}` ORDER BY 1, 2")  # noqa: S608 a constant


@dataclasses.dataclass(frozen=True)
class _Group:
    """The quarantined records of one stream and table.

    Attributes:
        stream: the stream's name.
        table: the table, without its columns.
        last: the last number that is tried.
        store: writes the batches.
        zone: the zone DATETIME columns are kept in.
    """

    stream: str
    table: Table
    last: int
    store: BatchStore
    zone: dt.timezone

    def next_rows(self, after: int, session: Session, _: int) -> list[Row]:
        """Return the next records behind the number ``after``."""
        found = session.rows(
            f"SELECT `id`, `record` FROM `{quarantine.NAME}` WHERE `stream` = %s AND `table_name` = %s "  # noqa: S608 a constant
            "AND `id` > %s AND `id` <= %s ORDER BY `id` LIMIT %s",
            (self.stream, self.table.name, after, self.last, _CHUNK),
        )
        session.driver.rollback()
        return [(number, record.encode()) for number, record in found]

    def write(self, rows: Sequence[Row], session: Session, attempt: int) -> int:
        """Write some records again; return how many are stored now."""
        found = look_at(session, self.table.name, self.table.database)
        if found is None:
            _LOGGER.warning("Table '%s' does not exist; its quarantined records stay.", self.table.name)
            return 0
        numbers = [number for number, _ in rows]

        def leave(session: Session) -> None:
            places = ", ".join(["%s"] * len(numbers))
            session.execute(f"DELETE FROM `{quarantine.NAME}` WHERE `id` IN ({places})", numbers)  # noqa: S608 a constant

        existing, unique = found
        batch = self._batch(existing, set(unique[0]) if unique else set(), [record for _, record in rows], session)
        return self.store.write(session, attempt, batch, also=leave)

    def _batch(self, existing: Sequence[Existing], keys: set[str], records: list[bytes], session: Session) -> Batch:
        """A batch for the table as it is: any scalar may go into any column that can hold it exactly."""
        readable: list[msgspec.Raw | bytes] = []
        bad: list[BadRow] = []
        properties: dict[str, None] = {}
        names = [column.name for column in existing]
        for record in records:
            try:
                value = load_json(record)
            except BadRecord as reason:
                bad.append(BadRow(record, str(reason)))
                continue
            columns = column_names(value, names).values() if isinstance(value, dict) else ()
            if quarantine.is_beginning(value):
                bad.append(BadRow(record, "only its beginning was kept; it has to come from the tap again"))
            elif not keys <= set(columns):
                bad.append(BadRow(record, "it has nothing for the table's key"))
            else:
                readable.append(record)
                properties.update(dict.fromkeys(value))
        table = Table(self.table.name, self.table.database, _columns(existing, keys, properties))
        schema = {
            "type": "object",
            "properties": {column.source: _schema_of(column.sql_type) for column in table.columns},
        }
        encoder = RecordEncoder(
            schema,
            [column.source for column in table.columns if column.key],
            table,
            self.zone,
            validate=False,
            json_digits=session.server.json_digits,
            unknown=lambda _: None,
        )
        found = encoder.encode_each(readable)
        bad += [BadRow(record, reason) for record, reason in (*found.bad, *found.misfits)]
        return Batch(self.stream, table, encoder, found.records, sum(map(len, records)), bad, found.texts)


def _columns(existing: Sequence[Existing], keys: set[str], properties: Iterable[str]) -> list[Column]:
    """The table's columns that the records have something for."""
    present = {column.name: column for column in existing if not column.generated}
    return [
        as_it_is(
            Column(name, source, _property_of(present[name]), present[name].sql_type, key=name in keys), present[name]
        )
        for source, name in column_names(properties, present).items()
        if name in present
    ]


def _property_of(column: Existing) -> Property:
    return read_property(_schema_of(column.sql_type))


def _schema_of(sql_type: TypeEngine[Any]) -> dict[str, Any]:
    return {} if family_of(sql_type) is Family.JSON else _ANY_SCALAR
