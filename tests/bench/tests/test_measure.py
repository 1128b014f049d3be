"""What a load costs is measured at the loader's process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench import measure
from tests.bench.destination import Destination

if TYPE_CHECKING:
    from pathlib import Path

    from tests import servers

MEGABYTES = 120


def test_processor_time_and_memory_are_those_of_the_loader(mariadb: servers.Server) -> None:
    program = f"held = bytearray({MEGABYTES} << 20)\nfor byte in range(10**6): held[byte] = 1"
    measured = measure.run([sys.executable, "-c", program], Destination(mariadb), 1000)
    assert measured.rows == 1000
    assert measured.client_cpu > 0
    assert measured.peak_megabytes > MEGABYTES
    assert measured.rows_per_second == pytest.approx(1000 / measured.seconds)


def test_the_loader_reads_the_lines_as_its_standard_input(mariadb: servers.Server, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("one\ntwo\n")
    program = "import sys; sys.exit(sys.stdin.read() != 'one\\ntwo\\n')"
    measure.run([sys.executable, "-c", program], Destination(mariadb), 2, standard_input=lines)


def test_a_loader_that_fails_is_no_measurement_and_its_last_words_are_told(mariadb: servers.Server) -> None:
    with pytest.raises(measure.LoadFailedError, match="ended with 3: no such table"):
        measure.run(["sh", "-c", "echo no such table >&2; exit 3"], Destination(mariadb), 1)
