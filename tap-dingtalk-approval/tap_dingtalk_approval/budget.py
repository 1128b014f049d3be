"""Calls of a calendar month, which the platform counts per organisation."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING

from tap_dingtalk_approval.errors import Action, QuotaExhaustedError, Rule, Topic
from tap_dingtalk_approval.values import BEIJING

if TYPE_CHECKING:
    from collections.abc import Callable


def resumes_at(now: datetime) -> datetime:
    """When the next month begins in Beijing, and with it a new quota."""
    local = now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    if local.month == 12:  # noqa: PLR2004 -- December
        return local.replace(year=local.year + 1, month=1, day=1)
    return local.replace(month=local.month + 1, day=1)


class CallBudget:
    """Counts the calls of this run and of the month, and ends the run before the user's budget is exceeded.

    Calls that are refused for pace or lost on the network do not count; the platform does not count them either.

    Args:
        limit: The setting `monthly_call_budget`; None for no limit.
        month: The month of which `month_total` is known, such as ``2026-11``.
        month_total: Calls of that month so far.
        now: The present.
    """

    def __init__(
        self,
        limit: int | None,
        *,
        month: str | None = None,
        month_total: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(BEIJING),
    ) -> None:
        self.limit = limit
        self.used = 0
        self._now = now
        self._lock = threading.Lock()
        self._month = month
        self._total = month_total

    @property
    def month(self) -> str:
        """The present month in Beijing."""
        return f"{self._now():%Y-%m}"

    @property
    def month_total(self) -> int:
        """Calls of the present month, as far as this tap's state knows."""
        return self._total if self._month == self.month else 0

    def has(self, calls: int) -> bool:
        """Whether so many calls are left."""
        return self.limit is None or self.limit - self.month_total >= calls

    def take(self) -> None:
        """Count one call that is about to leave.

        Raises:
            QuotaExhaustedError: The budget is used up.
        """
        with self._lock:
            if self._month != self.month:
                self._month, self._total = self.month, 0
            if self.limit is not None and self._total >= self.limit:
                raise self._exhausted()
            self._total += 1
            self.used += 1

    def give_back(self) -> None:
        """A call that `take` counted does not count after all."""
        with self._lock:
            self._total = max(0, self._total - 1)
            self.used -= 1

    def resumes(self) -> str:
        """When calls are possible again, as a person reads it."""
        return f"{resumes_at(self._now()):%Y-%m-%d %H:%M} Beijing time"

    def _exhausted(self) -> QuotaExhaustedError:
        advice = f"It goes on after {self.resumes()}, or with a larger monthly_call_budget."
        what = f"the budget of {self.limit} calls a month is used up"
        return QuotaExhaustedError("budget", what, Rule(Action.QUOTA, Topic.QUOTA, advice))
