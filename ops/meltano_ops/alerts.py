"""Messages to people: one per round of checks, delivered to every address, and noted only when somebody took it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apprise
import requests

from meltano_ops import store
from meltano_ops.problems import Due, due_messages, mark_told
from meltano_ops.robots import VerifiedRobot, register_robots
from meltano_ops.settings import OpsError
from meltano_ops.words import lead

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.problems import Problem
    from meltano_ops.settings import Settings

PROBLEMS_PER_MESSAGE = 20
PROBLEM_CHARACTERS = 600
_HEARTBEAT_SECONDS = 10
_MINUTE = 60
_MARKS = {"critical": "🔴", "warning": "🟡"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """What became of one message at one address; the address is shown without its secrets."""

    address: str
    accepted: bool
    detail: str | None


def compose(due: Due, project: str, page_url: str | None) -> tuple[str, str]:
    """Return title and body of the one message that tells everything in `due`."""
    counts = (
        (len(due.opened), "个新问题"),
        (len(due.repeated), "个问题仍在"),
        (len(due.recovered), "个已恢复"),
    )
    title = f"【{project}】" + "，".join(f"{count} {what}" for count, what in counts if count)
    lines: list[str] = []
    for problems in (due.opened, due.repeated):
        for problem in problems[:PROBLEMS_PER_MESSAGE]:
            lines += _problem_lines(problem)
        if len(problems) > PROBLEMS_PER_MESSAGE:
            lines.append(f"……另有 {len(problems) - PROBLEMS_PER_MESSAGE} 个，见状态页")
    # What it was, without the cause word for word: that has been told.
    lines += [f"✅ 已恢复：{_short(lead(problem.message.zh)[0])}" for problem in due.recovered[:PROBLEMS_PER_MESSAGE]]
    if len(due.recovered) > PROBLEMS_PER_MESSAGE:
        lines.append(f"……另有 {len(due.recovered) - PROBLEMS_PER_MESSAGE} 个已恢复")
    if page_url:
        lines.append(f"状态页：{page_url}")
    return title, "\n".join(lines)


def _problem_lines(problem: Problem) -> list[str]:
    lines = [f"{_MARKS.get(problem.severity, '🟡')} {_short(problem.message.zh)}"]
    if problem.advice.zh:
        lines.append(f"   怎么办：{problem.advice.zh}")
    return lines


def _short(text: str) -> str:
    return text if len(text) <= PROBLEM_CHARACTERS else f"{text[:PROBLEM_CHARACTERS]}……"


def send(connection: sqlite3.Connection, settings: Settings, title: str, body: str, now_at: int) -> list[Delivery]:
    """Send one message to every address and keep what came of it.

    An address that had its share of messages in the last minute is not asked: the caller tries again in the next round.
    """
    register_robots()
    deliveries = []
    for url in settings.alert_urls:
        notifier = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        address = _without_secrets(notifier, url)
        with store.transaction(connection):
            recent = connection.execute(
                "SELECT count(*) FROM deliveries WHERE address = ? AND sent_at > ?", (address, now_at - _MINUTE)
            ).fetchone()[0]
            if recent >= settings.alert_max_per_minute:
                deliveries.append(Delivery(address, accepted=False, detail="本分钟已达上限，推迟到下一轮"))
                continue
            attempt = connection.execute(
                "INSERT INTO deliveries (sent_at, address, accepted, title) VALUES (?, ?, 0, ?)",
                (now_at, address, title),
            ).lastrowid
        delivery = _deliver(notifier, address, title, body)
        with store.transaction(connection):
            connection.execute(
                "UPDATE deliveries SET accepted = ?, detail = ? WHERE id = ?",
                (int(delivery.accepted), delivery.detail, attempt),
            )
        deliveries.append(delivery)
    return deliveries


def _without_secrets(notifier: apprise.NotifyBase | None, url: str) -> str:
    """Return an address as it may be shown and kept."""
    if notifier is None:
        return f"{url.partition(':')[0]}://***"
    shown = str(notifier.url(privacy=True))  # type: ignore[no-untyped-call] # Apprise's notifiers carry no types
    return shown.partition("?")[0]


def _deliver(notifier: apprise.NotifyBase | None, address: str, title: str, body: str) -> Delivery:
    if notifier is None:
        return Delivery(address, accepted=False, detail="地址无法识别，见 https://github.com/caronc/apprise/wiki")
    service = apprise.Apprise()
    service.add(notifier)
    accepted = bool(service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))
    failure = notifier.failure if isinstance(notifier, VerifiedRobot) else None
    return Delivery(address, accepted, None if accepted else failure or "对方没有接受，或无法连接")


def tell(connection: sqlite3.Connection, settings: Settings, now: float | None = None) -> list[Delivery]:
    """Tell what is due, in one message, and return what came of it; nothing due means no message.

    A message that nobody took is told again in the next round: better twice than never.
    """
    now_at = int(time.time() if now is None else now)
    due = due_messages(connection, settings.alert_repeat_hours * 3600, now_at)
    if not due or not settings.alert_urls:
        return []
    title, body = compose(due, settings.root.name, settings.page_url)
    deliveries = send(connection, settings, title, body, now_at)
    if any(delivery.accepted for delivery in deliveries):
        with store.transaction(connection):
            mark_told(connection, due, now_at)
    for delivery in deliveries:
        if not delivery.accepted:
            logger.error("Alert not delivered to %s: %s", delivery.address, delivery.detail)
    return deliveries


def heartbeat(settings: Settings) -> None:
    """Tell the dead man's switch that a round of checks was completed; a failure is only logged, the switch notices."""
    if not settings.heartbeat_url:
        return
    try:
        requests.get(settings.heartbeat_url, timeout=_HEARTBEAT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        logger.warning("The heartbeat address did not answer: %s", type(error).__name__)


def send_test(connection: sqlite3.Connection, settings: Settings) -> list[Delivery]:
    """Send a test message to every address.

    Raises:
        OpsError: There is no address.
    """
    if not settings.alert_urls:
        raise OpsError("No alert address: set MELTANO_OPS_ALERT_URLS, for example dingtalk://SEC…@token.")
    title = f"【{settings.root.name}】告警测试"
    return send(connection, settings, title, "看到这条消息，说明告警可以送达。meltano-ops alert-test", int(time.time()))
