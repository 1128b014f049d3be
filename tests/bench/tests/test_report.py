"""The arithmetic of the table."""

from __future__ import annotations

import pytest

from tests.bench import report
from tests.bench.measure import Measurement


def _load(rows: int, seconds: float) -> Measurement:
    return Measurement(rows, seconds, client_cpu=seconds / 2, server_cpu=seconds / 4, peak_megabytes=100)


def test_loaders_with_different_numbers_of_rows_are_compared_by_rows_a_second() -> None:
    target = report.Loads("target", [(_load(500_000, 10), _load(500_000, 8))])
    slow = report.Loads("slow", [(_load(50_000, 20), _load(50_000, 25))])
    assert report.ratios(target, slow) == (20, 31.25)


def test_the_ratio_is_the_median_of_the_rounds_ratios_so_one_slow_minute_changes_nothing() -> None:
    # In the second round the machine was three times as slow, for both.
    target = report.Loads(
        "target", [(_load(100, 1), _load(100, 1)), (_load(100, 3), _load(100, 3)), (_load(100, 1), _load(100, 1))]
    )
    other = report.Loads(
        "other", [(_load(100, 2), _load(100, 4)), (_load(100, 6), _load(100, 12)), (_load(100, 2), _load(100, 4))]
    )
    assert report.ratios(target, other) == (2, 4)


def test_a_row_of_the_table_tells_both_loads_and_what_differs() -> None:
    target = report.Loads("target", [(_load(1000, 1), _load(1000, 2))])
    other = report.Loads("other", [(_load(1000, 0.5), _load(1000, 4))], differences=["payment"])
    row = report.table(target, [other]).splitlines()[-1]
    assert row == "| other | 1,000 | 2,000 / 250 | 250 / 2000 | 125 / 1000 | 100 | 0.50 / 2.0 | **differs**: payment |"


def test_a_loader_that_did_not_run_says_why() -> None:
    target = report.Loads("target", [(_load(1000, 1), _load(1000, 2))])
    row = report.table(target, [report.Loads("other", failure="not installed")]).splitlines()[-1]
    assert row.endswith("| did not run: not installed |")


def test_processor_time_that_the_system_does_not_tell_is_a_dash() -> None:
    load = Measurement(10, 1, client_cpu=1, server_cpu=None, peak_megabytes=1)
    assert " | – / – | " in report.table(report.Loads("target", [(load, load)]), [])


def test_only_the_named_section_of_the_document_is_replaced() -> None:
    document = "# Title\n<!-- results -->\nold\n<!-- /results -->\n\n<!-- memory -->\nkept\n<!-- /memory -->\n"
    written = report.replace_section(document, "results", "new")
    assert written == document.replace("\nold\n", "\n\nnew\n\n")
    assert report.replace_section(written, "results", "new") == written


def test_a_document_without_the_section_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no section results"):
        report.replace_section("# Title\n", "results", "new")
