"""Writes one batch: every record stored, or set aside with its reason, in one transaction with its ledger row."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from typing import TYPE_CHECKING

import pymysql

from target_mysql_replace import ledger, quarantine
from target_mysql_replace.batch import BadRow
from target_mysql_replace.bookkeeping import local_now
from target_mysql_replace.errors import (
    HARMLESS_WARNINGS,
    Action,
    OperatorError,
    advice,
    bad_row_reason,
    server_error,
)
from target_mysql_replace.locks import table_locks
from target_mysql_replace.metrics import batch_written, quarantined
from target_mysql_replace.prepare import widen
from target_mysql_replace.writers import WRITERS, choose

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from target_mysql_replace.batch import Batch
    from target_mysql_replace.encode import Texts
    from target_mysql_replace.prune import Pruner
    from target_mysql_replace.session import Server, Session
    from target_mysql_replace.writers import Writer

_LOGGER = logging.getLogger("target-mysql-replace")


class RefusedRows(Exception):  # noqa: N818 what happened to the rows
    """The server would not take the rows as they are."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


@dataclasses.dataclass(frozen=True)
class Rules:
    """How batches are stored.

    Attributes:
        write_method: the setting.
        evolve: whether columns may be widened.
        fail_on_bad_row: whether the first bad record ends the run.
        run_id: the run, for the bookkeeping tables.
        zone: the zone of their times.
    """

    write_method: str
    evolve: bool
    fail_on_bad_row: bool
    run_id: str
    zone: dt.timezone


class BatchStore:
    """Writes batches, choosing and remembering the method.

    Args:
        rules: how.
        pruner: what to delete after a flush.
    """

    def __init__(self, rules: Rules, pruner: Pruner) -> None:
        self._rules = rules
        self._pruner = pruner
        #: The writer in use, once it is known what the server allows.
        self.chosen: Writer | None = None

    def prepare(self, batch: Batch, writer: Writer, server: Server) -> None:
        """Make what goes over the wire, ahead of :meth:`write`.

        Raises:
            BadRecord: the records have not been looked at one by one yet, and one is not of the usual kind.
        """
        if not batch.records:
            return
        needs_texts = self._pruner.concerns(batch.table.name)
        if batch.texts is None and needs_texts:
            batch.texts = batch.encoder.encode(batch.records)
        blocks = batch.encoder.blocks(batch.records) if batch.texts is None else iter([batch.texts])
        # A row too large to be sent is found again, and set aside, when the batch is written.
        with contextlib.suppress(pymysql.err.DataError):
            batch.payload, batch.method = writer.payload(server, batch.table, blocks), writer.method
        if not needs_texts:
            batch.texts = None

    def writer(self, session: Session) -> Writer:
        """Return the writer for this server."""
        if self.chosen is None:
            self.chosen = choose(self._rules.write_method, session)
        return self.chosen

    def write(self, session: Session, attempt: int, batch: Batch, also: Callable[[Session], None] | None = None) -> int:
        """Write a batch and commit.

        Args:
            session: the connection, without an open transaction.
            attempt: how often it was tried before; then the ledger is asked whether it was committed all the same.
            batch: the records.
            also: something to do in the same transaction, before bad rows are set aside.

        Returns:
            How many records are stored.

        Raises:
            OperatorError: a bad record, where the settings say that it ends the run.
            pymysql.err.MySQLError: trouble with the server; nothing of the batch was written.
        """
        tables = [(batch.table.database, name) for name in (batch.table.name, *self._pruner.partners(batch.table.name))]
        with table_locks(session, tables):
            if attempt and ledger.has(session, batch.id):
                _LOGGER.info("The batch was committed although the connection was lost; it is not sent again.")
                return len(batch.records)
            return self._write_locked(session, attempt, batch, also)

    def _write_locked(
        self, session: Session, attempt: int, batch: Batch, also: Callable[[Session], None] | None
    ) -> int:
        started, started_at = time.monotonic(), local_now(self._rules.zone)
        refused = self._write_rows(session, batch)
        bad = [*batch.bad, *refused]
        if bad and self._rules.fail_on_bad_row:
            session.driver.rollback()
            raise OperatorError(bad_row_message(batch, bad[0]))
        if also is not None:
            also(session)
        if bad:
            quarantine.add(
                session,
                batch.stream,
                batch.table.title,
                bad,
                keyed=batch.table.keyed,
                run_id=self._rules.run_id,
                zone=self._rules.zone,
            )
        looked_at_all = self._pruner.prune(session, batch.table, batch.texts or [])
        rows = len(batch.records) - len(refused)
        method = self.writer(session).method
        seconds = time.monotonic() - started
        ledger.record(
            session,
            batch,
            rows=rows,
            method=method,
            retries=attempt,
            seconds=seconds,
            run_id=self._rules.run_id,
            started_at=started_at,
        )
        session.driver.commit()
        self._pruner.done(looked_at_all)
        batch_written(
            batch.stream,
            batch.table.title,
            rows=rows,
            method=method,
            size=batch.size,
            retries=attempt,
            seconds=time.monotonic() - started,
        )
        quarantined(batch.stream, [row.reason for row in bad])
        return rows

    def _write_rows(self, session: Session, batch: Batch) -> list[BadRow]:
        """Write the batch's records; return those the server would not take."""
        if not batch.records:
            return []
        try:
            return self._write_all(session, batch)
        except RefusedRows:
            session.driver.rollback()
        batch.texts = batch.encoder.encode_each(batch.records).texts
        batch.payload = None
        if self._rules.evolve and widen(session, batch.table, batch.texts):
            batch.encoder.refresh()
            try:
                return self._write_all(session, batch)
            except RefusedRows:
                session.driver.rollback()
        bad: list[BadRow] = []
        self._bisect(session, batch, 0, len(batch.records), bad)
        return bad

    def _write_all(self, session: Session, batch: Batch) -> list[BadRow]:
        """Write all records at once.

        Raises:
            RefusedRows: the server does not take them; the transaction has to be rolled back.
        """
        writer = self.writer(session)
        if batch.payload is None or batch.method != writer.method:
            if batch.texts is None:
                batch.texts = batch.encoder.encode_each(batch.records).texts
            try:
                batch.payload, batch.method = writer.payload(session.server, batch.table, [batch.texts]), writer.method
            except pymysql.err.MySQLError as error:
                raise _refusal(error) from None
        try:
            warnings = writer.write(session, batch.table, batch.payload)
        except pymysql.err.MySQLError as error:
            found = server_error(error)
            if found and writer.method == "load_data" and advice(found[0]).action is Action.REFUSED:
                self._fall_back()
                session.driver.rollback()
                return self._write_all(session, batch)
            raise _refusal(error) from None
        for code, text in warnings:
            if code not in HARMLESS_WARNINGS:
                raise RefusedRows(code, text)
        return []

    def _fall_back(self) -> None:
        if self._rules.write_method != "auto":
            raise OperatorError(
                "The server does not allow LOAD DATA LOCAL. SET GLOBAL local_infile = ON there, or set write_method "
                "to auto."
            )
        _LOGGER.warning("The server does not allow LOAD DATA LOCAL (local_infile); writing with REPLACE instead.")
        self.chosen = WRITERS["replace"]

    def _bisect(self, session: Session, batch: Batch, start: int, end: int, bad: list[BadRow]) -> None:
        """Write records ``start`` to ``end`` in order, halving what the server refuses down to the bad ones."""
        texts: Texts = [column[start:end] for column in batch.texts or []]
        session.execute("SAVEPOINT `part`")
        try:
            self._write_part(session, batch, texts)
        except RefusedRows as refusal:
            session.execute("ROLLBACK TO SAVEPOINT `part`")
            if end - start == 1:
                columns = {column.name for column in batch.table.columns}
                bad.append(BadRow(bytes(batch.records[start]), bad_row_reason(refusal.code, refusal.text, columns)))
                return
            middle = (start + end) // 2
            self._bisect(session, batch, start, middle, bad)
            self._bisect(session, batch, middle, end, bad)

    def _write_part(self, session: Session, batch: Batch, texts: Texts) -> None:
        writer = self.writer(session)
        try:
            warnings = writer.write(session, batch.table, writer.payload(session.server, batch.table, [texts]))
        except pymysql.err.MySQLError as error:
            raise _refusal(error) from None
        for code, text in warnings:
            if code not in HARMLESS_WARNINGS:
                raise RefusedRows(code, text)


def bad_row_message(batch: Batch, row: BadRow) -> str:
    """Return the line an operator reads when a bad record ends the run."""
    return (
        f"A record of stream '{batch.stream}' cannot be stored: {row.reason}. Nothing of its batch was written "
        "(on_bad_row is 'fail'; 'quarantine' would set it aside)."
    )


def _refusal(error: Exception) -> Exception:
    """Return :class:`RefusedRows` for an error that a record caused, else the error itself."""
    found = server_error(error)
    if found is not None and advice(found[0]).action is Action.BAD_ROW:
        return RefusedRows(*found)
    return error
