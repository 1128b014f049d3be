"""Log lines: what is read out of them, and what never gets into the facts."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meltano_ops.facts import instant, read_json_line, read_text_line, redact
from meltano_ops.status import fold

RUN = "01a2013c-5310-706f-bb26-bc66bed5993e"
METRIC = {
    "metric_info": {"type": "counter", "metric": "record_count", "value": 5, "tags": {"stream": "animals"}},
    "event": "METRIC",
    "string_id": "tap-smoke-test",
    "job_name": "dev:tap-smoke-test-to-target-jsonl",
    "producer": True,
    "consumer": False,
    "run_id": RUN,
    "level": "info",
    "timestamp": "2026-11-22T03:11:06.908033Z",
}


def test_a_structured_metric_is_read_with_its_stream_and_role() -> None:
    fact = read_json_line(json.dumps(METRIC))
    assert fact is not None
    assert fact.metric is not None
    assert (fact.run_id, fact.pipeline, fact.role) == (RUN.replace("-", ""), METRIC["job_name"], "tap")
    assert (fact.metric.name, fact.metric.value, fact.metric.stream) == ("record_count", 5.0, "animals")
    assert fact.logged_at == 1795317066


def test_a_metric_of_a_plugin_without_structured_logs_is_read_from_its_text() -> None:
    text = (
        '2026-11-22 10:00:00 | INFO | singer_sdk.metrics | METRIC: {"metric": "record_count", "value": 7, "tags": {}}'
    )
    entry = {**METRIC, "event": text}
    del entry["metric_info"]
    fact = read_json_line(json.dumps(entry))
    assert fact is not None
    assert fact.metric is not None
    assert fact.metric.value == 7


def test_meltanos_own_text_log_tells_the_rows_without_their_stream() -> None:
    line = "2026-11-22T03:11:06.908033Z [info     ] tap-smoke-test METRIC       metric_name=record_count metric_value=5"
    fact = read_text_line(line, "0" * 32, "dev:a-to-b")
    assert fact is not None
    assert fact.metric is not None
    assert (fact.plugin, fact.metric.name, fact.metric.value) == ("tap-smoke-test", "record_count", 5.0)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "METRIC", "run_id": "01a2013c-5310',
        b"[]",
        b"null",
        b"plain text",
        b"\xff\xfe",
        json.dumps({**METRIC, "run_id": None}).encode(),
        json.dumps({**METRIC, "timestamp": "yesterday"}).encode(),
    ],
)
def test_a_line_that_is_cut_foreign_or_outside_a_run_is_passed_over(line: bytes) -> None:
    assert read_json_line(line) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_a_metric_says_the_collector_survives_it(value: object) -> None:
    for name in ("metric_info", "event", "level", "string_id", "job_name"):
        read_json_line(json.dumps({**METRIC, name: value}))
    read_json_line(json.dumps({**METRIC, "metric_info": {"metric": "window", "value": value, "tags": value}}))
    read_json_line("[" * 100_000)


def test_errors_are_known_by_level_and_by_their_looks() -> None:
    def error(event: str, **entry: object) -> str | None:
        fact = read_json_line(json.dumps({**METRIC, "metric_info": None, "event": event, **entry}))
        return fact.error if fact else None

    assert error("session expired", level="error") == "session expired"
    assert error("Traceback (most recent call last):") is not None
    assert error("requests.exceptions.ConnectionError: refused") is not None
    assert error("Beginning sync of 'animals'") is None
    block = error("Block run completed", level="error", err="Loader failed", exit_codes={"loaders": 3})
    assert block == "Block run completed\nLoader failed {'loaders': 3}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET https://oapi.dingtalk.com/gettoken?appkey=dingabc&appsecret=s3cr3tvalue failed", "s3cr3tvalue"),
        ('{"access_token": "s3cr3tvalue", "code": 25}', "s3cr3tvalue"),
        ("sign=AB12s3cr3tvalue&timestamp=1", "AB12s3cr3tvalue"),
        ("mysql+pymysql://etl:s3cr3tvalue@db:3306/x: refused", "s3cr3tvalue"),
        ("mysql+pymysql://etl:p@s3cr3tvalue@db:3306/x: refused", "s3cr3tvalue"),
        ("Authorization: Bearer s3cr3tvalue", "s3cr3tvalue"),
        ('headers={"x-acs-dingtalk-access-token": "s3cr3tvalue"}', "s3cr3tvalue"),
        ("x-acs-dingtalk-access-token: s3cr3tvalue", "s3cr3tvalue"),
        (json.dumps(json.dumps({"session": "s3cr3tvalue"})), "s3cr3tvalue"),
        ("Duplicate entry '13800138000' for key 'mobile'", "13800138000"),
        ("收件人电话13800138000，+86 13800138000", "00138000"),
        ("身份证 11010519491231002X", "19491231"),
    ],
)
def test_secrets_in_log_lines_do_not_reach_the_facts(text: str, secret: str) -> None:
    assert secret not in redact(text)


def test_what_helps_the_operator_is_left_readable() -> None:
    for text in (
        "会话已过期 (code 25): renew the session in the console; error 310000 sign not match",
        "Access denied for user 'etl'@'10.0.0.1' (using password: YES)",
        "tid 2163857204913800138, sid 5290432170138001, at 1788228942000, run 01a220427cb0bb7b5613fce201761380",
    ):
        assert redact(text) == text


@given(st.datetimes(datetime(1902, 1, 1), datetime(2242, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - zones are drawn
def test_instants_keep_their_zone(moment: object) -> None:
    assert instant(moment.isoformat()) == int(moment.timestamp())  # type: ignore[attr-defined] # hypothesis gives datetimes


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])), st.integers(8, 80))
def test_a_folded_line_fits_and_keeps_every_word(line: str, width: int) -> None:
    folded = fold(line, width)
    assert "".join("".join(folded).split()) == "".join(line.split())
    assert fold(line, None) == [line]


def test_chinese_counts_two_columns_and_breaks_between_characters() -> None:
    line = "   → 到开放平台重新授权，把新的值写进 .env"
    assert fold(line, 26) == ["   → 到开放平台重新授权，", "   把新的值写进 .env"]
