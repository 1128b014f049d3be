"""Listing ids: windows by create time, pages of 20, and the rules of both generations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.dingtalk.client import DingTalkSandbox
from tests.sandbox.tests.dingtalk_caller import DAY, GENERATIONS, NOW, TOPAPI, V1, Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

both = pytest.mark.parametrize("generation", GENERATIONS)


@pytest.fixture(scope="module")
def shared() -> Iterator[Caller]:
    with DingTalkSandbox(approvals=65, now=NOW) as sandbox, Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def caller(shared: Caller) -> Caller:
    shared.sandbox.reset()
    shared.sandbox.set_clock(NOW, frozen=True)
    return shared


@both
def test_a_window_lists_what_was_created_in_it_and_exists(caller: Caller, generation: str) -> None:
    sandbox = caller.sandbox
    now = sandbox.now_ms()
    known = sandbox.approvals(sandbox.recharge)
    listed = caller.list_ids(generation, sandbox.recharge, now - 20 * DAY, now - 5 * DAY)
    expected = [
        one["process_instance_id"]
        for one in known
        if now - 20 * DAY <= one["created_ms"] <= now - 5 * DAY and not one["deleted"]
    ]
    assert len(listed) > 20
    assert sorted(listed) == sorted(expected)
    assert listed != expected, "the order is no promise, so it must not look like one"


@both
def test_windows_side_by_side_miss_nothing(caller: Caller, generation: str) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    whole = caller.list_ids(generation, code, now - 30 * DAY, now)
    parts = [
        one
        for day in range(30, 0, -3)
        for one in caller.list_ids(generation, code, now - day * DAY, now - (day - 3) * DAY - 1)
    ]
    assert sorted(parts) == sorted(set(whole))


@both
def test_the_order_is_oldest_or_newest_first_on_demand(caller: Caller, generation: str) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    caller.sandbox.set_options(order="oldest")
    oldest = caller.list_ids(generation, code, now - 30 * DAY, now)
    caller.sandbox.set_options(order="newest")
    assert caller.list_ids(generation, code, now - 30 * DAY, now) == oldest[::-1]


def test_the_old_api_leaves_the_cursor_out_on_the_last_page_and_the_new_one_sends_text(caller: Caller) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    first = caller.list_page(TOPAPI, code, now - 30 * DAY, now).content["result"]
    assert first["next_cursor"] == 20
    last = caller.list_page(TOPAPI, code, now - 30 * DAY, now, cursor=60).content["result"]
    assert "next_cursor" not in last
    assert caller.list_page(V1, code, now - 30 * DAY, now).content["result"]["nextToken"] == "20"
    assert "nextToken" not in caller.list_page(V1, code, now - 30 * DAY, now, cursor=60).content["result"]


@both
@pytest.mark.parametrize(("cursor", "pages"), [(True, [5, 5, 0]), (False, [5, 5])])
def test_an_exactly_full_last_page_has_a_cursor_or_not(
    caller: Caller, generation: str, pages: list[int], *, cursor: bool
) -> None:
    sandbox = caller.sandbox
    sandbox.set_options(full_page_cursor=cursor)
    created = [one["created_ms"] for one in sandbox.approvals(sandbox.recharge) if not one["deleted"]]
    found = caller.list_pages(generation, sandbox.recharge, created[0], created[9], size=5)
    assert [len(page) for page in found] == pages


@both
@pytest.mark.parametrize("shown", [True, False])
def test_an_empty_window_has_an_empty_list_or_none(caller: Caller, generation: str, *, shown: bool) -> None:
    now = caller.sandbox.now_ms()
    caller.sandbox.set_options(empty_list_key=shown)
    result = caller.list_page(generation, caller.sandbox.recharge, now - 60 * DAY, now - 50 * DAY).content["result"]
    assert result == ({"list": []} if shown else {})


@both
@pytest.mark.parametrize(("inclusive", "count"), [(True, 1), (False, 0)])
def test_the_end_of_a_window_is_in_it_or_not(caller: Caller, generation: str, count: int, *, inclusive: bool) -> None:
    caller.sandbox.set_options(end_inclusive=inclusive)
    created = caller.sandbox.approvals(caller.sandbox.refund)[3]["created_ms"]
    ids = caller.list_ids(generation, caller.sandbox.refund, created - 1, created)
    assert len(ids) == count


@both
def test_what_was_started_while_paging_shifts_the_pages(caller: Caller, generation: str) -> None:
    sandbox = caller.sandbox
    sandbox.set_options(order="newest")
    now = sandbox.now_ms()
    first = caller.list_page(generation, sandbox.refund, now - 30 * DAY, now + DAY).content["result"]["list"]
    sandbox.start(sandbox.refund)
    second = caller.list_page(generation, sandbox.refund, now - 30 * DAY, now + DAY, cursor=20).content["result"][
        "list"
    ]
    assert second[0] == first[-1]


@pytest.mark.parametrize(
    ("first", "last", "refused"),
    [
        (-120, 0, False),
        (-121, 0, True),
        (-130, -20, False),
        (-365, -300, False),
        (-366, -300, True),
        (0, -1, True),
    ],
)
def test_a_window_is_at_most_120_days_and_starts_at_most_365_days_ago(
    caller: Caller, first: int, last: int, *, refused: bool
) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    old = caller.list_page(TOPAPI, code, now + first * DAY, now + last * DAY)
    new = caller.list_page(V1, code, now + first * DAY, now + last * DAY)
    assert (old.status, old.code) == (200, "400003" if refused else "ok")
    assert (new.status, new.code) == ((400, "invalidEndTime") if refused else (200, "ok"))


def test_without_an_end_the_window_reaches_to_now(caller: Caller) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    assert caller.old("processinstance/listids", process_code=code, start_time=now - 119 * DAY).code == "ok"
    assert caller.old("processinstance/listids", process_code=code, start_time=now - 121 * DAY).code == "400003"


def test_an_end_in_the_future_is_refused_where_the_platform_does(caller: Caller) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    assert caller.list_page(TOPAPI, code, now - DAY, now + DAY).code == "ok"
    caller.sandbox.set_options(future_end=False)
    assert caller.list_page(TOPAPI, code, now - DAY, now + DAY).code == "400003"


def test_a_page_holds_at_most_20(caller: Caller) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    assert caller.list_page(TOPAPI, code, now - DAY, now, size=21).code == "200003"
    assert caller.list_page(TOPAPI, code, now - DAY, now, cursor=-1).code == "200002"
    new = caller.list_page(V1, code, now - DAY, now, size=21)
    assert (new.status, new.code) == (400, "invalidMaxResults")


def test_what_is_missing_or_wrong_is_refused_by_name(caller: Caller) -> None:
    now, code = caller.sandbox.now_ms(), caller.sandbox.recharge
    listids = "processinstance/listids"
    good = {"process_code": code, "start_time": now - DAY}
    assert caller.old(listids, start_time=now).code == "400002"
    assert caller.old(listids, **{**good, "start_time": "yesterday"}).code == "400002"
    assert caller.old(listids, **{**good, "process_code": "PROC-NO"}).code == "820001"
    assert caller.old(listids, **good, userid_list=",".join("abcdefghijk")).code == "400002"
    assert caller.raw_old(listids, json.dumps(good).encode(), "application/x-www-form-urlencoded").code == "43004"
    assert caller.raw_old(listids, b"{").code == "43009"

    path = "processes/instanceIds/query"
    whole = {"processCode": code, "startTime": now - DAY, "nextToken": 0, "maxResults": 20}
    for name, refusal in {
        "processCode": "invalidProcessCode",
        "startTime": "invalidInstanceListIdsStartTime",
        "nextToken": "invalidNextToken",
        "maxResults": "invalidMaxResults",
    }.items():
        assert caller.new("POST", path, **{key: value for key, value in whole.items() if key != name}).code == refusal
    assert caller.new("POST", path, **whole, userIds=list("abcdefghijk")).code == "invalidUserIds"


def test_filters_by_originator_and_by_status(caller: Caller) -> None:
    sandbox = caller.sandbox
    now = sandbox.now_ms()
    truth = sandbox.truth(sandbox.recharge)
    window = {"processCode": sandbox.recharge, "startTime": now - 30 * DAY, "nextToken": 0, "maxResults": 20}
    running = caller.new("POST", "processes/instanceIds/query", **window, statuses=["RUNNING"])
    assert set(running.content["result"]["list"]) == {one for one in truth if truth[one]["status"] == "RUNNING"}
    users = ["user001", "user002"]
    ids = {one for one in truth if truth[one]["originator_userid"] in users}
    new = caller.new("POST", "processes/instanceIds/query", **window, userIds=users)
    old = caller.old(
        "processinstance/listids",
        process_code=sandbox.recharge,
        start_time=now - 30 * DAY,
        userid_list=",".join(users),
    )
    assert set(new.content["result"]["list"]) == set(old.content["result"]["list"]) == ids


@both
def test_a_loop_ends_at_10_000_ids_silently_or_with_an_error(generation: str) -> None:
    with DingTalkSandbox(approvals=10_400, days=100, now=NOW) as sandbox, Caller(sandbox) as caller:
        sandbox.freeze()
        now, code = sandbox.now_ms(), sandbox.recharge
        last = caller.list_page(generation, code, now - 100 * DAY, now, cursor=9_980).content["result"]
        assert len(last["list"]) == 20
        beyond = caller.list_page(generation, code, now - 100 * DAY, now, cursor=10_000)
        assert beyond.content["result"] == {"list": []}
        sandbox.set_options(over_cap="error")
        assert caller.list_page(generation, code, now - 100 * DAY, now, cursor=10_000).code != "ok"


@both
def test_a_stuck_cursor_repeats_itself(caller: Caller, generation: str) -> None:
    caller.sandbox.set_options(stuck_cursor=True)
    now = caller.sandbox.now_ms()
    result = caller.list_page(generation, caller.sandbox.recharge, now - 30 * DAY, now, cursor=20).content["result"]
    assert str(result.get("next_cursor", result.get("nextToken"))) == "20"


def test_templates_are_found_by_user_and_by_name(caller: Caller) -> None:
    first = caller.old("process/listbyuserid", userid="user001", offset=0, size=2).content["result"]
    rest = caller.old("process/listbyuserid", offset=first["next_cursor"], size=2).content["result"]
    codes = {one["name"]: one["process_code"] for one in first["process_list"] + rest["process_list"]}
    assert codes["万师傅充值单"] == "PROC-9E080FCB-182E-43F6-BBE4-79CF1C1F669F"
    assert "next_cursor" not in rest
    assert caller.old("process/listbyuserid", size=101).code == "200003"
    assert caller.old("process/get_by_name", name="万师傅充值单").content["process_code"] == codes["万师傅充值单"]
    assert caller.old("process/get_by_name", name="没有这个").code == "820004"
