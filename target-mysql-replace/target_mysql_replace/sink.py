"""One stream under one SCHEMA: its table, and the batch that is being filled."""

from __future__ import annotations

import copy
import dataclasses
import time
from typing import TYPE_CHECKING, Any, cast

from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.sql import SQLSink

from target_mysql_replace import ledger, quarantine
from target_mysql_replace.batch import BadRow, Batch
from target_mysql_replace.connector import MySQLConnector
from target_mysql_replace.convert import parse_offset
from target_mysql_replace.encode import RecordEncoder
from target_mysql_replace.errors import OperatorError
from target_mysql_replace.locks import table_locks
from target_mysql_replace.names import identifier, table_identifier
from target_mysql_replace.prepare import Wanted, begin_overwrite, prepare_prune, prepare_table, widen
from target_mysql_replace.store import bad_row_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec
    from singer_sdk.target_base import Target

    from target_mysql_replace.session import Session
    from target_mysql_replace.table import Table
    from target_mysql_replace.target import TargetMySQLReplace

_RESERVED_TABLES = frozenset({ledger.NAME, quarantine.NAME})
_VERSION_PROPERTIES: dict[str, dict[str, Any]] = {
    "_sdc_table_version": {"type": ["null", "integer"]},
    "_sdc_deleted_at": {"type": ["null", "string"], "format": "date-time"},
}


class MySQLSink(SQLSink[MySQLConnector]):
    """Collects the records of a stream as JSON and turns them into batches.

    Of the SDK's sink it keeps the life cycle and the record metadata; names, tables and writing are its own, since the
    SDK's drop every non-ASCII letter from a name, look at the table once a column, and insert through one generic
    statement.
    """

    connector_class = MySQLConnector

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
        connector: MySQLConnector | None = None,
    ) -> None:
        self._target = cast("TargetMySQLReplace", target)
        #: The SDK adds its metadata to the schema it is given, and compares that with the next one.
        super().__init__(target, stream_name, copy.deepcopy(schema), key_properties, connector)
        if self.config["load_method"] == "append-only":
            self._key_properties = []
        self._zone = parse_offset(self.config["time_zone"])
        # The SDK makes a new mapping at each look at `config`; these two are asked for with every record.
        self._most_rows: int = self.config["batch_size_rows"]
        self._most_bytes: int = self.config["batch_size_bytes"]
        self._records: list[msgspec.Raw | bytes] = []
        self._size = 0
        self._opened_at = 0.0
        self._versioned = False
        self.table: Table
        self.encoder: RecordEncoder

    def get_validator(self) -> None:
        """Leave validation to the encoder, which does it while it decodes."""
        return

    def conform_name(self, name: str, object_type: str | None = None) -> str:  # noqa: ARG002 the SDK's signature
        """Return the name as MySQL can take it: unchanged wherever possible."""
        return identifier(name)

    @property
    def table_name(self) -> str:
        """The table's name: the stream's, with the prefix. A hyphen means nothing."""
        return table_identifier(f"{self.config['table_prefix']}{self.stream_name}")

    @property
    def schema_name(self) -> str | None:
        """The database, where it is not the connection's own."""
        return self.default_target_schema

    @property
    def key_properties(self) -> Sequence[str]:
        """The key as the tap names it."""
        return self._key_properties

    def setup(self) -> None:
        """Make the table fit the stream.

        Raises:
            InvalidJSONSchema: the key is not among the properties.
            OperatorError: the table cannot take the stream.
        """
        missing = [name for name in self._key_properties if name not in self.schema["properties"]]
        if missing:
            raise InvalidJSONSchema(
                f"The SCHEMA of stream '{self.stream_name}' names the key {', '.join(missing)}, which is not among "
                "its properties."
            )
        if self.table_name.lower() in _RESERVED_TABLES:
            raise OperatorError(
                f"Stream '{self.stream_name}' would go into the bookkeeping table '{self.table_name}'. Set "
                "table_prefix."
            )
        server = self._target.loader.server
        if server.folds_names:
            self._target.claim(self.schema_name, self.table_name)
        self.table, left_out = self._target.loader.call(self._prepare)
        self._target.report_left_out(self.table_name, left_out)
        self.encoder = RecordEncoder(
            self.schema,
            self._key_properties,
            self.table,
            self._zone,
            validate=self.validate_schema,
            json_digits=server.json_digits,
            unknown=lambda name: self.logger.warning(
                "Stream '%s' has records with the property '%s', which its SCHEMA does not have; it is left out.",
                self.stream_name,
                name,
            ),
        )

    def _prepare(self, session: Session, _: int) -> tuple[Table, list[str]]:
        overwrite = self.config["load_method"] == "overwrite"
        wanted = Wanted(
            stream=self.stream_name,
            schema=self.schema,
            key_properties=self._key_properties,
            table=self.table_name,
            database=self.schema_name,
            evolve=self.config["schema_evolution"] == "evolve",
        )
        with table_locks(session, [(self.schema_name, self.table_name)]):
            if overwrite:
                staging = self._target.staging_table(
                    self.schema_name,
                    self.table_name,
                    lambda: begin_overwrite(session, self.table_name, self.schema_name),
                )
                wanted = dataclasses.replace(wanted, table=staging, replaces=self.table_name, evolve=True)
            table, left_out = prepare_table(session, wanted)
            if wanted.evolve:
                prepare_prune(session, table, self._target.prune_rules)
        return table, left_out

    @property
    def current_size(self) -> int:
        """Records in the batch that is being filled."""
        return len(self._records)

    @property
    def is_full(self) -> bool:
        """Whether the batch has as many rows or bytes as the settings allow."""
        return len(self._records) >= self._most_rows or self._size >= self._most_bytes

    @property
    def open_bytes(self) -> int:
        """Bytes in the batch that is being filled."""
        return self._size

    def is_due(self, now: float) -> bool:
        """Return whether the oldest record of the batch has waited long enough; ``now`` is ``time.monotonic()``."""
        return bool(self._records) and now - self._opened_at >= self.config["batch_wait_limit_seconds"]

    def add(self, record: msgspec.Raw | bytes, version: int | None = None) -> None:
        """Add a record, as JSON, to the batch.

        Args:
            record: the record.
            version: the table's version, where the tap sends one and record metadata do not carry it already.
        """
        if version is not None and self.process_activate_version_messages and not self.include_sdc_metadata_properties:
            record = self._with_version(bytes(record), version)
        if not self._records:
            self._opened_at = time.monotonic()
        self._records.append(record)
        self._size += memoryview(record).nbytes

    def _with_version(self, record: bytes, version: int) -> bytes:
        """The record with its version in it, for a stream whose versions are told apart by a column."""
        if not self._versioned:
            self._versioned = True
            self._target.hand_over(self)
            self.schema["properties"].update(copy.deepcopy(_VERSION_PROPERTIES))
            self.setup()
        rest = record.strip()[1:].lstrip()
        separator = b"" if rest.startswith(b"}") else b","
        return b'{"_sdc_table_version":%d%s%s' % (version, separator, rest)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Not used: the target takes batches from :meth:`take_batch`."""
        raise NotImplementedError

    def take_batch(self) -> Batch | None:
        """Close the batch and return it, or None where it is empty. Its records are not looked at yet."""
        if not self._records:
            return None
        batch = Batch(self.stream_name, self.table, self.encoder, self._records, self._size)
        self._records, self._size = [], 0
        self.record_counter_metric.increment(len(batch.records))
        self.tally_record_read(len(batch.records))
        return batch

    def set_bad_aside(self, batch: Batch) -> None:
        """Look at each record of a batch; leave those that can be stored in it, with their texts.

        Raises:
            OperatorError: a record is bad, and the settings say that this ends the run.
            MissingKeyPropertiesError: a record has no value for a key property at all.
        """
        found = self.encoder.encode_each(batch.records)
        if found.misfits and self.config["schema_evolution"] == "evolve":
            texts = self.encoder.loose_texts(record for record, _ in found.misfits)
            if self._target.loader.call(lambda session, _: self._widen(session, texts)):
                self.encoder.refresh()
                found = self.encoder.encode_each(batch.records)
        batch.records, batch.texts = found.records, found.texts
        batch.bad = [BadRow(record, reason) for record, reason in (*found.bad, *found.misfits)]
        if batch.bad and self.config["on_bad_row"] == "fail":
            raise OperatorError(bad_row_message(batch, batch.bad[0]))

    def _widen(self, session: Session, texts: list[Any]) -> list[str]:
        with table_locks(session, [(self.table.database, self.table.name)]):
            return widen(session, self.table, texts)
