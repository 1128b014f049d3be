"""The group robot: what it refuses with HTTP 200, and what it delivers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from tests.sandbox.dingtalk.client import DingTalkSandbox
from tests.sandbox.dingtalk.robot import sign

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = {"msgtype": "text", "text": {"content": "告警：同步失败"}}


@pytest.fixture(scope="module")
def shared() -> Iterator[DingTalkSandbox]:
    with DingTalkSandbox(approvals=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: DingTalkSandbox) -> DingTalkSandbox:
    shared.reset()
    return shared


def send(sandbox: DingTalkSandbox, message: object, *, at: float | None = None, **query: str) -> int:
    """Send a message to the signed robot and return the errcode."""
    stamp = str(round((time.time() if at is None else at) * 1000))
    key = sandbox.robot_secret.encode()
    digest = hmac.new(key, f"{stamp}\n{sandbox.robot_secret}".encode(), hashlib.sha256).digest()
    signed = {"access_token": sandbox.robot_token, "timestamp": stamp, "sign": base64.b64encode(digest).decode()}
    response = requests.post(sandbox.robot_url, params={**signed, **query}, json=message, timeout=10)
    assert response.status_code == 200
    content: dict[str, Any] = response.json()
    return int(content["errcode"])


def test_the_signature_is_the_published_one() -> None:
    secret = "SECexample" + "0" * 58
    assert sign(secret, "1788228942000") == "bxOHwfT+zppUxbJNixnS+HKL3KkxJf7H/iwkq+wYNAw="


def test_a_signed_message_is_delivered(sandbox: DingTalkSandbox) -> None:
    assert send(sandbox, TEXT) == 0
    assert sandbox.robot_messages() == [TEXT]


def test_a_wrong_signature_or_an_old_timestamp_is_refused(sandbox: DingTalkSandbox) -> None:
    assert send(sandbox, TEXT, sign="wrong") == 310000
    assert send(sandbox, TEXT, at=time.time() - 3700) == 310000
    assert send(sandbox, TEXT, at=time.time() - 3500) == 0
    assert send(sandbox, TEXT, timestamp="") == 310000
    assert len(sandbox.robot_messages()) == 1


def test_a_signature_encoded_twice_is_wrong(sandbox: DingTalkSandbox) -> None:
    stamp = str(round(time.time() * 1000))
    twice = quote(sign(sandbox.robot_secret, stamp), safe="")
    assert send(sandbox, TEXT, timestamp=stamp, sign=twice) == 310000


def test_the_other_robot_wants_its_keyword(sandbox: DingTalkSandbox) -> None:
    token = sandbox.keyword_robot_token
    assert send(sandbox, TEXT, access_token=token) == 0
    assert send(sandbox, {"msgtype": "text", "text": {"content": "hello"}}, access_token=token) == 310000
    assert sandbox.robot_messages(token) == [TEXT]


def test_the_21st_message_of_a_minute_silences_the_robot_for_ten_minutes(sandbox: DingTalkSandbox) -> None:
    assert [send(sandbox, TEXT) for _ in range(21)] == [0] * 20 + [660026]
    sandbox.advance_robots(599)
    assert send(sandbox, TEXT, at=time.time() + 599) == 660026
    sandbox.advance_robots(10)
    assert send(sandbox, TEXT, at=time.time() + 609) == 0


def test_the_same_message_id_is_delivered_once(sandbox: DingTalkSandbox) -> None:
    message = {**TEXT, "msgUuid": "run-0001"}
    assert [send(sandbox, message), send(sandbox, message)] == [0, 0]
    assert len(sandbox.robot_messages()) == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"msgtype": "poem"}, 400105),
        ({"msgtype": "markdown", "markdown": {"title": "只有标题"}}, 40035),
        ([], 40035),
        ({"msgtype": "markdown", "markdown": {"title": "标题", "text": "正文"}}, 0),
        ({"msgtype": "link", "link": {"title": "t", "text": "x", "messageUrl": "https://example.com"}}, 0),
    ],
)
def test_a_message_has_a_kind_and_what_the_kind_needs(sandbox: DingTalkSandbox, message: object, code: int) -> None:
    assert send(sandbox, message) == code


def test_tokens_and_content_types_are_checked(sandbox: DingTalkSandbox) -> None:
    assert send(sandbox, TEXT, access_token="nobody") == 300005
    assert send(sandbox, TEXT, access_token="") == 400101
    response = requests.post(sandbox.robot_url, params={"access_token": sandbox.robot_token}, data=b"x", timeout=10)
    assert response.json()["errcode"] == 43004


def test_a_test_can_silence_a_robot_with_any_code(sandbox: DingTalkSandbox) -> None:
    sandbox.set_robot(refusal=400102)
    assert send(sandbox, TEXT) == 400102
    sandbox.set_robot(refusal=0)
    assert send(sandbox, TEXT) == 0
