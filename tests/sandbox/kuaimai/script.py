"""Changes that a test schedules for the moment a certain page is served."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tests.sandbox.kuaimai.world import Order

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Step:
    """When which page is served, do what."""

    change: Order
    api: str | None = None
    page: int | None = None
    #: From the n-th matching call on, counted from the order, 1-based.
    request: int = 1
    #: ``after`` the page was taken, so that the next one has moved; or ``before``.
    moment: str = "after"
    #: How many times; None for ever.
    times: int | None = 1
    seen: int = 0
    fired: int = 0
    #: The rows it touched.
    ids: list[int] = field(default_factory=list)


class Script:
    """The steps in force."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, when: dict[str, Any], change: dict[str, Any]) -> None:
        """Take an order as it came from the control interface.

        Raises:
            TypeError: A field is unknown.
            ValueError: The moment, or what to do then, is unknown.
        """
        step = Step(Order(**change), **when)
        if step.moment not in {"before", "after"}:
            raise ValueError(f"moment is 'before' or 'after', not {step.moment!r}")
        self._steps.append(step)

    def count(self, api: str, page: int) -> list[Step]:
        """Count a call, and return the steps that it sets off."""
        due = []
        for step in self._steps:
            if step.api in {None, api} and step.page in {None, page}:
                step.seen += 1
                if step.seen >= step.request and (step.times is None or step.fired < step.times):
                    step.fired += 1
                    due.append(step)
        return due

    def clear(self) -> None:
        """Drop every step."""
        self._steps.clear()

    def report(self) -> Iterator[dict[str, Any]]:
        """Return every step with how many calls it ``seen``, how often it ``fired``, and the ``ids`` it touched."""
        return (asdict(step) for step in self._steps)
