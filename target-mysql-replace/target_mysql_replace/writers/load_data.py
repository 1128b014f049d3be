"""LOAD DATA LOCAL … REPLACE: the fastest way, streamed from memory."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from target_mysql_replace.convert import NULL
from target_mysql_replace.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_mysql_replace.encode import Texts
    from target_mysql_replace.session import Server, Session
    from target_mysql_replace.table import Table

#: Control characters nobody writes: then backslashes, tabs and newlines in the data need no escape.
_FIELD, _LINE, _ESCAPE = "\x1f", "\x1e", "\x1b"
_NULL = NULL.encode(errors="surrogatepass")


class LoadData:
    """``REPLACE`` keeps the statement strict: without it LOCAL implies IGNORE, and what does not fit is changed."""

    method = "load_data"

    def payload(self, server: Server, table: Table, blocks: Iterable[Texts]) -> list[bytes]:  # noqa: ARG002 the interface's
        """Return the file in pieces: fields ended by 0x1f, lines by 0x1e, escapes by 0x1b, NULL as 0x1b N."""
        return [_lines(texts) for texts in blocks]

    def write(self, session: Session, table: Table, payload: list[bytes]) -> list[tuple[int, str]]:
        """Send the file; the server may ask for it under a name of this one statement."""
        name = f"batch-{secrets.token_hex(8)}"
        statement = (
            f"LOAD DATA LOCAL INFILE '{name}' REPLACE INTO TABLE {table.quoted} CHARACTER SET utf8mb4 "
            f"FIELDS TERMINATED BY X'1F' ESCAPED BY X'1B' LINES TERMINATED BY X'1E' {_targets(table)}"
        )
        warnings = session.driver.load_local(statement, name, payload)
        return session.warnings() if warnings else []


def _targets(table: Table) -> str:
    """The columns in parentheses; a BIT would take digits for the bits of their letters."""
    bits = {position: f"@`bits {position}`" for position, column in enumerate(table.columns) if column.is_bits}
    names = [bits.get(position, quote(column.name)) for position, column in enumerate(table.columns)]
    made = [f"{quote(table.columns[position].name)} = CAST({name} AS UNSIGNED)" for position, name in bits.items()]
    return f"({', '.join(names)})" + (f" SET {', '.join(made)}" if made else "")


def _lines(texts: Texts) -> bytes:
    data = _joined(texts)
    rows = len(texts[0])
    separators = data.count(_FIELD.encode()) == rows * (len(texts) - 1) and data.count(_LINE.encode()) == rows
    if not separators or _ESCAPE.encode() in data:
        data = _joined([[_escape(text) for text in column] for column in texts])
    return data.replace(_NULL, _ESCAPE.encode() + b"N")


def _joined(texts: Texts) -> bytes:
    rows = [_FIELD.join(row).encode(errors="surrogatepass") for row in zip(*texts, strict=True)]
    return _LINE.encode().join([*rows, b""])


def _escape(text: str) -> str:
    for character in (_ESCAPE, _FIELD, _LINE):
        text = text.replace(character, _ESCAPE + character)
    return text
