"""How far a process has been read: the bookmark of its stream. Pure; nothing here calls the platform.

The state is made to be read, and mended, by a person. Lists, not objects, hold what comes and goes: Meltano merges
objects of two states and would bring back what was removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_dingtalk_approval.values import BEIJING, format_instant, parse_setting
from tap_dingtalk_approval.windows import days_between, first_whole_day, next_midnight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_dingtalk_approval.approval import Approval
    from tap_dingtalk_approval.windows import Window

REPLICATION_KEY = "create_time"
PATIENCE = 2
"""Runs in a row in which an approval may be unreadable, for a reason that nobody documents, before it is given up."""

PATIENCE_WITH_BUSY = 10
"""The same when the platform says that it is busy, while it answers for other approvals."""


@dataclass
class Progress:
    """What a process's bookmark remembers.

    Attributes:
        bookmark: Create time up to which everything was listed, and read at least once.
        listed_until: Create time up to which everything was listed. Later than the bookmark after a run that ended
            before it had read what it had listed.
        unread: Approvals that were listed and not read yet, in the order of listing. Empty after a run that ended well.
        open: Approvals that are not final, the one read longest ago first, with the seconds that were told of them.
        settled: Approvals that need not be read again although the next run lists them again, with their create time
            (that of the bookmark for one that could never be read).
        settled_since: Everything settled that was created since then is in `settled`.
        days: Approvals read by day of creation, of the days that may still gain some.
        failing: Approvals that could not be read, with the number of runs in a row.
        counts_again: Whether days are counted again in this run, and with them approvals that are known to be open.
    """

    bookmark: datetime | None = None
    listed_until: datetime | None = None
    unread: dict[str, None] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    settled: dict[str, datetime] = field(default_factory=dict)
    settled_since: datetime | None = None
    days: dict[date, int] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    counts_again: bool = False

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """Read a bookmark.

        Args:
            state: As `to_state` wrote it, or with nothing but `replication_key_value`, or empty.

        Raises:
            ValueError: An instant or a number in it is none.
        """
        seconds = dict(_pairs(state, "open_seconds"))
        bookmark, unread = _moment(state, "replication_key_value"), dict.fromkeys(_texts(state, "unread_approvals"))
        return cls(
            bookmark=bookmark,
            # Without anything unread the bookmark alone counts: somebody may have set it.
            listed_until=_moment(state, "listed_until") or bookmark if unread else bookmark,
            unread=unread,
            open={one: seconds.get(one, "") for one in _texts(state, "open_approvals")},
            settled={one: parse_setting(created).at for created, one in _pairs(state, "settled_approvals")},
            settled_since=_moment(state, "settled_since"),
            days={date.fromisoformat(day): int(count) for day, count in _pairs(state, "created_per_day")},
            failing={one: int(runs) for one, runs in _pairs(state, "failing_approvals")},
        )

    def to_state(self) -> dict[str, Any]:
        """The bookmark. Its lists are always there, also empty, so that none of an older state survives a merge."""
        return {
            "replication_key": REPLICATION_KEY,
            **({"replication_key_value": format_instant(self.bookmark)} if self.bookmark else {}),
            "listed_until": format_instant(self.listed_until) if self.listed_until and self.unread else None,
            "unread_approvals": list(self.unread),
            "open_approvals": list(self.open),
            "open_seconds": [f"{one} {seconds}" for one, seconds in self.open.items() if seconds],
            "settled_approvals": sorted(f"{_local(created)} {one}" for one, created in self.settled.items()),
            "settled_since": format_instant(self.settled_since) if self.settled_since else None,
            "created_per_day": [f"{day} {count}" for day, count in sorted(self.days.items())],
            "failing_approvals": [f"{one} {runs}" for one, runs in self.failing.items()],
        }

    def open_days(self, window: Window) -> None:
        """A window is about to be listed: count the days that begin in it.

        Days that have been counted and closed are not opened again.
        """
        first = max(self.days) + timedelta(days=1) if self.days else first_whole_day(window.start)
        for day in days_between(first, window.end.astimezone(BEIJING).date()):
            self.days.setdefault(day, 0)

    def is_new(self, instance_id: str) -> bool:
        """Whether an approval that is listed has to be read for that."""
        return instance_id not in self.settled and (instance_id not in self.open or self.counts_again)

    def listed(self, window: Window, ids: Iterable[str], lookback: timedelta) -> int:
        """A window was listed whole: remember its approvals.

        Args:
            window: Which.
            ids: Of all approvals in it.
            lookback: How far before the bookmark the next run lists again.

        Returns:
            How many of them are new.
        """
        before = len(self.unread)
        self.unread |= dict.fromkeys(one for one in ids if self.is_new(one))
        self.listed_until = max(window.end, self.listed_until or window.end)
        # To the minute, as the new API tells create times.
        self._keep_settled_since((self.listed_until - lookback).replace(second=0))
        self._move_bookmark()
        return len(self.unread) - before

    def rewind(self, start: datetime) -> None:
        """Begin anew where the listing will begin before what is remembered as settled.

        That happens when somebody set the bookmark back or the lookback up: what is listed then is read again, also
        when it is final, and the days are counted again.

        Args:
            start: Where the listing begins.
        """
        if self.settled_since and start < self.settled_since:
            self.settled_since = None
            self.settled.clear()
            self.days.clear()
            self.counts_again = True

    def read(self, approval: Approval) -> None:
        """An approval was read, and its rows are on their way.

        Args:
            approval: Which, as it reads now.
        """
        created = approval.create_time.at if approval.create_time else None
        if approval.id in self.unread and created:
            day = created.astimezone(BEIJING).date()
            if day in self.days:
                self.days[day] += 1
        self._forget(approval.id)
        if approval.is_final:
            self._settle(approval.id, created)
        else:
            # At the end of the line: a run that the quota cuts short begins with the others next time.
            self.open[approval.id] = approval.known_seconds()

    def gone(self, instance_id: str) -> None:
        """An approval cannot be read any more."""
        self._forget(instance_id)
        self._settle(instance_id, None)

    def failed(self, instance_id: str, *, patience: int) -> int:
        """An approval could not be read, and nothing says that it never will be.

        In the end it is given up. Before, after `PATIENCE` runs, it is followed like one that is not final, so that it
        holds up the bookmark no longer.

        Args:
            instance_id: Which.
            patience: In how many runs in a row it may fail, the last of them included.

        Returns:
            In how many runs in a row it has failed.
        """
        runs = self.failing.get(instance_id, 0) + 1
        if runs >= patience:
            self.gone(instance_id)
            return runs
        self.failing[instance_id] = runs
        if runs >= PATIENCE and instance_id in self.unread:
            del self.unread[instance_id]
            self.open[instance_id] = ""
            self._move_bookmark()
        return runs

    def closed_days(self) -> dict[date, int]:
        """Approvals by day, of the days that the listing has passed. Empty while some are listed and not read."""
        if self.unread or self.bookmark is None:
            return {}
        return {day: count for day, count in self.days.items() if next_midnight(day) <= self.bookmark}

    def forget_past_days(self) -> None:
        """Drop the days that no later listing can add to, once their totals are on their way."""
        if self.settled_since and not self.unread:
            since = self.settled_since
            self.days = {day: n for day, n in self.days.items() if next_midnight(day) > since}

    def _move_bookmark(self) -> None:
        if not self.unread:
            self.bookmark = self.listed_until

    def _keep_settled_since(self, since: datetime) -> None:
        self.settled_since = since
        self.settled = {one: created for one, created in self.settled.items() if created >= since}

    def _settle(self, instance_id: str, created: datetime | None) -> None:
        created = created or self.listed_until
        if created and (self.settled_since is None or created >= self.settled_since):
            self.settled[instance_id] = created

    def _forget(self, instance_id: str) -> None:
        self.unread.pop(instance_id, None)
        self.open.pop(instance_id, None)
        self.failing.pop(instance_id, None)
        self._move_bookmark()


def _moment(state: Mapping[str, Any], key: str) -> datetime | None:
    return parse_setting(state[key]).at if state.get(key) else None


def _texts(state: Mapping[str, Any], key: str) -> list[str]:
    return [str(one) for one in state.get(key) or []]


def _pairs(state: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    pairs = (text.partition(" ") for text in _texts(state, key))
    return [(first, second) for first, _, second in pairs]


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%dT%H:%M:%S}"
