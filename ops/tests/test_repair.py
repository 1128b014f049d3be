"""漏单补救: what the source has, what the table has, and what the operator is told of the difference."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from meltano_ops import repair
from meltano_ops.project import Block, load_project
from meltano_ops.settings import OpsError
from meltano_ops.warehouse import Warehouse

from ops.tests.life import BEIJING, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.tests.life import Life
    from tests.servers import Server

START = datetime(2026, 11, 19, tzinfo=BEIJING)
END = START + timedelta(days=1)


def _messages(count: int) -> list[str]:
    schema = {"type": "SCHEMA", "stream": "tickets", "key_properties": ["id"], "bookmark_properties": ["modified"]}
    records = [
        {"id": number, "modified": (START + timedelta(hours=number)).isoformat(), "note": '"tickets"'}
        for number in range(count)
    ]
    return [
        json.dumps(schema),
        json.dumps({"type": "SCHEMA", "stream": "tickets_items", "key_properties": ["id"]}),
        *(json.dumps({"type": "RECORD", "stream": "tickets", "record": record}) for record in records),
        json.dumps({"type": "RECORD", "stream": "tickets_items", "record": {"id": 99}}),
        json.dumps({"type": "STATE", "value": {"bookmarks": {"tickets": {}}}}),
        "not json at all",
    ]


def test_a_row_removed_by_hand_is_named(mariadb: Server, database: str, make_life: Callable[..., Life]) -> None:
    url = sa.URL.create("mysql+pymysql", mariadb.user, mariadb.password, mariadb.host, mariadb.port, database)
    life = make_life(WAREHOUSE=url.render_as_string(hide_password=False))
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE `tickets` (id BIGINT PRIMARY KEY, modified DATETIME(6))")
        for number in (*(number for number in range(24) if number != 7), 40):
            cursor.execute("INSERT INTO tickets VALUES (%s, %s)", (number, START + timedelta(hours=min(number, 23.5))))
        # Outside the range: neither missing nor too many.
        cursor.execute("INSERT INTO tickets VALUES (1000, '2026-11-18 23:59:59'), (1001, '2026-11-20 00:00:00')")
        connection.commit()
    source = repair.SourceKeys()
    repair.take_messages(_messages(30), "tickets", source, END)
    assert (source.key, source.replication_key, len(source.rows)) == (("id",), "modified", 24)
    warehouse = Warehouse(life.settings, "warehouse", {"url": "$WAREHOUSE"})
    keys = repair.read_table(warehouse, "tickets", source, (START, END), life.settings.timezone)
    warehouse.close()
    difference = repair.compare(source.rows, keys)
    assert (difference.missing, difference.extra, difference.equal) == ((("7",),), (("40",),), 23)
    assert repair.describe(difference, source.key) == [
        "两边都有 23 行，表中缺 1 行，表中多 1 行",
        "  缺：id=7",
        "  多：id=40",
    ]


@given(st.sets(st.tuples(st.text(max_size=3))), st.sets(st.tuples(st.text(max_size=3))))
def test_comparing_is_set_arithmetic(source: set[tuple[str]], table: set[tuple[str]]) -> None:
    difference = repair.compare(source, set(table))
    assert set(difference.missing) == source - table
    assert set(difference.extra) == table - source
    assert difference.equal == len(source & table)


def test_the_tap_reads_one_stream_with_its_children_and_the_range_only(life: Life) -> None:
    block = Block("tap-kuaimai--audit", (), "target-life")
    environment = repair.range_environment(life.settings, block, "aftersale_list_query", START, END)
    assert environment["TAP_KUAIMAI__AUDIT_START_DATE"] == "2026-11-19T00:00:00+08:00"
    assert environment["TAP_KUAIMAI__AUDIT_END_DATE"] == "2026-11-20T00:00:00+08:00"
    assert json.loads(environment["TAP_KUAIMAI__AUDIT__SELECT"]) == [
        "aftersale_list_query.*",
        "aftersale_list_query_*.*",
        "!aftersale_list_query_totals.*",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-19", START),
        ("2026-11-19 10:30", START + timedelta(hours=10, minutes=30)),
        ("2026-11-18T16:00:00Z", START),
        ("now", END),
    ],
)
def test_times_without_a_zone_are_the_projects(life: Life, text: str, expected: datetime) -> None:
    assert repair.parse_instant(text, life.settings, now=END.timestamp()) == expected


def test_what_is_no_time_is_refused_with_examples(life: Life) -> None:
    with pytest.raises(OpsError, match="write 2026-11-20"):
        repair.parse_instant("yesterday", life.settings)


def test_a_stream_leads_to_the_pipeline_that_reads_it(make_life: Callable[..., Life]) -> None:
    other = PROJECT.replace("jobs:", "jobs:\n- {name: other, tasks: [tap-other target-life]}").replace(
        "  loaders:", "  - {name: tap-other, namespace: x}\n  loaders:"
    )
    life = make_life(project=other)
    project = load_project(life.root)
    with pytest.raises(OpsError, match="No run has read the stream tickets yet"):
        repair.find_block(life.facts, project, "tickets")
    life.good_run(datetime.now(BEIJING))
    life.check(datetime.now(BEIJING))
    block = repair.find_block(life.facts, project, "tickets")
    assert (block.tap, block.target) == ("tap-life", "target-life")
    assert repair.table_name(life.facts, block, "tickets") == "life_tickets"
