"""The arithmetic behind the approvals, without a server."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.clock import to_ms
from tests.sandbox.dingtalk.history import History
from tests.sandbox.dingtalk.lives import DAY, Life, live
from tests.sandbox.dingtalk.office import Office
from tests.sandbox.dingtalk.templates import RECHARGE
from tests.sandbox.dingtalk.truth import normal_form

NOW_MS = to_ms("2026-11-01 12:00:00")
START_MS = NOW_MS - 30 * DAY
instants = st.integers(START_MS - DAY, NOW_MS + 200 * DAY)
numbers = st.integers(0, 500)
#: A slow machine is no failure.
unhurried = settings(deadline=None)


def history(count: int = 120, still_open: int = 6) -> History:
    """Return 30 days of approvals."""
    return History("PROC-X", 1, start_ms=START_MS, until_ms=NOW_MS, count=count, open_count=still_open)


@unhurried
@given(count=st.integers(1, 2000), first=instants, last=instants)
def test_a_window_is_exactly_the_approvals_created_in_it(count: int, first: int, last: int) -> None:
    row = history(count)
    found = row.window(first, last)
    assert all(first <= row.created_ms(number) <= last for number in found[:3])
    assert all(first <= row.created_ms(number) <= last for number in found[-3:])
    if last >= first:
        assert row.created_ms(found.stop) > last
        assert found.start == 0 or row.created_ms(found.start - 1) < first


@unhurried
@given(count=st.integers(1, 2000))
def test_the_history_before_the_start_has_as_many_approvals_as_asked_for(count: int) -> None:
    assert len(history(count).window(0, NOW_MS - 1)) == count


@unhurried
@given(number=numbers)
def test_an_approval_is_found_by_its_id(number: int) -> None:
    row = history()
    approval = row.approval(number)
    assert row.id_of(number) == approval.id
    assert row.find(approval.id) == approval
    assert len(approval.id) == 36


def test_an_empty_history_stays_empty() -> None:
    row = history(0, 0)
    assert not row.window(0, NOW_MS + 1000 * DAY)
    assert row.find("AbCdEfGhIjKlMnOpQrStUv01231788228942") is None


@unhurried
@given(number=numbers, earlier=instants, later=instants)
def test_what_happened_stays_and_the_end_is_final(number: int, earlier: int, later: int) -> None:
    life = history().approval(number).life
    earlier, later = sorted((max(earlier, life.created_ms), max(later, life.created_ms)))
    before, after = life.read_at(earlier), life.read_at(later)
    assert after.records[: len(before.records)] == before.records
    if before.status != "RUNNING":
        assert (before.status, before.result, before.finished_ms) == (after.status, after.result, after.finished_ms)
        assert all(task.finished_ms is not None for task in before.tasks)


@unhurried
@given(number=numbers, offset=st.integers(0, 20 * DAY), outcome=st.sampled_from(["agree", "refuse", "withdrawn"]))
def test_interfering_changes_no_past(number: int, offset: int, outcome: str) -> None:
    life = live(f"key/{number}", NOW_MS, first_task=1)
    at_ms = min(NOW_MS + offset, life.ended_ms - 1)
    decided: Life = life.decided(at_ms, outcome)  # type: ignore[arg-type]  # one of the three
    assert decided.read_at(at_ms - 1) == life.read_at(at_ms - 1)
    assert decided.final_at(at_ms)
    assert decided.read_at(at_ms + 400 * DAY).records == decided.read_at(at_ms).records


def test_the_normal_form_of_the_new_api_has_no_seconds() -> None:
    office = Office(1, NOW_MS, 30, 60, 2)
    for approval in office.between(RECHARGE.code, 0, NOW_MS):
        whole, minutes = (normal_form(office, approval, NOW_MS, one) for one in ("topapi", "v1.0"))
        assert minutes["create_time"] == whole["create_time"][:16] + ":00+08:00"
        assert minutes["values"] == whole["values"]
