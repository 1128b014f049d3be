"""sling merging JSON lines into the table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.bench import measure
from tests.bench.environments import environment
from tests.bench.tickets import RECORD_HEAD, STREAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.destination import Destination
    from tests.bench.tickets import Tickets

LABEL = "sling 1.4.11, `incremental` on the key"
OWN_TABLE = False


def prepare() -> None:
    """Fetch the program."""
    _program()


def run(lines: Tickets, server: Destination) -> measure.Measurement:
    """Load the records, written to JSON lines beforehand in the form that sling stores best."""
    account = server.server
    return measure.run(
        [
            _program(),
            "run",
            "--src-stream",
            f"file://{_records(lines)}",
            "--src-options",
            json.dumps({"format": "jsonlines", "flatten": True}),
            "--tgt-conn",
            "TARGET",
            "--tgt-object",
            f"{server.database}.{STREAM}",
            "--tgt-options",
            # Without it the table that sling merges from has no index, and the time grows with the square of the rows.
            json.dumps({"table_keys": {"primary": ["id"]}}),
            "--mode",
            "incremental",
            "--primary-key",
            "id",
        ],
        server,
        lines.rows,
        environment={
            "TARGET": f"mysql://{account.user}:{account.password}@{account.host}:{account.port}/{server.database}",
            "SLING_DISABLE_TELEMETRY": "true",
        },
    )


def _records(lines: Tickets) -> Path:
    """The records alone, booleans as 1 and 0 and times without a zone: sling changes both otherwise."""
    path = lines.singer.with_suffix(".jsonl")
    if not path.exists():
        part = path.with_suffix(".part")
        with lines.singer.open(encoding="utf-8") as messages, part.open("w", encoding="utf-8") as records:
            for line in messages:
                if line.startswith(RECORD_HEAD):
                    record = line[len(RECORD_HEAD) : -2].replace('+08:00"', '"')
                    records.write(
                        record.replace('"urgent":true', '"urgent":1').replace('"urgent":false', '"urgent":0') + "\n"
                    )
        part.rename(path)
    return path


def _program() -> Path:
    bin_folder = environment("sling", "sling-linux-amd64==1.4.11")
    (program,) = bin_folder.parent.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
    program.chmod(0o755)
    return program
