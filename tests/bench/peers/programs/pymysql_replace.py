"""Send the rows of a TSV with ``executemany("REPLACE …")``: ``DATABASE_URL=… pymysql_replace.py FILE TABLE``."""

from __future__ import annotations

import itertools
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql

_ROWS_PER_TRANSACTION = 10_000
_ESCAPED = re.compile(r"\\(.)")
_MEANS = {"n": "\n", "t": "\t", "\\": "\\"}


def field(text: str) -> str | None:
    """Return the value of a field as ``LOAD DATA`` would read it."""
    if "\\" not in text:
        return text
    return None if text == r"\N" else _ESCAPED.sub(lambda match: _MEANS[match[1]], text)


def main() -> None:
    """Load the file."""
    path, table = sys.argv[1:]
    url = urlsplit(os.environ["DATABASE_URL"])
    connection = pymysql.connect(
        host=url.hostname,
        port=url.port or 3306,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        database=url.path.strip("/"),
        charset="utf8mb4",
    )
    with connection, connection.cursor() as cursor, Path(path).open(encoding="utf-8", newline="\n") as lines:
        while batch := list(itertools.islice(lines, _ROWS_PER_TRANSACTION)):
            rows = [[field(text) for text in line[:-1].split("\t")] for line in batch]
            places = ",".join(["%s"] * len(rows[0]))
            cursor.executemany(f"REPLACE INTO {table} VALUES ({places})", rows)
            connection.commit()


if __name__ == "__main__":
    main()
