"""Three days of a pipeline's life: every trouble is told once, and once when it is over; a healthy day is silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ops.tests.life import BEIJING, PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.tests.life import Life
    from ops.tests.receivers import Receiver

DAY = datetime(2026, 11, 16, 0, 2, tzinfo=BEIJING)
TWO_HOURS = timedelta(hours=2)


class Clock:
    """Lives through hours: a run when one is due, a round of checks every twenty minutes."""

    def __init__(self, life: Life, robot: Receiver) -> None:
        self.life, self.robot, self.now = life, robot, DAY
        self.told = 0
        self.beating: str | None = None

    def pass_time(self, hours: int, run: Callable[[datetime], object] | None = None) -> list[str]:
        """Let hours pass and return the messages that came in them."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            if run is not None and self.now.hour % 2 == 0 and self.now.minute == 2:
                run(self.now)
            if self.beating:
                self.life.beat(self.beating, self.now + timedelta(minutes=5))
            self.life.check(self.now + timedelta(minutes=5))
            self.now += timedelta(minutes=20)
        messages = self.robot.texts()[self.told :]
        self.told = len(self.robot.messages)
        return messages


def _clock(make_life: Callable[..., Life], robot: Receiver) -> Clock:
    life = make_life(MELTANO_OPS_ALERT_URLS=robot.dingtalk, MELTANO_OPS_ALERT_REPEAT_HOURS="48")
    return Clock(life, robot)


def test_three_days_with_every_trouble(make_life: Callable[..., Life], robot: Receiver) -> None:
    clock = _clock(make_life, robot)
    life = clock.life

    assert clock.pass_time(24, life.good_run) == [], "a healthy day alerts nothing"

    # The session expires: several runs fail, one message; it is renewed, one message.
    messages = clock.pass_time(6, lambda at: life.failed_run(at, "会话已过期（code 25）：请重新授权"))
    assert len(messages) == 1
    assert "连续失败 1 次" in messages[0]
    assert "会话已过期" in messages[0]
    messages = clock.pass_time(2, life.good_run)
    assert len(messages) == 1
    assert messages[0].count("已恢复") == 2, "in the title and in its line"

    # The machine is off: nothing runs.
    messages = clock.pass_time(6)
    assert len(messages) == 1
    assert "至今没有开始" in messages[0]
    messages = clock.pass_time(2, life.good_run)
    assert len(messages) == 1
    assert "已恢复" in messages[0]

    # A run hangs: its heart beats, and nothing else.
    hung = life.start(clock.now)
    life.say(hung, clock.now, "Beginning sync", string_id="tap-life")
    clock.beating = hung
    messages = clock.pass_time(4)
    clock.beating = None
    assert len(messages) == 1
    assert "卡住" in messages[0]
    life.end(hung, clock.now, "FAIL", "The process was terminated")
    messages = clock.pass_time(2, life.good_run)
    assert len(messages) == 1
    assert "已恢复" in messages[0]

    # The source is silently empty for half a day, and then is not.
    messages = clock.pass_time(12, lambda at: life.good_run(at, rows=0))
    assert len(messages) == 1
    assert "读到 0 行" in messages[0]
    messages = clock.pass_time(2, life.good_run)
    assert len(messages) == 1
    assert "已恢复" in messages[0]

    assert clock.pass_time(24, life.good_run) == [], "a healthy day alerts nothing"
    assert [row for row in life.all("SELECT * FROM problems") if row["recovered_at"] is None] == []


def test_a_window_that_stays_unverified_is_told_with_the_command_that_mends_it(
    make_life: Callable[..., Life], robot: Receiver
) -> None:
    clock = _clock(make_life, robot)
    life = clock.life
    clock.pass_time(4, life.good_run)
    run_id = life.start(clock.now)
    start = clock.now - TWO_HOURS
    life.window(run_id, clock.now, start, clock.now, verified=False, source_total=12, distinct_keys=11, repeats=3)
    life.end(run_id, clock.now + timedelta(minutes=1))
    [message] = clock.pass_time(2)
    assert "1 个窗口" in message
    assert f"meltano-ops repair --stream tickets --from {(start - timedelta(hours=8)):%Y-%m-%dT%H:%M:%SZ}" in message
    repaired = life.start(clock.now, f"{PIPELINE}:repair")
    life.window(repaired, clock.now, start, clock.now, pipeline=f"{PIPELINE}:repair")
    life.end(repaired, clock.now)
    messages = clock.pass_time(2, life.good_run)
    assert [("已恢复" in message) for message in messages] == [True]


def test_a_failure_that_the_first_retry_mends_is_not_told(make_life: Callable[..., Life], robot: Receiver) -> None:
    clock = _clock(make_life, robot)
    life = clock.life
    clock.pass_time(2, life.good_run)
    run_id = life.failed_run(clock.now, "connection reset")
    at = int(clock.now.timestamp())
    life.facts.execute(
        "INSERT INTO launches (schedule, due_at, attempt, run_id, started_at, ended_at, exit_code, outcome, retry_at)"
        " VALUES ('life-2h', ?, 1, ?, ?, ?, 1, 'failed', ?)",
        (at, run_id, at, at + 9, at + 69),
    )
    life.check(clock.now + timedelta(seconds=20))
    life.good_run(clock.now + timedelta(seconds=70))
    life.check(clock.now + timedelta(minutes=3))
    assert robot.messages == []


def test_a_run_that_the_scheduler_ended_on_stop_is_no_failure(make_life: Callable[..., Life], robot: Receiver) -> None:
    clock = _clock(make_life, robot)
    life = clock.life
    run_id = life.failed_run(clock.now, "The process was terminated")
    life.facts.execute(
        "INSERT INTO launches (schedule, due_at, attempt, run_id, started_at, outcome)"
        " VALUES ('life-2h', 0, 1, ?, 0, 'stopped')",
        (run_id,),
    )
    life.check(clock.now + timedelta(minutes=1))
    assert robot.messages == []


def test_the_quota_and_an_old_session_are_told(make_life: Callable[..., Life], robot: Receiver) -> None:
    clock = _clock(make_life, robot)
    run_id = clock.life.good_run(clock.now)
    clock.life.metric(run_id, clock.now, "api_calls", 10, month="2026-11", month_total=4100, budget=5000)
    clock.life.metric(run_id, clock.now, "session_age", 21.5)
    [message] = clock.pass_time(1)
    assert "4100 次调用，额度 5000 的 82%" in message
    assert "tap-life 的授权会话已 21.5 天" in message


def test_quiet_nights_and_the_first_load_are_no_silence(make_life: Callable[..., Life], robot: Receiver) -> None:
    life = _clock(make_life, robot).life
    life.good_run(DAY - TWO_HOURS, rows=90_000)
    for number in range(37):
        at = DAY + number * TWO_HOURS
        life.good_run(at, rows=60 if number > 12 and 8 <= at.hour < 22 else 0)
        life.check(at + timedelta(minutes=1))
    assert robot.messages == []


def test_a_hanging_run_is_noticed_without_a_structured_log(make_life: Callable[..., Life], robot: Receiver) -> None:
    clock = _clock(make_life, robot)
    clock.pass_time(4, clock.life.good_run)
    (clock.life.root / "logging.yaml").unlink()
    clock.beating = clock.life.start(clock.now)
    [message] = clock.pass_time(2)
    assert "平常只要 1 分钟" in message


def test_four_weeks_teach_what_is_usual_on_a_sunday(make_life: Callable[..., Life], robot: Receiver) -> None:
    """A shop that sells nothing on Sundays is not told about; a silent Monday is."""
    clock = _clock(make_life, robot)
    life = clock.life
    for day in range(21):
        at = DAY + timedelta(days=day)
        for hour in range(0, 24, 12):
            life.good_run(at + timedelta(hours=hour), rows=0 if at.isoweekday() == 7 else 100)
    monday = DAY + timedelta(days=21)
    sunday_evening = monday - timedelta(hours=2)

    def found(at: datetime) -> list[str]:
        return [problem.name for problem in life.check(at).problems if problem.name == "zero-rows"]

    assert found(sunday_evening) == []
    for hour in range(0, 24, 12):
        life.good_run(monday + timedelta(hours=hour), rows=0)
    assert found(monday + timedelta(hours=23)) == ["zero-rows"]
