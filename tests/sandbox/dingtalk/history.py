"""The approvals of one template that come by themselves, one after the other, for ever.

Nothing is stored: number, instant and content of an approval follow from the seed, so that 50,000 approvals cost no
more memory than 50. Approval k comes somewhere in the k-th of equal slices of time, which makes a window of create
times a range of numbers.
"""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

from tests.sandbox.clock import to_text
from tests.sandbox.dingtalk.lives import DAY, HOUR, Life, live

#: How many lives are kept built.
_KEPT = 20_000
#: Every so many approvals one is deleted by an administrator, sooner or later.
_DELETED_EVERY, _DELETED_AT = 53, 17
#: Of a hundred approvals this many are made to modify or revoke an older one that was agreed to.
_FOLLOWERS = 8
#: A task is numbered like a real one: eleven digits.
_FIRST_TASK = 66_000_000_000
_TASKS_PER_APPROVAL = 10


@dataclass(frozen=True)
class Approval:
    """One approval (审批实例).

    Attributes:
        key: Names it for everything random about it.
        main_id: The approval it modifies or revokes, or None.
    """

    id: str
    code: str
    key: str
    business_id: str
    life: Life
    biz_action: str = "NONE"
    main_id: str | None = None


def make_id(key: str, created_ms: int) -> str:
    """Return an instance id as they look since 2022: 22 characters, 4 digits, the unix second of creation."""
    digest = hashlib.blake2b(key.encode(), digest_size=18).digest()
    letters = base64.urlsafe_b64encode(digest).decode()[:22]
    return f"{letters}{zlib.crc32(digest) % 10_000:04d}{created_ms // 1000:010d}"


def make_business_id(key: str, created_ms: int) -> str:
    """Return a serial number (审批编号) of 21 digits: minute, 000, second, four digits more."""
    text = "".join(character for character in to_text(created_ms) if character.isdigit())
    return f"{text[:12]}000{text[12:]}{zlib.crc32(key.encode()) % 10_000:04d}"


def chance(key: str) -> float:
    """Return a number in [0, 1) that is the same for the same key."""
    return zlib.crc32(key.encode()) / (1 << 32)


class History:
    """The endless row of approvals of one template.

    Args:
        code: The template.
        seed: The same seed gives the same approvals.
        start_ms: When the first came.
        until_ms: The stand-in's start; ``count`` approvals lie before it and they go on coming at that pace.
        open_count: How many of them, evenly spread, stay open for months after ``until_ms``; the same share of
            those that come later stays open for months.
    """

    def __init__(self, code: str, seed: int, *, start_ms: int, until_ms: int, count: int, open_count: int) -> None:
        self.code = code
        self._name = f"{seed}/{code}"
        self._start_ms = start_ms
        self._until_ms = until_ms
        self._count = count
        self._open_count = open_count
        self._slice_ms = (until_ms - start_ms) / count if count else 0.0
        self._follows_after = max(1, min(count // 4, round(10 * DAY / self._slice_ms))) if count else 1
        self.approval = lru_cache(_KEPT)(self._approval)

    def window(self, first_ms: int, last_ms: int) -> range:
        """Return the numbers of the approvals created in a window, both ends included."""
        if not self._count or last_ms < first_ms:
            return range(0)
        low = max(0, int((first_ms - self._start_ms) // self._slice_ms) - 1)
        while self.created_ms(low) < first_ms:
            low += 1
        high = max(low, int((last_ms - self._start_ms) // self._slice_ms) - 1)
        while self.created_ms(high) <= last_ms:
            high += 1
        return range(low, high)

    def created_ms(self, number: int) -> int:
        """Return when an approval is started."""
        return self._start_ms + int((number + chance(f"{self._name}/{number}/created")) * self._slice_ms)

    def find(self, instance_id: str) -> Approval | None:
        """Return an approval by its id, or None; it may lie in the future."""
        second = instance_id[-10:]
        if not (second.isascii() and second.isdigit()):
            return None
        for number in self.window(int(second) * 1000, int(second) * 1000 + 999):
            if self.id_of(number) == instance_id:
                return self.approval(number)
        return None

    def id_of(self, number: int) -> str:
        """Return an approval's id without building the approval."""
        return make_id(self._key(number), self.created_ms(number))

    def may_be_deleted(self, number: int) -> bool:
        """Return whether an approval is one of those that get deleted at some time."""
        return number % _DELETED_EVERY == _DELETED_AT

    def follower_of(self, approval: Approval) -> Approval | None:
        """Return the approval that modifies or revokes this one, or None."""
        follower = self.approval(int(approval.key.rsplit("/", 1)[1]) + self._follows_after)
        return follower if follower.main_id == approval.id else None

    def _key(self, number: int) -> str:
        return f"{self._name}/{number}"

    def _approval(self, number: int) -> Approval:
        key = self._key(number)
        created_ms = self.created_ms(number)
        main = self._main_of(number)
        return Approval(
            id=make_id(key, created_ms),
            code=self.code,
            key=key,
            business_id=make_business_id(key, created_ms),
            life=self._life(number),
            biz_action="NONE" if main is None else "MODIFY" if chance(f"{key}/action") < 0.5 else "REVOKE",
            main_id=None if main is None else self.id_of(main),
        )

    def _main_of(self, number: int) -> int | None:
        """Return the approval that this one modifies or revokes: always one that was agreed to before."""
        main = number - self._follows_after
        if main < 0 or chance(f"{self._key(number)}/follows") * 100 >= _FOLLOWERS:
            return None
        life = self._life(main)
        created_ms = self.created_ms(number)
        return main if life.agreed_at(created_ms) and not life.deleted_at(created_ms) else None

    def _life(self, number: int) -> Life:
        key = self._key(number)
        created_ms = self.created_ms(number)
        dice = random.Random(f"{key}/fate")
        open_until_ms = None
        if self._stays_open(number):
            open_until_ms = max(created_ms, self._until_ms) + dice.randrange(20 * DAY, 200 * DAY)
        first_task = _FIRST_TASK + zlib.crc32(key.encode()) * _TASKS_PER_APPROVAL
        life = live(key, created_ms, first_task=first_task, open_until_ms=open_until_ms)
        if not self.may_be_deleted(number):
            return life
        if dice.random() < 0.5:  # while it is open, or afterwards
            return replace(life, deleted_ms=dice.randrange(created_ms + 1, life.ended_ms))
        return replace(life, deleted_ms=life.ended_ms + dice.randrange(HOUR, 20 * DAY))

    def _stays_open(self, number: int) -> bool:
        return (number + 1) * self._open_count // self._count > number * self._open_count // self._count
