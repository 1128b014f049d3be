"""Names of tables and columns. Pure.

A name arrives unchanged wherever MySQL allows it (Chinese, reserved words, capitals, spaces, 64 characters). What MySQL
cannot take is replaced, and a short hash of the full name keeps two different names apart.
"""

from __future__ import annotations

import hashlib
import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Longest identifier, in characters.
LONGEST_NAME = 64
_HASH_LENGTH = 8
#: Longest name of a table's file; file systems allow 255 bytes, and an ending is added.
_FILE_BYTES = 240
_FILE_LETTERS = frozenset(string.ascii_letters + string.digits + "_")
#: NUL and characters beyond the Basic Multilingual Plane are not permitted, quoted or not (MySQL Reference Manual,
#: "Schema Object Names"). Other control characters are, but tools that read SHOW CREATE TABLE line by line break on
#: them.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\U00010000-\U0010ffff\ud800-\udfff]")


def quote(name: str) -> str:
    """Return ``name`` as a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Return ``text`` as a literal (backslashes are ordinary characters in the target's sessions)."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return ``name`` as MySQL can take it: at most 64 characters, none forbidden, no space at the end, not empty."""
    allowed = _FORBIDDEN.sub("_", name).rstrip(" \t\r\n\f\v\u3000")
    if allowed == name and 0 < len(name) <= LONGEST_NAME:
        return name
    return with_hash(allowed, name)


def table_identifier(name: str) -> str:
    """Return ``name`` as a table may have it: an identifier whose file's name is not too long either."""
    plain = identifier(name)
    return plain if _file_bytes(plain) <= _FILE_BYTES else table_with_hash(plain, name)


def with_hash(stem: str, name: str) -> str:
    """Return ``stem``, cut where needed, with a hash of ``name`` behind it."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{stem[: LONGEST_NAME - _HASH_LENGTH - 1]}_{digest}"


def table_with_hash(stem: str, name: str) -> str:
    """Return :func:`with_hash`, cut further where a table's file needs it."""
    while _file_bytes(found := with_hash(stem, name)) > _FILE_BYTES:
        stem = stem[: LONGEST_NAME - _HASH_LENGTH - 1][:-1]
    return found


def _file_bytes(table: str) -> int:
    """Bytes of a table's file name at most: a letter beyond ASCII is written as @ and four digits."""
    return sum(1 if character in _FILE_LETTERS else 5 for character in table)


def fold(name: str) -> str:
    """Return what two column names have in common that a server may take for one.

    More than ``str.casefold``: MySQL folds letter by letter (İ and ı are i), by tables that differ from version to
    version.
    """
    return "".join(character.upper().casefold()[:1] for character in name)


def column_names(properties: Iterable[str], existing: Collection[str] = ()) -> dict[str, str]:
    """Return the column of each property.

    MySQL compares column names without regard to case: of two properties that differ only in case the first (or the one
    the table already has, letter by letter) keeps the name, the other gets a hash.

    Args:
        properties: the stream's property names, in order.
        existing: names of the columns the table has.
    """
    properties = list(properties)
    plain = {name: identifier(name) for name in properties}
    exact = set(existing)
    present = {name.lower(): name for name in existing}
    present_folded = {fold(name) for name in existing}
    owners: dict[str, str] = {}
    for name in sorted(properties, key=lambda name: plain[name] not in exact):
        owners.setdefault(fold(plain[name]), name)
    chosen: dict[str, str] = {}
    for name in properties:
        column = plain[name]
        taken = fold(column) in present_folded and column.lower() not in present
        if taken or owners[fold(column)] != name:
            column = with_hash(column, name)
        chosen[name] = present.get(column.lower(), column)
    return chosen
