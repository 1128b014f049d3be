"""The streams: every list API equal to its source, children with their parents, bookmarks that people can read."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from tap_kuaimai.schema import declarations
from tap_kuaimai.tap import TapKuaimai
from tap_kuaimai.values import parse_datetime

if TYPE_CHECKING:
    from tests.conftest import Runner
    from tests.sandbox.client import KuaimaiSandbox

TICKETS = "aftersale_list_query"
ITEMS = "aftersale_list_query_items"
API = "erp.aftersale.list.query"
NOW = "2026-03-10 12:00:00"


def bookmark(stream: str, value: str) -> dict[str, Any]:
    return {"bookmarks": {stream: {"replication_key": "modified", "replication_key_value": value}}}


def windows(sandbox: KuaimaiSandbox) -> list[tuple[str, str]]:
    """The windows that were asked for, each once, in order."""
    asked = [
        (request["params"]["startModified"], request["params"]["endModified"]) for request in sandbox.requests(api=API)
    ]
    return list(dict.fromkeys(asked))


LISTS = {name: one for name, one in declarations().items() if not one.for_each}


def test_every_list_api_has_its_rows_and_one_failing_stream_would_not_stop_the_others(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    sandbox.set_options(forbidden={"brand.list.get": "27"})

    run = tap.run(*LISTS)

    for name, one in LISTS.items():
        keys = one.primary_keys
        if name == "brand_list_get":
            continue
        expected = sorted(
            str([row.get(key) for key in keys]) for row in sandbox.truth(one.method) if _has_key(row, keys)
        )
        assert len(run.records[name]) >= len(expected) > 0, name
        if len(keys) == 1:
            found = {str(record[keys[0]]) for record in run.records[name]}
            assert found == {str(row[keys[0]]) for row in sandbox.truth(one.method)}, name
    assert run.records["brand_list_get"] == []
    assert run.failed
    assert "brand_list_get" in run.failed


def _has_key(row: dict[str, Any], keys: list[str]) -> bool:
    return all(row.get(key) is not None for key in keys)


def test_children_come_behind_their_parent_with_its_key_and_cost_no_request(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    run = tap.run(TICKETS, ITEMS, "aftersale_list_query_messageMemos")

    truth = {row["id"]: row for row in sandbox.truth()}
    items = {(record["aftersale_id"], record["id"]) for record in run.records[ITEMS]}
    assert items == {(row["id"], item["id"]) for row in truth.values() for item in row.get("items") or []}
    assert len(sandbox.requests()) == 2 + 1
    tickets = run.by_id(TICKETS)
    seen = set()
    for message in run.messages:
        if message.get("stream") == TICKETS and message["type"] == "RECORD":
            seen.add(message["record"]["id"])
        if message.get("stream") == ITEMS and message["type"] == "RECORD":
            ticket = message["record"]["aftersale_id"]
            assert ticket in seen
            assert message["record"]["aftersale_modified"] == tickets[ticket]["modified"]


def test_a_child_can_be_read_without_its_parent(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    run = tap.run(ITEMS)

    assert len(run.records[ITEMS]) == sum(len(row.get("items") or []) for row in sandbox.truth())
    assert run.records[TICKETS] == []
    assert run.bookmark(ITEMS) == "2026-03-10T12:00:00+08:00"
    assert {message.get("stream") for message in run.messages if message["type"] == "SCHEMA"} == {ITEMS}


def test_keys_of_children_do_not_depend_on_the_order_in_which_the_platform_sends_them(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    """The platform shuffles an array at every call; elements without an id must keep their keys."""
    sandbox.set_options(item_ids=False)
    streams = (
        ITEMS,
        "item_list_query_sellerCats",
        "item_list_query_customAttribute",
        "stock_api_status_query_stockLabels",
    )
    first, second = (tap.run(*streams) for _ in range(2))

    for stream in streams:
        keys = next(m["key_properties"] for m in first.messages if m["type"] == "SCHEMA" and m["stream"] == stream)
        keyed = [
            {tuple(record[key] for key in keys): record for record in run.records[stream]} for run in (first, second)
        ]
        assert keyed[0] == keyed[1], stream
        assert len(keyed[0]) == len(first.records[stream]), stream


def test_each_schema_is_written_once_and_before_its_records(tap: Runner) -> None:
    run = tap.run(TICKETS, ITEMS, window_minutes=600)

    kinds = [(message["type"], message.get("stream")) for message in run.messages]
    for stream in (TICKETS, ITEMS):
        assert kinds.count(("SCHEMA", stream)) == 1
        assert kinds.index(("SCHEMA", stream)) < kinds.index(("RECORD", stream))


def test_columns_that_are_not_selected_are_left_out_and_unknown_fields_are_kept(tap: Runner) -> None:
    catalog = tap.catalog(TICKETS)
    ticket = next(stream for stream in catalog["streams"] if stream["tap_stream_id"] == TICKETS)
    for entry in ticket["metadata"]:
        if entry["breadcrumb"] and entry["breadcrumb"][1] in {"buyerName", "buyerPhone"}:
            entry["metadata"]["selected"] = False

    run = tap.run(TICKETS)
    without = tap.run(catalog=catalog)

    assert all("buyerName" in record for record in run.records[TICKETS])
    assert all({"buyerName", "buyerPhone"}.isdisjoint(record) for record in without.records[TICKETS])
    extras = [record["_extra"] for record in without.records[TICKETS] if record["_extra"]]
    assert extras
    assert all({"buyerName", "buyerPhone", "traceId"}.isdisjoint(extra) for extra in extras)


def test_state_is_one_readable_line_a_stream_after_every_window(tap: Runner) -> None:
    run = tap.run(TICKETS, window_minutes=1440, start_date="2026-03-07")

    values = [state["bookmarks"][TICKETS]["replication_key_value"] for state in run.states]
    assert values == [
        "2026-03-08T00:00:00+08:00",
        "2026-03-09T00:00:00+08:00",
        "2026-03-10T00:00:00+08:00",
        "2026-03-10T12:00:00+08:00",
    ]
    assert run.state == bookmark(TICKETS, "2026-03-10T12:00:00+08:00")


def test_next_run_reads_from_the_bookmark_less_the_lookback(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    """So does a bookmark that a person has set back by a day; one without an offset is Beijing time."""
    state = bookmark(TICKETS, "2026-03-09 12:00:00")

    run = tap.run(TICKETS, state=state, lookback_minutes=10)

    assert windows(sandbox) == [("2026-03-09 11:50:00", NOW)]
    assert run.bookmark(TICKETS) == "2026-03-10T12:00:00+08:00"


def test_orders_are_not_asked_for_more_than_a_day_at_a_time_as_the_platform_advises(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    tap.run("trade_list_query", window_minutes=1440 * 30, start_date="2026-03-08")

    asked = [request["params"] for request in sandbox.requests(api="erp.trade.list.query")]
    assert {(one["startTime"], one["endTime"]) for one in asked} == {
        ("2026-03-08 00:00:00", "2026-03-09 00:00:00"),
        ("2026-03-09 00:00:00", "2026-03-10 00:00:00"),
        ("2026-03-10 00:00:00", "2026-03-10 12:00:00"),
    }


def test_windows_of_the_lookback_do_not_move_the_bookmark_back(tap: Runner) -> None:
    state = bookmark(TICKETS, "2026-03-10T06:00:00+08:00")

    run = tap.run(TICKETS, state=state, lookback_minutes=600, window_minutes=60)

    values = [state["bookmarks"][TICKETS]["replication_key_value"] for state in run.states]
    assert values == sorted(values)
    assert values[0] == "2026-03-10T06:00:00+08:00"


def test_a_backfill_that_ends_before_the_bookmark_leaves_it_alone(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    state = bookmark(TICKETS, "2026-03-10T06:00:00+08:00")

    run = tap.run(TICKETS, state=state, end_date="2026-03-09")

    assert run.state == state
    assert sandbox.requests() == []


def test_a_child_that_is_newly_selected_follows_the_bookmark_of_its_parent(
    sandbox: KuaimaiSandbox, tap: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    first = tap.run(TICKETS)
    sandbox.clear_requests()

    tap.run(TICKETS, ITEMS, state=first.state, end_date="2026-03-10 12:30:00")

    assert windows(sandbox) == [("2026-03-10 11:50:00", "2026-03-10 12:30:00")]
    assert f"{ITEMS} has not been read before" in caplog.text


def test_totals_say_what_the_source_has_for_each_closed_day_in_one_request_a_day(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    run = tap.run(f"{TICKETS}_totals", "trade_list_query_totals", audit_days=5, start_date="2026-03-06")

    for stream, api, time in (
        (f"{TICKETS}_totals", API, "applyDate"),
        ("trade_list_query_totals", "erp.trade.list.query", "created"),
    ):
        records = run.records[stream]
        assert [record["window_start"][:10] for record in records] == [f"2026-03-{day:02}" for day in range(6, 10)]
        for record in records:
            start, end = record["window_start"][:19].replace("T", " "), record["window_end"][:19].replace("T", " ")
            assert record["source_total"] == sandbox.count(api, time=time, start=start, end=end)
            assert record["time_field"] == time
        assert sum(record["source_total"] for record in records) > 0
        assert len(sandbox.requests(api=api)) == len(records)


def test_totals_and_calls_row_by_row_are_read_only_where_they_are_selected(tap: Runner) -> None:
    streams = TapKuaimai(config=tap.config()).streams
    assert {name for name, stream in streams.items() if not stream.selected} == {
        "aftersale_list_query_totals",
        "trade_list_query_totals",
        "aftersale_operate_log_query",
        "item_warehouse_list_get",
        "item_warehouse_list_get_mainWareHousesStock",
    }


def test_the_log_of_every_new_ticket_is_asked_for_by_its_id(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    run = tap.run("aftersale_operate_log_query", start_date="2026-03-10 11:00:00")

    recent = [row["id"] for row in sandbox.truth(time="modified", start="2026-03-10 11:00:00", end=NOW)]
    asked = [
        int(request["params"]["workOrderId"]) for request in sandbox.requests(api="erp.aftersale.operate.log.query")
    ]
    assert sorted(set(asked)) == sorted(recent)
    assert run.bookmark("aftersale_operate_log_query") == "2026-03-10T12:00:00+08:00"


def test_stream_maps_can_compute_and_rename(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    maps = {
        TICKETS: {
            "buyer_nick": "wangwangNum",
            "wangwangNum": "__NULL__",
            "is_refunded": "bool(onlineStatus == 7 and platformCompleteTime and status not in (10, 11))",
        }
    }

    run = tap.run(TICKETS, stream_maps=maps)

    truth = {row["id"]: row for row in sandbox.truth()}
    for id_, record in run.by_id(TICKETS).items():
        row = truth[id_]
        assert record["buyer_nick"] == row.get("wangwangNum")
        refunded = row.get("onlineStatus") == 7 and "platformCompleteTime" in row and row["status"] not in (10, 11)
        assert record["is_refunded"] == refunded


def test_an_api_that_is_not_shipped_can_be_declared_in_the_settings_alone(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    custom = {
        "my_shops": {
            "method": "erp.shop.list.query",
            "primary_keys": ["userId"],
            "properties": {"userId": {"type": "integer", "description": "店铺编号"}},
            "paging": {"end": "empty_page"},
        },
        "aftersale_list_query": {"params": {"afterSaleType": "2"}},
    }

    run = tap.run("my_shops", TICKETS, custom_streams=custom)

    assert {row["userId"] for row in sandbox.truth("erp.shop.list.query")} == set(run.by_id("my_shops", "userId"))
    assert {record["afterSaleType"] for record in run.records[TICKETS]} == {2}


def test_every_property_of_the_shipped_streams_has_a_chinese_description(tap: Runner) -> None:
    catalog = tap.catalog()

    for stream in catalog["streams"]:
        for name, column in stream["schema"]["properties"].items():
            assert re.search(r"[\u4e00-\u9fff]", column.get("description", "")), f"{stream['tap_stream_id']}.{name}"


def test_a_child_that_fell_behind_its_parent_is_read_from_its_own_bookmark(
    sandbox: KuaimaiSandbox, tap: Runner
) -> None:
    """Deselected for two days and then selected again, it jumped to its parent's bookmark and lacked the two days."""
    state = bookmark(TICKETS, "2026-03-10T06:00:00+08:00")
    state["bookmarks"] |= bookmark(ITEMS, "2026-03-08T06:00:00+08:00")["bookmarks"]

    run = tap.run(TICKETS, ITEMS, state=state)

    assert windows(sandbox) == [("2026-03-08 05:50:00", NOW)]
    assert run.bookmark(TICKETS) == run.bookmark(ITEMS) == "2026-03-10T12:00:00+08:00"


def test_a_bookmark_in_the_future_fails_the_stream(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    """A mistyped year read nothing, called it a success, and would have skipped everything until then."""
    state = bookmark(TICKETS, "2126-03-10T06:00:00+08:00")

    run = tap.run(TICKETS, state=state)

    assert run.failed
    assert run.state in ({}, state)
    assert sandbox.requests() == []


def test_a_bookmark_a_little_in_the_future_counts_as_now(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    """As after the clock was set back: what changes until then must not be passed over."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    state = bookmark(TICKETS, (now + timedelta(minutes=8)).isoformat())

    run = tap.run(TICKETS, state=state, end_date=None)

    start, end = windows(sandbox)[0]
    assert parse_datetime(start) < now - timedelta(minutes=9)
    assert parse_datetime(run.bookmark(TICKETS)) == parse_datetime(end)


def test_a_stream_whose_connections_break_does_not_stop_the_others(sandbox: KuaimaiSandbox, tap: Runner) -> None:
    """It ended the run, as an address does where nobody is."""
    sandbox.fault("reset", api=API, times=None)

    run = tap.run(TICKETS, "item_list_query", max_retries=1)

    assert run.failed
    assert TICKETS in run.failed
    assert "item_list_query" not in run.failed
    assert run.records["item_list_query"]


@pytest.mark.parametrize("bookmarks", [None, {}, {TICKETS: None}, {TICKETS: {}}, {"open_token_refresh": None}])
def test_a_state_without_a_bookmark_starts_at_start_date(
    sandbox: KuaimaiSandbox, tap: Runner, bookmarks: object
) -> None:
    """A null in the state ended the run with a traceback."""
    run = tap.run(TICKETS, state={"bookmarks": bookmarks})

    assert windows(sandbox) == [("2026-03-01 00:00:00", NOW)]
    assert run.bookmark(TICKETS) == "2026-03-10T12:00:00+08:00"
