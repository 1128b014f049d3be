"""When a STATE may be passed on. Pure bookkeeping, no input or output."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable


@dataclasses.dataclass
class _Pending:
    state: str
    waits_for: set[Hashable]


class StateGate:
    """Holds each STATE until every batch that was open when it came has been handed to the writer.

    The writer works in order, so a STATE handed to it behind those batches is passed on after they are committed.
    Of two STATEs that wait for the same batches only the later one is kept.
    """

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def arrived(self, state: str, open_batches: Iterable[Hashable]) -> str | None:
        """Take a STATE that came while ``open_batches`` were being filled; return it where it need not wait."""
        waits_for = set(open_batches)
        if not waits_for:
            self._pending.clear()
            return state
        self._pending = [pending for pending in self._pending if not pending.waits_for >= waits_for]
        self._pending.append(_Pending(state, waits_for))
        return None

    def handed_over(self, batch: Hashable) -> str | None:
        """Note that a batch went to the writer; return the latest STATE that need not wait any longer, if any."""
        released = None
        for pending in self._pending:
            pending.waits_for.discard(batch)
            if not pending.waits_for:
                released = pending.state
        if released is not None:
            last = max(position for position, pending in enumerate(self._pending) if not pending.waits_for)
            del self._pending[: last + 1]
        return released
