#!/usr/bin/env python3
"""A Singer target that appends to a file: one batch, written at the end of its input or, as in the SDK, on SIGTERM."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path


def main() -> None:
    arguments = sys.argv[1:]
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text(encoding="utf-8"))
    path = Path(config["path"])

    def write(rows: list[str]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in rows)

    def stop(number: int, _frame: object) -> None:
        write(batch)
        sys.exit(128 + number)

    state = None
    batch: list[str] = []
    signal.signal(signal.SIGTERM, stop)
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "RECORD":
            batch.append(json.dumps(message["record"]))
        elif message["type"] == "STATE":
            state = message["value"]
    write(batch)
    tags = {"stream": "tickets", "table": "life_tickets", "method": "file", "bytes": 10, "retries": 0, "seconds": 0.1}
    info = {"type": "counter", "metric": "batch_written", "value": len(batch), "tags": tags}
    # As a plugin without structured logs writes it.
    sys.stderr.write(f"2026-11-22 10:00:00 | INFO | singer_sdk.metrics | METRIC: {json.dumps(info)}\n")
    if state is not None:
        sys.stdout.write(json.dumps(state) + "\n")


main()
