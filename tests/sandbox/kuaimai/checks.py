"""What the gateway checks in a call's own parameters: pages, windows, lists and enums.

The codes and texts are those of the error tables of https://open.kuaimai.com/docs/api/; where a page has no table
(after-sales), the most likely code of its siblings is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tests.sandbox.clock import to_ms
from tests.sandbox.kuaimai.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox.kuaimai.declarations import Api, WindowParams

TRADE_APIS = ("erp.trade.list.query", "erp.trade.outstock.simple.query")
WAVE = "erp.wave.logistics.order.query"
ARCHIVE = "1"
_TRADE_LISTS: dict[str, tuple[int, str | None, str, str | None]] = {
    "userIds": (10, "20014", "20015", None),
    "tagIds": (10, "20101", "20102", None),
    "exceptIds": (10, "20105", "20106", None),
}
#: API to parameter to: longest list, code for a malformed one (None: anything goes), code and text for one too long.
LISTS: dict[str, dict[str, tuple[int, str | None, str, str | None]]] = {
    **dict.fromkeys(TRADE_APIS, _TRADE_LISTS),
    "erp.trade.trace.list": {"sids": (200, "20009", "20020", None), "operators": (20, None, "20021", None)},
    WAVE: {
        "waveIds": (50, None, "33", "波次号最多不能超过50个"),
        "sids": (50, None, "33", "系统单号最多不能超过50个"),
        "tids": (50, None, "33", "平台单号最多不能超过50个"),
        "shortIds": (50, None, "33", "内部单号最多不能超过50个"),
        "outSids": (50, None, "33", "物流单号最多不能超过50个"),
    },
    "erp.aftersale.list.query": {"expressIds": (50, None, "50", None)},
}
_TRADE_ENUMS: dict[str, tuple[tuple[str, ...], str, str | None]] = {
    "onlyContain": (("1", "2", "3"), "50", "异常查询状态不合法！[1:仅包含 2:排除 3:同时包含]"),
    "queryType": (("0", "1"), "50", None),
}
#: API to parameter to the values it takes, the code for others, and its text.
ENUMS: dict[str, dict[str, tuple[tuple[str, ...], str, str | None]]] = {
    **dict.fromkeys(TRADE_APIS, _TRADE_ENUMS),
    "item.list.query": {
        "activeStatus": (("0", "1"), "20109", "系统商品状态不正确"),
        "type": (("0", "1", "3", "6", "7", "8", "9", "10"), "50", "只能选择[0,1,3,6,7,8,9,10]的其中一位商品类型数值"),
        "orderBy": (("asc", "desc"), "20004", None),
    },
    "stock.api.status.query": {
        "itemType": (("0", "1", "2", "3"), "20307", None),
        "stockStatuses": (("1", "2", "3", "4", "6"), "50", "库存状态不合法"),
    },
}


@dataclass(frozen=True)
class Page:
    """Which page a call asks for."""

    number: int
    size: int


@dataclass(frozen=True)
class Window:
    """Which time a call filters by; both ends in epoch ms, None is open."""

    time: str = "created"
    start_ms: int | None = None
    end_ms: int | None = None


def page_of(api: Api, params: Mapping[str, str], oversize_code: str | None = None) -> Page:
    """Return the page; without paging one page holds everything.

    Args:
        api: The declaration.
        params: The call.
        oversize_code: A code for a page that is too large, in place of the declared one.

    Raises:
        ApiError: A number is missing, malformed or out of range.
    """
    paging = api.paging
    if paging is None:
        return Page(1, 1_000_000)
    number = _whole(params.get("pageNo"), "20001", None if paging.required else 1)
    needed = paging.required or paging.size_required
    size = _whole(params.get("pageSize"), "20002", None if needed else paging.default_size)
    if number < 1:
        raise ApiError("20001")
    if size < paging.min_size:
        raise ApiError("20002")
    if size > paging.max_size:
        raise ApiError(oversize_code or paging.size_code)
    return Page(number, size)


def windows_of(api: Api, params: Mapping[str, str]) -> list[Window]:
    """Return the windows of a call, one or more; a call without any asks for everything.

    Raises:
        ApiError: A time is malformed, missing, or the wrong way round.
    """
    if api.method == WAVE:
        _check_wave(params)
    if api.method == "erp.allocate.task.query" and not params.get("startModified") and not params.get("code"):
        raise ApiError("32", "请输入开始时间！")
    time_type = _time_type(api, params)
    given = [pair for pair in api.windows if params.get(pair.start) or params.get(pair.end)]
    if given:
        return [_read_window(pair, params, time_type) for pair in given]
    return [Window(time_type or (api.windows[0].time if api.windows else "created"))]


def _time_type(api: Api, params: Mapping[str, str]) -> str | None:
    if api.time_type is None:
        return None
    value = params.get(api.time_type.param) or api.time_type.default
    if value is None:
        if api.method == WAVE:
            return "created"
        raise ApiError("32", "请选择时间类型！")
    if value not in api.time_type.values:
        allowed = ", ".join(api.time_type.values)
        raise ApiError("50", f"查询的时间类型不合法！[{allowed}]字段：[{api.time_type.param}]")
    if api.method in TRADE_APIS and params.get("queryType") == ARCHIVE and value in {"audit_time", "upd_time"}:
        raise ApiError("50", f"归档订单不支持该时间类型！字段：[{api.time_type.param}]")
    return api.time_type.values[value]


def _read_window(pair: WindowParams, params: Mapping[str, str], time_type: str | None) -> Window:
    if pair.start == "startFinished" and not (params.get(pair.start) and params.get(pair.end)):
        raise ApiError("50", "startFinished和endFinished需要一起使用")
    start_ms, end_ms = (_instant(params.get(name), pair.format) for name in (pair.start, pair.end))
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise ApiError("40002")
    return Window(time_type or pair.time, start_ms, end_ms)


def check_others(api: Api, params: Mapping[str, str]) -> None:
    """Check the parameters that are neither page nor window.

    Raises:
        ApiError: One of them is refused.
    """
    for name, (longest, malformed, too_long, message) in LISTS.get(api.method, {}).items():
        values = params[name].split(",") if params.get(name) else []
        if malformed and not all(value.strip().isdigit() for value in values):
            raise ApiError(malformed)
        if len(values) > longest:
            raise ApiError(too_long, message)
    for name, (allowed, code, message) in ENUMS.get(api.method, {}).items():
        if params.get(name) and params[name] not in allowed:
            raise ApiError(code, message)
    if api.method == "stock.api.status.query" and params.get("warehouseId", "1").startswith(("-", "0")):
        raise ApiError("20305")
    if api.method == "erp.item.warehouse.list.get":
        _check_item_warehouse(params)
    if api.method == "erp.aftersale.operate.log.query" and not params.get("workOrderId"):
        raise ApiError("32", "请输入工单号！")


def _check_item_warehouse(params: Mapping[str, str]) -> None:
    outer, sku = params.get("outerId", ""), params.get("skuOuterId", "")
    if not outer and not sku:
        raise ApiError("20301")
    if "," in outer:
        raise ApiError("20302")
    if "," in sku:
        raise ApiError("20303")


def _check_wave(params: Mapping[str, str]) -> None:
    if any(params.get(name) for name in LISTS[WAVE]):
        return
    for name, message in (
        ("timeType", "请选择时间类型！"),
        ("timeBegin", "请输入开始时间！"),
        ("timeEnd", "请输入结束时间！"),
    ):
        if not params.get(name):
            raise ApiError("32", message)


def _whole(value: str | None, code: str, default: int | None) -> int:
    if not value:
        if default is None:
            raise ApiError(code)
        return default
    try:
        return int(value)
    except ValueError:
        raise ApiError(code) from None


def _instant(value: str | None, kind: str) -> int | None:
    if not value:
        return None
    try:
        if kind == "epoch_ms":
            return int(value)
        # Only `yyyy-MM-dd HH:mm:ss` is documented; Python would also read other forms of ISO 8601.
        return to_ms(str(datetime.strptime(value, "%Y-%m-%d %H:%M:%S")))  # noqa: DTZ007 - Beijing, as `to_ms` has it
    except ValueError:
        raise ApiError("50") from None
