"""The life of one approval: who decides what and when, and how it reads at any instant. Pure, no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

from tests.sandbox.dingtalk.people import Person, anyone

Outcome = Literal["agree", "refuse", "withdrawn"]
Status = Literal["RUNNING", "COMPLETED", "TERMINATED"]

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
#: Never, for an approval that stays open until a test decides it.
NEVER = 1 << 52


@dataclass(frozen=True)
class Step:
    """One task: an approver has it from ``opened_ms`` until ``closed_ms``."""

    person: Person
    opened_ms: int
    closed_ms: int
    operation: str
    result: Literal["AGREE", "REFUSE", "REDIRECTED", "NONE"]
    remark: str | None


@dataclass(frozen=True)
class Remark:
    """A comment (评论) that decides nothing."""

    at_ms: int
    person: Person
    text: str


@dataclass(frozen=True)
class Record:
    """A line of the approval's history as the platform shows it."""

    userid: str
    at_ms: int
    operation: str
    result: str
    remark: str | None = None
    copied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A task as the platform shows it; ``finished_ms`` is None while it waits."""

    number: int
    userid: str
    status: str
    result: str
    created_ms: int
    finished_ms: int | None


@dataclass(frozen=True)
class Reading:
    """What there is to read of an approval at one instant; ``finished_ms`` is None while it runs."""

    status: Status
    result: str
    finished_ms: int | None
    records: tuple[Record, ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Life:
    """Everything that ever happens to an approval; instants are epoch ms.

    Attributes:
        steps: In the order of time, without gaps; the last ends when the approval does.
        ended_ms: When it becomes final.
        deleted_ms: When an administrator deletes it.
        copied: Who gets a copy (抄送) when it is agreed to.
        first_task: The number of the first task; the others follow.
    """

    created_ms: int
    originator: Person
    steps: tuple[Step, ...]
    outcome: Outcome
    ended_ms: int
    first_task: int
    copied: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    deleted_ms: int = NEVER

    def final_at(self, instant_ms: int) -> bool:
        """Return whether it is decided or withdrawn by then."""
        return self.ended_ms <= instant_ms

    def agreed_at(self, instant_ms: int) -> bool:
        """Return whether it is approved by then."""
        return self.outcome == "agree" and self.final_at(instant_ms)

    def deleted_at(self, instant_ms: int) -> bool:
        """Return whether it is gone by then."""
        return self.deleted_ms <= instant_ms

    def status_at(self, instant_ms: int) -> Status:
        """Return the platform's status."""
        if not self.final_at(instant_ms):
            return "RUNNING"
        return "TERMINATED" if self.outcome == "withdrawn" else "COMPLETED"

    def read_at(self, instant_ms: int) -> Reading:
        """Return how the approval reads at an instant at which it exists."""
        final = self.final_at(instant_ms)
        decided = final and self.outcome != "withdrawn"
        return Reading(
            status=self.status_at(instant_ms),
            result=self.outcome if decided else "",
            finished_ms=self.ended_ms if final else None,
            records=tuple(self._records(instant_ms)),
            tasks=tuple(
                self._task(number, step, instant_ms)
                for number, step in enumerate(self.steps, self.first_task)
                if step.opened_ms <= instant_ms
            ),
        )

    def decided(self, at_ms: int, outcome: Outcome) -> Life:
        """Return the life cut short: decided, or withdrawn, at this instant.

        Raises:
            ValueError: It was final before.
        """
        if self.final_at(at_ms):
            raise ValueError("the approval is final already")
        done = tuple(step for step in self.steps if step.opened_ms <= at_ms)
        result: Literal["AGREE", "REFUSE", "NONE"]
        result = "NONE" if outcome == "withdrawn" else "AGREE" if outcome == "agree" else "REFUSE"
        last = replace(done[-1], closed_ms=at_ms, operation="EXECUTE_TASK_NORMAL", result=result)
        said = tuple(remark for remark in self.remarks if remark.at_ms <= at_ms)
        return replace(self, steps=(*done[:-1], last), outcome=outcome, ended_ms=at_ms, remarks=said)

    def deleted(self, at_ms: int) -> Life:
        """Return the life with the approval deleted at this instant."""
        return replace(self, deleted_ms=at_ms)

    def remarked(self, at_ms: int, text: str) -> Life:
        """Return the life with one more comment by the originator; a final approval takes comments too."""
        return replace(self, remarks=(*self.remarks, Remark(at_ms, self.originator, text)))

    def _records(self, instant_ms: int) -> list[Record]:
        records = [Record(self.originator.userid, self.created_ms, "START_PROCESS_INSTANCE", "NONE")]
        for step in self.steps:
            if step.closed_ms > instant_ms or step.result == "NONE":
                continue
            result = "NONE" if step.result == "REDIRECTED" else step.result
            records.append(Record(step.person.userid, step.closed_ms, step.operation, result, step.remark))
        if self.outcome == "withdrawn" and self.final_at(instant_ms):
            records.append(Record(self.originator.userid, self.ended_ms, "TERMINATE_PROCESS_INSTANCE", "NONE", ""))
        if self.copied and self.agreed_at(instant_ms):
            by = self.steps[-1].person.userid
            records.append(Record(by, self.ended_ms, "PROCESS_CC", "NONE", "", self.copied))
        records += [
            Record(remark.person.userid, remark.at_ms, "ADD_REMARK", "NONE", remark.text)
            for remark in self.remarks
            if remark.at_ms <= instant_ms
        ]
        return sorted(records, key=lambda record: record.at_ms)

    def _task(self, number: int, step: Step, instant_ms: int) -> Task:
        if step.closed_ms > instant_ms:
            return Task(number, step.person.userid, "RUNNING", "NONE", step.opened_ms, None)
        status = "CANCELED" if step.result == "NONE" else "COMPLETED"
        return Task(number, step.person.userid, status, step.result, step.opened_ms, step.closed_ms)


def live(key: str, created_ms: int, *, first_task: int, open_until_ms: int | None = None) -> Life:
    """Return the life an approval lives when nobody interferes.

    Args:
        key: Names the approval; the same key gives the same life.
        created_ms: When it is started.
        first_task: The number of its first task.
        open_until_ms: Stays open until then; None for an ordinary approval, which takes minutes to days.
    """
    dice = random.Random(f"{key}/life")
    originator = anyone(dice)
    outcome: Outcome = dice.choices(("agree", "refuse", "withdrawn"), (80, 10, 10))[0]
    steps: list[Step] = []
    opened = created_ms
    count = dice.randrange(1, 5)
    for place in range(count):
        last = place == count - 1
        # From a minute and a half to two days each; nothing can be withdrawn in its first 15 seconds.
        closed = opened + int(10 ** dice.uniform(2, 5.2)) * SECOND + dice.randrange(SECOND)
        if last and open_until_ms is not None:
            closed = max(closed, open_until_ms)
        steps.append(_step(dice, opened, closed, outcome if last else None))
        opened = closed
    remarks: tuple[Remark, ...] = ()
    if dice.random() < 0.1:
        at_ms = dice.randrange(created_ms + SECOND, opened)
        remarks = (Remark(at_ms, originator, "催一下，谢谢🙏"),)
    return Life(
        created_ms=created_ms,
        originator=originator,
        steps=tuple(steps),
        outcome=outcome,
        ended_ms=opened,
        first_task=first_task,
        copied=tuple(anyone(dice).userid for _ in range(dice.choice((0, 1, 2)))),
        remarks=remarks,
    )


def _step(dice: random.Random, opened: int, closed: int, outcome: Outcome | None) -> Step:
    person = anyone(dice)
    if outcome == "withdrawn":
        return Step(person, opened, closed, "EXECUTE_TASK_NORMAL", "NONE", None)
    if outcome == "refuse":
        return Step(person, opened, closed, "EXECUTE_TASK_NORMAL", "REFUSE", "金额不符，请核对")
    if outcome is None and dice.random() < 0.1:
        return Step(person, opened, closed, "REDIRECT_TASK", "REDIRECTED", "请帮忙处理")
    operation = dice.choices(("EXECUTE_TASK_NORMAL", "EXECUTE_TASK_AGENT", "EXECUTE_TASK_AUTO"), (8, 1, 1))[0]
    return Step(person, opened, closed, operation, "AGREE", dice.choice((None, "同意", "", '同意，"按流程"走')))
