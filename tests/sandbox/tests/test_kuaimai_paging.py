from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.kuaimai.declarations import read_apis
from tests.sandbox.tests.caller import TICKETS, TRADES, call

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox

APIS = read_apis()
ALL_TIME = {"start": "2000-01-01 00:00:00", "end": "2100-01-01 00:00:00"}
#: What some APIs demand beside a page; the window is filled in below.
NEEDED: dict[str, dict[str, Any]] = {
    TRADES: {"timeType": "upd_time"},
    "erp.trade.outstock.simple.query": {"timeType": "upd_time"},
    "erp.aftersale.refund.warehouse.query": {"timeType": "modifyTime"},
    "erp.aftersale.repair.list.query": {"timeType": "modified"},
    "erp.wave.logistics.order.query": {"timeType": 1},
    "erp.aftersale.operate.log.query": {"workOrderId": 9_100_000_000_000_001},
    "erp.item.warehouse.list.get": {"outerId": "SPU001"},
}
NOWHERE = ("1999-01-01 00:00:00", "1999-01-02 00:00:00")


def window(method: str, start: str, end: str) -> dict[str, Any]:
    pairs = APIS[method].windows
    if not pairs:
        return {}
    if pairs[0].format == "epoch_ms":
        start, end = ("0", "1") if start == NOWHERE[0] else ("0", "4102444800000")
    return {pairs[0].start: start, pairs[0].end: end}


def everything(sandbox: KuaimaiSandbox, method: str, **changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - parameters
    """Page forward until a page is empty."""
    api = APIS[method]
    size = api.paging.max_size if api.paging else None
    common = {**NEEDED.get(method, {}), **window(method, *ALL_TIME.values()), "pageSize": size, **changes}
    rows: list[dict[str, Any]] = []
    for page in range(1, 100):
        part = call(sandbox, method, **common, pageNo=page).get(api.list_key, [])
        rows += part
        if not part or api.paging is None:
            break
    return rows


def without_order(row: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a row whose arrays of objects are sorted, because the gateway turns them."""
    if isinstance(row, dict):
        return {name: without_order(value) for name, value in row.items()}
    if isinstance(row, list):
        return sorted((without_order(element) for element in row), key=repr)
    return row


@pytest.mark.parametrize("method", sorted(APIS))
def test_paging_through_an_api_gives_the_truth(sandbox: KuaimaiSandbox, method: str) -> None:
    rows = everything(sandbox, method)
    truth = list(sandbox.truth(method))
    if method in {"erp.aftersale.operate.log.query", "erp.item.warehouse.list.get"}:
        keys = {row[APIS[method].keys[0]] for row in rows}
        truth = [row for row in truth if row[APIS[method].keys[0]] in keys]
        assert len(rows) in {2, 4}

    assert rows
    assert sorted(map(repr, map(without_order, rows))) == sorted(map(repr, map(without_order, truth)))
    assert len({tuple(row.get(key) for key in APIS[method].keys) for row in rows}) == len(rows)


@pytest.mark.parametrize("method", sorted(APIS))
def test_every_documented_field_is_filled_somewhere(sandbox: KuaimaiSandbox, method: str) -> None:
    filled: set[str] = set()
    for row in sandbox.truth(method):
        filled |= row.keys()
    few = len(list(sandbox.truth(method))) < 20

    missing = APIS[method].fields.keys() - filled
    assert not missing or few


@pytest.mark.parametrize(
    ("method", "size"),
    [
        (TICKETS, 1),
        (TRADES, 20),
        ("item.list.query", 40),
        ("erp.trade.trace.list", 50),
        ("erp.distributor.list.query", 20),
    ],
)
def test_without_page_size_the_documented_default_holds(sandbox: KuaimaiSandbox, method: str, size: int) -> None:
    answer = call(sandbox, method, **NEEDED.get(method, {}))

    assert len(answer[APIS[method].list_key]) == size


def test_total_is_on_every_page_of_tickets_even_past_the_end(sandbox: KuaimaiSandbox) -> None:
    pages = [call(sandbox, pageNo=page, pageSize=200) for page in (1, 2, 3, 4, 99)]

    assert [page["total"] for page in pages] == [450] * 5
    assert [len(page["list"]) for page in pages] == [200, 200, 50, 0, 0]
    assert all("hasNext" not in page for page in pages)


def test_stock_tells_its_total_on_the_first_page_only(sandbox: KuaimaiSandbox) -> None:
    first, second = (call(sandbox, "stock.api.status.query", pageNo=page, pageSize=100) for page in (1, 2))

    assert first["total"] == 150
    assert "total" not in second


@pytest.mark.parametrize(
    ("changes", "has_total"),
    [
        ({}, True),
        ({"pageNo": 2}, False),
        ({"useHasNext": "true"}, False),
        ({"useCursor": "true"}, False),
        ({"queryType": 1, "timeType": "created"}, False),
    ],
)
def test_orders_tell_a_total_or_has_next(sandbox: KuaimaiSandbox, changes: dict[str, Any], has_total: bool) -> None:  # noqa: FBT001
    answer = call(sandbox, TRADES, **{"timeType": "upd_time", "pageSize": 20, **changes})

    assert ("total" in answer, "hasNext" in answer) == (has_total, not has_total)


def test_orders_can_be_read_by_cursor(sandbox: KuaimaiSandbox) -> None:
    rows: list[int] = []
    cursor = None
    while True:
        answer = call(sandbox, TRADES, timeType="upd_time", pageSize=50, useCursor="true", cursor=cursor)
        rows += [row["sid"] for row in answer["list"]]
        cursor = answer.get("cursor")
        if not answer["hasNext"]:
            break

    assert cursor is None
    assert sorted(rows) == sorted(row["sid"] for row in sandbox.truth(TRADES))


def test_apis_without_total_tell_the_end_by_a_short_page_or_has_next(sandbox: KuaimaiSandbox) -> None:
    trace = call(sandbox, "erp.trade.trace.list", pageNo=2, pageSize=100)
    record = call(sandbox, "goods.section.in.out.record.query", pageNo=2, pageSize=100)
    section = call(sandbox, "asso.goods.section.sku.query", noNeedTotal="true")

    assert trace["page"] == {"startRow": 100, "offsetRow": 100, "pageNo": 2, "pageSize": 100}
    assert len(trace["list"]) == 50
    assert record["hasNext"] is False
    assert [name for answer in (trace, record, section) for name in answer if name == "total"] == []


@pytest.mark.parametrize(
    ("method", "has_list"),
    [(TICKETS, True), (TRADES, True), ("purchase.order.query", False), ("erp.aftersale.refund.warehouse.query", False)],
)
def test_without_hits_the_list_is_empty_or_missing_as_seen_live(
    sandbox: KuaimaiSandbox,
    method: str,
    has_list: bool,  # noqa: FBT001
) -> None:
    def answer() -> dict[str, Any]:
        return call(sandbox, method, **NEEDED.get(method, {}), **window(method, *NOWHERE))

    assert ("list" in answer()) == has_list
    assert answer()["total"] == 0
    sandbox.set_options(zero_hits="omit")
    assert "list" not in answer()
    sandbox.set_options(zero_hits="empty")
    assert answer()["list"] == []


def test_an_empty_archive_of_orders_answers_nothing_but_success(sandbox: KuaimaiSandbox) -> None:
    answer = call(sandbox, TRADES, queryType=1, timeType="created", startTime=NOWHERE[0], endTime=NOWHERE[1])

    assert answer.keys() == {"success", "traceId"}


def test_repair_orders_say_success_as_text(sandbox: KuaimaiSandbox) -> None:
    assert call(sandbox, "erp.aftersale.repair.list.query")["success"] == "true"


def test_the_total_can_be_text(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(total_as_text=True)

    assert call(sandbox)["total"] == "450"
