"""Approvals change as time goes by and as tests act on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.sandbox.dingtalk.client import DingTalkSandbox
from tests.sandbox.tests.dingtalk_caller import DAY, GENERATIONS, NOW, TOPAPI, V1, Caller, form

if TYPE_CHECKING:
    from collections.abc import Iterator

both = pytest.mark.parametrize("generation", GENERATIONS)


@pytest.fixture
def fresh() -> Iterator[DingTalkSandbox]:
    """A stand-in nobody acted on."""
    with DingTalkSandbox(approvals=120, now=NOW, still_open=10) as sandbox:
        sandbox.freeze()
        yield sandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[DingTalkSandbox]:
    with DingTalkSandbox(approvals=120, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def caller(shared: DingTalkSandbox) -> Iterator[Caller]:
    """A stand-in that other tests acted on, for tests that look only at what they did themselves."""
    shared.reset()
    shared.set_clock(NOW, frozen=True)
    with Caller(shared) as caller:
        yield caller


def test_open_approvals_become_final_over_months(fresh: DingTalkSandbox) -> None:
    at_start = {one for one, truth in fresh.truth(fresh.recharge).items() if truth["status"] == "RUNNING"}
    assert len(at_start) >= 10
    left = []
    for _month in range(8):
        fresh.advance(30 * 86_400)
        truth = fresh.truth(fresh.recharge)
        left.append(len([one for one in at_start if one in truth and truth[one]["status"] == "RUNNING"]))
    assert left == sorted(left, reverse=True)
    assert 0 < left[2] < len(at_start)
    assert left[-1] == 0


def test_new_approvals_come_at_the_same_pace(fresh: DingTalkSandbox) -> None:
    before = {one["process_instance_id"] for one in fresh.approvals(fresh.recharge)}
    fresh.advance(30 * 86_400)
    after = {one["process_instance_id"] for one in fresh.approvals(fresh.recharge)}
    assert before < after
    assert 118 <= len(after - before) <= 122


def test_every_outcome_and_every_kind_of_follower_occurs(fresh: DingTalkSandbox) -> None:
    fresh.advance(90 * 86_400)
    truth = fresh.truth(fresh.recharge)
    assert {one["biz_action"] for one in truth.values()} == {"NONE", "MODIFY", "REVOKE"}
    for instance_id, one in truth.items():
        main = one["main_process_instance_id"]
        assert (main is None) == (one["biz_action"] == "NONE")
        if main in truth:
            assert (truth[main]["status"], truth[main]["result"]) == ("COMPLETED", "agree")
            assert truth[main]["finish_time"] <= one["create_time"]
            assert instance_id in truth[main]["attached_process_instance_ids"]
    operations = {record["operation_type"] for one in truth.values() for record in one["operation_records"]}
    assert operations >= {
        "START_PROCESS_INSTANCE",
        "EXECUTE_TASK_NORMAL",
        "EXECUTE_TASK_AUTO",
        "REDIRECT_TASK",
        "TERMINATE_PROCESS_INSTANCE",
        "ADD_REMARK",
        "PROCESS_CC",
    }
    assert any(one["deleted"] for one in fresh.approvals(fresh.recharge))


def test_finance_fills_in_the_paid_amount_when_it_agrees(caller: Caller) -> None:
    sandbox = caller.sandbox
    instance_id = sandbox.start(sandbox.recharge)
    assert form(caller.read(V1, instance_id))["MoneyField_1RC0ACTUAL"].get("value") is None
    sandbox.advance(3600)
    sandbox.agree(instance_id)
    assert form(caller.read(V1, instance_id))["MoneyField_1RC0ACTUAL"]["value"]


def test_tables_lose_rows_and_change_when_finance_agrees(caller: Caller) -> None:
    sandbox = caller.sandbox
    changed = 0
    for _ in range(12):
        instance_id = sandbox.start(sandbox.expense)
        before = sandbox.truth(sandbox.expense, as_of={instance_id: sandbox.now_ms()})[instance_id]
        sandbox.advance(60)
        sandbox.agree(instance_id)
        after = sandbox.truth(sandbox.expense, as_of={instance_id: sandbox.now_ms()})[instance_id]
        rows_before = before["values"]["TableField_1EX0ITEMS"]["value"] or []
        rows_after = after["values"]["TableField_1EX0ITEMS"]["value"] or []
        changed += len(rows_after) < len(rows_before)
    assert changed


@both
@pytest.mark.parametrize(
    ("act", "status", "result"),
    [("agree", "COMPLETED", "agree"), ("refuse", "COMPLETED", "refuse"), ("withdraw", "TERMINATED", "")],
)
def test_an_open_approval_can_be_decided(caller: Caller, generation: str, act: str, status: str, result: str) -> None:
    sandbox = caller.sandbox
    instance_id = sandbox.start(sandbox.recharge)
    assert caller.read(generation, instance_id)["status"] == "RUNNING"
    sandbox.advance(120)
    getattr(sandbox, act)(instance_id)
    shown = caller.read(generation, instance_id)
    assert (shown["status"], shown["result"]) == (status, result)
    with pytest.raises(requests.HTTPError, match="final already"):
        sandbox.agree(instance_id)


def test_an_approval_that_came_by_itself_can_be_decided_too(caller: Caller) -> None:
    sandbox = caller.sandbox
    running = next(one for one, truth in sandbox.truth(sandbox.recharge).items() if truth["status"] == "RUNNING")
    sandbox.refuse(running)
    sandbox.advance(300 * 86_400)
    truth = sandbox.truth(sandbox.recharge, as_of={running: sandbox.now_ms()})[running]
    assert (truth["result"], truth["finish_time"]) == ("refuse", "2026-11-01T12:00:00+08:00")


@both
def test_a_deleted_approval_is_gone_from_listing_and_detail(caller: Caller, generation: str) -> None:
    sandbox = caller.sandbox
    now = sandbox.now_ms()
    instance_id = sandbox.start(sandbox.refund)
    assert instance_id in caller.list_ids(generation, sandbox.refund, now, now)
    sandbox.delete(instance_id)
    assert instance_id not in caller.list_ids(generation, sandbox.refund, now, now)
    assert caller.get(generation, instance_id).code in {"820005", "processInstanceNotExist"}
    sandbox.set_options(deleted_listed=True)
    assert instance_id in caller.list_ids(generation, sandbox.refund, now, now)


@both
def test_modify_and_revoke_start_an_approval_that_names_the_old_one(caller: Caller, generation: str) -> None:
    sandbox = caller.sandbox
    main = sandbox.start(sandbox.recharge)
    sandbox.agree(main)
    followers = [sandbox.modify(main), sandbox.revoke(main)]
    shown = [caller.read(generation, one) for one in followers]
    action, name, attached = {
        TOPAPI: ("biz_action", "main_process_instance_id", "attached_process_instance_ids"),
        V1: ("bizAction", "mainProcessInstanceId", "attachedProcessInstanceIds"),
    }[generation]
    assert [one[action] for one in shown] == ["MODIFY", "REVOKE"]
    assert [one[name] for one in shown] == [main, main]
    assert caller.read(generation, main)[attached] == followers


def test_a_final_approval_takes_comments(caller: Caller) -> None:
    sandbox = caller.sandbox
    instance_id = sandbox.start(sandbox.recharge)
    sandbox.agree(instance_id)
    sandbox.advance(60)
    sandbox.remark(instance_id, "已付款")
    assert caller.read(TOPAPI, instance_id)["operation_records"][-1]["remark"] == "已付款"


def test_a_test_writes_any_text_into_a_component(caller: Caller) -> None:
    sandbox = caller.sandbox
    instance_id = sandbox.start(sandbox.recharge, 充值金额="1,234,567.80", 充值账户=None)
    shown = form(caller.read(TOPAPI, instance_id))
    assert shown["MoneyField_1RC0AMOUNT"]["value"] == "1,234,567.80"
    assert shown["TextField_1RC0ACCOUNT"].get("value") in {"null", "", "[]", None}
    sandbox.advance(1)
    sandbox.write(instance_id, MoneyField_1RC0AMOUNT={"value": "2", "ext": "{}"})
    assert form(caller.read(V1, instance_id))["MoneyField_1RC0AMOUNT"]["extValue"] == "{}"
    with pytest.raises(requests.HTTPError, match="2 components"):
        sandbox.start(sandbox.refund, 金额="1")


def test_a_template_edited_later_changes_only_approvals_started_afterwards(caller: Caller) -> None:
    sandbox = caller.sandbox
    before = sandbox.start(sandbox.recharge)
    sandbox.advance(60)
    sandbox.edit_template(
        sandbox.recharge,
        add=[{"id": "TextField_1RC0NEW", "type": "TextField", "label": "新增说明"}],
        rename={"MoneyField_1RC0AMOUNT": "充值金额（元）"},
        remove=["TextField_1RC0BANK"],
    )
    after = sandbox.start(sandbox.recharge)
    old, new = form(caller.read(TOPAPI, before)), form(caller.read(TOPAPI, after))
    assert old["MoneyField_1RC0AMOUNT"]["name"] == "充值金额"
    assert new["MoneyField_1RC0AMOUNT"]["name"] == "充值金额（元）"
    assert set(old) - set(new) == {"TextField_1RC0BANK"}
    assert set(new) - set(old) == {"TextField_1RC0NEW"}
    schema = caller.new("GET", "forms/schemas/processCodes", processCode=sandbox.recharge).content["result"]
    assert {item["props"]["id"] for item in schema["schemaContent"]["items"]} == set(new)
    with pytest.raises(requests.HTTPError, match="no component"):
        sandbox.edit_template(sandbox.recharge, remove=["TextField_1RC0BANK"])


def test_a_perfect_reader_reads_each_approval_until_it_is_final_and_no_more(fresh: DingTalkSandbox) -> None:
    runs: list[int | str] = [fresh.now_ms() + day * DAY for day in (0, 1, 2, 5, 9, 40)]
    fresh.set_clock(runs[-1])
    perfect = fresh.perfect_reader(fresh.recharge, runs)
    held = fresh.truth(fresh.recharge, as_of=perfect["held"])
    readable = fresh.truth(fresh.recharge)
    assert set(readable) <= set(held)
    assert {one: held[one]["status"] for one in readable} == {one: readable[one]["status"] for one in readable}
    assert perfect["runs"][0]["details"] == perfect["runs"][0]["listed"]
    # Each later run: what is new, and what was still open after the run before.
    for before, (run, done) in zip(runs[:-1], zip(runs[1:], perfect["runs"][1:], strict=True), strict=True):
        then = fresh.truth(fresh.recharge, as_of=before)
        still_open = [one for one, truth in then.items() if truth["status"] == "RUNNING"]
        new = [one for one in fresh.truth(fresh.recharge, as_of=run) if one not in then]
        assert done == {"listed": len(new), "details": len(new) + len(still_open)}


def test_served_approvals_are_known_from_the_log(caller: Caller) -> None:
    sandbox = caller.sandbox
    first, second = sandbox.start(sandbox.recharge), sandbox.start(sandbox.recharge)
    caller.read(TOPAPI, first)
    sandbox.advance(5)
    caller.read(V1, second)
    sandbox.fault("truncated", api="/topapi/processinstance/get")
    with pytest.raises(requests.JSONDecodeError):
        caller.get(TOPAPI, second)
    now = sandbox.now_ms()
    assert sandbox.served() == {first: now - 5000, second: now}
    assert len(sandbox.details()) == 3
