from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests

from tests.sandbox.bucket import TokenBucket
from tests.sandbox.client import REPOSITORY
from tests.sandbox.tests.caller import TICKETS, TRADES, call, send

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox


def test_a_status_comes_in_place_of_the_answer_with_retry_after_if_wanted(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("status", status=429, retry_after=2)
    sandbox.fault("status", status=503)

    first, second, third = (send(sandbox, TICKETS) for _ in range(3))

    assert (first.status_code, first.headers["Retry-After"]) == (429, "2")
    assert (second.status_code, "Retry-After" in second.headers) == (503, False)
    assert third.json()["success"] is True


@pytest.mark.parametrize("kind", ["reset", "reset_after"])
def test_a_connection_is_reset(sandbox: KuaimaiSandbox, kind: str) -> None:
    sandbox.fault(kind)

    with pytest.raises(requests.ConnectionError):
        send(sandbox, TICKETS)
    assert call(sandbox)["success"] is True


def test_reset_after_does_what_was_asked_and_reset_does_not(sandbox: KuaimaiSandbox) -> None:
    for kind, refreshes in (("reset", 0), ("reset_after", 1)):
        sandbox.fault(kind)
        with pytest.raises(requests.ConnectionError):
            send(sandbox, "open.token.refresh", refreshToken="sandbox-refresh-token")
        assert sandbox.session()["refreshes"] == refreshes


def test_json_is_truncated_within_a_complete_answer(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("truncated")

    response = send(sandbox, TICKETS, pageSize=50)

    assert response.status_code == requests.codes.ok
    assert response.text.startswith('{"traceId"')
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_a_body_is_cut_before_its_promised_length(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("cut")

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        send(sandbox, TICKETS, pageSize=50)


def test_html_and_nothing_come_with_status_200(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("html")
    sandbox.fault("empty")

    html, empty = send(sandbox, TICKETS), send(sandbox, TICKETS)

    assert (html.status_code, html.headers["Content-Type"]) == (200, "text/html;charset=UTF-8")
    assert (empty.status_code, empty.content) == (200, b"")


def test_a_slow_answer_is_right_but_late(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("slow", seconds=0.3)

    started = time.monotonic()
    assert call(sandbox)["success"] is True
    assert time.monotonic() - started >= 0.3


def test_latency_delays_every_answer(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_latency(0.15)
    call(sandbox)
    call(sandbox)

    assert all(line["seconds"] >= 0.15 for line in sandbox.requests())


def test_a_success_can_lack_its_list_or_be_empty_or_miscount(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("no_list")
    sandbox.fault("empty_list")
    sandbox.fault("no_total")
    sandbox.fault("wrong_total", delta=-2, times=2)

    answers = [call(sandbox, pageSize=50) for _ in range(6)]

    assert all(answer["success"] is True for answer in answers)
    assert "list" not in answers[0]
    assert answers[1]["list"] == []
    assert [answer.get("total") for answer in answers] == [450, 450, None, 448, 448, 450]


def test_rows_can_repeat_on_the_next_page(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("duplicate_rows", count=2, page=2)

    first, second = ([row["id"] for row in call(sandbox, pageNo=page, pageSize=50)["list"]] for page in (1, 2))

    assert second[:2] == first[-2:]
    assert len(second) == 50


def test_a_fault_hits_what_it_is_meant_for(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("error", code="1", api=TRADES)
    sandbox.fault("error", code="9", page=2)
    sandbox.fault("error", code="30077", api=TICKETS, at=3, times=2)

    codes = [call(sandbox, pageNo=page).get("code") for page in (1, 2, 1, 1, 1)]

    assert codes == [None, "9", "30077", "30077", None]
    assert [fault["fired"] for fault in sandbox.faults()] == [0, 1, 2]
    assert call(sandbox, TRADES, pageSize=20)["code"] == "1"
    sandbox.clear_faults()
    assert sandbox.faults() == []


def test_a_probability_hits_some(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("error", code="1", probability=0.5, times=None)

    answers = {call(sandbox)["success"] for _ in range(40)}

    assert answers == {True, False}


def test_above_the_rate_the_answer_is_429_with_retry_after_if_switched_on(sandbox: KuaimaiSandbox) -> None:
    sandbox.set_options(rate_per_second=0.001)

    admitted, refused = send(sandbox, TICKETS), send(sandbox, TICKETS)
    sandbox.set_options(retry_after=1.5)
    told = send(sandbox, TICKETS)

    assert (admitted.status_code, refused.status_code, told.status_code) == (200, 429, 429)
    assert "Retry-After" not in refused.headers
    assert told.headers["Retry-After"] == "1.5"
    assert sandbox.requests()[-1]["outcome"] == "http_429"


def test_a_rest_fills_the_bucket_again() -> None:
    bucket = TokenBucket(20)
    admitted = 0
    while bucket.take():
        admitted += 1

    time.sleep(0.1)

    assert admitted >= 20
    assert bucket.take()


def test_the_log_tells_the_calls_and_no_secret(sandbox: KuaimaiSandbox) -> None:
    call(sandbox, pageNo=3, pageSize=7, startModified="2026-01-01 00:00:00")
    call(sandbox, "open.token.refresh", refreshToken="sandbox-refresh-token")
    call(sandbox, sign="wrong")

    first, refresh, refused = sandbox.requests()

    assert (first["api"], first["page"], first["status"], first["outcome"]) == (TICKETS, 3, 200, "ok")
    assert first["params"]["startModified"] == "2026-01-01 00:00:00"
    assert abs(first["at_ms"] - sandbox.now_ms()) < 60_000
    assert refused["outcome"] == "25"
    assert "sandbox-" not in str([first, refresh, refused])
    assert [line["api"] for line in sandbox.requests(after=first["number"], api=TICKETS)] == [TICKETS]
    sandbox.clear_requests()
    assert sandbox.requests() == []


def test_the_clock_can_be_set_frozen_and_advanced(fresh: KuaimaiSandbox) -> None:
    fresh.set_clock("2026-02-03 04:05:06", frozen=True)
    fresh.advance(54)

    assert fresh.now() == "2026-02-03 04:06:00"
    fresh.freeze(frozen=False)
    assert fresh.now_ms() >= 1_770_062_760_000


def test_the_process_ends_with_the_test_that_started_it() -> None:
    command = [sys.executable, "-m", "tests.sandbox", "kuaimai", "--tickets=1", "--until-stdin-closes"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().startswith(b"kuaimai sandbox listens on http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(timeout=10) == 0
