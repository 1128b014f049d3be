"""Both generations of the API give the same rows, and a user can switch between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86_400


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def cut(name: str, value: Any) -> Any:
        return value[:16] if name in {"create_time", "finish_time", "date"} and value else value

    return [{name: cut(name, value) for name, value in row.items()} for row in rows]


def test_both_generations_give_the_same_rows_but_for_the_seconds(office: Any) -> None:
    old, new = office.run(), office.run(api_version="v1.0")
    assert set(old.records) == set(new.records)
    for stream, rows in old.records.items():
        assert without_seconds(rows) == without_seconds(new.records[stream]), stream


def test_the_new_generations_z_is_not_utc(office: Any) -> None:
    run = office.run(api_version="v1.0")
    truth = office.truth(office.sandbox.expense, api_version="v1.0")
    assert {row["process_instance_id"]: (row["create_time"], row["finish_time"]) for row in run.records["expense"]} == {
        one: (row["create_time"], row["finish_time"]) for one, row in truth.items()
    }


@pytest.mark.parametrize("layout", [{}, {"lists_as_text": True, "task_times_ms": True, "success_text": True}])
def test_switching_to_the_generation_without_seconds_changes_no_row(
    office: Any, tables: Any, layout: dict[str, bool]
) -> None:
    office.sandbox.set_options(**layout)
    run = office.run()
    tables.load(run)
    before = {stream: dict(rows) for stream, rows in tables.rows.items()}
    for version in ("v1.0", "topapi", "v1.0"):
        run = office.run(run.state, api_version=version)
        assert run.records["expense"]
        tables.load(run)
        assert tables.rows == before


def test_an_approval_keeps_its_seconds_and_gains_minutes_when_it_goes_on_after_the_switch(
    new_office: Callable[..., Any], tables: Any
) -> None:
    office = new_office(approvals=0)
    sandbox = office.sandbox
    sandbox.advance(37)
    instance_id = sandbox.start(sandbox.expense)
    sandbox.advance(60)
    run = office.run()
    tables.load(run)
    sandbox.advance(5 * 3600 + 11)
    sandbox.agree(instance_id)
    sandbox.advance(60)
    tables.load(office.run(run.state, api_version="v1.0"))
    row = tables["expense"][instance_id,]
    assert re.search(r"T12:00:37\+08:00$", row["create_time"])
    assert re.search(r"T17:01:00\+08:00$", row["finish_time"])
    dates = [record["date"][11:19] for record in tables.of("expense_operation_records", "expense")[instance_id]]
    assert dates[0] == "12:00:37"
    assert set(dates[1:]) == {"17:01:00"}


def test_ninety_days_with_a_switch_in_the_middle_end_as_without(new_office: Callable[..., Any]) -> None:
    ends = []
    for versions in (("topapi", "topapi"), ("topapi", "v1.0"), ("v1.0", "topapi")):
        office = new_office(now="2026-08-02 08:00:00", approvals=40, days=90, still_open=4)
        state: Any = None
        rows: dict[str, dict[Any, Any]] = {}
        for version in versions:
            for _ in range(4):
                office.sandbox.advance(11 * DAY)
                run = office.run(state, api_version=version)
                state = run.state
                for stream, records in run.records.items():
                    table = rows.setdefault(stream, {})
                    table.update({tuple(one[key] for key in run.keys[stream]): one for one in records})
        ends.append({stream: without_seconds(list(table.values())) for stream, table in rows.items()})
    for other in ends[1:]:
        for stream, expected in ends[0].items():
            assert set(map(str, expected)) ^ set(map(str, other[stream])) == set(), stream
