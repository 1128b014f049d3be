#!/usr/bin/env python3
"""A Singer tap of the standard library alone, which does what its settings say and reports it as the SDK would.

Settings: `rows`, `windows` (a list of window tags), `sleep` (seconds between rows), `fail` (a message), `start_date`,
`end_date` (rows outside are left out; row n is n hours after 2026-11-01 00:00 +08:00).
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

STREAM = "tickets"
FIRST = datetime.fromisoformat("2026-11-01T00:00:00+08:00")
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "modified": {"type": "string", "format": "date-time"}},
}


def write(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def log(message: str, level: str = "INFO", **extra: object) -> None:
    entry = {
        "level": level,
        "pid": os.getpid(),
        "logger_name": "tap-life",
        "ts": time.time(),
        "thread_name": "MainThread",
        "app_name": "singer-sdk",
        "stream_name": None,
        "message": message,
        "extra": extra,
    }
    sys.stderr.write(json.dumps(entry) + "\n")
    sys.stderr.flush()


def metric(name: str, value: float, kind: str = "counter", **tags: object) -> None:
    log("METRIC", metric_info={"type": kind, "metric": name, "value": value, "tags": {"stream": STREAM, **tags}})


def main() -> None:
    arguments = sys.argv[1:]
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text(encoding="utf-8"))
    if "--discover" in arguments:
        stream = {"tap_stream_id": STREAM, "stream": STREAM, "schema": SCHEMA, "key_properties": ["id"], "metadata": []}
        sys.stdout.write(json.dumps({"streams": [stream]}))
        return
    write(
        {
            "type": "SCHEMA",
            "stream": STREAM,
            "schema": SCHEMA,
            "key_properties": ["id"],
            "bookmark_properties": ["modified"],
        }
    )
    start = datetime.fromisoformat(config.get("start_date") or FIRST.isoformat())
    end = datetime.fromisoformat(config["end_date"]) if config.get("end_date") else None
    rows = 0
    for number in range(int(config.get("rows", 3))):
        modified = FIRST + timedelta(hours=number)
        if modified >= start and (end is None or modified < end):
            record = {"id": f"T{number}", "modified": modified.isoformat()}
            write({"type": "RECORD", "stream": STREAM, "record": record})
            rows += 1
        if seconds := float(config.get("sleep") or 0):
            log("sleeps")
            time.sleep(seconds)
    for window in config.get("windows") or []:
        metric("window", window.get("distinct_keys") or 0, **window)
    metric("record_count", rows)
    metric("http_request_count", 2, http_status_code=200)
    if config.get("fail"):
        log(str(config["fail"]), "ERROR")
        sys.exit(1)
    write({"type": "STATE", "value": {"bookmarks": {STREAM: {"replication_key_value": FIRST.isoformat()}}}})


main()
