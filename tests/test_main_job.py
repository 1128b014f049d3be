"""The main job through Meltano: 快麦 after-sales tickets into the database, equal to the source after every run."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests import expected, tickets
from tests.tickets import API, ITEMS, RUN, STATE_ID, TICKETS

if TYPE_CHECKING:
    from tests.project import Project
    from tests.sandbox.client import KuaimaiSandbox

pytestmark = pytest.mark.slow


def windows_asked(sandbox: KuaimaiSandbox) -> list[tuple[datetime, datetime]]:
    """Return the modification windows of the request log."""
    return [
        (
            datetime.fromisoformat(line["params"]["startModified"]),
            datetime.fromisoformat(line["params"]["endModified"]),
        )
        for line in sandbox.requests(api=API)
    ]


def bookmark(project: Project) -> datetime:
    """Return the bookmark as the stand-in's wall clock."""
    value = project.state(STATE_ID)[TICKETS]["replication_key_value"]
    assert value.endswith("+08:00")
    return datetime.fromisoformat(value).replace(tzinfo=None)


def test_both_tables_equal_the_source_after_the_first_run_and_after_the_next(
    project: Project, kuaimai: KuaimaiSandbox
) -> None:
    project.meltano(*RUN)
    tickets.assert_tables_equal(project, kuaimai)
    first = bookmark(project)

    kuaimai.change(count=25)
    kuaimai.insert(10)
    with_items = [key for key, ticket in tickets.truth(kuaimai).items() if len(ticket.get("items") or ()) > 1]
    for key in with_items[:5]:
        kuaimai.shrink(key, keep=1)
    for key in with_items[5:8]:
        kuaimai.shrink(key, keep=0)
    kuaimai.clear_requests()
    project.meltano(*RUN)

    tickets.assert_tables_equal(project, kuaimai)
    asked = windows_asked(kuaimai)
    assert asked
    assert min(start for start, _ in asked) >= first - timedelta(minutes=10, seconds=1)
    assert bookmark(project) > first


def test_columns_have_the_types_comments_and_changes_that_are_promised(
    project: Project, kuaimai: KuaimaiSandbox
) -> None:
    project.meltano(*RUN)
    columns = {
        row["name"]: row
        for row in project.query(
            "SELECT column_name AS name, column_type AS type, column_comment AS comment, column_key AS part"
            f" FROM information_schema.columns WHERE table_schema = '{project.database}' AND table_name = '{TICKETS}'"
        )
    }
    assert columns["id"]["type"].startswith("bigint")
    assert columns["id"]["part"] == "PRI"
    assert columns["modified"]["type"] == "datetime(6)"
    assert columns["refundMoney"]["type"].startswith("decimal")
    assert "售后工单号" in columns["id"]["comment"]
    assert "元" in columns["refundMoney"]["comment"]
    assert "wangwangNum" not in columns
    assert "buyer_nick" in columns

    refunded = {row["id"]: row["is_refunded"] for row in project.rows(TICKETS)}
    for key, ticket in tickets.truth(kuaimai).items():
        done = expected.instant(ticket.get("platformCompleteTime")) is not None
        should = ticket.get("onlineStatus") == 7 and done and ticket.get("status") not in {10, 11}
        assert bool(refunded[key]) is should, key
    assert any(refunded.values())
    assert not all(refunded.values())

    key, money = next(
        (key, row["refundMoney"]) for key, row in tickets.truth(kuaimai).items() if row.get("refundMoney") is not None
    )
    assert project.rows(TICKETS, f"id = {key}")[0]["refundMoney"] == Decimal(str(money))
    above_doubles = [row["id"] for row in project.rows(TICKETS) if row["id"] > 2**53]
    assert set(above_doubles) <= set(tickets.truth(kuaimai))
    assert above_doubles


def test_bookmark_can_be_read_set_back_and_cleared(project: Project, kuaimai: KuaimaiSandbox) -> None:
    project.meltano(*RUN)
    last = bookmark(project)
    kept = project.run("meltano", "state", "get", STATE_ID).output
    assert len(kept.splitlines()[-1]) < 600

    day_before = last - timedelta(days=1)
    entry = {"replication_key": "modified", "replication_key_value": f"{day_before:%Y-%m-%dT%H:%M:%S}+08:00"}
    state = json.dumps({"singer_state": {"bookmarks": {TICKETS: entry}}})
    project.meltano("state", "set", "--force", STATE_ID, state)
    kuaimai.clear_requests()
    project.meltano(*RUN)
    starts = [start for start, _ in windows_asked(kuaimai)]
    assert abs(min(starts) - (day_before - timedelta(minutes=10))) <= timedelta(seconds=1)

    project.meltano("state", "clear", "--force", STATE_ID)
    kuaimai.clear_requests()
    project.meltano(*RUN)
    configured = datetime.fromisoformat(project.settings["TAP_KUAIMAI_START_DATE"]).replace(tzinfo=None)
    assert abs(min(start for start, _ in windows_asked(kuaimai)) - configured) <= timedelta(minutes=10, seconds=1)
    tickets.assert_tables_equal(project, kuaimai)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_tickets_changed_while_a_window_is_paged_are_not_lost(
    project: Project, kuaimai: KuaimaiSandbox, page: int
) -> None:
    """Rows move to the end of time while the reader stands at a page boundary: forward paging would skip others."""
    project.settings["TAP_KUAIMAI_WINDOW_MINUTES"] = str(11 * 24 * 60)
    project.settings["TAP_KUAIMAI_PAGE_SIZE"] = "50"
    kuaimai.when({"op": "change", "of": "served", "count": 20}, api=API, page=page)
    kuaimai.when({"op": "insert", "count": 5}, api=API, page=page + 1)
    project.meltano(*RUN)
    project.meltano(*RUN)
    tickets.assert_tables_equal(project, kuaimai)
    assert {row["id"] for row in project.rows(TICKETS)} == set(tickets.truth(kuaimai))
    assert project.rows(ITEMS)
