from __future__ import annotations

import pytest

from tests.sandbox.kuaimai.signature import is_signed, signature, text_to_sign

#: The example of https://open.kuaimai.com/docs/api/; its other two signatures were computed from the same text.
OFFICIAL = {
    "appKey": "123456",
    "format": "json",
    "method": "open.system.time.get",
    "session": "test",
    "timestamp": "2020-09-21 16:58:00",
    "version": "1.0",
}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("hmac-sha256", "7905D5EF37CA177B9219DBFA603F773A7616F424D545E731AAFBB992408F6CEE"),
        ("hmac", "33F8A0DBB3DB1E60E210A7307DD15075"),
        ("md5", "F1D3BB43123A50C78EBCB84CD301A340"),
    ],
)
def test_the_official_example_is_signed_as_published(method: str, expected: str) -> None:
    params = {**OFFICIAL, "sign_method": method}

    assert signature(params, "helloworld", method) == expected
    assert is_signed({**params, "sign": expected.lower()}, "helloworld")
    assert not is_signed({**params, "sign": expected, "pageNo": "1"}, "helloworld")


def test_without_sign_method_a_call_is_signed_with_hmac_md5() -> None:
    params = {
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
        "sign": "5A6E50C4ECD5BE47CC7E654B295E822D",
    }

    assert is_signed(params, "testsecret")


def test_a_call_with_business_parameters_is_signed_as_computed_by_hand() -> None:
    params = {
        **OFFICIAL,
        "method": "erp.aftersale.list.query",
        "timestamp": "2024-01-02 03:04:05",
        "asVersion": "2",
        "startModified": "2024-01-01 00:00:00",
        "endModified": "2024-01-02 00:00:00",
        "pageNo": "1",
        "pageSize": "50",
        "sign_method": "hmac",
    }

    assert signature(params, "helloworld", "hmac") == "25EDF0C5203205F2E47AFC4D5242A1E8"


def test_names_are_sorted_by_their_bytes() -> None:
    assert text_to_sign({"foo": "1", "bar": "2", "foo_bar": "3", "foobar": "4"}) == "bar2foo1foo_bar3foobar4"
    assert text_to_sign({"a": "1", "B": "2", "_": "3"}) == "B2_3a1"


def test_an_empty_value_may_be_signed_or_left_out_as_in_the_vendors_samples() -> None:
    params = {**OFFICIAL, "tid": ""}

    assert is_signed({**params, "sign": signature(params, "s", "hmac")}, "s")
    assert is_signed({**params, "sign": signature(OFFICIAL, "s", "hmac")}, "s")
