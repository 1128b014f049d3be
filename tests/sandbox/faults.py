"""Faults a test orders: which request is hit, how often, and by what."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

#: Faults of the wire, the same for every platform. What each does is told in README.md.
WIRE_FAULTS = frozenset({"status", "reset", "reset_after", "truncated", "cut", "html", "empty", "slow"})


@dataclass
class Fault:
    """One order: hit the calls that match with ``kind``."""

    kind: str
    #: Only calls of this API (a method name, or a path); None hits any.
    api: str | None = None
    #: Only calls for this page (as the platform counts pages).
    page: int | None = None
    #: Only from the n-th matching call on, counted from the order, 1-based.
    at: int = 1
    #: How many calls are hit before the fault is used up; None for all.
    times: int | None = 1
    #: The chance that a matching call is hit.
    probability: float = 1.0
    #: What the kind needs to know: a status, seconds, an error code …
    args: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    def matches(self, api: str, page: int | None) -> bool:
        """Return whether a call is one that this fault is about."""
        return (self.api is None or self.api == api) and (self.page is None or self.page == page)


class Faults:
    """The faults in force, in the order they were given."""

    def __init__(self, seed: int, kinds: frozenset[str]) -> None:
        self._kinds = kinds | WIRE_FAULTS
        self._dice = random.Random(seed)
        self._faults: list[Fault] = []

    def add(self, order: dict[str, Any]) -> None:
        """Take an order as it came from the control interface.

        Raises:
            ValueError: The kind is unknown.
            TypeError: A field is unknown or missing.
        """
        fault = Fault(**order)
        if fault.kind not in self._kinds:
            raise ValueError(f"unknown fault {fault.kind!r}; there are {', '.join(sorted(self._kinds))}")
        self._faults.append(fault)

    def pick(self, api: str, page: int | None) -> Fault | None:
        """Return the fault that hits this call, or None; counts the call for every fault it matches."""
        chosen: Fault | None = None
        for fault in self._faults:
            if not fault.matches(api, page):
                continue
            fault.seen += 1
            if chosen or fault.seen < fault.at or (fault.times is not None and fault.fired >= fault.times):
                continue
            if self._dice.random() < fault.probability:
                fault.fired += 1
                chosen = fault
        return chosen

    def clear(self) -> None:
        """Drop every fault."""
        self._faults.clear()

    def report(self) -> list[dict[str, Any]]:
        """Return every fault with how many calls it ``seen`` and hit (``fired``)."""
        return [asdict(fault) for fault in self._faults]
