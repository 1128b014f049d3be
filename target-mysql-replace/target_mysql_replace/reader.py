"""Reads Singer messages: records stay JSON, and the reader never sleeps longer than it was told.

The SDK's readers parse every record into a dictionary, and wait for the next line however long it takes. This one
leaves the record as the bytes it is (it is decoded later, straight into its type) and calls back when no line came for
a while, so that a batch does not wait for a tap that is slow.
"""

from __future__ import annotations

import collections
import contextlib
import io
import os
import select
import sys
from typing import IO, TYPE_CHECKING, Any

import msgspec
import simplejson
from singer_sdk.singerlib.encoding import SingerMessageType
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_mysql_replace.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Bytes asked for at once; a pipe gives 64 KB at most unless it was enlarged.
_CHUNK = 2**20
#: Seconds between two calls of the idle callback.
_IDLE_SECONDS = 0.5


_NO_RECORD = msgspec.Raw()


class Envelope(msgspec.Struct, gc=False):
    """A Singer message whose parts are not parsed yet."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = _NO_RECORD
    value: msgspec.Raw = _NO_RECORD
    version: Any = None
    time_extracted: str | None = None


_ENVELOPE = msgspec.json.Decoder(Envelope)


class MessageReader(GenericSingerReader[bytes]):
    """Reads lines from a file, a pipe or any iterable of lines."""

    #: Called between messages, and twice a second while none come.
    on_pause: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False
        self._wake_write: int | None = None
        self._line_number = 0

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def stop(self) -> None:
        """Let :meth:`process_lines` return after the message it is at; may be called from a signal handler."""
        self._stopped = True
        self.wake()

    def wake(self) -> None:
        """End a wait for input; may be called from any thread."""
        if self._wake_write is not None:
            # A full pipe is full of wake-ups, a closed one has nobody waiting.
            with contextlib.suppress(OSError):
                os.write(self._wake_write, b".")

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> collections.Counter[str]:
        """Hand every message to its callback.

        Args:
            file_input: where to read; standard input by default.
            callbacks: one a message type.

        Returns:
            How many messages of each type there were.

        Raises:
            OperatorError: a line is no Singer message. The message never quotes the line.
        """
        counts: collections.Counter[str] = collections.Counter()
        for lines in self._chunks(file_input or self.default_input):
            for line in lines:
                self._line_number += 1
                if not line.strip():
                    continue
                message = self.deserialize_json(line)
                kind = message["type"]
                callback = callbacks.get(kind)
                if callback is None:
                    raise OperatorError(f"Line {self._line_number} of the input has an unknown message type.")
                callback(message)
                counts[kind] += 1
                if self._stopped:
                    return counts
            self.on_pause()
            if self._stopped:
                break
        return counts

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Return a message; in a RECORD the record, and in a STATE the value, stay JSON (:class:`msgspec.Raw`).

        Raises:
            OperatorError: the line is no Singer message.
        """
        try:
            envelope = _ENVELOPE.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            return self._lenient(line)
        if envelope.type == SingerMessageType.RECORD:
            if envelope.stream is None or envelope.record is _NO_RECORD:
                raise OperatorError(f"Line {self._line_number} of the input is a RECORD without stream or record.")
            if envelope.version is not None:
                self._check_version(envelope.version)
            return {
                "type": envelope.type,
                "stream": envelope.stream,
                "record": envelope.record,
                "version": envelope.version,
                "time_extracted": envelope.time_extracted,
            }
        if envelope.type == SingerMessageType.STATE and envelope.value is not _NO_RECORD and line.isascii():
            return {"type": envelope.type, "value": envelope.value}
        return self._lenient(line)

    def _lenient(self, line: bytes) -> dict[str, Any]:
        """A message as the standard library reads it: also with ``NaN`` or bad UTF-8, for a bad record."""
        try:
            message = simplejson.loads(line.decode("utf-8", "surrogateescape"), use_decimal=True, allow_nan=True)
        except (ValueError, RecursionError) as error:
            place = f" (at character {error.pos})" if isinstance(error, simplejson.JSONDecodeError) else ""
            raise OperatorError(
                f"Line {self._line_number} of the input is not valid JSON{place}: the tap broke off or wrote "
                "something else."
            ) from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise OperatorError(f"Line {self._line_number} of the input is no Singer message: it has no type.")
        kind = message["type"]
        if kind == SingerMessageType.STATE:
            message["value"] = self._state(message)
        elif kind != SingerMessageType.SCHEMA and not isinstance(message.get("stream"), str):
            raise OperatorError(f"Line {self._line_number} of the input is a {kind} without stream.")
        if kind == SingerMessageType.RECORD:
            if "record" not in message:
                raise OperatorError(f"Line {self._line_number} of the input is a RECORD without stream or record.")
            message["record"] = simplejson.dumps(message["record"], use_decimal=True, allow_nan=True).encode()
        if kind == SingerMessageType.ACTIVATE_VERSION or message.get("version") is not None:
            self._check_version(message.get("version"))
        return message

    def _state(self, message: dict[str, Any]) -> bytes:
        """The value of a STATE, as JSON."""
        try:
            return simplejson.dumps(message["value"], use_decimal=True, ensure_ascii=False, allow_nan=False).encode()
        except (KeyError, ValueError):
            raise OperatorError(
                f"Line {self._line_number} of the input is a STATE without a value that is valid JSON."
            ) from None

    def _check_version(self, version: Any) -> None:  # noqa: ANN401 any JSON value
        if not isinstance(version, int) or isinstance(version, bool):
            raise OperatorError(f"Line {self._line_number} of the input has a version that is no whole number.")

    def _chunks(self, source: IO[Any]) -> Iterator[Iterable[bytes]]:
        """Yield lists of whole lines; an empty one when none came for a while."""
        try:
            descriptor = source.fileno()
        except (AttributeError, OSError, io.UnsupportedOperation):
            # An object in memory, as tests have it: nothing to wait for.
            for line in source:
                yield [line.encode() if isinstance(line, str) else line]
            return
        wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        try:
            yield from self._descriptor_chunks(descriptor, wake_read)
        finally:
            wake_write, self._wake_write = self._wake_write, None
            os.close(wake_write)
            os.close(wake_read)

    @staticmethod
    def _descriptor_chunks(descriptor: int, wake: int) -> Iterator[Iterable[bytes]]:
        rest: list[bytes] = []
        while True:
            ready, _, _ = select.select([descriptor, wake], [], [], _IDLE_SECONDS)
            if wake in ready:
                os.read(wake, _CHUNK)
            if descriptor not in ready:
                yield []
                continue
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                yield [b"".join(rest)]
                return
            lines = chunk.split(b"\n")
            if len(lines) == 1:
                rest.append(chunk)
                continue
            lines[0] = b"".join((*rest, lines[0]))
            rest = [lines.pop()]
            yield lines
