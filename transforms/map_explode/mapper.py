"""The inline mapper `map-explode`: its settings, and what it does with each kind of message."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, ClassVar, TypeVar

from singer_sdk import InlineMapper
from singer_sdk import singerlib as singer
from singer_sdk import typing as th
from singer_sdk.exceptions import FatalSyncError, MapExpressionError, MappingError, RecordsWithoutSchemaException
from singer_sdk.singerlib.exceptions import SingerError

from map_explode import codec
from map_explode.columns import TYPES
from map_explode.failures import place
from map_explode.messages import LineReader, LineWriter
from map_explode.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    import click
    from singer_sdk.plugin_base import _ConfigInput

    from map_explode.pipeline import Output

#: A type, or a type with a description. `if` rather than `anyOf`, here and below: a mistake is reported where it is.
_TYPE: dict[str, Any] = {
    "if": {"type": "object"},
    "then": {
        "properties": {"type": {"enum": list(TYPES)}, "description": {"type": "string"}},
        "required": ["type"],
        "additionalProperties": False,
    },
    "else": {"enum": list(TYPES)},
}

_ENTRY: dict[str, Any] = th.ObjectType(
    th.Property(
        "path",
        th.StringType(min_length=1),
        required=True,
        description="The array: its name, or the names that lead to it, `orders.suits`.",
    ),
    th.Property(
        "alias",
        th.StringType(min_length=1),
        description="Send the rows to a stream of this name, beside the unchanged records. "
        "Without it the rows take the records' place.",
    ),
    th.Property(
        "prefix",
        th.StringType,
        description="What the columns of the element's fields begin with. Default: the path, `items_`.",
    ),
    th.Property(
        "key",
        th.ArrayType(th.StringType),
        description="Fields that identify an element inside its record. Default: a row number.",
    ),
    th.Property(
        "parent_fields",
        th.ArrayType(th.StringType),
        description="The fields of the record to keep. Default: all. Its key is always kept.",
    ),
    th.Property(
        "types",
        th.ObjectType(additional_properties=th.CustomType(_TYPE)),
        description="Types of the element's fields where the stream's schema does not declare them: "
        f"{', '.join(TYPES)}. Values are converted.",
    ),
    th.Property(
        "keep_empty",
        th.BooleanType,
        description="A record without elements still gives one row. Default: false.",
    ),
    additional_properties=False,
).to_dict()


_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class _Stream:
    """A stream that came: its SCHEMA, and the streams it becomes."""

    schema: dict[str, Any]
    key_properties: list[str]
    outputs: list[Output]

    @property
    def shown_key(self) -> list[str]:
        """The key columns a message may show: those that no stream map hides or changes."""
        return [name for name in self.key_properties if all(name not in each.mapped for each in self.outputs)]


#: What the SDK allows in `stream_maps`. Its own schema says "not valid under any of the given schemas" of a whole map.
_TEXT_OR_NULL = {"type": ["string", "null"]}
_DROPPED = {"enum": [None, "__NULL__"]}
_STREAM_MAPS: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {"__else__": _DROPPED},
    "additionalProperties": {
        "if": {"type": "object"},
        "then": {
            "properties": {
                "__alias__": _TEXT_OR_NULL,
                "__else__": _DROPPED,
                "__filter__": _TEXT_OR_NULL,
                "__key_properties__": {"type": ["array", "null"], "items": {"type": "string"}},
                "__source__": {"type": "string"},
            },
            "additionalProperties": _TEXT_OR_NULL,
        },
        "else": _DROPPED,
    },
}


class MapExplode(InlineMapper):
    """Explodes arrays into rows, flattens objects into columns, then renames and converts columns."""

    name = "map-explode"

    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "explode",
            th.ObjectType(
                additional_properties=th.CustomType(
                    {"if": {"type": "array"}, "then": {"items": _ENTRY}, "else": _ENTRY}
                ),
            ),
            title="Explode",
            description="Stream name -> the array to make rows of, or a list of several.",
        ),
        th.Property(
            "on_error",
            th.CustomType({"type": ["string", "null"], "enum": ["fail", "null", None]}),
            default="fail",
            title="On error",
            description="What an expression that fails for a record does: stop the run (`fail`), or leave the column "
            "null and count it (`null`). A filter or a key column that fails always stops the run.",
        ),
        th.Property(
            "stream_maps",
            th.CustomType(_STREAM_MAPS),
            title="Stream maps",
            description="Stream name or wildcard -> column -> expression, as in the SDK: "
            "https://sdk.meltano.com/en/latest/stream_maps.html",
        ),
    ).to_dict()

    message_reader_class = LineReader
    message_writer_class = LineWriter
    message_reader: LineReader
    message_writer: LineWriter

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - those of the SDK's class
        """Make the mapper; takes what `singer_sdk.InlineMapper` takes.

        Raises:
            MappingError: the configuration contradicts itself, or an expression in it cannot be read.
        """
        super().__init__(**kwargs)
        self.message_reader.connect(self.message_writer)
        self._stops = self.config.get("on_error", "fail") == "fail"
        self._failures: Counter[str] = Counter()
        self._told: set[str] = set()
        self._streams: dict[str, _Stream] = {}
        # The record at hand and its stream, for messages.
        self._record: dict[str, Any] = {}
        self._known = _Stream({}, [], [])
        for name in sorted(set(self.config) - set(self.config_jsonschema["properties"])):
            self._tell(f"there is no setting '{name}'; it does nothing")
        self._pipeline = Pipeline(self.config, self._tell, self._on_failure)

    def _tell(self, notice: str) -> None:
        """Say once what a user should know."""
        if notice not in self._told:
            self._told.add(notice)
            self.logger.warning("%s", notice)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        messages = list(self.map_schema_message(message_dict))
        if message_dict["stream"] in self.message_reader.unchanged:
            self.message_writer.write_line(self.message_reader.line)
        else:
            self._write_messages(messages)

    def map_schema_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Return the SCHEMA messages of the streams the stream becomes.

        Raises:
            InvalidInputLine: the message is not what Singer describes.
            MapExpressionError: an expression does not fit the schema.
            StreamMapConfigError: the configuration does not fit the schema.
        """
        stream = self._member(message_dict, "stream", str)
        schema = self._member(message_dict, "schema", dict)
        key_properties = (
            self._member(message_dict, "key_properties", list) if message_dict.get("key_properties") else []
        )
        known = self._streams.get(stream)
        if known is None or (known.schema, known.key_properties) != (schema, key_properties):
            known = self._streams[stream] = self._planned(stream, schema, key_properties)
        bookmarks = message_dict.get("bookmark_properties") or []
        for output in known.outputs:
            columns = output.schema.get("properties") or {}
            yield singer.SchemaMessage(
                stream=output.name,
                schema=output.schema,
                key_properties=output.key_properties,
                bookmark_properties=[name for name in bookmarks if name in columns] or None,
            )

    def _planned(self, stream: str, schema: dict[str, Any], key_properties: list[str]) -> _Stream:
        try:
            outputs = self._pipeline.outputs(stream, schema, key_properties)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self.message_reader.invalid(
                f"cannot make sense of the schema of stream '{stream}': {type(error).__name__}"
            ) from error
        unchanged = len(outputs) == 1 and not outputs[0].changes
        (self.message_reader.unchanged.add if unchanged else self.message_reader.unchanged.discard)(stream)
        (self.message_reader.dropped.discard if outputs else self.message_reader.dropped.add)(stream)
        if not outputs:
            self.logger.info("Stream '%s' is left out, as stream_maps says", stream)
        others = {output.name: other for other, known in self._streams.items() for output in known.outputs}
        for output in outputs:
            other = others.get(output.name, stream)
            if other != stream:
                self._tell(f"streams '{other}' and '{stream}' both become stream '{output.name}'")
        return _Stream(schema, key_properties, outputs)

    def _member(self, message: dict[str, Any], name: str, kind: type[_T]) -> _T:
        """Return a member of the message at hand.

        Raises:
            InvalidInputLine: it is not there, or of another type.
        """
        value = message.get(name)
        if not isinstance(value, kind):
            raise self.message_reader.invalid(f"the {message['type']} message has no valid '{name}'")
        return value

    def map_record_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Return the RECORD messages a record becomes, in the order of the configuration and of the array.

        Raises:
            MapExpressionError: an expression failed; the message tells the line of the input, no values.
            RecordsWithoutSchemaException: no SCHEMA came before the record.
        """
        version = message_dict.get("version")
        extracted = message_dict.get("time_extracted")
        time_extracted = None if extracted is None else dt.datetime.fromisoformat(extracted)
        for stream, row in self._rows(message_dict):
            yield singer.RecordMessage(stream=stream, record=row, version=version, time_extracted=time_extracted)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        # What `map_record_message` gives, without an object for every row; the other members stay as they came.
        rest = b"".join(
            b"," + codec.encode(name) + b":" + codec.encode(value)
            for name, value in message_dict.items()
            if name not in {"type", "stream", "record"}
        )
        write_record = self.message_writer.write_record
        for stream, row in self._rows(message_dict):
            write_record(stream, row, rest)

    def _rows(self, message_dict: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the streams and records a record becomes."""
        self._record = record = self._member(message_dict, "record", dict)
        self._known = known = self._stream(message_dict)
        try:
            for output in known.outputs:
                for row in output.records(record):
                    yield output.name, row
        except MapExpressionError as error:
            raise MapExpressionError(f"{error} ({self._place(error)})") from None

    def _place(self, failure: MapExpressionError) -> str:
        """Return which record failed, and the forms of the values used."""
        values = getattr(failure, "values", "")
        return place(self.message_reader.line_number, self._known.shown_key, self._record, values)

    def map_state_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Return the STATE message as it is."""
        yield singer.StateMessage(value=message_dict["value"])

    def map_activate_version_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Return an ACTIVATE_VERSION message for every stream the stream becomes."""
        version = self._member(message_dict, "version", int)
        for output in self._stream(message_dict).outputs:
            yield singer.ActivateVersionMessage(stream=output.name, version=version)

    def map_batch_message(self, message_dict: dict[str, Any]) -> Iterable[singer.Message]:
        """Refuse a BATCH message: its records are in a file that would pass by the mapper.

        BATCH messages of streams that are not changed are passed on before they get here.

        Raises:
            FatalSyncError: always.
        """
        raise FatalSyncError(
            f"stream '{message_dict.get('stream')}' comes in BATCH files, whose records a mapper cannot change: "
            "take `batch_config` out of the tap's settings"
        )

    def process_endofpipe(self) -> None:
        """Say how often an expression failed, and which configured stream never came."""
        for setting, stream in self._pipeline.without_stream(self._streams):
            self._tell(f"setting `{setting}` names stream '{stream}', which did not come")
        for failure, count in self._failures.items():
            self.logger.error("%s; %d times, the column is null there", failure, count)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        # Not the SDK's exit code 0: a mapper that was stopped has not passed on all it was given.
        self.logger.warning("Stopped by signal %d before the input ended", signum)
        sys.exit(128 + signum)

    def _stream(self, message: dict[str, Any]) -> _Stream:
        stream = self._member(message, "stream", str)
        if stream not in self._streams:
            raise RecordsWithoutSchemaException(
                f"input line {self.message_reader.line_number}: stream '{stream}' has no SCHEMA message before it"
            )
        return self._streams[stream]

    def _on_failure(self, failure: MapExpressionError) -> None:
        message = str(failure)
        if self._stops:
            raise failure from None
        if message not in self._failures:
            self.logger.error("%s, first in %s; the column is null there", message, self._place(failure))
        self._failures[message] += 1

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings; a file that cannot be read is one line and exit code 1."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            # A JSON error tells the place in the file, not what stands there.
            cls.logger.error("The file given with --config cannot be read: %s", error)  # noqa: TRY400 - one line is enough
            sys.exit(1)

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK's InlineMapper overrides its base in the same way
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the mapper; an expected failure is one line on stderr and exit code 1.

        Args:
            about: print the settings instead.
            about_format: the form to print them in.
            config: the settings.
            file_input: a file to read messages from instead of standard input.
        """
        try:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
        except (MappingError, FatalSyncError, SingerError) as error:
            cls.logger.error("%s", error)  # noqa: TRY400 - a traceback would tell the operator nothing more
            sys.exit(1)
        except BrokenPipeError:
            cls.logger.error("The program that reads our output has ended")  # noqa: TRY400 - as above
            # Python would complain once more when it closes standard output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
