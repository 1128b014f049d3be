"""The shipped mappings, run by Meltano into a database."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import expected, tickets
from tests.project import Project
from tests.sandbox.client import KuaimaiSandbox
from tests.sandbox.dingtalk.client import DingTalkSandbox

if TYPE_CHECKING:
    from tests.conftest import Runner
    from tests.servers import Server

MAPPINGS = Path(__file__).parents[1] / "mappings.meltano.yml"
FLAT = "aftersale_list_query_flat"
SALT = "pepper"


@pytest.mark.slow
def test_privacy_and_beat_flat_fill_the_wide_table_without_personal_data(
    tmp_path: Path, mariadb: Server, database: str
) -> None:
    with KuaimaiSandbox(tickets=120, days=5) as sandbox:
        sandbox.set_options(rate_per_second=None)
        project = Project.create(tmp_path / "project", mariadb, database, tickets.settings(sandbox))
        (project.directory / ".env").write_text(f"MAPPING_SALT={SALT}\n")
        project.meltano("run", "tap-kuaimai", "privacy", "beat-flat", "target-mysql-replace")
        source = tickets.truth(sandbox)

        _assert_wide(project, source)
        _assert_masked(project, source)
        assert "_extra" not in tickets.column_types(project, tickets.ITEMS)
        tickets.assert_items_equal(project, source)

        shrunk = [key for key, ticket in source.items() if len(ticket.get("items") or []) > 1][:2]
        sandbox.shrink(shrunk[0], keep=1)
        sandbox.shrink(shrunk[1], keep=0)
        project.meltano("run", "tap-kuaimai", "privacy", "beat-flat", "target-mysql-replace")
        now = tickets.truth(sandbox)
        assert [len(now[key].get("items") or []) for key in shrunk] == [1, 0]
        _assert_wide(project, now)


def _assert_wide(project: Project, source: dict[int, dict[str, Any]]) -> None:
    """Assert one row per item, or one with the key 0, every column of it as the item's own table would have it."""
    types = tickets.column_types(project, FLAT)
    rows = {(row["id"], row["items_id"]): row for row in project.rows(FLAT)}
    wanted = {
        (key, item.get("id", 0)): (ticket, item)
        for key, ticket in source.items()
        for item in ticket.get("items") or [{}]
    }
    assert sorted(rows) == sorted(wanted)
    for key, (ticket, item) in wanted.items():
        assert rows[key]["status"] == ticket["status"]
        assert rows[key]["modified"] == expected.instant(ticket["modified"])
        for field, value in item.items():
            column = f"items_{field}"
            if column in types:
                found = rows[key][column]
                assert expected.same(found, expected.cell(value, types[column])), f"{key} {column}: {found!r}"


def _assert_masked(project: Project, source: dict[int, dict[str, Any]]) -> None:
    """Assert that both tables of tickets hold masks and hashes where the source has persons."""
    for table in (tickets.TICKETS, FLAT):
        for row in project.rows(table):
            ticket = source[row["id"]]
            assert row["buyerName"] == _masked_name(ticket.get("buyerName"))
            if ticket.get("buyerPhone"):
                assert row["buyerPhone"] != ticket["buyerPhone"]
                assert "****" in row["buyerPhone"]
            nick = ticket.get("wangwangNum")
            assert row["buyer_nick"] == (nick and hashlib.sha256((SALT + nick).encode()).hexdigest())
            assert "_extra" not in row


def _masked_name(name: str | None) -> str | None:
    return name and (name[0] + "*" * (len(name) - 1) if len(name) > 1 else "*")


RECHARGE_COLUMNS = (
    "bfn_id department month purpose_details corresponding_subjects recharge_account expenses_explanation "
    "recharge_amount payment_method other_payment_account payee_name payment_account payment_bank "
    "financial_payment_method actual_payment_amount create_time finish_time originator_userid originator_dept_id "
    "status result business_id originator_dept_name biz_action"
)


@pytest.mark.slow
def test_the_approval_mapping_gives_the_table_its_columns(tmp_path: Path, mariadb: Server, database: str) -> None:
    with DingTalkSandbox(approvals=12, days=10) as sandbox:
        start = datetime.fromisoformat(sandbox.now()) - timedelta(days=11)
        settings = {
            "TAP_DINGTALK_APPROVAL_API_URL": sandbox.url,
            "TAP_DINGTALK_APPROVAL_APP_KEY": sandbox.app_key,
            "TAP_DINGTALK_APPROVAL_APP_SECRET": sandbox.app_secret,
            "TAP_DINGTALK_APPROVAL_START_DATE": f"{start:%Y-%m-%dT00:00:00}+08:00",
        }
        project = Project.create(tmp_path / "project", mariadb, database, settings)
        project.meltano("run", "tap-dingtalk-approval", "master-wan-recharge", "target-mysql-replace")
    tables = {name for row in project.query("SHOW TABLES") for name in row.values() if not name.startswith("_")}
    assert tables == {"master_wan_recharge"}
    described = project.query("SHOW FULL COLUMNS FROM master_wan_recharge")
    assert {column["Field"] for column in described} == set(RECHARGE_COLUMNS.split())
    assert [column["Field"] for column in described if column["Key"] == "PRI"] == ["bfn_id"]
    types = {column["Field"]: column["Type"] for column in described}
    assert types["recharge_amount"].startswith("decimal")
    assert types["create_time"].startswith("datetime")
    assert len(project.rows("master_wan_recharge", "recharge_amount > 0 AND create_time IS NOT NULL")) == 12


def test_the_approval_mapping_also_takes_the_taps_own_columns(run: Runner) -> None:
    mappings = yaml.safe_load(MAPPINGS.read_text(encoding="utf-8"))["plugins"]["mappers"][0]["mappings"]
    (config,) = [mapping["config"] for mapping in mappings if mapping["name"] == "master-wan-recharge"]
    names = ["process_instance_id", *RECHARGE_COLUMNS.split()[1:], "title", "form_component_values"]
    columns = {name: {"type": ["string", "null"]} for name in names}
    messages = [
        run.schema("master_wan_recharge", columns, "process_instance_id"),
        run.schema("master_wan_recharge_tasks", {"taskid": {"type": "string"}}, "taskid"),
        *run.records("master_wan_recharge", dict.fromkeys(names, "x")),
        *run.records("master_wan_recharge_tasks", {"taskid": "1"}),
    ]
    out = run(config, messages).check()
    assert {message["stream"] for message in out} == {"master_wan_recharge"}
    assert out.rows("master_wan_recharge") == [dict.fromkeys(RECHARGE_COLUMNS.split(), "x")]
    assert out.schema("master_wan_recharge")["key_properties"] == ["bfn_id"]
