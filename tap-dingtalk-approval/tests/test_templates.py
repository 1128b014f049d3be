"""A template may be edited at any time, and may have labels that say too little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

RECHARGE_FIELDS = {
    "department": "部门",
    "month": "月份",
    "purpose_details": "用途明细",
    "corresponding_subjects": "对应科目",
    "recharge_account": "充值账户",
    "expenses_explanation": "费用说明",
    "recharge_amount": "充值金额",
    "payment_method": "付款方式",
    "other_payment_account": "其他付款账户",
    "payee_name": "收款人名称",
    "payment_account": "付款账号",
    "payment_bank": "付款银行",
    "financial_payment_method": "财务付款方式",
    "actual_payment_amount": "实际付款金额",
}
OWN_COLUMNS = (
    "create_time",
    "finish_time",
    "originator_userid",
    "originator_dept_id",
    "status",
    "result",
    "business_id",
    "originator_dept_name",
    "biz_action",
)


def recharge_configuration(code: str) -> dict[str, Any]:
    amounts = {"recharge_amount", "actual_payment_amount"}
    fields = {
        column: {"label": label, **({"type": "number"} if column in amounts else {})}
        for column, label in RECHARGE_FIELDS.items()
    }
    columns = {column: column for column in (*RECHARGE_FIELDS, *OWN_COLUMNS)}
    stream_map = {
        "__alias__": "master_wan_recharge",
        "bfn_id": "process_instance_id",
        **columns,
        "__else__": None,
        "__key_properties__": ["bfn_id"],
    }
    return {
        "processes": [{"process_code": code, "name": "wan_recharge", "fields": fields}],
        "stream_maps": {"wan_recharge": stream_map, "__else__": None},
    }


def test_the_recharge_pipeline_has_exactly_its_columns_by_configuration_alone(office: Any) -> None:
    sandbox = office.sandbox
    run = office.run(**recharge_configuration(sandbox.recharge))
    assert set(run.records) == {"master_wan_recharge"}
    assert run.keys == {"master_wan_recharge": ["bfn_id"]}
    (schema,) = (one["schema"] for one in run.messages if one["type"] == "SCHEMA")
    assert list(schema["properties"]) == ["bfn_id", *RECHARGE_FIELDS, *OWN_COLUMNS]
    assert schema["properties"]["recharge_amount"]["type"] == ["number", "null"]
    assert schema["properties"]["create_time"]["format"] == "date-time"
    truth = office.truth(sandbox.recharge)
    assert {row["bfn_id"] for row in run.records["master_wan_recharge"]} == set(truth)
    for row in run.records["master_wan_recharge"]:
        values = {one["label"]: one["value"] for one in truth[row["bfn_id"]]["values"].values()}
        for column, label in RECHARGE_FIELDS.items():
            expected = values[label]
            if isinstance(expected, dict):  # a department: names and ids
                expected = ",".join(expected["names"])
            assert row[column] == (type(row[column])(expected) if column.endswith("amount") and expected else expected)


def test_a_template_that_is_edited_stops_nothing_and_loses_nothing(new_office: Callable[..., Any]) -> None:
    office = new_office(approvals=0)
    sandbox = office.sandbox
    before = sandbox.start(sandbox.expense, 标题="旧表单")
    sandbox.advance(60)
    sandbox.edit_template(
        sandbox.expense,
        add=[{"id": "TextField_NEW", "type": "TextField", "label": "新增项"}],
        rename={"TextField_1EX0TITLE": "主题"},
        remove=["NumberField_1EX0COUNT"],
    )
    after = sandbox.start(sandbox.expense, 主题="新表单", 新增项="新值")
    sandbox.advance(60)
    run = office.run()
    assert not run.failed
    rows = {row["process_instance_id"]: row for row in run.records["expense"]}
    assert (rows[before]["expense_title"], rows[after]["expense_title"]) == ("旧表单", None)
    kept = {one["id"]: one["value"] for one in rows[after]["form_component_values"]}
    assert (kept["TextField_1EX0TITLE"], kept["TextField_NEW"]) == ("新表单", "新值")
    assert run.log.count("1 of 2 forms have no component for expense_title: label '标题'") == 1
    assert run.log.count("1 of 2 forms have no component for tickets: label '票据张数'") == 1
    assert "新增项 (TextField_NEW)" in run.log


def test_two_components_of_one_label_fail_with_their_ids_and_the_bookmark_stays(office: Any) -> None:
    sandbox = office.sandbox
    twins = {
        "process_code": sandbox.refund,
        "name": "refund",
        "fields": {"amount": {"label": "金额", "type": "number"}},
    }
    run = office.run(processes=[twins, *office.config["processes"]])
    assert run.failed
    assert "id: MoneyField_1RF0ASKED or id: MoneyField_1RF0GRANTED" in run.log
    assert "replication_key_value" not in run.bookmark("refund")
    assert run.records["expense"]
    twins["fields"]["amount"] = {"id": "MoneyField_1RF0GRANTED", "type": "number"}
    again = office.run(run.state, processes=[twins])
    assert not again.failed
    assert {row["process_instance_id"] for row in again.records["refund"]} == set(office.truth(sandbox.refund))


def test_forms_whose_labels_are_not_clear_do_not_keep_the_others_from_being_read(
    new_office: Callable[..., Any],
) -> None:
    office = new_office(approvals=0)
    sandbox = office.sandbox
    plain = [sandbox.start(sandbox.expense)]
    sandbox.advance(60)
    sandbox.edit_template(sandbox.expense, add=[{"id": "TextField_TWIN", "type": "TextField", "label": "标题"}])
    twins = [sandbox.start(sandbox.expense), sandbox.start(sandbox.expense)]
    sandbox.advance(60)
    run = office.run()
    assert run.failed
    assert [row["process_instance_id"] for row in run.records["expense"]] == plain
    assert sorted(run.bookmark("expense")["unread_approvals"]) == sorted(twins)
    assert run.log.count("Tell them apart by id") == 1
    processes = office.config["processes"]
    fields = {**processes[0]["fields"], "expense_title": {"id": "TextField_1EX0TITLE"}}
    again = office.run(run.state, processes=[{**processes[0], "fields": fields}])
    assert not again.failed
    assert {row["process_instance_id"] for row in again.records["expense"]} == {*plain, *twins}
