#!/usr/bin/env python3
"""A Singer target that appends to a file, writes its last batch at the end of its input, and notes signals it gets."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path


def main() -> None:
    arguments = sys.argv[1:]
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text(encoding="utf-8"))
    path = Path(config["path"])

    def note(number: int, _frame: object) -> None:
        with path.with_suffix(".signals").open("a", encoding="utf-8") as file:
            file.write(f"{number}\n")
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, note)
    state, batch = None, []
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "RECORD":
            batch.append(json.dumps(message["record"]))
        elif message["type"] == "STATE":
            state = message["value"]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in batch)
    tags = {"stream": "tickets", "table": "life_tickets", "method": "file", "bytes": 10, "retries": 0, "seconds": 0.1}
    info = {"type": "counter", "metric": "batch_written", "value": len(batch), "tags": tags}
    # As a plugin without structured logs writes it.
    sys.stderr.write(f"2026-11-22 10:00:00 | INFO | singer_sdk.metrics | METRIC: {json.dumps(info)}\n")
    if state is not None:
        sys.stdout.write(json.dumps(state) + "\n")


main()
