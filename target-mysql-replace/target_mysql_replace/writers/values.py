"""Multi-row statements: REPLACE INTO, and INSERT … ON DUPLICATE KEY UPDATE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymysql

from target_mysql_replace.convert import NULL
from target_mysql_replace.names import literal, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_mysql_replace.encode import Texts
    from target_mysql_replace.session import Server, Session
    from target_mysql_replace.table import Table

#: Statements longer than this gain nothing and hold the server's memory.
_LONGEST_STATEMENT = 4 * 2**20
#: What the protocol adds to a statement.
_PACKET_OVERHEAD = 1024
_PACKET_TOO_LARGE = 1153


class Replace:
    """``REPLACE INTO``: an existing row is deleted and written anew; its other columns get their defaults."""

    method = "replace"

    def payload(self, server: Server, table: Table, blocks: Iterable[Texts]) -> list[bytes]:
        """Return the statements, each below the server's max_allowed_packet."""
        head = f"{self._verb} INTO {table.quoted} {table.column_list} VALUES\n".encode()
        rows = [
            f"({row})".encode() for texts in blocks for row in map(",".join, zip(*_literals(table, texts), strict=True))
        ]
        return _statements(head, rows, self._tail(server, table).encode(), server.max_allowed_packet)

    def write(self, session: Session, table: Table, payload: list[bytes]) -> list[tuple[int, str]]:  # noqa: ARG002 the interface's
        """Run the statements."""
        warnings = []
        for statement in payload:
            if session.execute(statement):
                warnings += session.warnings()
        return warnings

    _verb = "REPLACE"

    def _tail(self, server: Server, table: Table) -> str:  # noqa: ARG002 for the subclass
        return ""


class Upsert(Replace):
    """``INSERT … ON DUPLICATE KEY UPDATE``: an existing row keeps the columns the stream does not have."""

    method = "upsert"
    _verb = "INSERT"

    def _tail(self, server: Server, table: Table) -> str:
        if not table.keyed:
            return ""
        # The key as well: where another unique key is in the way, that row becomes this one, as with REPLACE.
        names = [quote(column.name) for column in table.columns]
        if server.row_alias:
            new = quote("new row of the target")
            return f"\nAS {new} ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = {new}.{name}" for name in names)
        return "\nON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = VALUES({name})" for name in names)


def _statements(head: bytes, rows: Sequence[bytes], tail: bytes, max_allowed_packet: int) -> list[bytes]:
    room = min(_LONGEST_STATEMENT, max_allowed_packet - _PACKET_OVERHEAD) - len(head) - len(tail)
    statements, start, size = [], 0, 0
    for position, row in enumerate(rows):
        if size and size + len(row) > room:
            statements.append(head + b",".join(rows[start:position]) + tail)
            start, size = position, 0
        size += len(row) + 1
        if len(row) + len(head) + len(tail) > max_allowed_packet - _PACKET_OVERHEAD:
            raise pymysql.err.DataError(_PACKET_TOO_LARGE, "a row is larger than max_allowed_packet")
    statements.append(head + b",".join(rows[start:]) + tail)
    return statements


def _literals(table: Table, texts: Texts) -> list[list[str]]:
    """Everything but NULL and bits stands in quotes: then every method hands the server the same text to convert."""
    writings = [str if column.is_bits else literal for column in table.columns]
    return [
        ["NULL" if text == NULL else write(text) for text in column]
        for write, column in zip(writings, texts, strict=True)
    ]
