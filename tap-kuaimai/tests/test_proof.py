"""Windows prove themselves: whatever moves, repeats or lies while a list is read, no row is missing afterwards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import KuaimaiSandbox

if TYPE_CHECKING:
    from tests.conftest import Run, Runner

TICKETS = "aftersale_list_query"
API = "erp.aftersale.list.query"


def versions(sandbox: KuaimaiSandbox) -> dict[int, Any]:
    """The latest version of every ticket in the source."""
    return {row["id"]: row["modified"] for row in sandbox.truth()}


def missing(sandbox: KuaimaiSandbox, run: Run) -> set[int]:
    return set(versions(sandbox)) - set(run.by_id(TICKETS))


def test_a_window_costs_its_pages_and_one_more_request_when_nothing_moves(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    run = tap.run(TICKETS, page_size=20)

    assert missing(sandbox, run) == set()
    assert len(sandbox.requests(api=API)) == 300 / 20 + 1


def test_rows_that_are_repeated_on_the_next_page_are_not_mistaken_for_the_missing_ones(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    sandbox.fault("duplicate_rows", api=API, page=5)

    run = tap.run(TICKETS, page_size=20)

    assert missing(sandbox, run) == set()


def test_a_total_that_is_wrong_for_a_while_is_outlived(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    sandbox.fault("wrong_total", api=API, times=2, delta=3)

    run = tap.run(TICKETS, page_size=20)

    assert run.failed is None
    assert missing(sandbox, run) == set()


def test_a_window_that_cannot_be_proved_fails_the_run_and_leaves_the_bookmark(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    state = {
        "bookmarks": {TICKETS: {"replication_key": "modified", "replication_key_value": "2026-03-09T00:00:00+08:00"}}
    }
    sandbox.fault("wrong_total", api=API, times=None, delta=5)

    run = tap.run(TICKETS, state=state, page_size=200)

    assert run.failed
    assert run.bookmark(TICKETS) == "2026-03-09T00:00:00+08:00"


def test_an_empty_answer_without_a_total_is_not_believed(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    sandbox.fault("no_list", api=API, times=2)
    sandbox.fault("no_total", api=API, at=3)

    run = tap.run(TICKETS, max_retries=5)

    assert missing(sandbox, run) == set()


def test_a_large_window_is_split_until_its_pieces_are_of_a_sensible_size(tap: Runner) -> None:
    with KuaimaiSandbox(tickets=4500, trades=0, days=2, now="2026-03-10 12:00:00") as sandbox:
        sandbox.freeze()
        sandbox.set_options(rate_per_second=None)
        run = type(tap)(sandbox).run(TICKETS)

        assert missing(sandbox, run) == set()
        asked: dict[tuple[str, str], int] = {}
        for request in sandbox.requests(api=API):
            span = (request["params"]["startModified"], request["params"]["endModified"])
            asked[span] = asked.get(span, 0) + 1
        for (start, end), requests in asked.items():
            pages = math.ceil(sandbox.count(time="modified", start=start, end=end) / 200)
            assert requests <= pages + 2
        assert max(asked.values()) <= 12


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "by_id"])
@pytest.mark.parametrize("window_end", ["inclusive", "exclusive"])
def test_neither_the_order_of_the_list_nor_the_kind_of_window_end_matters(
    sandbox: KuaimaiSandbox, tap: Runner, order: str, window_end: str
) -> None:
    sandbox.set_options(order=order, window_end=window_end, total_as_text=True, null_keys="send", zero_hits="omit")

    run = tap.run(TICKETS, window_minutes=7, start_date="2026-03-10 06:00:00")

    recent = {
        row["id"] for row in sandbox.truth(time="modified", start="2026-03-10 06:00:00", end="2026-03-10 11:59:59")
    }
    assert recent
    assert recent <= set(run.by_id(TICKETS))


@pytest.mark.parametrize("kind", ["truncated", "cut", "html", "reset", "reset_after", "empty"])
def test_an_answer_that_does_not_arrive_whole_is_asked_for_again(
    sandbox: KuaimaiSandbox, tap: Runner, kind: str
) -> None:
    sandbox.fault(kind, api=API, at=3, times=1)

    run = tap.run(TICKETS, page_size=50)

    assert run.failed is None
    assert missing(sandbox, run) == set()


def test_a_burst_of_429s_is_waited_out(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    sandbox.fault("status", status=429, retry_after=1, at=2, times=3)

    run = tap.run(TICKETS, page_size=50)

    assert run.failed is None
    assert missing(sandbox, run) == set()


def test_the_platform_sees_no_more_requests_a_second_than_allowed(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    sandbox.set_latency(0.15)

    tap.run(TICKETS, page_size=20, max_requests_per_second=10, window_minutes=720)

    moments = [request["arrived"] for request in sandbox.requests()]
    assert (len(moments) - 1) / (moments[-1] - moments[0]) <= 10
    # Two more than ten: a busy test machine delays requests by more than the margin that the pace keeps.
    assert max(sum(start <= moment < start + 1 for moment in moments) for start in moments) <= 12
