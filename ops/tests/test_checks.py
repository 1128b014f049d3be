"""Checks: mistakes are named, expectations hold, and a database that is down is one problem, not ten."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import given
from hypothesis import strategies as st
from meltano_ops.checks import load_checks, violates
from meltano_ops.settings import OpsError
from meltano_ops.warehouse import Warehouse, loader_url

from ops.tests.life import BEIJING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.tests.life import Life
    from ops.tests.receivers import Receiver
    from tests.servers import Server

NOW = datetime.now(BEIJING)
ROOT = Path(__file__).parents[2]
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"sql": "SELECT 1"}, "needs a name"),
        ({"name": "x", "message": "m"}, "sql is missing"),
        ({"name": "x", "sql": "SELECT 1"}, "message is missing"),
        ({"name": "x", "sql": "SELECT 1", "message": "m", "severity": "bad"}, "severity must be one of"),
        ({"name": "x", "sql": "SELECT 1", "message": "m", "database": "nowhere"}, "nowhere is not under"),
        ({"name": "x", "sql": "SELECT 1", "message": "m", "expect": {"n": {"below": 3}}}, "equals, min, max"),
        ({"name": "x", "sql": "SELECT 1", "message": "m", "expect": {"n": "zero"}}, "must be numbers"),
        ({"name": "x", "sql": "SELECT 1", "message": "m", "every_minutes": "often"}, "number of minutes"),
        ({"name": "x", "sql": "SELECT 1", "message": "m", "querry": "x"}, "unknown key querry"),
    ],
)
def test_a_mistake_in_checks_yml_is_named(life: Life, entry: dict[str, Any], message: str) -> None:
    (life.root / "checks.yml").write_text(yaml.safe_dump({"checks": [entry]}), encoding="utf-8")
    with pytest.raises(OpsError, match=re.escape(message)):
        load_checks(life.root)


def test_a_project_adds_checks_and_changes_or_turns_off_shipped_ones(life: Life) -> None:
    own = {
        "checks": [
            {
                "name": "mine",
                "sql": "SELECT 2 AS n",
                "expect": {"n": 1},
                "message": "n is {n} {unknown}",
                "subject": "a",
            },
            {"name": "run", "severity": "warning"},
            {"name": "overdue", "enabled": False},
        ]
    }
    (life.root / "checks.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    checks = {check.name: check for check in load_checks(life.root).checks}
    assert "overdue" not in checks
    assert (checks["run"].severity, "pipelines" in checks["run"].sql) == ("warning", True)
    [problem] = life.check(NOW).problems
    assert problem.message.zh == "n is 2 {unknown}"


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-5, 5))
def test_bounds_mean_what_they_say(value: int, low: int, high: int) -> None:
    assert violates({"n": value}, {"n": {"min": low, "max": high}}) == (not low <= value <= high)
    assert violates({"n": value}, {"n": {"equals": low}}) == (value != low)


def test_without_an_expectation_every_row_is_wrong_and_a_missing_value_is_never_right() -> None:
    assert violates({"n": 1}, {})
    assert violates({"n": None}, {"n": {"min": -1e9}})


def test_a_check_that_cannot_run_is_a_problem_of_its_own_and_stops_no_other(life: Life) -> None:
    own = {"checks": [{"name": "mine", "sql": "SELECT missing_column", "message": "m"}]}
    (life.root / "checks.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    life.failed_run(NOW, "boom")
    problems = {problem.name: problem for problem in life.check(NOW + timedelta(seconds=9)).problems}
    assert set(problems) == {"check", "run"}
    assert "no such column: missing_column" in problems["check"].message.zh


def test_expensive_checks_are_spared_by_the_scheduler_and_keep_their_problem(life: Life) -> None:
    from meltano_ops.rounds import check_round  # noqa: PLC0415 - only here

    own = {"checks": [{"name": "mine", "sql": "SELECT 1 AS n", "message": "m", "every_minutes": 60}]}
    (life.root / "checks.yml").write_text(yaml.safe_dump(own), encoding="utf-8")

    def ran(minutes: int) -> bool:
        done = check_round(life.facts, life.settings, NOW.timestamp() + 60 * minutes, only_due=True)
        # Whether the project's schedule falls due within the hour depends on the time of day.
        assert [problem.name for problem in done.problems if problem.name != "overdue"] == ["mine"]
        return "mine" in {result.check.name for result in done.results}

    assert [ran(minutes) for minutes in (0, 5, 59, 60, 65)] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("loader", "config", "expected"),
    [
        ("target-mysql-replace", {"sqlalchemy_url": "mysql+pymysql://u:p@h/d"}, "mysql+pymysql://u:p@h/d"),
        (
            "target-mysql-replace",
            {"host": "h", "port": "3307", "user": "u", "password": "p@:/", "database": "d"},
            "mysql+pymysql://u:p%40%3A%2F@h:3307/d?charset=utf8mb4",
        ),
        ("target-postgres", {"host": "h", "port": 5432, "user": "u", "database": "d"}, "postgresql://u@h:5432/d"),
    ],
)
def test_a_loaders_configuration_becomes_an_address(loader: str, config: dict[str, Any], expected: str) -> None:
    assert loader_url(loader, config).render_as_string(hide_password=False) == expected


def test_a_loader_without_an_address_is_explained() -> None:
    with pytest.raises(OpsError, match="neither sqlalchemy_url nor host"):
        loader_url("target-jsonl", {"destination_path": "out"})


@pytest.fixture
def warehouse_life(mariadb: Server, database: str, make_life: Callable[..., Life], robot: Receiver) -> Life:
    """A project with the repository's own checks over a real database, with two closed days of tickets in it."""
    url = sa.URL.create(
        "mysql+pymysql", mariadb.user, mariadb.password, mariadb.host, mariadb.port, database, {"charset": "utf8mb4"}
    )
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk, WAREHOUSE=url.render_as_string(hide_password=False))
    book = yaml.safe_load((ROOT / "checks.yml").read_text(encoding="utf-8"))
    book["databases"] = {"warehouse": {"url": "$WAREHOUSE"}}
    (life.root / "checks.yml").write_text(yaml.safe_dump(book, allow_unicode=True), encoding="utf-8")
    statements = [
        """CREATE TABLE aftersale_list_query (id BIGINT PRIMARY KEY, status INT, created DATETIME(6),
           applyDate DATETIME(6), modified DATETIME(6))""",
        """CREATE TABLE aftersale_list_query_items (id BIGINT PRIMARY KEY, aftersale_id BIGINT,
           aftersale_modified DATETIME(6))""",
        """CREATE TABLE aftersale_list_query_totals (window_start DATETIME(6), window_end DATETIME(6),
           time_field VARCHAR(64), source_total BIGINT, counted_at DATETIME(6),
           PRIMARY KEY (window_start, time_field))""",
        "CREATE TABLE _quarantine (id BIGINT PRIMARY KEY, stream VARCHAR(64), reason TEXT, quarantined_at DATETIME(6))",
        "CREATE TABLE _load_ledger (stream VARCHAR(64), started_at DATETIME(6))",
        f"INSERT INTO _load_ledger VALUES ('aftersale_list_query', '{TODAY + timedelta(hours=4):%F %T}')",
    ]
    counted = f"{TODAY + timedelta(hours=4, minutes=52):%F %T}"
    for back in (2, 1):
        day = TODAY - timedelta(days=back)
        for number in range(60):
            at = f"{day + timedelta(minutes=20 * number):%F %T}"
            statements.append(
                f"INSERT INTO aftersale_list_query VALUES ({back * 1000 + number}, 9, '{at}', '{at}', '{at}')"
            )
        statements.append(
            "INSERT INTO aftersale_list_query_totals VALUES"
            f" ('{day:%F}', '{day + timedelta(days=1):%F}', 'applyDate', 60, '{counted}')"
        )
    _execute(mariadb, database, *statements)
    return life


def _execute(server: Server, database: str, *statements: str) -> None:
    with server.connect(database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def test_whole_days_are_silent_and_a_row_removed_by_hand_is_found_told_and_recovers(
    warehouse_life: Life, mariadb: Server, database: str, robot: Receiver
) -> None:
    life = warehouse_life
    assert life.check(NOW).problems == ()
    assert robot.messages == []
    day = f"{TODAY - timedelta(days=2):%F}"
    _execute(mariadb, database, "DELETE FROM aftersale_list_query WHERE id = 2030")
    [problem] = life.check(NOW + timedelta(minutes=5)).problems
    assert (problem.name, problem.subject, problem.severity) == ("complete-kuaimai-aftersale", day, "critical")
    assert f"{day}：源 60 条，表 59 行，差 1" in robot.texts()[0]
    assert f"meltano-ops repair --stream aftersale_list_query --from {day} --verify" in robot.texts()[0]
    at = f"{TODAY - timedelta(days=2):%F} 10:00:00"
    _execute(mariadb, database, f"INSERT INTO aftersale_list_query VALUES (2030, 9, '{at}', '{at}', '{at}')")
    assert life.check(NOW + timedelta(minutes=10)).problems == ()
    assert "已恢复" in robot.texts()[1]
    assert len(robot.messages) == 2


def test_a_ticket_that_came_after_the_count_is_not_taken_for_one_too_many(
    warehouse_life: Life, mariadb: Server, database: str
) -> None:
    applied, created = f"{TODAY - timedelta(days=1):%F} 12:00:00", f"{TODAY + timedelta(hours=5):%F %T}"
    _execute(
        mariadb, database, f"INSERT INTO aftersale_list_query VALUES (9999, 9, '{created}', '{applied}', '{created}')"
    )
    assert warehouse_life.check(NOW).problems == ()


def test_quarantine_orphans_and_nulls_are_told_in_one_message(
    warehouse_life: Life, mariadb: Server, database: str, robot: Receiver
) -> None:
    _execute(
        mariadb,
        database,
        "INSERT INTO _quarantine VALUES (1, 'aftersale_list_query', '金额超出范围（收货人 13800138000）', NOW())",
        f"INSERT INTO aftersale_list_query_items VALUES (1, 77, '{TODAY - timedelta(days=2):%F}')",
        "UPDATE aftersale_list_query SET status = NULL WHERE id < 1010",
    )
    names = {problem.name for problem in warehouse_life.check(NOW).problems}
    assert names == {"quarantine", "orphan-items", "null-rates"}
    [text] = robot.texts()
    assert "aftersale_list_query 有 1 条隔离行：金额超出范围（收货人 138****8000）" in text
    assert "13800138000" not in str(warehouse_life.all("SELECT * FROM check_results"))


def test_a_database_that_is_down_is_one_problem_and_open_ones_wait(
    warehouse_life: Life, mariadb: Server, database: str, robot: Receiver
) -> None:
    life = warehouse_life
    _execute(mariadb, database, "DELETE FROM aftersale_list_query WHERE id = 2030")
    life.check(NOW)
    life.settings.variables["WAREHOUSE"] = "mysql+pymysql://etl:s3cr3tvalue@127.0.0.1:1/x"  # type: ignore[index] # a dict
    problems = {problem.name for problem in life.check(NOW + timedelta(minutes=5)).problems}
    assert problems == {"database", "complete-kuaimai-aftersale"}
    assert len(robot.messages) == 2
    assert "s3cr3tvalue" not in str(robot.texts()) + str(life.all("SELECT * FROM check_results"))


def test_checks_cannot_write(warehouse_life: Life) -> None:
    warehouse = Warehouse(warehouse_life.settings, "warehouse", {"url": "$WAREHOUSE"})
    with pytest.raises(Exception, match="READ ONLY"):
        warehouse.rows("DELETE FROM aftersale_list_query")
    warehouse.close()


def test_a_table_that_does_not_exist_yet_is_no_problem(warehouse_life: Life) -> None:
    results = {result.check.name: result.status for result in warehouse_life.check(NOW).results}
    assert results["complete-kuaimai-trade"] == "skipped"
    assert results["complete-dingtalk-recharge"] == "skipped"
    assert results["complete-kuaimai-aftersale"] == "ok"


def test_the_shipped_logging_file_is_the_repositorys(life: Life) -> None:
    shipped = (life.root / "logging.yaml").read_text(encoding="utf-8")
    assert (ROOT / "logging.yaml").read_text(encoding="utf-8") == shipped
