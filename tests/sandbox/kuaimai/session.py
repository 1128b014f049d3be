"""The session (access token): alive for 30 days, prolonged at most once an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.kuaimai.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox.clock import Clock

#: The keys of the sandbox: public, and made to look it.
APP_KEY = "sandbox-app-key"
APP_SECRET = "sandbox-app-secret"
ACCESS_TOKEN = "sandbox-access-token"
REFRESH_TOKEN = "sandbox-refresh-token"
LIFE_MS = 30 * 86_400_000
BETWEEN_REFRESHES_MS = 3_600_000


class Session:
    """When the token dies, and when it was last prolonged; both by the stand-in's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.expires_ms = clock.now_ms() + LIFE_MS
        self.refreshed_ms: int | None = None
        self.refreshes = 0

    def check(self, params: Mapping[str, str]) -> None:
        """Let a living session through.

        Raises:
            ApiError: It is missing, unknown or dead.
        """
        if not params.get("session"):
            raise ApiError("20")
        if params["session"] != ACCESS_TOKEN or self._clock.now_ms() >= self.expires_ms:
            raise ApiError("invalid_session", "刷新的会话信息不存在")

    def refresh(self, params: Mapping[str, str]) -> dict[str, object]:
        """Prolong the session by 30 days from now and return what ``open.token.refresh`` answers.

        Raises:
            ApiError: The refresh token is missing or wrong, or the last refresh is less than an hour ago.
        """
        if not params.get("refreshToken"):
            raise ApiError("32", "refreshToken不能为空")
        if params["refreshToken"] != REFRESH_TOKEN:
            raise ApiError("invalid_session", "刷新的会话信息不存在")
        now_ms = self._clock.now_ms()
        if self.refreshed_ms is not None and now_ms - self.refreshed_ms < BETWEEN_REFRESHES_MS:
            raise ApiError("refresh_frequently")
        self.refreshed_ms = now_ms
        self.refreshes += 1
        self.expires_ms = now_ms + LIFE_MS
        session = {
            "expiresIn": LIFE_MS // 1000,
            "companyId": "10000",
            "accessToken": ACCESS_TOKEN,
            "userId": 20_000,
            "refreshToken": REFRESH_TOKEN,
        }
        return {"session": session}
