"""``python -m tests.bench.transforms``: processor time of map-explode beside a mapper of the SDK's own parts.

Both read the same orders: 39 columns and an array of 3 items, 1.7 kB a line. The time a program needs to start is
measured with empty input and taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, TextIO

MAP = {"stream_maps": {"orders": {"total": "float(items_price * items_qty)"}}}
#: Task -> configuration of the SDK's mapper, of map-explode, and the ratio to reach.
TASKS: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "pass on": ({}, {}, 5),
    "explode, one map": (
        {"array": "items", **MAP},
        {"explode": {"orders": {"path": "items", "key": ["id"]}}, **MAP},
        2,
    ),
}
_COLUMNS: dict[str, tuple[int, dict[str, Any], Any]] = {
    "text": (16, {"type": ["string", "null"]}, lambda numbers: f"商品文本{numbers.random()}"),
    "money": (8, {"type": ["number", "null"]}, lambda numbers: round(numbers.random() * 1000, 2)),
    "count": (6, {"type": ["integer", "null"]}, lambda numbers: numbers.randrange(10**6)),
    "flag": (4, {"type": ["boolean", "null"]}, lambda numbers: numbers.random() < 0.5),
    "time": (4, {"type": ["string", "null"], "format": "date-time"}, lambda _: "2026-01-31T20:00:00+08:00"),
}
_ITEM = {
    "id": {"type": "integer"},
    "title": {"type": ["string", "null"]},
    "price": {"type": ["number", "null"]},
    "qty": {"type": ["integer", "null"]},
    "sku": {"type": ["string", "null"]},
}


def main(arguments: list[str] | None = None) -> None:
    """Measure every task and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transforms", description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="orders in the input (default 50000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program, in turn (default 3)")
    options = parser.parse_args(arguments)
    programs = [[sys.executable, "-m", "tests.bench.sdk_mapper"], [sys.executable, "-m", "map_explode"]]
    sys.stdout.write("| task | SDK's mapper, µs/record | map-explode, µs/record | × as fast | to reach |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as directory:
        lines = Path(directory) / "orders.singer"
        write_orders(lines, options.rows)
        for task, (*configs, wanted) in TASKS.items():
            theirs, ours = measure(programs, configs, lines, options.rounds)
            micros = [max(seconds, 1e-6) / options.rows * 1e6 for seconds in (theirs, ours)]
            sys.stdout.write(
                f"| {task} | {micros[0]:.1f} | {micros[1]:.1f} | {micros[0] / micros[1]:.1f} | {wanted:g} |\n"
            )


def measure(programs: list[list[str]], configs: list[dict[str, Any]], lines: Path, rounds: int) -> list[float]:
    """Return processor seconds for the lines, of each program: the median of the rounds, without its start."""
    found: list[list[float]] = [[] for _ in programs]
    for _ in range(rounds):
        for number, (program, config) in enumerate(zip(programs, configs, strict=True)):
            command = [*program, "--config", str(lines.with_suffix(".json"))]
            lines.with_suffix(".json").write_text(json.dumps(config), encoding="utf-8")
            found[number].append(_cpu(command, lines) - _cpu(command, Path(os.devnull)))
    return [median(seconds) for seconds in found]


def _cpu(command: list[str], lines: Path) -> float:
    """Return the processor seconds of one run."""
    with lines.open("rb") as source:
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def write_orders(path: Path, rows: int) -> None:
    """Write a SCHEMA, so many RECORDs and a STATE."""
    numbers = random.Random(1)
    columns = {f"{kind}_{n}": column for kind, (count, *column) in _COLUMNS.items() for n in range(count)}
    properties = {
        "id": {"type": "integer"},
        **{name: schema for name, (schema, _) in columns.items()},
        "items": {"type": ["array", "null"], "items": {"type": "object", "properties": _ITEM}},
    }
    with path.open("w", encoding="utf-8") as file:
        schema = {"type": "object", "properties": properties}
        _write(file, {"type": "SCHEMA", "stream": "orders", "schema": schema, "key_properties": ["id"]})
        for number in range(rows):
            record = {"id": number, **{name: make(numbers) for name, (_, make) in columns.items()}}
            record["items"] = [
                {"id": number * 3 + n, "title": "标题", "price": 1.25, "qty": 2, "sku": f"S{n}"} for n in range(3)
            ]
            _write(
                file,
                {"type": "RECORD", "stream": "orders", "record": record, "time_extracted": "2026-01-31T12:00:00+00:00"},
            )
        _write(file, {"type": "STATE", "value": {"bookmarks": {"orders": {"replication_key_value": rows}}}})


def _write(file: TextIO, message: dict[str, Any]) -> None:
    file.write(json.dumps(message, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
