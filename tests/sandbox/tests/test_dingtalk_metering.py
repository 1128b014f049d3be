"""Tokens, paces, the quota and every layout of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.dingtalk.client import DingTalkSandbox
from tests.sandbox.tests.dingtalk_caller import DAY, GENERATIONS, NOW, TOPAPI, V1, Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

both = pytest.mark.parametrize("generation", GENERATIONS)
GET_OLD, GET_NEW = "/topapi/processinstance/get", "/v1.0/workflow/processInstances"
PATHS = {TOPAPI: GET_OLD, V1: GET_NEW}


@pytest.fixture(scope="module")
def shared() -> Iterator[Caller]:
    with DingTalkSandbox(approvals=30, now=NOW) as sandbox, Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def caller(shared: Caller) -> Iterator[Caller]:
    shared.sandbox.reset()
    shared.sandbox.set_clock(NOW, frozen=True)
    with Caller(shared.sandbox) as caller:
        yield caller


@pytest.fixture
def one(caller: Caller) -> str:
    return next(iter(caller.sandbox.truth(caller.sandbox.recharge)))


def test_a_token_is_the_same_while_it_is_valid_and_is_renewed_by_asking(caller: Caller, one: str) -> None:
    sandbox = caller.sandbox
    sandbox.advance(7000)
    assert caller.gettoken().content["access_token"] == caller.tokens[TOPAPI]
    assert caller.access_token().content == {"accessToken": caller.tokens[V1], "expireIn": 7200}
    sandbox.advance(7000)
    assert caller.get(TOPAPI, one).code == "ok"
    sandbox.advance(201)
    old, new = caller.get(TOPAPI, one), caller.get(V1, one)
    assert (old.status, old.content["errcode"], old.code) == (200, 88, "40014")
    assert (new.status, new.code) == (400, "InvalidAuthentication")
    assert caller.gettoken().content["access_token"] != caller.tokens[TOPAPI]


def test_tokens_end_on_order(caller: Caller, one: str) -> None:
    caller.sandbox.expire_tokens()
    assert (caller.get(TOPAPI, one).code, caller.get(V1, one).code) == ("40014", "InvalidAuthentication")


def test_the_new_token_opens_the_old_api_and_not_the_other_way(caller: Caller, one: str) -> None:
    body = b'{"process_instance_id": "' + one.encode() + b'"}'
    assert caller.raw_old("processinstance/get", body, token=caller.tokens[V1]).code == "ok"
    reply = caller.new_with(caller.tokens[TOPAPI], "GET", "processInstances", processInstanceId=one)
    assert reply.code == "InvalidAuthentication"


def test_a_missing_token_and_wrong_credentials_are_refused(caller: Caller) -> None:
    assert caller.raw_old("processinstance/get", b"{}", token="").code == "40000"
    reply = caller.new_with("", "GET", "processInstances", processInstanceId="x")
    assert (reply.status, reply.code) == (400, "AuthenticationFailed.MissingParameter")
    assert caller.gettoken(appkey=caller.sandbox.app_key, appsecret="wrong").content["errcode"] == 40096
    assert caller.gettoken(appkey=caller.sandbox.app_key).content["errcode"] == 40035
    reply = caller.access_token(appKey="wrong", appSecret="wrong")
    assert (reply.status, reply.code) == (400, "invalidClientIdOrSecret")


def test_the_log_knows_no_token_and_no_secret(caller: Caller, one: str) -> None:
    caller.gettoken()
    caller.access_token()
    caller.get(TOPAPI, one)
    caller.get(V1, one)
    log = str(caller.sandbox.requests())
    secrets = [*caller.tokens.values(), caller.sandbox.app_secret, caller.sandbox.app_key]
    assert not [secret for secret in secrets if secret in log]
    assert one in log


@both
def test_a_pace_is_kept_per_api(caller: Caller, generation: str, one: str) -> None:
    caller.sandbox.set_options(calls_per_second=3)
    codes = [caller.get(generation, one).code for _ in range(30)]
    limited = {TOPAPI: "90018", V1: "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"}[generation]
    assert codes[:3] == ["ok"] * 3
    assert limited in codes
    now = caller.sandbox.now_ms()
    assert caller.list_page(generation, caller.sandbox.recharge, now - DAY, now).code == "ok"


@both
def test_calls_count_by_month_except_tokens_and_those_over_the_pace(caller: Caller, generation: str, one: str) -> None:
    sandbox = caller.sandbox
    assert sandbox.quota_used() == 0
    now = sandbox.now_ms()
    caller.gettoken()
    caller.list_page(generation, sandbox.recharge, now - DAY, now)
    caller.get(generation, one)
    caller.get(generation, "AbCdEfGhIjKlMnOpQrStUv01231788228942")
    sandbox.fault("app_qps", times=2)
    assert [caller.get(generation, one).code != "ok" for _ in range(2)] == [True, True]
    sandbox.fault("status", status=502)
    assert caller.http.get(sandbox.origin + GET_NEW).status_code == 502
    assert sandbox.quota_used() == 3
    sandbox.advance(30 * 86_400)
    assert sandbox.quota_used() == 0


@both
def test_the_quota_refuses_counted_calls_until_the_next_month(caller: Caller, generation: str, one: str) -> None:
    sandbox = caller.sandbox
    sandbox.set_options(calls_per_month=5000)
    sandbox.set_quota_used(4999)
    assert caller.get(generation, one).code == "ok"
    reply = caller.get(generation, one)
    status, code = {TOPAPI: (200, "90020"), V1: (403, "Forbidden.AccessDenied.ApiCountLimitForOrg")}[generation]
    assert (reply.status, reply.code) == (status, code)
    assert "调用量:5001次,额度:5000次" in str(reply.content)
    assert caller.gettoken().code == "ok"
    sandbox.set_clock("2026-12-01 00:00:00")
    caller.tokens = {
        TOPAPI: caller.gettoken().content["access_token"],
        V1: caller.access_token().content["accessToken"],
    }
    assert caller.get(generation, one).code == "ok"


def test_the_old_api_wraps_errors_or_has_them_at_the_top_or_in_the_text_alone(caller: Caller, one: str) -> None:
    contents = []
    for layout in ("wrapped", "top", "text"):
        caller.sandbox.fault("error", api=GET_OLD, code="90018", text="慢一点", layout=layout)
        reply = caller.get(TOPAPI, one)
        assert reply.status == 200
        contents.append({key: value for key, value in reply.content.items() if key != "request_id"})
    wrapped = {"errcode": 88, "errmsg": "ding talk error[subcode=90018,submsg=慢一点]"}
    assert contents[0] == {**wrapped, "sub_code": "90018", "sub_msg": "慢一点"}
    assert contents[1] == {"errcode": 90018, "errmsg": "慢一点"}
    assert contents[2] == wrapped


def test_the_layout_of_errors_is_a_switch_too(caller: Caller, one: str) -> None:
    caller.sandbox.set_options(error_layout="top")
    caller.sandbox.expire_tokens()
    assert caller.get(TOPAPI, one).content["errcode"] == 40014


def test_the_punishment_of_90002_tells_its_end(caller: Caller, one: str) -> None:
    caller.sandbox.fault("api_qps", seconds=2)
    text = caller.get(TOPAPI, one).content["sub_msg"]
    assert "从 2026-11-01 12:00:00 到 2026-11-01 12:00:00" in text
    assert "限制将在 2026-11-01 12:00:02 结束" in text


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("bad_token", "40014", (400, "InvalidAuthentication")),
        ("app_qps", "90018", (403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi")),
        ("api_qps", "90002", (403, "Forbidden.AccessDenied.QpsLimitForApi")),
        ("app_qpm", "90006", (403, "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi")),
        ("quota", "90020", (403, "Forbidden.AccessDenied.ApiCountLimitForOrg")),
        ("denied", "60011", (403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")),
        ("address", "60020", (403, "Forbidden.AccessDenied.IpNotInWhiteList")),
        ("busy", "-1", (500, "systemError")),
        ("unavailable", "isp.-1", (503, "serviceBusy")),
    ],
)
def test_every_fault_has_the_words_of_both_generations(
    caller: Caller, one: str, kind: str, old: str, new: tuple[int, str]
) -> None:
    caller.sandbox.fault(kind, times=2)
    reply = caller.get(TOPAPI, one)
    assert (reply.status, reply.code) == (200, old)
    reply = caller.get(V1, one)
    assert (reply.status, reply.code) == new


@both
def test_a_banned_address_gets_a_page_or_json_without_errcode(caller: Caller, generation: str, one: str) -> None:
    caller.sandbox.fault("ban", layout="html")
    url = caller.sandbox.origin + PATHS[generation]
    response = caller.http.get(url)
    assert response.headers["content-type"].startswith("text/html")
    caller.sandbox.fault("ban", layout="json")
    assert caller.get(generation, one).content == {
        "status": 1111,
        "wait": 5,
        "source": "x5",
        "punish": "deny",
        "uuid": "0a1b2c3d",
    }


def test_apis_that_do_not_exist_are_refused_in_each_generations_way(caller: Caller) -> None:
    old = caller.raw_old("processinstance/list", b"{}")
    assert old.content["errcode"] == 22
    assert "dingtalk.oapi.processinstance.list" in old.content["errmsg"]
    assert caller.new("GET", "nothing").status == 404
    response = caller.http.get(f"{caller.sandbox.origin}/nothing")
    assert response.json()["errcode"] == 404
