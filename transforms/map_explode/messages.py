"""Singer lines in and out: what is not changed is passed on as the bytes that came."""

from __future__ import annotations

import io
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader, GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message
from singer_sdk.singerlib.exceptions import InvalidInputLine

from map_explode import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 16


class _Head(msgspec.Struct):
    """What must be known of a line to decide whether it is read; the rest is skipped, not decoded."""

    type: str
    stream: str | None = None


_HEAD = msgspec.json.Decoder(_Head)
#: Messages about the records of a stream, which are passed on where the records are.
_OF_RECORDS = frozenset({"RECORD", "BATCH", "ACTIVATE_VERSION"})


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes lines to standard output, in blocks."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0
        #: Stream -> the beginning of its RECORD lines.
        self._heads: dict[str, bytes] = {}

    def serialize_message(self, message: Message) -> bytes:
        """Return a message as a line."""
        return codec.encode(message.to_dict()) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write a message."""
        self.write_line(self.serialize_message(message))

    def write_record(self, stream: str, record: dict[str, Any], rest: bytes) -> None:
        """Write a RECORD message.

        Args:
            stream: its stream.
            record: its record.
            rest: the further members of the message, each behind a comma.
        """
        head = self._heads.get(stream)
        if head is None:
            head = self._heads[stream] = b'{"type":"RECORD","stream":' + codec.encode(stream) + b',"record":'
        self.write_line(b"".join((head, codec.encode(record), rest, b"}\n")))

    def write_line(self, line: bytes) -> None:
        """Write a line that ends with a line break."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Hand everything written so far to the next program."""
        if self._lines:
            sys.stdout.buffer.write(b"".join(self._lines))
            sys.stdout.buffer.flush()
            self._lines = []
            self._size = 0


class LineReader(GenericSingerReader[bytes]):
    """Reads lines and tells apart what passes unread.

    Attributes:
        unchanged: streams whose records are passed on as they are.
        dropped: streams whose records are left out.
        line: the line at hand, with its line break.
        line_number: its number in the input, from 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unchanged: set[str] = set()
        self.dropped: set[str] = set()
        self.line = b""
        self.line_number = 0
        self._writer = LineWriter()

    def connect(self, writer: LineWriter) -> None:
        """Pass unchanged lines to a writer, and flush it whenever the input has nothing more to give at the moment."""
        self._writer = writer

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Pass on or hand over every line of the input.

        Args:
            file_input: the input; None for standard input.
            callbacks: message type -> function that takes the message.

        Returns:
            How many messages of each type there were.

        Raises:
            InvalidInputLine: a line is no Singer message. The error tells where, not what it holds.
        """
        counts: Counter[str] = Counter()
        try:
            for line in self._read_lines(self.default_input if file_input is None else file_input):
                self.line_number += 1
                if not line.isspace():
                    self.line = line
                    counts[self._process(line, callbacks)] += 1
        except RecursionError:
            raise self.invalid("it is nested too deeply") from None
        self._writer.flush()
        return counts

    def _process(self, line: bytes, callbacks: dict[str, Callable[[dict[str, Any]], None]]) -> str:
        """Pass on or hand over a line; return the message's type."""
        head, message = self._head(line)
        if head.type == "STATE" or (head.type in _OF_RECORDS and head.stream in self.unchanged):
            self._writer.write_line(line)
        elif head.type in _OF_RECORDS and head.stream in self.dropped:
            pass
        elif head.type in callbacks:
            callbacks[head.type](self.deserialize_json(line) if message is None else message)
        else:
            raise self.invalid(f"its type {head.type!r} is unknown")
        return head.type

    def _head(self, line: bytes) -> tuple[_Head, dict[str, Any] | None]:
        """Return type and stream of a line, and the whole message if it had to be read for that."""
        try:
            return _HEAD.decode(line), None
        except msgspec.DecodeError:
            # Either no message, or one only the tolerant decoder can read.
            message = self.deserialize_json(line)
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise self.invalid("it is no Singer message: it has no 'type'")
        stream = message.get("stream")
        return _Head(message["type"], stream if isinstance(stream, str) else None), message

    def deserialize_json(self, line: bytes) -> Any:  # noqa: ANN401 - whatever the line holds
        """Return the value of a line.

        Raises:
            InvalidInputLine: it is no JSON.
        """
        try:
            return codec.decode(line)
        except ValueError as error:
            raise self.invalid(f"it is no valid JSON ({error}); was the tap cut off?") from None

    def invalid(self, reason: str) -> InvalidInputLine:
        """Return an exception that tells the line at hand, and why it is no message."""
        return InvalidInputLine(f"input line {self.line_number}: {reason}")

    def _read_lines(self, file_input: IO[Any]) -> Iterator[bytes]:
        """Yield the lines of the input as they come; the writer is flushed before every wait."""
        binary: Any = getattr(file_input, "buffer", file_input)
        if isinstance(binary, io.TextIOBase):
            for text_line in binary:
                yield text_line.encode().rstrip(b"\n") + b"\n"
            return
        rest: list[bytes] = []
        while chunk := binary.read1(_CHUNK):
            *ends, begun = chunk.split(b"\n")
            for end in ends:
                yield b"".join((*rest, end, b"\n"))
                rest.clear()
            if begun:
                rest.append(begun)
            self._writer.flush()
        if rest:
            yield b"".join((*rest, b"\n"))
