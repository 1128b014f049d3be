"""After-sales tickets from the stand-in to the tables: settings, commands, and the comparison of both ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests import expected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.project import Project
    from tests.sandbox.client import KuaimaiSandbox

API = "erp.aftersale.list.query"
TICKETS = "aftersale_list_query"
ITEMS = "aftersale_list_query_items"
RUN = ("run", "tap-kuaimai", "target-mysql-replace")
STATE_ID = "prod:tap-kuaimai-to-target-mysql-replace"
# meltano.yml renames this one.
RENAMED = {"wangwangNum": "buyer_nick"}


def settings(sandbox: KuaimaiSandbox, days: int = 11) -> dict[str, str]:
    """Return the environment of a project that reads the stand-in from ``days`` before its present on."""
    start = datetime.fromisoformat(sandbox.now()) - timedelta(days=days)
    return {
        "TAP_KUAIMAI_API_URL": sandbox.url,
        "TAP_KUAIMAI_APP_KEY": sandbox.app_key,
        "TAP_KUAIMAI_APP_SECRET": sandbox.app_secret,
        "TAP_KUAIMAI_ACCESS_TOKEN": sandbox.access_token,
        "TAP_KUAIMAI_START_DATE": f"{start:%Y-%m-%dT00:00:00}+08:00",
        "TAP_KUAIMAI_SETTLE_MINUTES": "0",
    }


def truth(sandbox: KuaimaiSandbox) -> dict[int, dict[str, Any]]:
    """Return every ticket that a perfect reader would have, by id."""
    return {row["id"]: row for row in sandbox.truth(API)}


def assert_tables_equal(project: Project, sandbox: KuaimaiSandbox) -> None:
    """Assert that both tables hold exactly the source's tickets and items, every column of every one."""
    source = truth(sandbox)
    rows = {row["id"]: row for row in project.rows(TICKETS)}
    assert sorted(rows) == sorted(source)
    types = column_types(project, TICKETS)
    wrong = [
        f"ticket {key}: {difference}"
        for key, ticket in source.items()
        for difference in differences(rows[key], ticket, types)
    ]
    assert wrong == []
    assert_items_equal(project, source)


def assert_items_equal(project: Project, source: dict[int, dict[str, Any]]) -> None:
    """Assert that the child table holds exactly the items that the tickets have now."""
    types = column_types(project, ITEMS)
    found: dict[int, list[dict[str, Any]]] = {}
    for row in project.rows(ITEMS):
        found.setdefault(row["aftersale_id"], []).append(row)
    with_items = {key: ticket["items"] for key, ticket in source.items() if ticket.get("items")}
    assert sorted(found) == sorted(with_items)
    wrong = []
    for key, items in with_items.items():
        rows = {row["id"]: row for row in found[key]}
        assert len(found[key]) == len(items), f"ticket {key} has {len(found[key])} items, not {len(items)}"
        for item in items:
            modified = expected.instant(source[key]["modified"])
            wrong += [f"item of {key}: {line}" for line in differences(rows[item["id"]], item, types)]
            if rows[item["id"]]["aftersale_modified"] != modified:
                wrong.append(f"item of {key}: aftersale_modified is not {modified}")
    assert wrong == []


def differences(row: dict[str, Any], record: dict[str, Any], types: dict[str, str]) -> Iterable[str]:
    """Return a line for every field of a platform's record that its row does not hold."""
    undeclared = {}
    for field, value in record.items():
        column = RENAMED.get(field, field)
        if column not in types:
            undeclared[field] = value
            continue
        wanted = expected.cell(value, types[column])
        if not expected.same(row[column], wanted):
            yield f"{column} is {row[column]!r}, not {wanted!r}"
    if undeclared and not expected.same(row["_extra"], undeclared):
        yield f"_extra is {row['_extra']!r}, not {undeclared!r}"
    for column in types:
        if row[column] is not None and column in record and record[column] is None:
            yield f"{column} is {row[column]!r}, not null"


def column_types(project: Project, table: str) -> dict[str, str]:
    """Return the data type of every column; JSON is LONGTEXT in MariaDB."""
    rows = project.query(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        f" WHERE table_schema = '{project.database}' AND table_name = '{table}'"
    )
    return {row["name"]: row["type"] for row in rows}
