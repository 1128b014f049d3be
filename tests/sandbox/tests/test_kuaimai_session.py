from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.tests.caller import call, code

if TYPE_CHECKING:
    from tests.sandbox.client import KuaimaiSandbox

REFRESH = {"method": "open.token.refresh", "refreshToken": "sandbox-refresh-token"}
DAY = 86_400


def test_a_session_lives_for_thirty_days(fresh: KuaimaiSandbox) -> None:
    fresh.advance(29.9 * DAY)
    assert call(fresh)["success"] is True

    fresh.advance(0.2 * DAY)

    assert code(fresh) == "invalid_session"
    assert code(fresh, **REFRESH) == "invalid_session"


def test_a_refresh_prolongs_the_session_and_keeps_both_tokens(fresh: KuaimaiSandbox) -> None:
    fresh.advance(29 * DAY)

    session = call(fresh, **REFRESH)["session"]
    fresh.advance(29 * DAY)

    assert session["accessToken"] == "sandbox-access-token"
    assert session["refreshToken"] == "sandbox-refresh-token"
    assert call(fresh)["success"] is True
    assert fresh.session()["refreshes"] == 1


def test_a_second_refresh_within_an_hour_is_refused(fresh: KuaimaiSandbox) -> None:
    assert call(fresh, **REFRESH)["success"] is True
    assert code(fresh, **REFRESH) == "refresh_frequently"

    fresh.advance(3601)

    assert call(fresh, **REFRESH)["success"] is True


def test_a_session_can_be_killed(sandbox: KuaimaiSandbox) -> None:
    sandbox.expire_session()

    assert code(sandbox) == "invalid_session"


def test_a_session_can_die_in_the_middle_of_a_run(sandbox: KuaimaiSandbox) -> None:
    sandbox.fault("error", code="invalid_session", at=3, times=None)

    assert [call(sandbox)["success"] for _ in range(4)] == [True, True, False, False]
