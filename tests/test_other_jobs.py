"""The other pipelines of meltano.yml: audit and repair of tickets, and approvals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests import tickets
from tests.project import Project
from tests.sandbox.dingtalk.client import DingTalkSandbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.client import KuaimaiSandbox
    from tests.servers import Server

pytestmark = pytest.mark.slow

RECHARGE = "master_wan_recharge"
RECHARGE_CODE = "PROC-9E080FCB-182E-43F6-BBE4-79CF1C1F669F"
RECHARGE_COLUMNS = [
    *("bfn_id", "department", "month", "purpose_details", "corresponding_subjects", "recharge_account"),
    *("expenses_explanation", "recharge_amount", "payment_method", "other_payment_account", "payee_name"),
    *("payment_account", "payment_bank", "financial_payment_method", "actual_payment_amount", "create_time"),
    *("finish_time", "originator_userid", "originator_dept_id", "status", "result", "business_id"),
    *("originator_dept_name", "biz_action"),
]


def test_audit_stores_what_the_source_has_for_each_closed_day(project: Project, kuaimai: KuaimaiSandbox) -> None:
    """The audit plugin inherits stream maps of a stream that it does not select: the run failed on them."""
    project.meltano("run", "tap-kuaimai--audit", "target-mysql-replace")
    rows = project.rows("aftersale_list_query_totals")
    today = datetime.fromisoformat(kuaimai.now()).replace(hour=0, minute=0, second=0)
    assert max(row["window_end"] for row in rows) == today
    for row in rows:
        start, last = row["window_start"], row["window_end"] - timedelta(seconds=1)
        wanted = kuaimai.count(
            time="applyDate", start=f"{start:%Y-%m-%d %H:%M:%S}", end=f"{last:%Y-%m-%d %H:%M:%S}.999"
        )
        assert row["source_total"] == wanted, start
    assert sum(row["source_total"] for row in rows) > 0
    assert "aftersale_list_query" not in {next(iter(row.values())) for row in project.query("SHOW TABLES")}


def test_repair_reads_days_again_under_a_bookmark_of_its_own(project: Project, kuaimai: KuaimaiSandbox) -> None:
    repair = ("run", "tap-kuaimai--repair", "target-mysql-replace")
    project.meltano(*tickets.RUN)
    project.meltano(*repair)
    bookmark = project.state(tickets.STATE_ID)
    # Older than the main run's lookback: only the repair can find them.
    two_days_ago = datetime.fromisoformat(kuaimai.now()) - timedelta(days=2)
    kuaimai.insert(5, modified=two_days_ago.isoformat())
    lost = [row["id"] for row in project.rows(tickets.TICKETS, f"modified > '{two_days_ago}' LIMIT 3")]
    project.server.execute(f"DELETE FROM `{project.database}`.aftersale_list_query WHERE id IN {tuple(lost)}")
    project.meltano(*repair)
    tickets.assert_tables_equal(project, kuaimai)
    assert project.state(tickets.STATE_ID) == bookmark


def test_a_backfill_reads_its_range_and_leaves_the_bookmark_alone(project: Project, kuaimai: KuaimaiSandbox) -> None:
    noon = datetime.fromisoformat(kuaimai.now()).replace(hour=12, minute=0, second=0)
    start, end = noon - timedelta(days=2), noon - timedelta(days=1)
    project.settings |= {
        "TAP_KUAIMAI__BACKFILL_START_DATE": f"{start:%Y-%m-%dT%H:%M:%S}",
        "TAP_KUAIMAI__BACKFILL_END_DATE": f"{end:%Y-%m-%dT%H:%M:%S}",
    }
    project.meltano("run", "--state-id-suffix=range", "tap-kuaimai--backfill", "target-mysql-replace")
    rows = project.rows(tickets.TICKETS)
    span = {"start": f"{start:%Y-%m-%d %H:%M:%S}", "end": f"{end:%Y-%m-%d %H:%M:%S}"}
    assert len(rows) == kuaimai.count(time="modified", **span) > 0
    assert min(row["modified"] for row in rows) >= start
    assert max(row["modified"] for row in rows) <= end
    state = project.state("prod:tap-kuaimai--backfill-to-target-mysql-replace:range")
    assert state["aftersale_list_query"]["replication_key_value"] == f"{end:%Y-%m-%dT%H:%M:%S}+08:00"
    assert project.state(tickets.STATE_ID) == {}


def test_approvals_land_in_the_table_that_reports_know(tmp_path: Path, mariadb: Server, database: str) -> None:
    with DingTalkSandbox(approvals=40, days=20) as dingtalk:
        start = datetime.fromisoformat(dingtalk.now()) - timedelta(days=21)
        settings = {
            "TAP_DINGTALK_APPROVAL_API_URL": dingtalk.url,
            "TAP_DINGTALK_APPROVAL_APP_KEY": dingtalk.app_key,
            "TAP_DINGTALK_APPROVAL_APP_SECRET": dingtalk.app_secret,
            "TAP_DINGTALK_APPROVAL_START_DATE": f"{start:%Y-%m-%d}",
        }
        project = Project.create(tmp_path / "project", mariadb, database, settings)
        project.meltano("run", "tap-dingtalk-approval", "target-mysql-replace")
        rows = project.rows(RECHARGE)
        wanted = {one["process_instance_id"] for one in dingtalk.approvals(RECHARGE_CODE) if not one["deleted"]}
        assert {row["bfn_id"] for row in rows} == wanted
    columns = project.query(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        f" WHERE table_schema = '{database}' AND table_name = '{RECHARGE}' ORDER BY ordinal_position"
    )
    assert [column["name"] for column in columns] == RECHARGE_COLUMNS
    types = {column["name"]: column["type"] for column in columns}
    assert types["recharge_amount"] == types["actual_payment_amount"] == "decimal"
    assert types["create_time"] == types["finish_time"] == "datetime"
