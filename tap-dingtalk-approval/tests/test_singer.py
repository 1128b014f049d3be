"""The Singer SDK's own suite for taps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_dingtalk_approval.tap import TapDingTalkApproval
from tests.sandbox.dingtalk.client import DingTalkSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest

CONFIG: dict[str, object] = {
    "app_key": DingTalkSandbox.app_key,
    "app_secret": DingTalkSandbox.app_secret,
    "api_url": "http://127.0.0.1:1",
    "start_date": "2026-09-01",
    "end_date": "2026-09-30T12:00:00",
    "max_requests_per_second": 500,
    "processes": [
        {
            "process_code": DingTalkSandbox.expense,
            "name": "expense",
            "fields": {"amount": {"label": "金额（元）", "type": "number"}, "tags": {"label": "标签", "type": "json"}},
            "tables": {"items": {"label": "明细", "fields": {"money": {"label": "金额", "type": "number"}}}},
        }
    ],
}


@pytest.fixture(scope="module", autouse=True)
def platform() -> Iterator[None]:
    """The suite reads its configuration when it runs, so the stand-in's address can be filled in now."""
    with DingTalkSandbox(approvals=12, days=20, now="2026-09-30 12:00:00") as sandbox:
        CONFIG["api_url"] = sandbox.origin
        yield


TestTapDingTalkApproval = get_tap_test_class(
    TapDingTalkApproval, config=CONFIG, suite_config=SuiteConfig(max_records_limit=50)
)
