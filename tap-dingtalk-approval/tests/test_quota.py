"""The quota is spent on nothing twice, and its end is no failure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.budget import CallBudget, resumes_at
from tap_dingtalk_approval.values import BEIJING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def ids(*runs: Any) -> list[str]:
    return [row["process_instance_id"] for run in runs for row in run.records["expense"]]


def test_the_platforms_quota_ends_the_run_well_and_the_next_month_goes_on(office: Any) -> None:
    office.sandbox.set_options(calls_per_month=12)
    first = office.run()
    assert not first.failed
    assert "STOPPED EARLY" in first.log
    assert "It goes on after 2026-12-01 00:00 Beijing time" in first.log
    assert "replication_key_value" not in first.bookmark("expense")
    answered = [one for one in office.sandbox.details() if one["outcome"] == "ok"]
    assert len(ids(first)) == len(answered) > 0
    office.sandbox.set_options(calls_per_month=0)
    second = office.run(first.state)
    assert set(ids(first, second)) == set(office.truth(office.sandbox.expense))
    # Only what was open is read twice.
    assert len(ids(first, second)) == len(set(ids(first, second))) + len(first.bookmark("expense")["open_approvals"])


def test_the_new_generations_quota_too(office: Any) -> None:
    office.sandbox.set_options(calls_per_month=8)
    run = office.run(api_version="v1.0")
    assert not run.failed
    assert "STOPPED EARLY" in run.log


def test_the_budget_is_never_exceeded_also_not_by_threads(office: Any) -> None:
    run = office.run(monthly_call_budget=15)
    assert not run.failed
    assert office.calls == 15
    assert run.state["bookmarks"]["api_calls"]["calls"] == 15
    again = office.run(run.state, monthly_call_budget=15)
    assert not again.failed
    assert office.calls == 15
    more = office.run(again.state, monthly_call_budget=500)
    assert set(ids(run, more)) == set(office.truth(office.sandbox.expense))


def test_a_small_budget_comes_to_an_end_over_the_months(office: Any) -> None:
    # A listing that needs more calls than there are in a month would begin anew for ever.
    state, seen = None, []
    for _ in range(60):
        run = office.run(state, monthly_call_budget=6, page_size=2)
        seen.append(run)
        state = run.state
        state["bookmarks"]["api_calls"]["month"] = "2026-01"  # as if the month had changed
        if set(ids(*seen)) == set(office.truth(office.sandbox.expense)):
            break
    assert set(ids(*seen)) == set(office.truth(office.sandbox.expense))


def test_the_run_tells_the_calls_that_count_and_the_months_sum(office: Any) -> None:
    office.sandbox.fault("app_qps", times=2)
    run = office.run()
    counted = office.sandbox.quota_used()
    assert f'"metric":"api_calls","value":{counted}' in run.log
    assert run.state["bookmarks"]["api_calls"]["calls"] == counted
    again = office.run(run.state)
    assert again.state["bookmarks"]["api_calls"]["calls"] == office.sandbox.quota_used()


def test_ten_thousand_ids_at_most_come_from_one_listing(
    new_office: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_dingtalk_approval.windows.CAP", 30)
    monkeypatch.setattr("tap_dingtalk_approval.reader.CAP", 30)
    office = new_office(approvals=100, days=30)
    run = office.run()
    assert not run.failed
    assert set(ids(run)) == set(office.truth(office.sandbox.expense))
    assert all(int(one["params"]["cursor"]) < 30 for one in office.sandbox.listings())


def test_a_month_begins_in_beijing() -> None:
    assert resumes_at(datetime(2026, 12, 31, 23, 59, tzinfo=BEIJING)) == datetime(2027, 1, 1, tzinfo=BEIJING)
    assert resumes_at(datetime.fromisoformat("2026-10-31T17:00:00+00:00")) == datetime(2026, 12, 1, tzinfo=BEIJING)
    moments = [datetime(2026, 11, 30, 23, 59, 59, tzinfo=BEIJING)]
    budget = CallBudget(2, month="2026-11", month_total=1, now=lambda: moments[-1])
    budget.take()
    moments.append(datetime(2026, 12, 1, tzinfo=BEIJING))
    budget.take()
    assert (budget.month, budget.month_total, budget.used) == ("2026-12", 1, 2)
