"""The group robot (群机器人): https://open.dingtalk.com/document/orgapp/custom-robot-access.

It keeps real time, since whoever signs a message signs it with the real clock; tests can move its clock ahead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.sandbox.platform import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox.platform import Incoming

PATH = "/robot/send"
#: A robot that wants signatures, and one that wants a keyword.
SIGNED_TOKEN = "robot0signed0sandbox"  # public, opens nothing
SIGNED_SECRET = "SECsandbox0000000000000000000000000000000000000000000000000000000000"
KEYWORD_TOKEN = "robot0keyword0sandbox"
KEYWORD = "告警"

HOUR_MS = 3_600_000
MINUTE_SECONDS = 60
BLOCK_SECONDS = 600
MOST_KEYWORDS = 10

#: What each kind of message must say, as paths into it.
_REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "text": (("text", "content"),),
    "markdown": (("markdown", "title"), ("markdown", "text")),
    "link": (("link", "title"), ("link", "text"), ("link", "messageUrl")),
    "actionCard": (("actionCard", "title"), ("actionCard", "text")),
    "feedCard": (("feedCard", "links"),),
}


@dataclass
class Robot:
    """A robot and what it delivered.

    Attributes:
        secret: It wants a signature made with this; None for none.
        keywords: One of them must be in a message; empty for none.
        per_minute: Messages a minute; one more and it is silent for ten minutes. 0 is no limit.
        refusal: Answer everything with this errcode; 0 for none.
    """

    secret: str | None = None
    keywords: list[str] = field(default_factory=list)
    per_minute: int = 20
    refusal: int = 0
    delivered: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _seen: set[str] = field(default_factory=set, repr=False)
    _sent_at: deque[float] = field(default_factory=deque, repr=False)
    _blocked_until: float = field(default=0.0, repr=False)

    def refuse(self, query: Mapping[str, str], message: dict[str, Any], now: float) -> tuple[int, str] | None:
        """Return the errcode and text with which a message is refused, or None; ``now`` is unix seconds."""
        if self.refusal:
            return self.refusal, "refused by order of a test"
        kind = str(message.get("msgtype"))
        if kind not in _REQUIRED:
            return 400105, "unsupported message type"
        if not all(_at(message, path) for path in _REQUIRED[kind]):
            return 40035, "缺少参数 json"
        if self.secret is not None and (problem := _signature_problem(self.secret, query, now)):
            return 310000, problem
        if self.keywords and not any(word in json.dumps(message, ensure_ascii=False) for word in self.keywords):
            return 310000, "keywords not in content"
        return None

    def deliver(self, message: dict[str, Any], now: float) -> tuple[int, str] | None:
        """Deliver a message that is not refused; the same msgUuid is delivered once. Returns the refusal, or None."""
        uuid = message.get("msgUuid")
        if uuid in self._seen:
            return None
        while self._sent_at and self._sent_at[0] <= now - MINUTE_SECONDS:
            self._sent_at.popleft()
        if now < self._blocked_until:
            return 660026, "sending too many messages per minute"
        if self.per_minute and len(self._sent_at) >= self.per_minute:
            self._blocked_until = now + BLOCK_SECONDS
            return 660026, "sending too many messages per minute"
        self._sent_at.append(now)
        self.delivered.append(message)
        if uuid is not None:
            self._seen.add(uuid)
        return None


class Robots:
    """The organisation's robots by token."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.robots: dict[str, Robot] = {}
        self.reset()

    def reset(self) -> None:
        """Set both robots back to how they were made; what they delivered is forgotten."""
        self._ahead = 0.0
        self.robots = {SIGNED_TOKEN: Robot(secret=SIGNED_SECRET), KEYWORD_TOKEN: Robot(keywords=[KEYWORD])}

    def now(self) -> float:
        """Return the robots' time in unix seconds."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the robots' time ahead."""
        self._ahead += seconds

    def send(self, incoming: Incoming) -> Answer:
        """Answer ``/robot/send``; every answer is HTTP 200, and only errcode tells success."""
        refusal = self._send(incoming)
        code, text = refusal or (0, "ok")
        return Answer.json({"errcode": code, "errmsg": text}, outcome="ok" if refusal is None else str(code))

    def _send(self, incoming: Incoming) -> tuple[int, str] | None:
        token = incoming.query.get("access_token")
        if not token:
            return 400101, "access_token is missing"
        robot = self.robots.get(token)
        if robot is None:
            return 300005, "token is not exist"
        if not incoming.headers.get("content-type", "").startswith("application/json"):
            return 43004, "无效的HTTP HEADER Content-Type"
        try:
            message = incoming.json()
        except ValueError:
            return 40035, "缺少参数 json"
        if not isinstance(message, dict):
            return 40035, "缺少参数 json"
        now = self.now()
        return robot.refuse(incoming.query, message, now) or robot.deliver(message, now)


def sign(secret: str, timestamp_ms: str) -> str:
    """Return the signature before it is url-encoded: base64 of HMAC-SHA256 over timestamp, line break and secret."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _signature_problem(secret: str, query: Mapping[str, str], now: float) -> str | None:
    timestamp = query.get("timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now * 1000 - int(timestamp)) > HOUR_MS:
        return "invalid timestamp"
    if not hmac.compare_digest(sign(secret, timestamp).encode(), query.get("sign", "").encode()):
        return "sign not match"
    return None


def _at(message: dict[str, Any], path: tuple[str, ...]) -> object:
    found: Any = message
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found
