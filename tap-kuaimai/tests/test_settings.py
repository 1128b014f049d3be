"""Settings and declarations: what is wrong is said before anything is asked of the platform, in a line each."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError
from tap_kuaimai.errors import RULES, Action, rule_of
from tap_kuaimai.redact import redact
from tap_kuaimai.schema import declarations
from tap_kuaimai.tap import TapKuaimai

GOOD = {"app_key": "key-4711", "app_secret": "secret-4712", "access_token": "token-4713", "start_date": "2026-01-01"}
SHOPS = {"method": "erp.shop.list.query", "primary_keys": ["userId"], "properties": {"userId": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param(
            {"start_date": "2026-02-01", "end_date": "2026-01-01"}, "not before end_date", id="start after end"
        ),
        pytest.param({"start_date": "yesterday"}, "start_date 'yesterday' is not a date", id="bad date"),
        pytest.param({"page_size": 0}, "page_size", id="page_size 0"),
        pytest.param({"page_size": 500}, "page_size", id="page_size 500"),
        pytest.param({"max_requests_per_second": 0}, "max_requests_per_second", id="no requests"),
        pytest.param({"sign_method": "sha1"}, "sign_method", id="unknown signature"),
        pytest.param({"api_url": "gw.superboss.cc"}, "api_url", id="address without scheme"),
        pytest.param({"refresh_session": True}, "refresh_token", id="refresh without token"),
        pytest.param({"custom_streams": {"a": {**SHOPS, "widnow": 1}}}, "widnow", id="misspelt field"),
        pytest.param({"custom_streams": {"nope": {"list_key": "x"}}}, "declared whole", id="unknown API"),
        pytest.param(
            {"custom_streams": {"a": {**SHOPS, "method": "shops?"}}}, "not the name of an API", id="bad method"
        ),
        pytest.param({"max_requests_per_second": "NaN"}, "finite", id="no number"),
        pytest.param(
            {
                "custom_streams": {
                    "a": {**SHOPS, "properties": {"userId": {"type": "integer"}, "UserID": {"type": "string"}}}
                }
            },
            "more than once",
            id="two columns of one name",
        ),
        pytest.param(
            {"custom_streams": {"a": {**SHOPS, "noun": "shop", "children": {"x": {"properties": {}}}}}},
            "children.x",
            id="unknown array",
        ),
        pytest.param({"custom_streams": {"aftersale_list_query_items": SHOPS}}, "child stream", id="name of a child"),
        pytest.param(
            {"custom_streams": {"a": {**SHOPS, "totals": {"time_field": "x", "start": "s", "end": "e"}}}},
            "totals need",
            id="totals of nothing",
        ),
        pytest.param(
            {"custom_streams": {"a": {**SHOPS, "for_each": {"stream": "shop_list_query", "field": "x", "param": "x"}}}},
            "for_each.field",
            id="unknown field",
        ),
        pytest.param({"custom_streams": {"a": {**SHOPS, "primary_keys": ["x"]}}}, "primary key 'x'", id="bad key"),
        pytest.param({"custom_streams": {"a": {**SHOPS, "primary_keys": []}}}, "primary_keys is empty", id="no key"),
        pytest.param(
            {"custom_streams": {"a": {**SHOPS, "replication_key": "userId"}}}, "type datetime", id="bad replication key"
        ),
    ],
)
def test_wrong_settings_are_refused_in_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigValidationError) as refused:
        TapKuaimai(config=GOOD | settings)

    assert len(refused.value.errors) == 1
    assert said in refused.value.errors[0]
    assert "\n" not in refused.value.errors[0]


def test_an_api_may_have_digits_and_capitals_in_its_name() -> None:
    assert TapKuaimai(config=GOOD | {"custom_streams": {"a": {**SHOPS, "method": "erp.item.3pl.queryAll"}}}).streams[
        "a"
    ]


def test_numbers_with_a_fraction_are_taken_from_files_and_from_the_environment() -> None:
    """A file's 2.5 reached the limiter as a Decimal, which ended the run with a traceback."""
    for number in (Decimal("2.5"), "2.5"):
        tap = TapKuaimai(config=GOOD | {"max_requests_per_second": number, "request_timeout_seconds": number})

        assert tap.config["max_requests_per_second"] == tap.config["request_timeout_seconds"] == 2.5
        assert isinstance(tap.config["max_requests_per_second"], float)
        assert tap.client


def test_a_secret_of_the_wrong_type_is_not_repeated() -> None:
    with pytest.raises(ConfigValidationError) as refused:
        TapKuaimai(config=GOOD | {"app_secret": 987654321})

    assert "987654321" not in str(refused.value.errors)
    assert "app_secret" in refused.value.errors[0]


def test_a_catalog_with_a_stream_that_does_not_exist_is_refused() -> None:
    catalog = TapKuaimai(config=dict(GOOD)).catalog_dict
    catalog["streams"][0]["tap_stream_id"] = catalog["streams"][0]["stream"] = "trade_list_qurey"

    with pytest.raises(ConfigValidationError) as refused:
        TapKuaimai(config=dict(GOOD), catalog=catalog)

    assert refused.value.errors == ["catalog: there is no stream 'trade_list_qurey'; discover again"]


def test_streams_are_discovered_without_any_setting() -> None:
    streams = TapKuaimai(config={}, validate_config=False, setup_mapper=False).streams

    assert len([name for name in streams if name in declarations()]) == 32


def test_names_of_streams_and_columns_fit_the_longest_name_of_mysql() -> None:
    streams = TapKuaimai(config={}, validate_config=False, setup_mapper=False).streams

    for name, stream in streams.items():
        assert len(name) <= 64
        assert all(len(column) <= 64 for column in stream.schema["properties"])
        lower = [column.lower() for column in stream.schema["properties"]]
        assert len(set(lower)) == len(lower), name


def test_the_table_of_errors_has_the_documented_codes_and_says_what_to_do() -> None:
    documented = "1 9 20 22 23 24 25 26 27 28 29 32 33 40 50 400 401 invalid_session refresh_frequently 20001 20002"

    assert set(documented.split()) <= set(RULES)
    assert all(rule.advice.endswith(".") and "\n" not in rule.advice for rule in RULES.values())
    assert RULES["invalid_session"].action is Action.STOP
    assert RULES["1"].action is Action.RETRY
    assert rule_of("987").action is Action.RETRY_ONCE


def test_secrets_are_masked_also_where_one_contains_the_other() -> None:
    assert redact("a abc1 abc12 z", ["abc1", "abc12", "", None]) == "a ****** ****** z"
    assert re.search("abc", redact("https://x/?k=abc", ["abc"])) is None
