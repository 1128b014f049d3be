"""The one thing PyMySQL lacks: LOAD DATA LOCAL from memory.

PyMySQL opens a file by the name the server asks for and sends it in packets of 16 KB, taking Python's lock again after
each (PyMySQL issue 376 asks for streams since 2015). Here the data comes from memory in large packets, so that the lock
is free while a batch is on its way, and a server can never ask for a file: the connection does not allow PyMySQL's own
handling (``local_infile`` stays False) and answers only a statement of :meth:`StreamingConnection.load_local`, only
under the name that statement gave. It uses these of PyMySQL's internals: ``_execute_command``, ``_read_packet``,
``_write_bytes``, ``_next_seq_id``, ``_sock``.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CLIENT, COMMAND, CR
from pymysql.protocol import LoadLocalPacketWrapper, OKPacketWrapper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Bytes in one packet. Larger ones gain nothing measurable; the server's max_allowed_packet may be as small as 1 MiB.
PACKET_BYTES = 2**20 - 1024


class StreamingConnection(pymysql.connections.Connection):
    """A PyMySQL connection that sends LOAD DATA LOCAL from memory.

    Args:
        settings: PyMySQL's own connection settings.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        # The flag tells the server that the client can send files; local_infile=True would let PyMySQL open them.
        flags = settings.get("client_flag", 0) | CLIENT.LOCAL_FILES
        super().__init__(**{**settings, "client_flag": flags, "local_infile": False})
        _notice_lost_peer(self._sock)  # type: ignore[attr-defined] # PyMySQL's internals are not in its stubs

    def load_local(self, statement: str, name: str, pieces: Iterable[bytes]) -> int:
        """Run a LOAD DATA LOCAL statement and send its file.

        Args:
            statement: the statement; its file name has to be ``name``.
            name: what the server may ask for.
            pieces: the file's content, one behind the other.

        Returns:
            How many warnings the server counted.

        Raises:
            pymysql.err.MySQLError: the server refused the statement or the data, or the connection broke.
        """
        self._command(COMMAND.COM_QUERY, statement)
        packet = self._packet()
        if not packet.is_load_local_packet():
            raise pymysql.err.OperationalError(CR.CR_COMMANDS_OUT_OF_SYNC, "The server asked for no data")
        asked = LoadLocalPacketWrapper(packet).filename
        if asked != name.encode():
            self._send(b"")
            self._packet()
            raise pymysql.err.OperationalError(CR.CR_COMMANDS_OUT_OF_SYNC, "The server asked for another file")
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), PACKET_BYTES):
                self._send(view[start : start + PACKET_BYTES])
        self._send(b"")
        answer = OKPacketWrapper(self._packet())
        self.server_status = answer.server_status
        return int(answer.warning_count)

    def _send(self, payload: bytes | memoryview) -> None:
        header = struct.pack("<I", len(payload) | self._next_seq_id << 24)
        self._write_bytes(header + payload)  # type: ignore[attr-defined] # PyMySQL's internals are not in its stubs
        self._next_seq_id: int = (self._next_seq_id + 1) % 256

    def _command(self, command: int, statement: str) -> None:
        self._execute_command(command, statement)  # type: ignore[attr-defined] # as above

    def _packet(self) -> Any:  # noqa: ANN401 PyMySQL's packet
        return self._read_packet()  # type: ignore[no-untyped-call] # as above


def _notice_lost_peer(connection: socket.socket) -> None:
    """Let the system ask after a silent server: one that is gone is noticed in two minutes, a slow one is not."""
    if connection.family != socket.AF_UNIX:
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
