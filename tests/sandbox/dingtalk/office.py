"""Everything the platform knows of its approvals: the ones that come by themselves and what a test did to them."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.sandbox.dingtalk.forms import Entry, fill_form
from tests.sandbox.dingtalk.history import Approval, History, make_business_id, make_id
from tests.sandbox.dingtalk.lives import DAY, NEVER, Life, Outcome, Step
from tests.sandbox.dingtalk.people import PEOPLE
from tests.sandbox.dingtalk.templates import SHIPPED, Template
from tests.sandbox.dingtalk.values import Filled

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many listings are remembered, so that paging through one costs its computing once.
_LISTINGS_KEPT = 8


@dataclass(frozen=True)
class Query:
    """What a listing asks for; instants are epoch ms, ``last_ms`` is included."""

    code: str
    first_ms: int
    last_ms: int
    userids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """What a test wrote into a component of an approval, from an instant on."""

    at_ms: int
    component: str
    filled: Filled | None


class Office:
    """The organisation's approvals.

    Args:
        seed: The same seed and ``now_ms`` give the same approvals.
        now_ms: The present at the start.
        days: Days of history before it.
        count: Approvals of each template in the history.
        open_count: How many of them are still open for months.
    """

    def __init__(self, seed: int, now_ms: int, days: int, count: int, open_count: int) -> None:
        self._seed = seed
        self.templates: dict[str, Template] = {template.code: template for template in SHIPPED}
        self._histories = {
            code: History(code, seed, start_ms=now_ms - days * DAY, until_ms=now_ms, count=count, open_count=open_count)
            for code in self.templates
        }
        self._made: dict[str, Approval] = {}
        self._lives: dict[str, Life] = {}
        self._changes: dict[str, list[Change]] = {}
        self._listings: dict[object, list[str]] = {}

    def find(self, instance_id: str, now_ms: int) -> Approval | None:
        """Return an approval that exists or existed by then, or None."""
        approval = self._made.get(instance_id)
        if approval is None:
            found = (history.find(instance_id) for history in self._histories.values())
            approval = next((one for one in found if one is not None), None)
        if approval is None or approval.life.created_ms > now_ms:
            return None
        return self._as_it_is(approval)

    def between(self, code: str, first_ms: int, last_ms: int) -> Iterator[Approval]:
        """Yield the approvals of a template created in a window, deleted ones too, in the order of creation."""
        history = self._histories[code]
        come = (history.approval(number) for number in history.window(first_ms, last_ms))
        made = (one for one in self._made.values() if one.code == code and first_ms <= one.life.created_ms <= last_ms)
        for approval in sorted(itertools.chain(come, made), key=lambda one: one.life.created_ms):
            yield self._as_it_is(approval)

    def listing(self, query: Query, now_ms: int, *, order: str, deleted: bool) -> list[str]:
        """Return the ids a query finds.

        Args:
            query: Window and filters.
            now_ms: The present.
            order: ``shuffled`` (the same for every page), ``oldest`` or ``newest`` first.
            deleted: Whether deleted approvals are listed still.
        """
        last_ms = min(query.last_ms, now_ms)
        history = self._histories[query.code]
        numbers = history.window(query.first_ms, last_ms)
        made = tuple(
            one
            for one in self._made.values()
            if one.code == query.code and query.first_ms <= one.life.created_ms <= last_ms
        )
        gone = frozenset() if deleted else self._gone(history, numbers, made, now_ms)
        moving = now_ms if query.statuses else None
        key = (query.code, numbers, tuple(one.id for one in made), gone, query.userids, query.statuses, moving, order)
        known = self._listings.get(key)
        if known is None:
            if query.userids or query.statuses:
                found = [
                    one.id for one in self.between(query.code, query.first_ms, last_ms) if _fits(one, query, now_ms)
                ]
            else:
                found = [history.id_of(number) for number in numbers] + [one.id for one in made]
                found.sort(key=lambda one: one[-10:])
            known = _ordered([one for one in found if one not in gone], order)
            if len(self._listings) >= _LISTINGS_KEPT:
                self._listings.pop(next(iter(self._listings)))
            self._listings[key] = known
        return known

    def attached(self, approval: Approval, at_ms: int) -> list[str]:
        """Return the ids of the approvals that modify or revoke this one by then."""
        followers = [one for one in self._made.values() if one.main_id == approval.id]
        history = self._histories[approval.code]
        if approval.id not in self._made and (follower := history.follower_of(approval)) is not None:
            followers.append(follower)
        return [one.id for one in followers if one.life.created_ms <= at_ms]

    def form(self, approval: Approval, at_ms: int) -> list[Entry]:
        """Return the form of an approval as it reads by then."""
        components = self.templates[approval.code].components_at(approval.life.created_ms)
        entries = fill_form(components, approval.key, agreed=approval.life.agreed_at(at_ms))
        written = {
            change.component: change.filled for change in self._changes.get(approval.id, ()) if change.at_ms <= at_ms
        }
        return [
            replace(entry, filled=written[entry.component.id]) if entry.component.id in written else entry
            for entry in entries
        ]

    def make(
        self,
        code: str,
        now_ms: int,
        *,
        values: dict[str, Filled | None],
        userid: str | None = None,
        main_id: str | None = None,
        biz_action: str = "NONE",
    ) -> Approval:
        """Start an approval now, which stays open until it is decided by a test.

        Args:
            code: The template.
            now_ms: The present.
            values: What is in components, as in `write`; the others are made up.
            userid: The originator; None for the first person.
            main_id: The approval it modifies or revokes.
            biz_action: ``NONE``, ``MODIFY`` or ``REVOKE``.

        Raises:
            KeyError: There is no such template, or no such component.
        """
        changes = self._changes_of(code, now_ms, values, now_ms)
        key = f"{self._seed}/{code}/made/{len(self._made)}"
        originator = next((person for person in PEOPLE if person.userid == userid), PEOPLE[0])
        step = Step(PEOPLE[1], now_ms, NEVER, "EXECUTE_TASK_NORMAL", "AGREE", "同意")
        life = Life(now_ms, originator, (step,), "agree", NEVER, 77_000_000_000 + zlib.crc32(key.encode()))
        approval = Approval(make_id(key, now_ms), code, key, make_business_id(key, now_ms), life, biz_action, main_id)
        self._made[approval.id] = approval
        self._changes[approval.id] = changes
        return approval

    def decide(self, instance_id: str, outcome: Outcome, now_ms: int) -> None:
        """Agree to, refuse or withdraw an approval now.

        Raises:
            KeyError: There is no such approval.
            ValueError: It is final already.
        """
        self._live_on(instance_id, self._life(instance_id, now_ms).decided(now_ms, outcome))

    def delete(self, instance_id: str, now_ms: int) -> None:
        """Delete an approval now.

        Raises:
            KeyError: There is no such approval.
        """
        self._live_on(instance_id, self._life(instance_id, now_ms).deleted(now_ms))

    def remark(self, instance_id: str, text: str, now_ms: int) -> None:
        """Comment on an approval now, also on a final one.

        Raises:
            KeyError: There is no such approval.
        """
        self._live_on(instance_id, self._life(instance_id, now_ms).remarked(now_ms, text))

    def write(self, instance_id: str, values: dict[str, Filled | None], now_ms: int) -> None:
        """Write into components of an approval, by id or by a label that only one component has.

        Raises:
            KeyError: There is no such approval, or no such component.
        """
        approval = self._existing(instance_id, now_ms)
        changes = self._changes_of(approval.code, approval.life.created_ms, values, now_ms)
        self._changes.setdefault(instance_id, []).extend(changes)

    def _changes_of(self, code: str, created_ms: int, values: dict[str, Filled | None], now_ms: int) -> list[Change]:
        components = self.templates[code].components_at(created_ms)
        changes: list[Change] = []
        for name, filled in values.items():
            named = [one.id for one in components if name in {one.id, one.label}]
            if len(named) != 1:
                raise KeyError(f"{len(named)} components are called {name!r}")
            changes.append(Change(now_ms, named[0], filled))
        return changes

    def _as_it_is(self, approval: Approval) -> Approval:
        life = self._lives.get(approval.id)
        return approval if life is None else replace(approval, life=life)

    def _live_on(self, instance_id: str, life: Life) -> None:
        self._lives[instance_id] = life
        self._listings.clear()

    def _existing(self, instance_id: str, now_ms: int) -> Approval:
        approval = self.find(instance_id, now_ms)
        if approval is None:
            raise KeyError(f"no approval {instance_id!r}")
        return approval

    def _life(self, instance_id: str, now_ms: int) -> Life:
        return self._existing(instance_id, now_ms).life

    def _gone(self, history: History, numbers: range, made: tuple[Approval, ...], now_ms: int) -> frozenset[str]:
        come = (history.approval(number) for number in numbers if history.may_be_deleted(number))
        touched = (self.find(one, now_ms) for one in self._lives)
        suspects = itertools.chain(come, made, (one for one in touched if one is not None))
        return frozenset(one.id for one in map(self._as_it_is, suspects) if one.life.deleted_at(now_ms))


def filled_from(order: Any) -> Filled | None:  # noqa: ANN401 - JSON of the control interface
    """Return what an order of the control interface writes into a component.

    Args:
        order: Text as the platform stores it, ``{"value", "ext"}`` with the text beside it, or null for empty.
    """
    if order is None:
        return None
    if isinstance(order, dict):
        return Filled(str(order["value"]), order.get("ext"), str(order["value"]))
    return Filled(str(order), None, str(order))


def _fits(approval: Approval, query: Query, now_ms: int) -> bool:
    if query.userids and approval.life.originator.userid not in query.userids:
        return False
    return not query.statuses or approval.life.status_at(now_ms) in query.statuses


def _ordered(ids: list[str], order: str) -> list[str]:
    if order == "shuffled":
        return sorted(ids, key=lambda one: zlib.crc32(one.encode()))
    return ids[::-1] if order == "newest" else ids
