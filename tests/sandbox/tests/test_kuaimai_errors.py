from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox.kuaimai.errors import MESSAGES
from tests.sandbox.tests.caller import TICKETS, TRADES, beijing_now, call, code, send, signed

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox

WAVE = "erp.wave.logistics.order.query"
WAVE_WINDOW = {"timeType": 1, "timeBegin": 0, "timeEnd": 1}
STOCK = "stock.api.status.query"
TRACE = "erp.trade.trace.list"
MANY = ",".join(str(number) for number in range(1, 202))


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("22", {"appKey": None}),
        ("23", {"appKey": "someone-else"}),
        ("28", {"version": None}),
        ("29", {"version": "2.0"}),
        ("24", {"sign": ""}),
        ("40", {"timestamp": None}),
        ("40", {"timestamp": "yesterday"}),
        ("40", {"timestamp": beijing_now(timedelta(minutes=-11))}),
        ("40", {"timestamp": beijing_now(timedelta(hours=-8))}),
        ("25", {"sign": "0" * 64}),
        ("25", {"sign_method": "sha1"}),
        ("20", {"session": None}),
        ("invalid_session", {"session": "an-old-one"}),
        ("50", {"format": "xml"}),
    ],
)
def test_a_wrong_common_parameter_gets_its_documented_code(
    sandbox: KuaimaiSandbox, expected: str, changes: dict[str, Any]
) -> None:
    assert code(sandbox, **changes) == expected


def test_a_missing_method_is_found_before_everything_else(sandbox: KuaimaiSandbox) -> None:
    assert requests.post(sandbox.url, data={}, timeout=10).json()["code"] == "26"
    assert code(sandbox, None) == "26"


def test_an_unknown_method_is_told_only_to_a_living_session(sandbox: KuaimaiSandbox) -> None:
    assert code(sandbox, "erp.no.such.query") == "27"
    assert code(sandbox, "erp.no.such.query", session="dead") == "invalid_session"


@pytest.mark.parametrize(
    ("expected", "method", "changes"),
    [
        ("20001", TICKETS, {"pageNo": 0}),
        ("20001", TICKETS, {"pageNo": "one"}),
        ("20002", TICKETS, {"pageSize": 0}),
        ("20002", TICKETS, {"pageSize": 201}),
        ("50", TICKETS, {"startModified": "2026-01-01"}),
        ("50", TICKETS, {"startModified": "2026-01-01T00:00:00"}),
        ("50", TICKETS, {"startFinished": "2026-01-01 00:00:00"}),
        ("40002", TICKETS, {"startModified": "2026-01-02 00:00:00", "endModified": "2026-01-01 00:00:00"}),
        ("50", TICKETS, {"expressIds": MANY}),
        ("20002", TRADES, {"pageSize": 19}),
        ("20002", TRADES, {"pageSize": 500}),
        ("50", TRADES, {"timeType": "modified"}),
        ("50", TRADES, {"timeType": "upd_time", "queryType": 1}),
        ("20014", TRADES, {"userIds": "a"}),
        ("20015", TRADES, {"userIds": MANY}),
        ("20101", TRADES, {"tagIds": "a"}),
        ("20102", TRADES, {"tagIds": MANY}),
        ("20105", TRADES, {"exceptIds": "a"}),
        ("20106", TRADES, {"exceptIds": MANY}),
        ("50", TRADES, {"onlyContain": 4}),
        ("50", TRADES, {"useCursor": "true", "cursor": "abc"}),
        ("20009", TRACE, {"sids": "a"}),
        ("20020", TRACE, {"sids": MANY}),
        ("20021", TRACE, {"operators": MANY}),
        ("50", TRACE, {"operateTimeStart": "2026-01-01 00:00:00"}),
        ("32", WAVE, {}),
        ("32", WAVE, {"timeType": 1, "timeBegin": 0}),
        ("33", WAVE, {**WAVE_WINDOW, "pageSize": 201}),
        ("33", WAVE, {**WAVE_WINDOW, "waveIds": MANY}),
        ("33", "supplier.list.query", {"pageSize": 500}),
        ("20002", "item.list.query", {"pageSize": 500}),
        ("20002", "brand.list.get", {"pageSize": 0}),
        ("20004", "item.list.query", {"orderBy": "up"}),
        ("20109", "item.list.query", {"activeStatus": 7}),
        ("50", "item.list.query", {"type": 2}),
        ("20019", STOCK, {"pageSize": 101}),
        ("20305", STOCK, {"warehouseId": -1}),
        ("20307", STOCK, {"itemType": 9}),
        ("32", "erp.aftersale.refund.warehouse.query", {}),
        ("32", "erp.aftersale.operate.log.query", {}),
        ("20301", "erp.item.warehouse.list.get", {}),
        ("20302", "erp.item.warehouse.list.get", {"outerId": "a,b"}),
        ("20303", "erp.item.warehouse.list.get", {"skuOuterId": "a,b"}),
        ("32", "erp.allocate.task.query", {"pageSize": 20}),
        ("20002", "erp.allocate.task.query", {"startModified": "2026-01-01 00:00:00"}),
        ("20001", "goods.section.in.out.record.query", {"pageSize": 20}),
        ("20002", "goods.section.in.out.record.query", {"pageNo": 1}),
        ("32", "open.token.refresh", {}),
        ("invalid_session", "open.token.refresh", {"refreshToken": "wrong"}),
    ],
)
def test_a_wrong_business_parameter_gets_its_documented_code(
    sandbox: KuaimaiSandbox, expected: str, method: str, changes: dict[str, Any]
) -> None:
    assert code(sandbox, method, **changes) == expected


@pytest.mark.parametrize("ordered", [*MESSAGES, "some_new_code"])
def test_any_code_can_be_ordered(sandbox: KuaimaiSandbox, ordered: str) -> None:
    sandbox.fault("error", code=ordered)

    assert code(sandbox) == ordered
    assert call(sandbox)["success"] is True


def test_an_error_is_printed_like_the_official_example(sandbox: KuaimaiSandbox) -> None:
    answer = call(sandbox, "item.list.query", sign="wrong")

    assert answer["msg"] == "服务方法(item.list.query:1.0)的签名无效"
    assert answer.keys() == {"code", "msg", "success", "trace_id"}


def test_the_code_for_a_page_above_200_is_a_switch_because_it_is_not_documented(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(oversize_code="33")

    assert code(sandbox, pageSize=201) == "33"


def test_a_method_can_be_forbidden_while_the_others_go_on(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(forbidden={TRADES: "401"})

    assert code(sandbox, TRADES) == "401"
    assert call(sandbox)["success"] is True


def test_errors_can_come_with_another_http_status(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(error_status=400)

    assert send(sandbox, TICKETS, appKey="wrong").status_code == requests.codes.bad_request


def test_a_window_may_be_limited_by_a_switch(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(max_span_days=1)
    window = {"startModified": "2026-01-01 00:00:00"}

    assert code(sandbox, **window, endModified="2026-01-02 00:00:01") == "50"
    assert call(sandbox, **window, endModified="2026-01-02 00:00:00")["success"] is True


def test_get_works_below_1024_characters_and_not_above(sandbox: KuaimaiSandbox) -> None:
    short = requests.get(sandbox.url, params=signed(TICKETS), timeout=10)
    long = requests.get(sandbox.url, params=signed(TICKETS, {"expressIds": "快" * 120}), timeout=10)

    assert short.json()["success"] is True
    assert long.status_code == requests.codes.request_uri_too_large


def test_a_multipart_call_is_understood(sandbox: KuaimaiSandbox) -> None:
    fields = {name: (None, value) for name, value in signed(TICKETS).items()}

    assert requests.post(sandbox.url, files=fields, timeout=10).json()["success"] is True


def test_an_unknown_parameter_is_ignored_but_signed(sandbox: KuaimaiSandbox) -> None:
    plain = call(sandbox, pageSize=5)
    params = signed(TICKETS, {"page_no": 3, "pageSize": 5})
    with_typo = requests.post(sandbox.url, data=params, timeout=10).json()
    unsigned = requests.post(sandbox.url, data={**params, "startTime": "x"}, timeout=10).json()

    assert [row["id"] for row in with_typo["list"]] == [row["id"] for row in plain["list"]]
    assert unsigned["code"] == "25"


def test_the_gateways_clock_can_be_wrong(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(skew_seconds=3600)

    response = send(sandbox, TICKETS)

    assert response.json()["code"] == "40"
    assert response.headers["Date"].endswith("GMT")


def test_time_get_answers_with_nothing_but_the_envelope(sandbox: KuaimaiSandbox) -> None:
    assert call(sandbox, "open.system.time.get").keys() == {"traceId", "success"}
