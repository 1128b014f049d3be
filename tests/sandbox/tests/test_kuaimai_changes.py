from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox.clock import to_text
from tests.sandbox.tests.caller import TICKETS, TRADES, call

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox


def past(sandbox: KuaimaiSandbox) -> dict[str, str]:
    """Return a window that ends a second before the present: what changes now leaves it."""
    return {"startModified": "2000-01-01 00:00:00", "endModified": to_text(sandbox.now_ms() - 1000)}


def pages(sandbox: KuaimaiSandbox, count: int, **changes: Any) -> list[list[int]]:  # noqa: ANN401 - parameters
    """Read pages of 20 and return their ids."""
    return [[row["id"] for row in call(sandbox, pageNo=n + 1, pageSize=20, **changes)["list"]] for n in range(count)]


def test_a_changed_ticket_comes_back_with_a_new_modified_and_the_same_items(fresh: KuaimaiSandbox) -> None:
    before = next(ticket for ticket in fresh.truth() if ticket["status"] == 12 and len(ticket.get("items", [])) > 1)

    fresh.change(ids=[before["id"]])

    after = next(fresh.truth(ids=[before["id"]]))
    assert after["modified"] > before["modified"]
    assert (after["status"], after["onlineStatus"]) == (9, 7)
    assert {item["id"] for item in after["items"]} == {item["id"] for item in before["items"]}
    assert (after["created"], after["applyDate"], after["buyerName"]) == tuple(
        before[name] for name in ("created", "applyDate", "buyerName")
    )
    assert call(fresh, startModified=to_text(after["modified"]), pageSize=9)["list"][0]["id"] == before["id"]


def test_fields_can_be_set_and_dated(fresh: KuaimaiSandbox) -> None:
    (row_id,) = fresh.change(modified="2026-01-02 03:04:05", refundMoney=12.34)

    assert next(fresh.truth(ids=[row_id]))["refundMoney"] == 12.34
    window = {"startModified": "2026-01-02 03:04:05", "endModified": "2026-01-02 03:04:05"}
    assert [row["id"] for row in call(fresh, **window)["list"]] == [row_id]


def test_many_rows_can_be_modified_in_the_same_second(fresh: KuaimaiSandbox) -> None:
    fresh.change(count=30, modified="2026-01-02 03:04:05")

    window = {"startModified": "2026-01-02 03:04:05", "endModified": "2026-01-02 03:04:05"}
    assert call(fresh, **window, pageSize=20, pageNo=2)["total"] == 30


@pytest.mark.parametrize("api", [TRADES, "purchase.order.query", "erp.aftersale.repair.list.query"])
def test_rows_of_every_api_can_change(fresh: KuaimaiSandbox, api: str) -> None:
    before = list(fresh.truth(api))
    fresh.change(api=api, count=3)
    after = list(fresh.truth(api))

    assert fresh.count(api, time="modified", start=fresh.now_ms() - 60_000) >= 3
    assert len(after) == len(before)
    assert any("次修改" in str(row) for row in after)


def test_a_ticket_can_lose_items(fresh: KuaimaiSandbox) -> None:
    ticket = next(ticket for ticket in fresh.truth() if len(ticket.get("items", [])) > 1)

    fresh.shrink(ticket["id"], keep=1)

    assert len(next(fresh.truth(ids=[ticket["id"]]))["items"]) == 1


def test_rows_can_be_inserted_and_deleted(fresh: KuaimaiSandbox) -> None:
    ids = fresh.insert(3, modified="2026-01-02 03:04:05", shopName="新店")
    assert [row["shopName"] for row in fresh.truth(ids=ids)] == ["新店"] * 3
    assert fresh.count() == 63

    fresh.delete(ids[:1])

    assert fresh.count() == call(fresh)["total"] == 62
    with pytest.raises(requests.HTTPError, match="has no row"):
        list(fresh.truth(ids=ids[:1]))


def test_a_late_row_was_modified_in_the_past_but_appears_later(fresh: KuaimaiSandbox) -> None:
    fresh.freeze()
    modified = to_text(fresh.now_ms() - 300_000)
    (row_id,) = fresh.insert(modified=modified, visible_in_seconds=120)
    window = {"startModified": modified, "endModified": modified}
    assert call(fresh, **window)["total"] == fresh.count(time="modified", start=modified, end=modified) == 0

    fresh.advance(120)

    assert [row["id"] for row in call(fresh, **window)["list"]] == [row_id]


def test_a_row_that_leaves_the_window_moves_the_next_pages_forward(fresh: KuaimaiSandbox) -> None:
    window = past(fresh)
    still = pages(fresh, 3, **window)
    fresh.when({"op": "change", "of": "served", "count": 2}, api=TICKETS, page=1)

    moved = pages(fresh, 3, **window)

    assert moved[0] == still[0]
    assert moved[1][0] == still[1][2]
    assert fresh.script()[0]["ids"] == still[0][:2]
    assert call(fresh, **window)["total"] == 58


def test_a_row_that_appears_in_the_window_repeats_one_on_the_next_page(fresh: KuaimaiSandbox) -> None:
    window = {"startModified": to_text(fresh.now_ms() - 86_400_000 * 9), "endModified": to_text(fresh.now_ms())}
    fresh.when({"op": "insert", "modified": fresh.now_ms() - 1000}, page=1)

    first, second = pages(fresh, 2, **window)

    assert first[-1] == second[0]


def test_a_row_can_be_dated_into_the_window_that_is_being_read(fresh: KuaimaiSandbox) -> None:
    window = past(fresh)
    fresh.when({"op": "insert", "modified": "window"}, page=1)

    assert [call(fresh, **window)["total"] for _ in range(2)] == [60, 61]


def test_a_change_can_come_before_a_page_and_from_the_nth_call_on(fresh: KuaimaiSandbox) -> None:
    window = past(fresh)
    fresh.when({"op": "delete", "of": "window"}, request=2, moment="before", times=2)

    assert [call(fresh, **window)["total"] for _ in range(4)] == [60, 59, 58, 58]


def test_a_script_can_change_at_every_page_boundary(fresh: KuaimaiSandbox) -> None:
    fresh.when({"op": "change", "of": "unserved"}, api=TICKETS, times=None)

    read = [row_id for page in pages(fresh, 3, **past(fresh)) for row_id in page]

    assert len(set(read)) < 60
    assert fresh.script()[0]["fired"] == 3


def test_business_goes_on_since_the_last_time(fresh: KuaimaiSandbox) -> None:
    started = fresh.now_ms()
    fresh.advance(86_400)

    touched = fresh.live(new=12, changed=30)

    assert len(touched) == 42
    assert fresh.count() == 72
    assert fresh.count(time="modified", start=started - 120_000, end=fresh.now_ms()) >= 42
    assert fresh.count(time="modified", start=fresh.now_ms()) == 0


def test_orders_that_make_no_sense_are_refused_with_a_sentence(sandbox: KuaimaiSandbox) -> None:
    for path, order, reason in (
        ("changes", {"op": "explode"}, "none of change, day"),
        ("changes", {"op": "change", "of": "served"}, "needs a script"),
        ("changes", {"op": "insert", "modified": "window"}, "needs a script"),
        ("changes", {"op": "change", "api": "no.such.api"}, "no.such.api"),
        ("changes", {"of": "nowhere"}, "none of any"),
        ("changes", {"operation": "change"}, "operation"),
        ("script", {"when": {"moment": "later"}, "change": {}}, "moment"),
        ("script", {"when": {}, "change": {"op": "explode"}}, "none of change"),
        ("options", {"speed": 3}, "unknown switch"),
        ("options", {"order": "random"}, "order is one of"),
        ("faults", {"kind": "flood"}, "unknown fault"),
        ("faults", {"kind": "reset", "when": 3}, "when"),
    ):
        with pytest.raises(requests.HTTPError, match=reason):
            sandbox.control(path, order)
