"""The table that the benchmarks print. Pure, but for the line about the machine."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import platform
import re
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.measure import Measurement

_HEAD = (
    "loader",
    "rows sent",
    "rows/s",
    "client CPU, µs/row",
    "server CPU, µs/row",
    "peak memory, MB",
    "target is × as fast",
    "content",
)


@dataclasses.dataclass
class Loads:
    """What one loader did in all rounds.

    Attributes:
        label: what the table calls it.
        rounds: for every round the first load, into an empty table, and the second, which replaces every row.
        differences: columns that did not hold the input afterwards.
        failure: why it was given up, where it was.
    """

    label: str
    rounds: list[tuple[Measurement, Measurement]] = dataclasses.field(default_factory=list)
    differences: list[str] = dataclasses.field(default_factory=list)
    failure: str = ""


def table(target: Loads, others: Sequence[Loads]) -> str:
    """Return the results as a Markdown table, medians over the rounds; ``a / b`` is first load / second load."""
    lines = [_row(_HEAD), _row(["---"] * len(_HEAD)), _loader(target, target)]
    return "\n".join([*lines, *(_loader(loads, target) for loads in others)]) + "\n"


def ratios(target: Loads, other: Loads) -> tuple[float, float]:
    """Return how many times as many rows a second the target loads, at the first and the second load.

    The loads of one round stand side by side in time, so each round gives a ratio of its own, and these have a median.
    """
    pairs = list(zip(target.rounds, other.rounds, strict=False))
    first = median(ours[0].rows_per_second / theirs[0].rows_per_second for ours, theirs in pairs)
    second = median(ours[1].rows_per_second / theirs[1].rows_per_second for ours, theirs in pairs)
    return first, second


def memory_table(measurements: Iterable[Measurement]) -> str:
    """Return the target's peak memory by rows sent, as a Markdown table."""
    lines = [_row(["rows sent", "peak memory, MB", "rows/s"]), _row(["---"] * 3)]
    lines += [
        _row([f"{load.rows:,}", f"{load.peak_megabytes:.0f}", f"{load.rows_per_second:,.0f}"]) for load in measurements
    ]
    return "\n".join(lines) + "\n"


def machine(server_version: str | None = None) -> str:
    """Return a line about where and when: date, processor, cores, memory, versions, what else the machine is doing.

    Ask before measuring: the load average is to tell of others' work.
    """
    processor = _first_match("/proc/cpuinfo", r"model name\s*: (.*)") or platform.processor() or platform.machine()
    memory = int(_first_match("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) / 2**20
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    return (
        f"{today}: {processor}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, "
        f"{f'MariaDB {server_version}, ' if server_version else ''}Python {platform.python_version()}, "
        f"load average before the run {os.getloadavg()[0]:.1f}\n"
    )


def replace_section(document: str, name: str, content: str) -> str:
    """Return ``document`` with the text between ``<!-- name -->`` and ``<!-- /name -->`` replaced.

    Raises:
        ValueError: the document has no such section.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if start not in document or end not in document:
        raise ValueError(f"the document has no section {name}")
    before, _, rest = document.partition(start)
    return f"{before}{start}\n{content.strip()}\n\n{end}{rest.partition(end)[2]}"


def _loader(loads: Loads, target: Loads) -> str:
    if not loads.rounds:
        return _row([loads.label, *["–"] * (len(_HEAD) - 2), f"did not run: {loads.failure}"])
    firsts, seconds = zip(*loads.rounds, strict=True)

    def both(values: Iterable[tuple[float | None, float | None]], spec: str) -> str:
        columns = zip(*values, strict=True)
        return " / ".join("–" if None in column else format(median(column), spec) for column in columns)

    pairs = list(zip(firsts, seconds, strict=True))
    compared = "1" if loads is target else " / ".join(_factor(ratio) for ratio in ratios(target, loads))
    return _row(
        [
            loads.label,
            f"{firsts[0].rows:,}",
            both(((a.rows_per_second, b.rows_per_second) for a, b in pairs), ",.0f"),
            both(((_per_row(a.client_cpu, a), _per_row(b.client_cpu, b)) for a, b in pairs), ".0f"),
            both(((_per_row(a.server_cpu, a), _per_row(b.server_cpu, b)) for a, b in pairs), ".0f"),
            f"{max(load.peak_megabytes for pair in pairs for load in pair):.0f}",
            compared,
            "equal" if not loads.differences else f"**differs**: {', '.join(loads.differences)}",
        ]
    )


def _per_row(seconds: float | None, load: Measurement) -> float | None:
    """Microseconds a row."""
    return None if seconds is None else seconds / load.rows * 1e6


def _factor(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _first_match(path: str, pattern: str) -> str:
    found = re.search(pattern, Path(path).read_text()) if Path(path).exists() else None
    return found[1] if found else ""
