"""Which unverified windows later verified ones have covered: pure interval arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def uncovered(start: int, end: int, verified: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the parts of [start, end) that no interval of `verified` covers, ascending.

    Args:
        start: Begin of the window, in any unit.
        end: Its end.
        verified: Intervals `(start, end)` in the same unit, in any order.
    """
    gaps = []
    reached = start
    for low, high in sorted(verified):
        if low > reached:
            gaps.append((reached, min(low, end)))
        reached = max(reached, high)
        if reached >= end:
            break
    if reached < end:
        gaps.append((reached, end))
    return [(low, high) for low, high in gaps if low < high]
