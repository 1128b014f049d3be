"""Alerts: told once, to everybody, no faster than a robot takes them, and believed only when the answer says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from meltano_ops import alerts
from meltano_ops.robots import dingtalk_signature
from meltano_ops.settings import OpsError

from ops.tests.life import BEIJING, PROJECT
from ops.tests.receivers import TOKEN, receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.tests.life import Life
    from ops.tests.receivers import Receiver

NOW = datetime(2026, 11, 22, 10, 2, tzinfo=BEIJING)
SECOND = timedelta(seconds=1)


def test_the_signature_is_that_of_the_platforms_formula() -> None:
    secret = "SECexample0000000000000000000000000000000000000000000000000000000000"
    sign = dingtalk_signature(1788228942000, secret)
    assert quote(sign, safe="") == "bxOHwfT%2BzppUxbJNixnS%2BHKL3KkxJf7H%2Fiwkq%2BwYNAw%3D"


def test_a_signed_message_is_taken_by_a_strict_robot(make_life: Callable[..., Life], robot: Receiver) -> None:
    # Apprise's own notifier encodes the signature twice and reports the refusal as a success.
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk)
    [delivery] = alerts.send_test(life.facts, life.settings)
    assert delivery.accepted
    assert "告警测试" in robot.texts()[0]
    assert len(robot.messages[0]["msgUuid"]) == 32


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ((200, {"errcode": 310000, "errmsg": "keywords not in content"}), "加签"),
        ((200, {"errcode": 660026, "errmsg": "send too fast"}), "限流"),
        ((200, {}), "errcode None"),
        ((502, {"errcode": 0}), "HTTP 502"),
    ],
)
def test_a_refused_message_is_a_failure_though_http_says_ok_and_others_still_get_it(
    make_life: Callable[..., Life],
    robot: Receiver,
    webhook: Receiver,
    answer: tuple[int, dict[str, object]],
    advice: str,
) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=f"{robot.dingtalk} {webhook.webhook}")
    robot.refuse = answer
    life.failed_run(NOW, "boom")
    done = life.check(NOW + SECOND * 30)
    assert [delivery.accepted for delivery in done.deliveries] == [False, True]
    assert advice in (done.deliveries[0].detail or "")
    assert len(webhook.messages) == 1
    # Somebody knows: the next round does not tell it again.
    life.check(NOW + SECOND * 330)
    assert len(webhook.messages) == 1


def test_what_nobody_took_is_told_again_in_the_next_round(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk)
    life.failed_run(NOW, "boom")
    robot.refuse = (200, {"errcode": -1, "errmsg": "system busy"})
    assert life.check(NOW + SECOND * 30).undelivered
    robot.refuse = None
    assert not life.check(NOW + SECOND * 330).undelivered
    life.check(NOW + SECOND * 630)
    assert len(robot.messages) == 1


@pytest.mark.parametrize(("scheme", "answer"), [("feishu", {"code": 19021}), ("wecombot", {"errcode": 93000})])
def test_feishu_and_wecom_answers_are_read_too(
    make_life: Callable[..., Life], robot: Receiver, scheme: str, answer: dict[str, int]
) -> None:
    token = "0123abcd-1234-1234-1234-0123456789ab"
    life = make_life(MELTANO_OPS_ALERT_URLS=f"{scheme}://{token}/?api_url={robot.url}/hook")
    [delivery] = alerts.send_test(life.facts, life.settings)
    assert delivery.accepted
    robot.refuse = (200, {**answer, "msg": "sign match fail"})
    [delivery] = alerts.send_test(life.facts, life.settings)
    assert not delivery.accepted


def test_a_long_message_fits_the_robot_that_takes_2048_bytes(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=f"wecombot://0123abcd/?api_url={robot.url}/hook")
    for number in range(20):
        run_id = life.start(NOW, f"prod:tap-{number:02}-to-target-life")
        life.end(run_id, NOW, "FAIL", "数据库拒绝了这一批" * 9)
    life.check(NOW + SECOND * 30)
    [text] = robot.texts()
    assert "20 个新问题" in text
    assert text.endswith("其余见状态页")
    assert 1500 < len(text.encode()) <= 2048


def test_many_problems_are_one_message(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk)
    for number in range(45):
        run_id = life.start(NOW, f"prod:tap-{number:02}-to-target-life")
        life.end(run_id, NOW, "FAIL", "boom")
    life.check(NOW + SECOND * 30)
    [text] = robot.texts()
    assert "45 个新问题" in text
    assert "另有 25 个" in text
    assert len(text.encode()) < 19_000


def test_a_problem_is_repeated_at_most_every_so_many_hours(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk, MELTANO_OPS_ALERT_REPEAT_HOURS="12")
    life.failed_run(NOW, "boom")
    for minutes in range(1, 25 * 60, 20):
        life.check(NOW + timedelta(minutes=minutes))
    failures = [text for text in robot.texts() if "连续失败" in text]
    assert len(failures) == 3, "at once, after 12 hours, after 24 hours"
    assert "个问题仍在" in failures[1]


def test_no_more_than_twenty_messages_a_minute_and_none_is_lost(
    make_life: Callable[..., Life], robot: Receiver
) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk)
    for number in range(30):
        run_id = life.start(NOW, f"prod:tap-{number:02}-to-target-life")
        life.end(run_id, NOW, "FAIL", "boom")
        life.check(NOW + SECOND * number)
    assert len(robot.messages) == 20
    life.check(NOW + SECOND * 80)
    assert len(robot.messages) == 21
    assert "10 个新问题" in robot.texts()[-1]


def test_secrets_of_an_address_are_neither_kept_nor_shown(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=f"{robot.dingtalk} nonsense://user:s3cr3tvalue@x")
    alerts.send_test(life.facts, life.settings)
    robot.refuse = (500, {})
    alerts.send_test(life.facts, life.settings)
    kept = str(life.all("SELECT * FROM deliveries"))
    assert TOKEN not in kept
    assert "SECexample" not in kept
    assert "s3cr3tvalue" not in kept


def test_the_dead_mans_switch_is_reset_by_every_complete_round_and_by_no_other(
    make_life: Callable[..., Life], robot: Receiver, webhook: Receiver
) -> None:
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk, MELTANO_OPS_HEARTBEAT_URL=f"{webhook.url}/ping")
    life.check(NOW)
    assert webhook.asked == 1
    life.failed_run(NOW, "boom")
    robot.refuse = (500, {})
    life.check(NOW + SECOND * 30)
    assert webhook.asked == 1, "an alert that nobody got must not look like silence"
    (life.root / "checks.yml").write_text("checks: [{name: x}]")
    with pytest.raises(OpsError, match="Check x"):
        life.check(NOW + SECOND * 60)
    assert webhook.asked == 1


def test_a_dead_heartbeat_address_does_not_stop_the_checks(make_life: Callable[..., Life]) -> None:
    with receiver() as gone:
        url = gone.url
    life = make_life(MELTANO_OPS_HEARTBEAT_URL=url)
    assert life.check(NOW).problems == ()


def test_alert_test_without_an_address_says_how_to_set_one(life: Life) -> None:
    with pytest.raises(OpsError, match="MELTANO_OPS_ALERT_URLS"):
        alerts.send_test(life.facts, life.settings)


def test_messages_name_the_project_and_the_page(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = make_life(project=PROJECT, MELTANO_OPS_ALERT_URLS=robot.dingtalk, MELTANO_OPS_PAGE_URL="http://ops.example/")
    life.failed_run(NOW, "boom")
    life.check(NOW + SECOND * 30)
    assert robot.texts()[0].startswith("【project0】1 个新问题")
    assert "http://ops.example/" in robot.texts()[0]
