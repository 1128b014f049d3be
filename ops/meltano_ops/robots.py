# Apprise's notifiers carry no types of their own.
# mypy: disable-error-code="no-untyped-call,override,misc"
"""Group robots whose answer is read: 钉钉, 飞书 and 企业微信 answer HTTP 200 also when they refuse a message.

Apprise (2.2.0) looks at the HTTP status only, so a refused message counts as sent there, and it encodes the 钉钉
signature twice, so that every signed message is refused. These notifiers take the place of its own for the three
schemes; the addresses stay Apprise's (https://github.com/caronc/apprise/wiki). `?api_url=…` names another host, for a
专有钉钉 or a test.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import requests
from apprise.manager_plugins import NotificationManager
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.wecombot import NotifyWeComBot

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 15

# errcode of https://open.dingtalk.com/document/orgapp/custom-robot-access → what the operator should do.
DINGTALK_ERRORS = {
    310000: "安全设置不符：核对加签密钥、关键词或 IP 白名单，以及本机时钟",
    300005: "access_token 不存在：重新复制机器人的 Webhook 地址",
    400101: "缺少 access_token：核对告警地址",
    400102: "机器人已停用：在群设置里启用它",
    400106: "机器人已被移除：重新添加机器人",
    400013: "群已解散：换一个群",
    660026: "每分钟消息过多，机器人被限流 10 分钟",
    410100: "发送过快被限流",
    90030: "本月 Webhook 额度已用完",
    430102: "消息内容被判为不安全",
    -1: "钉钉系统繁忙，稍后会再试",
}


def dingtalk_signature(timestamp: int, secret: str) -> str:
    """Return the `sign` of a 钉钉 robot request, not URL-encoded: base64 of HMAC-SHA256 over timestamp, LF, secret.

    Args:
        timestamp: Milliseconds since 1970, within an hour of the server's clock.
        secret: The robot's 加签 secret, `SEC…`.
    """
    digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def shorten(text: str, limit_bytes: int) -> str:
    """Return a message that fits: whole lines as far as they go, and a line that says that there is more."""
    if len(text.encode()) <= limit_bytes:
        return text
    more = "\n……其余见状态页"
    kept = text.encode()[: limit_bytes - len(more.encode())].decode(errors="ignore")
    return (kept[: kept.rfind("\n")] if "\n" in kept else kept) + more


class VerifiedRobot:
    """What the three notifiers share: post JSON, read the answer, remember why it was no success.

    `max_bytes` is the longest text that the platform takes.
    """

    failure: str | None = None
    max_bytes = 18_000

    def text(self, title: str, body: str) -> str:
        """Return title and body as one text that is not too long."""
        return shorten(f"{title}\n{body}" if title else body, self.max_bytes)

    def deliver(
        self, url: str, payload: Mapping[str, Any], params: Mapping[str, str] | None = None, code: str = "errcode"
    ) -> bool:
        """Post one message and return whether the robot says that it took it.

        Args:
            url: Where to.
            payload: The message.
            params: Query parameters, encoded once, here.
            code: The answer's field that is 0 for success.
        """
        self.failure = None
        try:
            response = requests.post(
                url,
                params=params,
                data=json.dumps(payload, ensure_ascii=False).encode(),
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=TIMEOUT_SECONDS,
            )
            answer = response.json()
        except requests.JSONDecodeError:
            self.failure = f"HTTP {response.status_code}，回应不是 JSON"
        except requests.RequestException as error:
            # The text of the exception holds the address with its token.
            self.failure = f"连接失败（{type(error).__name__}）"
        else:
            number = answer.get(code) if isinstance(answer, dict) else None
            if not response.ok or number != 0:
                text = str(answer.get("errmsg") or answer.get("msg") or "") if isinstance(answer, dict) else ""
                self.failure = f"HTTP {response.status_code} {code} {number} {text}".strip()[:300]
        return self.failure is None


def _with_api_url(results: dict[str, Any] | None) -> dict[str, Any] | None:
    if results and (api_url := results.get("qsd", {}).get("api_url")):
        results["api_url"] = unquote(api_url)
    return results


class DingTalkRobot(VerifiedRobot, NotifyDingTalk):
    """`dingtalk://[secret@]token[/mobile/…]`."""

    def __init__(self, *args: Any, api_url: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - Apprise's own
        super().__init__(*args, **kwargs)
        self.api_url = api_url or "https://oapi.dingtalk.com/robot/send"

    @staticmethod
    def parse_url(url: str) -> dict[str, Any] | None:
        """Read an address, as Apprise asks every notifier to."""
        return _with_api_url(NotifyDingTalk.parse_url(url))

    def send(self, body: str, title: str = "", **_kwargs: Any) -> bool:  # noqa: ANN401
        """Send one text message; `msgUuid` keeps a repeated request from becoming a second message."""
        content = self.text(title, body)
        params = {"access_token": str(self.token)}
        if self.secret:
            timestamp = int(time.time() * 1000)
            params |= {"timestamp": str(timestamp), "sign": dingtalk_signature(timestamp, str(self.secret))}
        payload = {
            "msgtype": "text",
            "text": {"content": content},
            "at": {"atMobiles": list(self.targets), "isAtAll": False},
            "msgUuid": hashlib.sha256(f"{time.time() // 60} {content}".encode()).hexdigest()[:32],
        }
        accepted = self.deliver(self.api_url, payload, params)
        if self.failure:
            for number, advice in DINGTALK_ERRORS.items():
                if f"errcode {number} " in f"{self.failure} ":
                    self.failure = f"{self.failure}。{advice}"
        return accepted


class FeishuRobot(VerifiedRobot, NotifyFeishu):
    """`feishu://token`; a robot with 签名校验 is not one that Apprise's address can name."""

    def __init__(self, *args: Any, api_url: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - Apprise's own
        super().__init__(*args, **kwargs)
        self.api_url = api_url or f"https://open.feishu.cn/open-apis/bot/v2/hook/{self.token}"

    @staticmethod
    def parse_url(url: str) -> dict[str, Any] | None:
        """Read an address, as Apprise asks every notifier to."""
        return _with_api_url(NotifyFeishu.parse_url(url))

    def send(self, body: str, title: str = "", **_kwargs: Any) -> bool:  # noqa: ANN401
        """Send one text message."""
        message = {"msg_type": "text", "content": {"text": self.text(title, body)}}
        return self.deliver(self.api_url, message, code="code")


class WeComRobot(VerifiedRobot, NotifyWeComBot):
    """`wecombot://key`; its texts are short: https://developer.work.weixin.qq.com/document/path/91770."""

    max_bytes = 2048

    def __init__(self, *args: Any, api_url: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - Apprise's own
        super().__init__(*args, **kwargs)
        if api_url:
            self.api_url = f"{api_url}?key={self.key}"

    @staticmethod
    def parse_url(url: str) -> dict[str, Any] | None:
        """Read an address, as Apprise asks every notifier to."""
        return _with_api_url(NotifyWeComBot.parse_url(url))

    def send(self, body: str, title: str = "", **_kwargs: Any) -> bool:  # noqa: ANN401
        """Send one text message."""
        return self.deliver(self.api_url, {"msgtype": "text", "text": {"content": self.text(title, body)}})


def register_robots() -> None:
    """Put these notifiers in the place of Apprise's own, for this process."""
    for robot in (DingTalkRobot, FeishuRobot, WeComRobot):
        NotificationManager().add(robot, force=True)
