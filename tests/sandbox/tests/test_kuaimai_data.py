from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import KuaimaiSandbox
from tests.sandbox.clock import to_ms, to_text
from tests.sandbox.tests.caller import TICKETS, TRADES, call

if TYPE_CHECKING:
    from pathlib import Path

UNSET = {946656000000, 978278400000}


def test_the_same_seed_and_instant_give_the_same_data_and_another_seed_others() -> None:
    def data(seed: int) -> dict[str, list[dict[str, Any]]]:
        with KuaimaiSandbox(tickets=40, trades=20, days=2, seed=seed, now="2026-01-31 12:00:00") as sandbox:
            return {api: [*sandbox.truth(api)] for api in (TICKETS, TRADES, "purchase.order.query")}

    first, again, other = data(7), data(7), data(8)

    assert first == again
    assert all(first[api] != other[api] for api in first)


def test_tickets_hold_what_breaks_careless_readers(sandbox: KuaimaiSandbox) -> None:
    tickets = list(sandbox.truth())
    text = "\n".join(json.dumps(ticket, ensure_ascii=False) for ticket in tickets)

    assert all(nasty in text for nasty in ("😀", "O'Brien", "C:\\\\new", "\\n", "𠮷", "'; DROP"))
    assert all(ticket["id"] > 2**53 for ticket in tickets)
    assert any(int(float(ticket["id"])) != ticket["id"] for ticket in tickets)
    assert {type(ticket["refundMoney"]) for ticket in tickets} == {float}
    assert {type(ticket["rawRefundMoney"]) for ticket in tickets} == {str}
    assert {type(ticket["refundableMoney"]) for ticket in tickets} == {float, int}
    assert {type(ticket["created"]) for ticket in tickets} == {int, str}
    assert any(ticket.get("finished") in UNSET for ticket in tickets)
    assert any("finished" not in ticket for ticket in tickets)
    assert any(ticket.get("items") == [] for ticket in tickets)
    assert any("items" not in ticket for ticket in tickets)
    assert any(len(ticket.get("items", [])) > 2 for ticket in tickets)
    assert any("aiTag" in ticket for ticket in tickets)
    assert all(value is not None for ticket in tickets for value in ticket.values())
    assert len({ticket["platformId"] for ticket in tickets}) < len(tickets)


def test_refunded_tickets_look_refunded(sandbox: KuaimaiSandbox) -> None:
    done = [t for t in sandbox.truth() if t["onlineStatus"] == 7 and t["status"] not in {10, 11}]

    assert done
    assert all(ticket["onlineStatusText"] == "退款成功" and "platformCompleteTime" in ticket for ticket in done)


def test_null_fields_can_be_sent_and_items_can_lack_an_id(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(null_keys="send", item_ids=False)
    tickets = call(sandbox, pageSize=200)["list"]

    assert any(value is None for ticket in tickets for value in ticket.values())
    assert not any("id" in item for ticket in tickets for item in ticket["items"] or [])


def test_the_items_of_a_ticket_come_in_another_order_each_call(sandbox: KuaimaiSandbox) -> None:
    several = next(ticket for ticket in sandbox.truth() if len(ticket.get("items", [])) > 1)

    first, second = (call(sandbox, id=several["id"])["list"][0]["items"] for _ in range(2))

    assert [item["id"] for item in first] != [item["id"] for item in second]
    assert {item["id"] for item in first} == {item["id"] for item in second}


@pytest.mark.parametrize(
    ("start", "end", "time"),
    [("startModified", "endModified", "modified"), ("startApplyTime", "endApplyTime", "applyDate")],
)
def test_a_window_holds_what_its_time_says(sandbox: KuaimaiSandbox, start: str, end: str, time: str) -> None:
    instants = sorted(ticket[time] for ticket in sandbox.truth())
    first, last = instants[len(instants) // 3] // 1000 * 1000, instants[len(instants) // 2] // 1000 * 1000
    texts = {start: text_of(first), end: text_of(last)}

    answer = call(sandbox, pageSize=200, **texts)

    assert answer["total"] == sum(first <= instant <= last for instant in instants) > 50
    assert all(first <= ticket[time] <= last for ticket in answer["list"])
    assert answer["total"] == sandbox.count(time=time, start=first, end=last)


def test_two_windows_at_once_hold_what_lies_in_both(sandbox: KuaimaiSandbox) -> None:
    everything = {"startModified": "2000-01-01 00:00:00"}
    nothing = {"startApplyTime": "2000-01-01 00:00:00", "endApplyTime": "2000-01-02 00:00:00"}

    assert call(sandbox, **everything)["total"] == 450
    assert call(sandbox, **everything, **nothing)["total"] == 0


def test_the_ends_of_a_window_are_inclusive_or_not_by_switch(sandbox: KuaimaiSandbox) -> None:
    ticket = next(ticket for ticket in sandbox.truth() if ticket["modified"] % 1000 == 0)
    window = {"startModified": text_of(ticket["modified"]), "endModified": text_of(ticket["modified"])}

    assert call(sandbox, **window)["total"] >= 1
    sandbox.set_options(window_end="exclusive")
    assert call(sandbox, **window)["total"] == 0


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "by_id"])
def test_the_order_of_a_list_is_a_switch(sandbox: KuaimaiSandbox, order: str) -> None:
    sandbox.set_options(order=order)
    tickets = call(sandbox, pageSize=200, startModified="2000-01-01 00:00:00")["list"]
    key = [ticket["id" if order == "by_id" else "modified"] for ticket in tickets]

    assert key == sorted(key, reverse=order == "newest_first")


def test_tickets_can_be_asked_for_by_number_shop_and_status(sandbox: KuaimaiSandbox) -> None:
    tickets = list(sandbox.truth())
    ids = [ticket["id"] for ticket in tickets[:3]]

    assert {row["id"] for row in call(sandbox, ids=",".join(map(str, ids)), pageSize=10)["list"]} == set(ids)
    assert call(sandbox, tid=tickets[5]["tid"])["list"][0]["id"] == tickets[5]["id"]
    assert call(sandbox, status="2,12")["total"] == sum(ticket["status"] in {2, 12} for ticket in tickets)
    assert call(sandbox, userIds="100001")["total"] == sum(ticket["userId"] == 100001 for ticket in tickets)


def test_every_ticket_has_log_lines_and_every_item_its_skus(sandbox: KuaimaiSandbox) -> None:
    ticket = next(sandbox.truth())
    lines = call(sandbox, "erp.aftersale.operate.log.query", workOrderId=ticket["id"])
    stock = call(sandbox, "erp.item.warehouse.list.get", outerId="SPU002", pageNo=1)

    assert [line["key"] for line in lines["list"]] == [ticket["id"]] * 2
    assert stock["outerId"] == "SPU002"
    assert {sku["skuOuterId"] for sku in stock["skus"]} == {"SKU008", "SKU009", "SKU010", "SKU011"}


def test_a_sandbox_with_a_state_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    journal = tmp_path / "sandbox.jsonl"
    with KuaimaiSandbox(tickets=30, state_file=journal) as sandbox:
        sandbox.live(new=5, changed=7)
        sandbox.insert(visible_in_seconds=3600)
        gone = sandbox.delete([next(sandbox.truth())["id"]])
        before = {ticket["id"]: ticket["modified"] for ticket in sandbox.truth()}
    with journal.open("a", encoding="utf-8") as torn:
        torn.write('["change", "erp.after')

    with KuaimaiSandbox(tickets=30, state_file=journal) as sandbox:
        after = {ticket["id"]: ticket["modified"] for ticket in sandbox.truth()}
        assert after == before
        assert len(after) == 34
        assert gone[0] not in after
        sandbox.live(new=1, changed=0)
        sandbox.advance(3601)
        assert sandbox.count() == 36


@pytest.mark.slow
def test_three_hundred_thousand_tickets_start_at_once_and_page_quickly() -> None:
    with KuaimaiSandbox(tickets=300_000, days=30) as sandbox:
        now = sandbox.now_ms()
        assert call(sandbox, pageSize=200)["total"] == 300_000
        day = call(sandbox, pageSize=200, pageNo=20, startModified=text_of(now - 86_400_000), endModified=text_of(now))
        assert 8_000 < day["total"] < 25_000
        assert len(day["list"]) == 200


def text_of(instant_ms: int) -> str:
    text = to_text(instant_ms)
    assert to_ms(text) == instant_ms // 1000 * 1000
    return text
