"""The error table covers every layout and every code, and nothing secret passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_dingtalk_approval.errors import CREDENTIAL_RULES, RULES, UNKNOWN, Action, rule_of, topapi_code
from tap_dingtalk_approval.redact import redact


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"errcode": 0}, None),
        ({"errcode": "0", "errmsg": "ok"}, None),
        ({"errcode": 88, "sub_code": "40014", "errmsg": "ding talk error[subcode=40014,submsg=不合法]"}, "40014"),
        ({"errcode": 88, "errmsg": "ding talk error[subcode=90018,submsg=限流]"}, "90018"),
        ({"errcode": 15, "sub_code": "isp.-1", "sub_msg": "服务不可用"}, "isp.-1"),
        ({"errcode": 400003, "errmsg": "时间戳无效"}, "400003"),
        ({"errcode": -1, "errmsg": "系统繁忙"}, "-1"),
        ({"errcode": 22, "errmsg": "Invalid method[submsg=不合法ApiName]"}, "22"),
    ],
    ids=str,
)
def test_the_real_code_is_found_in_every_layout(body: dict[str, Any], code: str | None) -> None:
    assert topapi_code(body) == code


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", Action.SLOW_DOWN),
        ("Forbidden.AccessDenied.QpsLimitForSomethingNew", Action.SLOW_DOWN),
        ("Forbidden.AccessDenied.QpmLimitForAppkeyAndApi", Action.SLOW_DOWN),
        ("Forbidden.AccessDenied.ApiCountLimitForOrg", Action.QUOTA),
        ("Forbidden.AccessDenied.IpNotInWhiteList", Action.STOP),
        ("90020", Action.QUOTA),
        ("40014", Action.REFRESH),
        ("820005", Action.SKIP),
        ("-1", Action.RETRY_FEW),
        ("60011", Action.STOP),
    ],
)
def test_codes_lead_to_actions(code: str, action: Action) -> None:
    assert rule_of(code).action is action


@pytest.mark.parametrize(
    "message", ["审批实例不存在", "该实例已删除", "找不到对应的审批实例", "process instance not exist"]
)
def test_an_undocumented_code_that_says_the_approval_is_gone_is_believed(message: str) -> None:
    assert rule_of("12345", message).action is Action.SKIP
    assert rule_of("12345", "something else") is UNKNOWN


def test_asking_for_a_token_never_leads_to_asking_for_a_token() -> None:
    assert all(rule.action is not Action.REFRESH for rule in CREDENTIAL_RULES.values())


def test_every_rule_that_needs_a_person_says_what_to_do() -> None:
    for code, rule in RULES.items():
        assert len(rule.advice) > 20, code
        assert rule.advice.endswith((".", "?")), code


@given(
    st.text(min_size=6, max_size=30, alphabet=st.characters(categories=("L", "N"))),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_no_secret_survives_wherever_it_stands(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before}{secret}{after}", [secret]).replace("******", "")


@pytest.mark.parametrize(
    "text",
    [
        "Max retries exceeded with url: /topapi/processinstance/get?access_token=5f3c1 (Caused by x)",
        "GET /gettoken?appkey=ding5f3c1&appsecret=5f3c1 failed",
        "request ip=203.0.113.9 appKey(ding5f3c1)",
        '{"accessToken": "5f3c1"}',
    ],
)
def test_what_stands_behind_a_secrets_name_is_masked(text: str) -> None:
    assert "5f3c1" not in redact(text, [])


def test_a_long_message_is_one_short_line() -> None:
    assert len(redact("line\n" * 500, [])) < 310
    assert "\n" not in redact("a\nb", [])
