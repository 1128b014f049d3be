"""A dlt pipeline from Singer lines: ``dlt_merge.py LINES DATABASE WORKING-FOLDER``.

The server is in ``DATABASE_URL``, the column hints in ``COLUMNS``.
"""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt  # type: ignore[import-not-found,unused-ignore] # only in the environment that runs this
import simplejson  # type: ignore[import-untyped,unused-ignore] # comes with dlt

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS_PER_PAGE = 1000


def pages(path: Path, instants: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Return the records in lists, as dlt advises for speed; decimals exact, ``instants`` as wall clock."""
    page: list[dict[str, Any]] = []
    with path.open("rb") as lines:
        for line in lines:
            message = json.loads(line, parse_float=Decimal)
            if message["type"] != "RECORD":
                continue
            record = message["record"]
            for name in instants:
                # dlt would store an instant with a zone as UTC.
                record[name] = record[name] and record[name].removesuffix("+08:00")
            page.append(record)
            if len(page) == _ROWS_PER_PAGE:
                yield page
                page = []
    yield page


def _json(value: object) -> str:
    text: str = simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"))
    return text


def main() -> None:
    """Load the file."""
    path, database, working = sys.argv[1:]
    hints = json.loads(os.environ["COLUMNS"])
    resource = dlt.resource(
        pages(Path(path), [name for name, hint in hints.items() if hint["data_type"] == "timestamp"]),
        name="tickets",
        primary_key="id",
        write_disposition="merge",
        columns=hints,
        max_table_nesting=0,
    )
    pipeline = dlt.pipeline(
        "tickets",
        pipelines_dir=working,
        destination=dlt.destinations.sqlalchemy(
            os.environ["DATABASE_URL"], create_primary_keys=True, engine_kwargs={"json_serializer": _json}
        ),
        dataset_name=database,
    )
    pipeline.run(resource).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
