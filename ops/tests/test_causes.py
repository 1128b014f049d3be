"""Causes: of all the lines a failed run leaves, the one that tells why, and its kind in plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meltano_ops.causes import OTHER, cause_of, kind_of

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/x/tap.py", line 3, in sync',
    "    raise RuntimeError(answer)",
    "During handling of the above exception, another exception occurred:",
    "RuntimeError: boom",
]


@pytest.mark.parametrize(
    ("messages", "cause"),
    [
        ([], ""),
        (["orders: HTTP status 503", "Not read: orders. See above for what to do."], "orders: HTTP status 503"),
        (TRACEBACK, "RuntimeError: boom"),
        (["Sync failed", *TRACEBACK], "RuntimeError: boom"),
        (['An unhandled error\n  File "x.py", line 1, in f\nValueError: bad date'], "ValueError: bad date"),
        (["Block run completed\nLoader failed {'loaders': 1}"], ""),
        (["first line\nsecond line"], "first line"),
    ],
)
def test_the_telling_line_is_found(messages: list[str], cause: str) -> None:
    assert cause_of(messages) == cause


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("会话已过期（code 25）：请重新授权", "授权会话已失效"),
        ("the platform answers error invalid_session: 刷新的会话信息不存在. The session is dead", "授权会话已失效"),
        ("errcode 40014 不合法的access_token", "授权会话已失效"),
        ("HTTP status 503 from gw.superboss.cc. The platform is out of order; run again later.", "源平台或网络不通"),
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443)", "源平台或网络不通"),
        ("(2003, \"Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)\")", "目标数据库连不上"),
        ("(1045, \"Access denied for user 'etl'@'10.0.0.1' (using password: YES)\")", "数据库账号或密码不对"),
        ("error 25: 签名错误 Invalid signature", "签名不对"),
        ("errcode 88 sub_code 60011 没有调用该接口的权限", "没有接口权限"),
        ("HTTP status 429 Too Many Requests", "被源平台限流"),
        ("Config validation error: 'app_key' is a required property", "配置不完整"),
        ("OSError: [Errno 28] No space left on device", "磁盘已满"),
    ],
)
def test_kinds_of_causes_are_named(cause: str, kind: str) -> None:
    assert kind_of(cause).name.zh == kind


def test_what_is_not_known_is_not_guessed() -> None:
    assert kind_of("ValueError: bad date 2026-13-01") is OTHER
    assert kind_of("") is OTHER


@given(st.lists(st.text()))
def test_any_messages_give_one_short_line(messages: list[str]) -> None:
    cause = cause_of(messages)
    assert len(cause) <= 400
    assert len(cause.splitlines()) <= 1
