"""The target: Singer messages in, batches and STATE out.

What is overridden of the Singer SDK, and why:

- ``message_reader_class``: records stay JSON until they are decoded into their type (the SDK's per-record path takes a
  dictionary through ten steps, 274 µs a record; most of it validation).
- ``_process_record_message``: a record without stream maps goes to its sink as it is. One with maps, flattening or
  record metadata takes the SDK's own steps and then goes on as JSON: one way to validate, convert and store.
- ``_process_batch_message``: the records of a file take the same way, line by line.
- ``_process_schema_message``: what a stream has open is handed over before its new SCHEMA counts. A repeated one is
  nothing.
- ``_process_state_message``, ``process_endofpipe``: a STATE is passed on when everything before it is committed, not
  only at the end or after five minutes.
- ``_handle_termination``: a signal ends the reading; what was read is written, its STATE passed on.
"""

from __future__ import annotations

import gc
import sys
import time
import uuid
from functools import partial
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import click
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.sql import SQLTarget

from target_mysql_replace.batch_files import file_records
from target_mysql_replace.convert import parse_offset
from target_mysql_replace.drafts import check_references, modern
from target_mysql_replace.encode import BadRecord, load_json
from target_mysql_replace.errors import OperatorError
from target_mysql_replace.loader import Loader
from target_mysql_replace.locks import table_locks
from target_mysql_replace.mapped import dump_record, transformed
from target_mysql_replace.prepare import finish_overwrite
from target_mysql_replace.prune import Pruner, read_rules
from target_mysql_replace.reader import MessageReader
from target_mysql_replace.redact import redact, secrets_of, tell
from target_mysql_replace.replay import replay
from target_mysql_replace.settings import SETTINGS
from target_mysql_replace.sink import MySQLSink
from target_mysql_replace.state import StateGate
from target_mysql_replace.store import BatchStore, Rules
from target_mysql_replace.validate import check_schema
from target_mysql_replace.versions import activate_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from singer_sdk.plugin_base import _ConfigInput

    from target_mysql_replace.batch import Batch
    from target_mysql_replace.connector import MySQLConnector
    from target_mysql_replace.session import Session

#: All open batches together may take as much memory as this many full ones.
_OPEN_BATCHES = 4
#: Python gives up its lock at most this many seconds after another thread asked for it. The writing thread asks only
#: when an answer of the server is there, and the default of 5 ms would let the server wait for each one.
_SWITCH_SECONDS = 0.0005


class TargetMySQLReplace(SQLTarget):
    """Loads Singer streams into MySQL, MariaDB and compatible servers: by REPLACE, exactly, and fast."""

    name = "target-mysql-replace"
    package_name = "target-mysql-replace"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    default_sink_class = MySQLSink
    message_reader_class = MessageReader
    message_reader: MessageReader

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 the SDK's options
        super().__init__(**options)
        self.run_id = uuid.uuid4().hex
        self.prune_rules = read_rules(self.config.get("prune"))
        self.loader = Loader(cast("MySQLConnector", self.target_connector), self.message_reader.wake)
        self.store = BatchStore(
            Rules(
                write_method=self.config["write_method"],
                evolve=self.config["schema_evolution"] == "evolve",
                fail_on_bad_row=self.config["on_bad_row"] == "fail",
                run_id=self.run_id,
                zone=parse_offset(self.config["time_zone"]),
            ),
            Pruner(self.prune_rules),
        )
        self.message_reader.on_pause = self._on_pause
        self._gate = StateGate()
        #: Streams whose records go to their sink as they are.
        self._direct: dict[str, MySQLSink] = {}
        #: The sink of each stream and name it goes by; two streams may go by one name, with different columns.
        self._own: dict[tuple[str, str], MySQLSink] = {}
        self._last_schemas: dict[str, dict[str, Any]] = {}
        self._staging: dict[tuple[str | None, str], str] = {}
        self._claimed: dict[tuple[str | None, str], str] = {}
        self._left_out: set[tuple[str, str]] = set()
        self._held_state: str | None = None
        self._signal: int | None = None

    # Messages

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream")
        if not isinstance(stream, str) or not isinstance(message_dict.get("schema"), dict):
            raise OperatorError("A SCHEMA message has no stream or no schema.")
        if not isinstance(message_dict["schema"].get("properties"), dict):
            raise OperatorError(f"The SCHEMA of stream '{stream}' has no properties.")
        if self._last_schemas.get(stream) == message_dict:
            return
        for stream_map in self.mapper.stream_maps.get(stream, ()):
            if self.sink_exists(stream_map.stream_alias):
                self.hand_over(self._sink(stream_map.stream_alias))
        self._direct.pop(stream, None)
        # The SDK's stream maps change the schema they are given; this one is new.
        schema = modern(message_dict["schema"])
        check_schema(schema, stream)
        check_references(schema, schema, stream)
        super()._process_schema_message({**message_dict, "schema": schema})
        self._last_schemas[stream] = message_dict
        for stream_map in self.mapper.stream_maps[stream]:
            self._own[stream, stream_map.stream_alias] = self._sink(stream_map.stream_alias)
        for sink in self._sinks_to_clear:
            sink.clean_up()
        self._sinks_to_clear.clear()
        maps = self.mapper.stream_maps[stream]
        if len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled:
            sink = self._sink(maps[0].stream_alias)
            if not sink.include_sdc_metadata_properties:
                self._direct[stream] = sink

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        sink = self._direct.get(message_dict["stream"])
        if sink is None:
            self._process_mapped_record(message_dict)
            return
        sink.add(message_dict["record"], message_dict.get("version"))
        if sink.is_full:
            self.hand_over(sink)

    def _process_mapped_record(self, message_dict: dict[str, Any]) -> None:
        """Take a record through stream maps, flattening and record metadata; then it is JSON again."""
        stream = message_dict["stream"]
        if stream not in self.mapper.stream_maps:
            raise RecordsWithoutSchemaException(f"A record of stream '{stream}' came before its SCHEMA.")
        try:
            record = load_json(message_dict["record"])
        except BadRecord:
            # Its sink will find the same and set it aside with the reason.
            self._sink_of(stream, self.mapper.stream_maps[stream][0].stream_alias).add(message_dict["record"])
            return
        for stream_map in self.mapper.stream_maps[stream]:
            mapped = transformed(stream_map, record, stream)
            if mapped is None:
                continue
            sink = self._sink_of(stream, stream_map.stream_alias)
            if sink.include_sdc_metadata_properties:
                sink._add_sdc_metadata_to_record(mapped, message_dict, {})  # noqa: SLF001 as the SDK's own target does
            sink.add(dump_record(mapped), message_dict.get("version"))
            if sink.is_full:
                self.hand_over(sink)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Take the records of a BATCH message's files as if each had come by itself."""
        stream = message_dict["stream"]
        if stream not in self.mapper.stream_maps:
            raise RecordsWithoutSchemaException(f"A BATCH message of stream '{stream}' came before its SCHEMA.")
        sink = self._sink(self.mapper.stream_maps[stream][0].stream_alias)
        storage = sink.batch_config.storage if sink.batch_config else None
        for record in file_records(stream, message_dict, storage):
            self._process_record_message({"stream": stream, "record": record, "version": None, "time_extracted": None})
            self.loader.raise_failure()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        state = bytes(message_dict["value"]).decode()
        if self.config["load_method"] == "overwrite":
            # Nothing of the run is in its place before the tables are swapped.
            self._held_state = state
            return
        released = self._gate.arrived(state, (sink for sink in self._sinks() if sink.current_size))
        if released is not None:
            self._pass_on(released)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            sink = self._sink_of(message_dict["stream"], stream_map.stream_alias)
            if not sink.process_activate_version_messages:
                continue
            self.hand_over(sink)
            activate = partial(
                activate_version,
                sink.table,
                int(message_dict["version"]),
                parse_offset(self.config["time_zone"]),
                bool(self.config.get("hard_delete")),
            )
            self.loader.submit(partial(self.loader.with_retries, activate))

    # Batches

    def hand_over(self, sink: MySQLSink) -> None:
        """Close a sink's batch and give it to the writing thread; a STATE that waited only for it follows."""
        batch = sink.take_batch()
        if batch is not None:
            writer = self.store.chosen or self.loader.call(lambda session, _: self.store.writer(session))
            # In this thread, while the other one waits for the server.
            try:
                self.store.prepare(batch, writer, self.loader.server)
            except BadRecord:
                sink.set_bad_aside(batch)
                self.store.prepare(batch, writer, self.loader.server)
            self.loader.submit(partial(self.loader.with_retries, partial(self._write, batch)))
        released = self._gate.handed_over(sink)
        if released is not None:
            self._pass_on(released)

    def _write(self, batch: Batch, session: Session, attempt: int) -> None:
        self.store.write(session, attempt, batch)

    def _on_pause(self) -> None:
        """Between messages: hand over what waited long enough, or too much."""
        self.loader.raise_failure()
        now = time.monotonic()
        for sink in self._sinks():
            if sink.is_due(now):
                self.hand_over(sink)
        limit = _OPEN_BATCHES * self.config["batch_size_bytes"]
        while sum(sink.open_bytes for sink in self._sinks()) > limit:
            self.hand_over(max(self._sinks(), key=lambda sink: sink.open_bytes))

    def _pass_on(self, state: str) -> None:
        """Write a STATE to standard output, behind everything handed over before."""

        def write() -> None:
            sys.stdout.write(state + "\n")
            sys.stdout.flush()

        self.loader.submit(write)

    def process_endofpipe(self) -> None:
        """Write what is left and wait until it is committed; then swap the tables of an overwrite."""
        for sink in self._sinks():
            self.hand_over(sink)
        if self._staging and self._signal is None:
            for (database, table), staging in self._staging.items():
                swap = partial(_swap, table, staging, database)
                self.loader.call(swap)
            if self._held_state is not None:
                self._pass_on(self._held_state)
        self.loader.finish()
        for sink in self._sinks():
            sink.clean_up()

    # Sinks

    def _sink(self, alias: str) -> MySQLSink:
        return cast("MySQLSink", self.get_sink(alias))

    def _sink_of(self, stream: str, alias: str) -> MySQLSink:
        """The sink of a stream, in use; another stream's that goes by the same name hands over first."""
        sink, active = self._own[stream, alias], self._sink(alias)
        if sink is not active:
            self.hand_over(active)
            self._sinks_active[alias] = sink
        return sink

    def _sinks(self) -> list[MySQLSink]:
        return cast("list[MySQLSink]", list(self._sinks_active.values()))

    def staging_table(self, database: str | None, table: str, begin: Callable[[], str]) -> str:
        """Return the table an overwrite loads into, made by ``begin`` when the run first meets the stream."""
        key = (database, table)
        if key not in self._staging:
            self._staging[key] = begin()
        return self._staging[key]

    def claim(self, database: str | None, table: str) -> None:
        """Note that a table is in use, on a server that does not tell upper and lower case in their names.

        Raises:
            OperatorError: another stream uses it under another name, and their rows would be mixed.
        """
        other = self._claimed.setdefault((database, table.lower()), table)
        if other != table:
            raise OperatorError(
                f"'{other}' and '{table}' are one table on this server (lower_case_table_names), and two streams. "
                "Rename one of them with stream_maps."
            )

    def report_left_out(self, table: str, properties: list[str]) -> None:
        """Say once which properties have no column."""
        new = [name for name in properties if (table, name) not in self._left_out]
        self._left_out.update((table, name) for name in new)
        if new:
            self.logger.warning(
                "Table '%s' has no column it could be given for %s; left out (schema_evolution is '%s').",
                table,
                ", ".join(repr(name) for name in new),
                self.config["schema_evolution"],
            )

    # Process

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 a signal handler's signature
        """End the reading; a second signal ends the process."""
        if self._signal is not None:
            raise SystemExit(128 + signum)
        self._signal = signum
        self.logger.info("Signal %d: writing what was read, then ending.", signum)
        self.message_reader.stop()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command with one more option."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--replay-quarantine"],
                is_flag=True,
                help="Write the records of _quarantine again, after what was wrong has been mended.",
            )
        )
        return command

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings; a file that cannot be read is one line and exit code 1."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            # What stands in the file is not repeated: it has a password in it.
            cls.logger.critical("The file given with --config cannot be read: %s.", type(error).__name__)
            sys.exit(1)

    @classmethod
    def invoke(  # type: ignore[override] # one more option than the SDK's
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
        replay_quarantine: bool = False,
    ) -> None:
        """Run the target; whatever goes wrong is one line and exit code 1."""
        if about:
            cls.print_about(about_format)
            return
        settings = config.config if config else {}
        secrets = secrets_of({**settings, **(cls._env_var_config if config and config.parse_env else {})})
        target = None
        try:
            target = cls(config=settings, parse_env_config=bool(config and config.parse_env))
            _tune_interpreter()
            # Whoever starts the target wants to know now whether it can write, not when the first record comes.
            _ = target.loader.server
            if replay_quarantine:
                replay(
                    target.loader,
                    target.store,
                    target.config.get("default_target_schema"),
                    parse_offset(target.config["time_zone"]),
                )
                target.loader.finish()
            else:
                target.listen(file_input)
        except Exception as error:  # noqa: BLE001 told in one line
            if target is not None:
                # What was handed over before is good, and so is its STATE.
                target.loader.abandon()
            cls.logger.critical("%s", redact(tell(error), secrets))
            sys.exit(1)
        if target._signal is not None:
            sys.exit(128 + target._signal)


def _swap(table: str, staging: str, database: str | None, session: Session, attempt: int) -> None:
    with table_locks(session, [(database, table)]):
        finish_overwrite(session, table, staging, database, again=attempt > 0)


def _tune_interpreter() -> None:
    """Set the interpreter to a program that moves many objects and waits in one thread."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Records are trees without cycles: looking for cycles among them finds none, a few times a batch.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
