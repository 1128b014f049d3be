"""``python -m tests.bench``: what loading and transforming cost, beside what a user would otherwise pick."""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.bench import destination, report, tickets
from tests.bench.measure import LoadFailedError
from tests.bench.peers import dlt_merge, load_data, plain_sdk, pymysql_replace, sling, target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.destination import Destination
    from tests.bench.measure import Measurement
    from tests.bench.tickets import Tickets

log = logging.getLogger("bench")

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
MEMORY_ROWS = (50_000, 2_000_000)


class Loader(Protocol):
    """What every module of `tests.bench.peers` has."""

    LABEL: str
    OWN_TABLE: bool

    def prepare(self) -> None:
        """Fetch what it needs."""

    def run(self, lines: Tickets, server: Destination) -> Measurement:
        """Load all rows once."""


#: As fast as the target or nearly: they get all rows.
FAST: dict[str, Loader] = {"load_data": load_data}
#: Slower by a factor: they get fewer rows, and are compared by rows a second.
SLOW: dict[str, Loader] = {
    "pymysql_replace": pymysql_replace,
    "plain_sdk": plain_sdk,
    "dlt": dlt_merge,
    "sling": sling,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for; every table is printed as soon as it is known."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for part in options.parts:
        content = PARTS[part](options)
        sys.stdout.write(f"{content}\n")
        sys.stdout.flush()
        if options.write:
            DOCUMENT.write_text(report.replace_section(DOCUMENT.read_text("utf-8"), part, content), "utf-8")


def loads(options: argparse.Namespace) -> str:
    """Return the table of the target and the loaders beside it."""
    _find_target(options)
    with destination.start() as server:
        where = report.machine(server.version())
        return f"{where}\nRounds: {options.rounds}.\n\n{report.table(*compare(server, options))}"


def memory(options: argparse.Namespace) -> str:
    """Return the target's memory with few and with many rows; it must not depend on how many."""
    _find_target(options)
    measurements = []
    with destination.start() as server:
        where = report.machine(server.version())
        for rows in MEMORY_ROWS:
            ((lines,),) = _prepare_tickets([(rows, 1)])
            server.reset(with_table=True)
            measurements.append(target.run(lines, server))
            log.info("%s rows: %.0f MB", f"{rows:,}", measurements[-1].peak_megabytes)
    return f"{where}\n{report.memory_table(measurements)}"


def transforms(options: argparse.Namespace) -> str:  # noqa: ARG001 every part takes the options
    """Return the table of `tests.bench.transforms`: the inline mapper beside the SDK's."""
    where = report.machine()
    command = [sys.executable, "-m", "tests.bench.transforms"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        sys.exit("tests.bench.transforms failed; what it said stands above")
    return f"{where}\n{done.stdout}"


#: What is measured and printed, in this order; the document has a section for each.
PARTS: dict[str, Callable[[argparse.Namespace], str]] = {"loads": loads, "memory": memory, "transforms": transforms}


def compare(server: Destination, options: argparse.Namespace) -> tuple[report.Loads, list[report.Loads]]:
    """Load with the target and every other loader, in turn, round after round."""
    loaders = {name: loader for name, loader in {**FAST, **SLOW}.items() if options.only in (None, name)}
    subset = min(options.rows, options.subset)
    everything, part = _prepare_tickets([(options.rows, 1), (options.rows, 2)], [(subset, 1), (subset, 2)])
    ours = report.Loads(target.LABEL)
    theirs = {name: report.Loads(loader.LABEL) for name, loader in loaders.items()}
    for name, outcome in theirs.items():
        try:
            loaders[name].prepare()
        except (LoadFailedError, subprocess.CalledProcessError, OSError) as error:
            outcome.failure = f"not available ({error})"
    for number in range(1, options.rounds + 1):
        log.info("round %d of %d", number, options.rounds)
        _round(server, target, everything, ours)
        if ours.failure:
            sys.exit(f"the target failed: {ours.failure}")
        for name, outcome in theirs.items():
            if not outcome.failure:
                _round(server, loaders[name], everything if name in FAST else part, outcome)
    return ours, list(theirs.values())


def _round(server: Destination, loader: Loader, versions: Sequence[Tickets], outcome: report.Loads) -> None:
    """Load the first version of the tickets into an empty table, then the second, and look at the table after each."""
    server.reset(with_table=not loader.OWN_TABLE)
    measured = []
    for lines in versions:
        try:
            measured.append(loader.run(lines, server))
        except LoadFailedError as error:
            outcome.failure = str(error)
            log.warning("%s: %s", loader.LABEL, error)
            return
        differences = server.differences(lines)
        outcome.differences += [column for column in differences if column not in outcome.differences]
        log.info("%8.0f rows/s  %s %s", measured[-1].rows_per_second, loader.LABEL, " ".join(differences))
        server.settle()
    first, second = measured
    outcome.rounds.append((first, second))


def _find_target(options: argparse.Namespace) -> None:
    if options.target:
        target.executable = options.target
    try:
        target.prepare()
    except LoadFailedError as error:
        sys.exit(str(error))


def _prepare_tickets(*wanted: list[tuple[int, int]]) -> list[list[Tickets]]:
    """Make the files in processes of their own: this one stays small, and so does what its children are charged for."""
    log.info("preparing the tickets")
    with ProcessPoolExecutor(2) as pool:
        return [list(pool.map(tickets.prepare, *zip(*group, strict=True))) for group in wanted]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--rows", type=int, default=500_000, help="tickets for the fast loaders (default 500000)")
    parser.add_argument("--subset", type=int, default=50_000, help="tickets for the slow ones (default 50000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often every load is repeated (default 3)")
    parser.add_argument("--quick", action="store_true", help="20,000 tickets, 5,000 for the slow loaders, one round")
    parser.add_argument("--only", choices=[*FAST, *SLOW], help="compare the target with this loader alone")
    parser.add_argument("--target", type=Path, help="another executable than .venv/bin/target-mysql-replace")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.subset, options.rounds = 20_000, 5_000, 1
    options.parts = options.parts or list(PARTS)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
