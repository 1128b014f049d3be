"""The Singer SDK's own suite for taps, against the stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_kuaimai.tap import TapKuaimai

from tests.sandbox.kuaimai.session import ACCESS_TOKEN, APP_KEY, APP_SECRET

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox

CONFIG: dict[str, Any] = {
    "app_key": APP_KEY,
    "app_secret": APP_SECRET,
    "access_token": ACCESS_TOKEN,
    "api_url": "http://127.0.0.1:9/router",
    "start_date": "2026-03-08",
    "end_date": "2026-03-10 12:00:00",
    "window_minutes": 1440 * 366,
    "max_requests_per_second": 500,
    # Two streams that ask row by row would need a request for each of hundreds of rows.
    "custom_streams": {
        "aftersale_operate_log_query": {"for_each": None, "params": {"workOrderId": 9100000000000001}},
        "item_warehouse_list_get": {"for_each": None},
    },
}


def everything() -> dict[str, Any]:
    """The catalog with every stream selected, also those that are not by default."""
    catalog: dict[str, Any] = TapKuaimai(config=dict(CONFIG), setup_mapper=False).catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    return catalog


TestSdkSuite = get_tap_test_class(
    TapKuaimai,
    config=CONFIG,
    catalog=everything(),
    # Every column is there in every record; their types are looked at in the whole record.
    include_stream_attribute_tests=False,
    suite_config=SuiteConfig(
        max_records_limit=40,
        ignore_no_records_for_streams=["item_warehouse_list_get", "item_warehouse_list_get_mainWareHousesStock"],
    ),
)


@pytest.fixture(scope="module", autouse=True)
def address(shared_sandbox: KuaimaiSandbox) -> None:
    """Tell the suite where the stand-in listens; it was configured before there was one."""
    shared_sandbox.reset()
    shared_sandbox.set_options(rate_per_second=None)
    CONFIG["api_url"] = shared_sandbox.url
