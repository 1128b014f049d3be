"""One approval as each generation shows it, and the form schema."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.dingtalk.client import DingTalkSandbox
from tests.sandbox.tests.dingtalk_caller import DAY, NOW, TOPAPI, V1, Caller, form

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFICIAL_TYPES = (
    "TextField TextareaField NumberField DDSelectField DDMultiSelectField DDDateField DDDateRangeField TextNote "
    "PhoneField DDPhotoField MoneyField TableField DDAttachment InnerContactField RelateField AddressField "
    "StarRatingField DepartmentField TimeAndLocationField CalculateField DDHolidayField SignatureField CascadeField "
    "RecipientAccountField InvoiceField IdCardField DDBizSuite"
)
RECHARGE_LABELS = (
    "部门 月份 用途明细 对应科目 充值账户 费用说明 充值金额 付款方式 其他付款账户 "
    "收款人名称 付款账号 付款银行 财务付款方式 实际付款金额"
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Caller]:
    with DingTalkSandbox(approvals=60, now=NOW) as sandbox, Caller(sandbox) as caller:
        yield caller


@pytest.fixture
def caller(shared: Caller) -> Caller:
    shared.sandbox.reset()
    shared.sandbox.set_clock(NOW, frozen=True)
    return shared


def _pairs(caller: Caller, code: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Yield truth, old and new answer of every readable approval."""
    for instance_id, truth in caller.sandbox.truth(code).items():
        yield truth, caller.read(TOPAPI, instance_id), caller.read(V1, instance_id)


def test_neither_generation_tells_id_or_template_code(caller: Caller) -> None:
    code = caller.sandbox.recharge
    for truth, old, new in _pairs(caller, code):
        own = {key: value for key, value in old.items() if key != "tasks"}
        followed = truth["main_process_instance_id"] or truth["attached_process_instance_ids"]
        if not followed:
            assert truth["process_instance_id"] not in json.dumps([own, new])
        assert code not in json.dumps([old, new])


def test_a_running_approval_has_no_finish_time_and_an_empty_result(caller: Caller) -> None:
    statuses = set()
    for truth, old, new in _pairs(caller, caller.sandbox.recharge):
        statuses.add((truth["status"], truth["result"]))
        assert (old["status"], old["result"] or None) == (new["status"], new["result"] or None)
        running = truth["status"] == "RUNNING"
        assert ("finish_time" in old, "finishTime" in new) == (not running, not running)
        open_tasks = [task for task in old["tasks"] if task["task_status"] == "RUNNING"]
        assert bool(open_tasks) == running
        assert all("finish_time" not in task for task in open_tasks)
    assert statuses == {("RUNNING", None), ("COMPLETED", "agree"), ("COMPLETED", "refuse"), ("TERMINATED", None)}


def test_times_have_seconds_in_the_old_api_and_a_false_z_without_seconds_in_the_new(caller: Caller) -> None:
    for truth, old, new in _pairs(caller, caller.sandbox.recharge):
        assert truth["create_time"] == old["create_time"].replace(" ", "T") + "+08:00"
        assert new["createTime"] == old["create_time"][:16].replace(" ", "T") + "Z"
        second = int(truth["process_instance_id"][-10:])
        assert datetime.fromisoformat(truth["create_time"]).timestamp() == second
        assert re.fullmatch(r"\d{21}", truth["business_id"])
        assert truth["business_id"].startswith(re.sub(r"\D", "", old["create_time"])[:12] + "000")
        dates = [record["date"] for record in new["operationRecords"]]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", date) for date in dates)


def test_empty_values_are_spelled_in_every_way_by_the_old_api_and_missing_in_the_new(caller: Caller) -> None:
    spelled = set()
    for truth, old, new in _pairs(caller, caller.sandbox.expense):
        for component, content in truth["values"].items():
            if content["value"] is not None or content["type"] == "TableField":
                continue
            spelled.add(form(old)[component].get("value", "missing"))
            assert "value" not in form(new)[component]
    assert spelled == {"null", "", "[]", "missing"}


def test_an_unfilled_table_is_described_by_its_columns_and_a_filled_one_has_rows(caller: Caller) -> None:
    seen = set()
    for truth, old, _new in _pairs(caller, caller.sandbox.expense):
        table = form(old)["TableField_1EX0ITEMS"]
        rows = truth["values"]["TableField_1EX0ITEMS"]["value"]
        if rows is None and table.get("value", "").startswith("[{"):
            content = json.loads(table["value"])
            assert all({"componentName", "props"} <= set(column) for column in content)
            assert "ext_value" not in table
            seen.add("schema")
        elif rows is not None:
            content = json.loads(table["value"])
            assert [row["rowNumber"] for row in content] == [row["row_number"] for row in rows]
            seen.add("rows")
    assert seen == {"schema", "rows"}


def test_cells_are_left_out_when_empty_and_lists_come_native_or_as_text(caller: Caller) -> None:
    lengths, kinds, labels = set(), set(), set()
    for _truth, old, _new in _pairs(caller, caller.sandbox.expense):
        for row in json.loads(form(old)["TableField_1EX0ITEMS"].get("value") or "null") or []:
            cells = row.get("rowValue", [])
            lengths.add(len(cells))
            kinds |= {type(cell["value"]) for cell in cells if cell["key"] == "DDMultiSelectField_1EX1TAGS"}
            labels |= {type(cell["label"]) for cell in cells}
    assert len(lengths) > 3
    assert kinds == {list, str}
    assert labels == {list, str}


def test_names_are_in_the_value_and_ids_in_the_text_beside_it(caller: Caller) -> None:
    for truth, old, new in _pairs(caller, caller.sandbox.recharge):
        plain = truth["values"]["DepartmentField_1RC0DEPT"]["value"]
        shown = form(old)["DepartmentField_1RC0DEPT"]
        assert shown["value"] == ",".join(plain["names"])
        assert [one["id"] for one in json.loads(shown["ext_value"])] == plain["ids"]
        assert form(new)["DepartmentField_1RC0DEPT"]["extValue"] == shown["ext_value"]


def test_money_comes_with_and_without_separators_and_beyond_a_double(caller: Caller) -> None:
    written = []
    for truth, old, _new in _pairs(caller, caller.sandbox.recharge):
        text = form(old)["MoneyField_1RC0AMOUNT"]["value"]
        assert text.replace(",", "") == truth["values"]["MoneyField_1RC0AMOUNT"]["value"]
        written.append(text)
    assert any("," in text for text in written)
    assert any("." not in text for text in written)


def test_components_share_a_label_in_one_template(caller: Caller) -> None:
    for _truth, old, _new in _pairs(caller, caller.sandbox.refund):
        assert [one["name"] for one in old["form_component_values"]].count("金额") == 2


def test_every_component_type_of_the_list_is_in_the_expense_template(caller: Caller) -> None:
    (expense,) = [one for one in caller.sandbox.templates() if one["process_code"] == caller.sandbox.expense]
    types = {one["type"] for one in expense["components"]}
    assert set(OFFICIAL_TYPES.split()) <= types


def test_the_recharge_template_has_the_labels_of_the_shipped_pipeline(caller: Caller) -> None:
    recharge = caller.sandbox.templates()[0]
    assert [one["label"] for one in recharge["components"]] == RECHARGE_LABELS.split()


def test_records_and_tasks_say_the_same_in_both_generations(caller: Caller) -> None:
    for truth, old, new in _pairs(caller, caller.sandbox.recharge):
        for line, one, other in zip(
            truth["operation_records"], old["operation_records"], new["operationRecords"], strict=True
        ):
            assert (one["userid"], one["operation_type"], one["operation_result"]) == (
                other["userId"],
                other["type"],
                other["result"],
            )
            assert (one.get("remark") or None) == (other.get("remark") or None) == line["remark"]
        for task, one, other in zip(truth["tasks"], old["tasks"], new["tasks"], strict=True):
            assert task["taskid"] == one["taskid"] == str(other["taskId"])
            assert isinstance(other["taskId"], int)
            assert (one["task_status"], one["task_result"]) == (other["status"], other["result"])


def test_old_spellings_of_lists_and_instants_are_switches(caller: Caller) -> None:
    instance_id = caller.sandbox.start(caller.sandbox.recharge)
    follower = caller.sandbox.revoke(instance_id)
    caller.sandbox.set_options(lists_as_text=True, task_times_ms=True, success_text=True)
    old = caller.read(TOPAPI, instance_id)
    assert old["attached_process_instance_ids"] == follower
    assert old["tasks"][0].get("create_time", 1) in {1, caller.sandbox.now_ms()}
    assert caller.get(V1, instance_id).content["success"] == "true"


def test_an_approval_that_never_was_is_refused(caller: Caller) -> None:
    for switch in ("820005", "60121"):
        caller.sandbox.set_options(missing_old=switch)
        assert caller.get(TOPAPI, "AbCdEfGhIjKlMnOpQrStUv01231788228942").code == switch
    new = caller.get(V1, "AbCdEfGhIjKlMnOpQrStUv01231788228942")
    assert (new.status, new.code) == (400, "processInstanceNotExist")
    assert caller.get(V1, "").code == "processInstanceIdError"
    assert caller.get(TOPAPI, "").code == "400002"


def test_the_form_schema_describes_the_newest_version(caller: Caller) -> None:
    sandbox = caller.sandbox
    path = "forms/schemas/processCodes"
    schema = caller.new("GET", path, processCode=sandbox.expense).content["result"]
    assert schema["name"] == "费用报销"
    items = {item["props"]["id"]: item for item in schema["schemaContent"]["items"]}
    assert items["MoneyField_1EX0MONEY"]["componentName"] == "MoneyField"
    columns = items["TableField_1EX0ITEMS"]["children"]
    assert columns[0] == {
        "componentName": "TextField",
        "props": {"id": "TextField_1EX1ITEM", "label": "事项", "required": True},
    }
    assert caller.new("GET", path, processCode="PROC-NO").code == "processCodeError"
    sandbox.set_options(denied=[f"/v1.0/workflow/{path}"])
    denied = caller.new("GET", path, processCode=sandbox.expense)
    assert (denied.status, denied.code) == (403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")


def test_the_same_seed_gives_the_same_answers(caller: Caller) -> None:
    now = caller.sandbox.now_ms()
    with DingTalkSandbox(approvals=60, now=NOW) as twin, Caller(twin) as other:
        twin.set_clock(NOW, frozen=True)
        ids = caller.list_ids(TOPAPI, twin.refund, now - 29 * DAY, now - DAY)
        assert other.list_ids(TOPAPI, twin.refund, now - 29 * DAY, now - DAY) == ids
        assert [other.read(TOPAPI, one) for one in ids] == [caller.read(TOPAPI, one) for one in ids]
    with DingTalkSandbox(approvals=60, now=NOW, seed=2) as stranger, Caller(stranger) as other:
        assert not set(other.list_ids(TOPAPI, stranger.refund, now - 29 * DAY, now)) & set(ids)
