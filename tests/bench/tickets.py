"""The input of the benchmarks: after-sales tickets as Singer lines and as a TSV ready for ``LOAD DATA``.

Every ticket has two versions, so that the second load changes what the first one wrote: a server skips much of the work
where a replaced row is the same. The files are made once and kept in ``.cache/bench/``, in a folder named after this
code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import zlib
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.columns import COLUMNS, KEY, Column, Kind, Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
STREAM = "tickets"
ROWS_PER_CHUNK = 10_000
#: Digits after the point in the texts that checksums are taken of; more than any column has.
CHECKED_SCALE = 10
#: What every RECORD line starts with; the record follows, then one more brace.
RECORD_HEAD = f'{{"type":"RECORD","stream":"{STREAM}","record":'

_DEFINITIONS = [f"`{column.name}` {column.sql}{' NOT NULL' if column.name == KEY else ''}" for column in COLUMNS]
#: The table as a careful person would make it; whoever can load into a given table loads into this one.
CREATE_TABLE = (
    f"CREATE TABLE {STREAM} ({', '.join(_DEFINITIONS)}, PRIMARY KEY (`{KEY}`))"
    " DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin"
)


@dataclasses.dataclass(frozen=True)
class Checksum:
    """What a column must hold, whatever the order of the rows.

    Attributes:
        filled: rows where it is not NULL.
        total: sum over these rows of the CRC-32 of ``<key>|<canonical text>`` in UTF-8.
    """

    filled: int
    total: int


@dataclasses.dataclass(frozen=True)
class Tickets:
    """One version of the first ``rows`` tickets, on disk.

    Attributes:
        rows: how many.
        singer: SCHEMA, RECORDs and a STATE after every 10,000 rows, one JSON object a line.
        tsv: the same rows in the format that ``LOAD DATA`` reads without options.
        checksums: what each column must hold once they are loaded.
    """

    rows: int
    singer: Path
    tsv: Path
    checksums: dict[str, Checksum]


def prepare(rows: int, version: int) -> Tickets:
    """Return the first ``rows`` tickets in version 1 or 2, making the files where they are missing."""
    sources = b"".join((Path(__file__).parent / name).read_bytes() for name in ("columns.py", "tickets.py"))
    folder = CACHE / f"tickets-{hashlib.sha256(sources).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"{rows}-v{version}"
    singer, tsv, sums = (base.with_suffix(suffix) for suffix in (".singer", ".tsv", ".json"))
    if not sums.exists():
        _write(rows, version, singer, tsv, sums)
    checksums = {name: Checksum(**values) for name, values in json.loads(sums.read_text()).items()}
    return Tickets(rows, singer, tsv, checksums)


def chunk(first: int, rows: int, version: int) -> list[Texts]:
    """Return ``rows`` tickets from number ``first`` on: a list of canonical texts for each column."""
    # A generator of its own for each column: a change in one leaves the others as they are.
    return [
        column.draw(random.Random(f"{column.name}/{first}/{version if column.updated else 1}"), first, rows)
        for column in COLUMNS
    ]


def schema_message() -> dict[str, Any]:
    """Return the stream's SCHEMA message."""
    properties = {column.name: column.schema for column in COLUMNS}
    return {
        "type": "SCHEMA",
        "stream": STREAM,
        "schema": {"type": "object", "properties": properties},
        "key_properties": [KEY],
        "bookmark_properties": ["modified"],
    }


def state_message(rows: int) -> dict[str, Any]:
    """Return the STATE message after ``rows`` tickets."""
    return {"type": "STATE", "value": {"bookmarks": {STREAM: {"rows": rows}}}}


def record_lines(columns: list[Texts]) -> Iterator[str]:
    """Return the RECORD messages of a chunk, a line each; numbers keep every digit they have."""
    cells = [_json_cells(column, texts) for column, texts in zip(COLUMNS, columns, strict=True)]
    return (f"{RECORD_HEAD}{{{','.join(row)}}}}}\n" for row in zip(*cells, strict=True))


def tsv_lines(columns: list[Texts]) -> Iterator[str]:
    r"""Return the rows of a chunk as ``LOAD DATA`` reads them: tabs, backslash escapes, NULL as ``\N``."""
    cells = [[r"\N" if text is None else _escape(text) for text in texts] for texts in columns]
    return ("\t".join(row) + "\n" for row in zip(*cells, strict=True))


def checksum(column: Column, keys: Texts, texts: Texts) -> Checksum:
    """Return the checksum of one column of a chunk."""
    if column.kind == "number":
        padding = "0" * (CHECKED_SCALE - column.scale)
        texts = [None if text is None else text + padding for text in texts]
    sums = [zlib.crc32(f"{key}|{text}".encode()) for key, text in zip(keys, texts, strict=True) if text is not None]
    return Checksum(len(sums), sum(sums))


def _write(rows: int, version: int, singer: Path, tsv: Path, sums: Path) -> None:
    totals = [Checksum(0, 0) for _ in COLUMNS]
    with (
        singer.open("w", encoding="utf-8", newline="\n") as lines,
        tsv.open("w", encoding="utf-8", newline="\n") as ready,
    ):
        lines.write(json.dumps(schema_message()) + "\n")
        for first in range(0, rows, ROWS_PER_CHUNK):
            columns = chunk(first, min(ROWS_PER_CHUNK, rows - first), version)
            lines.writelines(record_lines(columns))
            lines.write(json.dumps(state_message(first + len(columns[0]))) + "\n")
            ready.writelines(tsv_lines(columns))
            for at, (column, texts) in enumerate(zip(COLUMNS, columns, strict=True)):
                more = checksum(column, columns[0], texts)
                totals[at] = Checksum(totals[at].filled + more.filled, totals[at].total + more.total)
    # Written last: where it exists, the files are whole.
    named = {column.name: dataclasses.asdict(total) for column, total in zip(COLUMNS, totals, strict=True)}
    sums.write_text(json.dumps(named))


def _json_cells(column: Column, texts: Texts) -> list[str]:
    render = _RENDER[column.kind]
    return [f'"{column.name}":{"null" if text is None else render(text)}' for text in texts]


def _instant(text: str) -> str:
    return f'"{text[:10]}T{text[11:23]}+08:00"'


_RENDER: dict[Kind, Callable[[str], str]] = {
    "integer": str,
    "number": str,
    "boolean": {"0": "false", "1": "true"}.__getitem__,
    "string": encode_basestring,
    "date-time": _instant,
    "array": str,
}


def _escape(text: str) -> str:
    if "\\" in text or "\t" in text or "\n" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return text
