"""Sources that change: while they are read, between two runs, and in what they know of the session."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tap_kuaimai.values import BEIJING

if TYPE_CHECKING:
    from tests.conftest import Run, Runner
    from tests.sandbox.client import KuaimaiSandbox

TICKETS = "aftersale_list_query"
API = "erp.aftersale.list.query"


@pytest.fixture
def sandbox(changing_sandbox: KuaimaiSandbox) -> KuaimaiSandbox:
    """A stand-in of the test's own."""
    return changing_sandbox


def versions(sandbox: KuaimaiSandbox) -> dict[int, Any]:
    """The latest version of every ticket in the source."""
    return {row["id"]: row["modified"] for row in sandbox.truth()}


def missing(sandbox: KuaimaiSandbox, run: Run) -> set[int]:
    return set(versions(sandbox)) - set(run.by_id(TICKETS))


@pytest.mark.parametrize("page", [1, 2, 7, 14, 15])
def test_tickets_that_leave_the_window_while_it_is_read_hide_no_other_ticket(
    sandbox: KuaimaiSandbox, tap: Runner, page: int
) -> None:
    """Paging forward, each ticket that is touched pulls one behind it to a page that was read already."""
    before = versions(sandbox)
    sandbox.advance(3600)  # What is touched now is later than end_date.
    sandbox.when({"op": "change", "of": "served", "count": 3}, api=API, page=page)

    first = tap.run(TICKETS, page_size=20)
    second = tap.run(TICKETS, page_size=20, end_date="2026-03-10 14:00:00", state=first.state)

    touched = {id_ for id_, modified in versions(sandbox).items() if modified != before[id_]}
    assert len(touched) == 3
    assert missing(sandbox, first) <= touched
    assert set(second.by_id(TICKETS)) >= touched


def test_tickets_that_become_visible_while_their_window_is_read_are_in_it(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    sandbox.when(
        {"op": "insert", "count": 30, "created": "2026-03-08 10:00:00", "modified": "2026-03-08 10:00:00"},
        api=API,
        page=9,
    )

    run = tap.run(TICKETS, page_size=20)

    assert len(versions(sandbox)) == 330
    assert missing(sandbox, run) == set()


def test_a_list_that_never_stands_still_is_read_in_smaller_pieces(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    """A busy platform may touch tickets faster than a big window can be read twice alike."""
    before = versions(sandbox)
    sandbox.advance(3600)
    sandbox.when({"op": "change", "count": 1}, api=API, page=3, times=None)

    first = tap.run(TICKETS, page_size=20)
    assert first.failed is None
    assert first.bookmark(TICKETS) == "2026-03-10T12:00:00+08:00"
    second = tap.run(TICKETS, page_size=200, end_date="2026-03-10 14:00:00", state=first.state)

    after = versions(sandbox)
    touched = {id_ for id_, modified in after.items() if modified != before[id_]}
    assert missing(sandbox, first) <= touched <= set(second.by_id(TICKETS))


def test_rows_that_became_visible_late_are_found_by_the_next_run(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    first = tap.run(TICKETS)
    late = sandbox.insert(5, created="2026-03-10 11:55:00", modified="2026-03-10 11:55:00")

    second = tap.run(TICKETS, state=first.state, end_date="2026-03-10 12:01:00")

    assert not set(late) & set(first.by_id(TICKETS))
    assert set(late) <= set(second.by_id(TICKETS))


def test_the_session_is_refreshed_once_a_day_and_the_age_is_remembered(
    sandbox: KuaimaiSandbox, tap: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config: dict[str, Any] = {"refresh_session": True, "refresh_token": "sandbox-refresh-token"}

    first = tap.run("shop_list_query", **config)
    second = tap.run("shop_list_query", state=first.state, **config)

    assert sandbox.session()["refreshes"] == 1
    refreshed = first.state["bookmarks"]["open_token_refresh"]["refreshed_at"]
    assert datetime.fromisoformat(refreshed).utcoffset() == BEIJING.utcoffset(None)
    assert second.state["bookmarks"]["open_token_refresh"] == {"refreshed_at": refreshed}
    assert '"metric":"session_age","value":0.0' in caplog.text


def test_a_refresh_is_remembered_even_if_the_run_fails_and_a_dead_session_is_never_refreshed(
    sandbox: KuaimaiSandbox,
    tap: Runner,
) -> None:
    config: dict[str, Any] = {"refresh_session": True, "refresh_token": "sandbox-refresh-token", "max_retries": 0}
    sandbox.fault("error", code="invalid_session", api="erp.shop.list.query", times=None)

    run = tap.run("shop_list_query", "warehouse_list_query", **config)

    assert run.failed
    assert run.state["bookmarks"]["open_token_refresh"]["refreshed_at"]
    calls = [request["api"] for request in sandbox.requests()]
    assert calls == ["open.token.refresh", "erp.shop.list.query"]
