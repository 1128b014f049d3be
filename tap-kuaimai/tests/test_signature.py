"""Signatures: the platform's published vectors, and what must not change them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_kuaimai.signature import Credentials, SignMethod, sign, signed

PING = {
    "appKey": "123456",
    "format": "json",
    "method": "open.system.time.get",
    "session": "test",
    "timestamp": "2020-09-21 16:58:00",
    "version": "1.0",
}
TRADES = {
    "appKey": "123456",
    "session": "test",
    "timestamp": "2023-08-07 14:04:08",
    "version": "1.0",
    "method": "erp.trade.list.query",
    "timeType": "upd_time",
    "startTime": "2023-07-21 09:30:40",
    "endTime": "2023-07-21 23:59:59",
    "pageNo": "1",
    "pageSize": "20",
}
TICKETS = {
    "appKey": "123456",
    "asVersion": "2",
    "endModified": "2024-01-02 00:00:00",
    "format": "json",
    "method": "erp.aftersale.list.query",
    "pageNo": "1",
    "pageSize": "50",
    "session": "test",
    "sign_method": "hmac",
    "startModified": "2024-01-01 00:00:00",
    "timestamp": "2024-01-02 03:04:05",
    "version": "1.0",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("params", "secret", "method", "signature"),
    [
        pytest.param(
            PING | {"sign_method": "hmac-sha256"},
            "helloworld",
            "hmac-sha256",
            "7905D5EF37CA177B9219DBFA603F773A7616F424D545E731AAFBB992408F6CEE",
            id="official, hmac-sha256",
        ),
        pytest.param(
            PING | {"sign_method": "hmac"}, "helloworld", "hmac", "33F8A0DBB3DB1E60E210A7307DD15075", id="hmac"
        ),
        pytest.param(PING | {"sign_method": "md5"}, "helloworld", "md5", "F1D3BB43123A50C78EBCB84CD301A340", id="md5"),
        pytest.param(
            TRADES, "testsecret", "hmac", "5A6E50C4ECD5BE47CC7E654B295E822D", id="official input, no sign_method"
        ),
        pytest.param(TICKETS, "helloworld", "hmac", "25EDF0C5203205F2E47AFC4D5242A1E8", id="tickets"),
    ],
)
def test_signature_equals_the_published_vector(
    params: dict[str, str], secret: str, method: SignMethod, signature: str
) -> None:
    assert sign(params, secret, method) == signature


@given(st.dictionaries(texts, texts, min_size=2), texts)
def test_order_of_parameters_does_not_matter_and_the_secret_does(params: dict[str, str], secret: str) -> None:
    backwards = dict(reversed(params.items()))

    assert sign(params, secret, "hmac-sha256") == sign(backwards, secret, "hmac-sha256")
    assert sign(params, secret, "hmac-sha256") != sign(params, secret + "x", "hmac-sha256")


def test_names_are_sorted_by_bytes_and_not_as_words() -> None:
    """`foo_bar` comes before `foobar`, and capitals before small letters: a locale's order would fail the call."""
    params = {"foobar": "4", "foo_bar": "3", "foo": "1", "bar": "2", "fooBar": "0"}

    assert sign(params, "s", "md5") == sign(dict(sorted(params.items())), "s", "md5")
    assert sorted(params) == ["bar", "foo", "fooBar", "foo_bar", "foobar"]


def test_empty_parameters_are_not_sent_and_times_are_beijing_time() -> None:
    who = Credentials(app_key="k", app_secret="s", access_token="t")
    now = datetime(2026, 3, 1, 20, 30, tzinfo=timezone.utc)

    form = signed("m", {"none": None, "empty": "", "flag": True, "page": 0}, who, now)

    assert form["timestamp"] == "2026-03-02 04:30:00"
    assert (form["flag"], form["page"]) == ("true", "0")
    assert {"none", "empty"}.isdisjoint(form)
    assert form["sign"] == sign({k: v for k, v in form.items() if k != "sign"}, "s", "hmac-sha256")


def test_credentials_do_not_show_themselves() -> None:
    who = Credentials(app_key="key-1", app_secret="secret-2", access_token="token-3")

    assert not any(secret in f"{who!r} {who}" for secret in ("key-1", "secret-2", "token-3"))
