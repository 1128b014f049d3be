"""All data of the gateway, what happens to them, and the journal from which they are made again."""

from __future__ import annotations

import heapq
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sandbox.clock import to_ms
from tests.sandbox.kuaimai.rows import DeclaredRows, LogRows, OrderRows, SkuStockRows
from tests.sandbox.kuaimai.table import DAY_MS, Table
from tests.sandbox.kuaimai.tickets import TicketRows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.sandbox.kuaimai.declarations import Api
    from tests.sandbox.kuaimai.rows import RowMaker
    from tests.sandbox.kuaimai.table import Found

TICKETS = "erp.aftersale.list.query"
TICKET_LOG = "erp.aftersale.operate.log.query"
SKU_STOCK = "erp.item.warehouse.list.get"
TRADES = ("erp.trade.list.query", "erp.trade.outstock.simple.query")
OPERATIONS = ("change", "day", "delete", "insert", "shrink")
#: What an order without ids takes its rows from; all but the first need a script.
PICKS = ("any", "served", "unserved", "window")
#: Rows of every other API with a window.
OTHER_ROWS = 150


@dataclass(frozen=True)
class Order:
    """A change to the data, as the control interface takes it; README.md tells the forms.

    Raises:
        ValueError: There is no such operation or choice.
    """

    op: str = "change"
    api: str = TICKETS
    ids: list[int] | None = None
    of: str = "any"
    count: int = 1
    set: dict[str, Any] | None = None
    modified: str | int | None = None
    created: str | int | None = None
    visible_in_seconds: float | None = None
    keep: int = 0
    new: int = 0
    changed: int = 0
    since: str | int | None = None

    def __post_init__(self) -> None:
        for value, choices in ((self.op, OPERATIONS), (self.of, PICKS)):
            if value not in choices:
                raise ValueError(f"{value!r} is none of {', '.join(choices)}")

    def patch(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return the fields of a row that change; None for what someone who works on it would change."""
        if self.op == "shrink":
            return {"items": (row.get("items") or [])[: self.keep], **(self.set or {})}
        return self.set


@dataclass(frozen=True)
class Seen:
    """What a script knows of the page that set it off."""

    window: Found
    served: list[int]
    #: Both ends of the window, epoch ms; None is open.
    span_ms: tuple[int | None, int | None]


class World:
    """Tables by method name, made when they are first asked for.

    Attributes:
        end_ms: Where the made history ends, epoch ms.
    """

    def __init__(
        self, apis: Mapping[str, Api], *, seed: int, tickets: int, trades: int, days: int, end_ms: int
    ) -> None:
        self.end_ms = end_ms
        self._apis = apis
        self._seed = seed
        self._sizes = {TICKETS: tickets, **dict.fromkeys(TRADES, trades)}
        self._span = (end_ms - days * DAY_MS, end_ms)
        self._tables: dict[str, Table] = {}
        self._later: list[tuple[int, int, str]] = []
        self._dice = random.Random(seed)
        self._lived_until = end_ms
        self._journal: Path | None = None

    def table(self, method: str) -> Table:
        """Return an API's rows.

        Raises:
            KeyError: There is no such API.
        """
        table = self._tables.get(method)
        if table is None:
            api = self._apis[method]
            rows = self._rows(api)
            count = self._sizes.get(method, api.rows or OTHER_ROWS)
            table = self._tables[method] = Table(api, rows, count, self._span, self._seed)
        return table

    def _rows(self, api: Api) -> RowMaker:
        if api.method == TICKETS:
            return TicketRows(api, self._seed)
        if api.method in TRADES:
            return OrderRows(api, self._seed)
        if api.method == TICKET_LOG:
            return LogRows(api, self._seed, self.table(TICKETS).id_of)
        if api.method == SKU_STOCK:
            return SkuStockRows(api, self._seed)
        return DeclaredRows(api, self._seed)

    # -- what happens --------------------------------------------------------------------------------------------------

    def apply(self, order: Order, now_ms: int, seen: Seen | None = None) -> list[int]:
        """Do what a test or a script orders, and return the numbers (ids) of the rows it touched.

        Args:
            order: What to do.
            now_ms: The present, which a change is dated with unless it says otherwise.
            seen: The page that set a script off; what ``"of": "served"`` and ``"modified": "window"`` refer to.

        Raises:
            ValueError: The order makes no sense.
            KeyError: There is no such API or row.
        """
        if order.op == "day":
            return self._day(order, now_ms)
        table = self.table(order.api)
        modified_ms = _instant(order.modified, now_ms, seen)
        if order.op == "insert":
            created_ms = modified_ms if order.created is None else to_ms(order.created)
            later = order.visible_in_seconds
            visible_at = None if later is None else now_ms + round(later * 1000)
            return [
                self._add(table, [created_ms, modified_ms, order.set or {}, visible_at]) for _ in range(order.count)
            ]
        if order.ids:
            ordinals = [table.ordinal_of(row_id) for row_id in order.ids]
        else:
            ordinals = self._pick(table, order.of, order.count, seen)
        for ordinal in ordinals:
            if order.op == "delete":
                self._do("remove", order.api, [ordinal])
            else:
                self._do("change", order.api, [ordinal, modified_ms, order.patch(table.row(ordinal))])
        return [table.id_of(ordinal) for ordinal in ordinals]

    def _pick(self, table: Table, of: str, count: int, seen: Seen | None) -> list[int]:
        if of == "any":
            found = table.find("created", None, None)
            places = self._dice.sample(range(len(found)), min(count, len(found)))
            return [found.page(place, 1)[0] for place in places]
        if seen is None:
            raise ValueError(f"'of': {of!r} needs a script; without one there is 'any'")
        if of == "served":
            return seen.served[:count]
        rows = list(seen.window)
        if of == "unserved":
            served = {*seen.served}
            rows = [ordinal for ordinal in rows if ordinal not in served]
        return rows[:count]

    def _day(self, order: Order, now_ms: int) -> list[int]:
        """Let business go on since the last such order: new tickets, and work on old ones."""
        start = min(self._lived_until if order.since is None else to_ms(order.since), now_ms - 1)
        table = self.table(TICKETS)
        ids = []
        for ordinal in self._pick(table, "any", order.changed, None):
            earliest = max(start, table.modified[ordinal] + 1)
            modified = self._dice.randrange(earliest, now_ms) if earliest < now_ms else earliest
            self._do("change", TICKETS, [ordinal, modified, None])
            ids.append(table.id_of(ordinal))
        born = sorted(self._dice.randrange(start, now_ms) // 1000 * 1000 for _ in range(order.new))
        ids += [self._add(table, [created, created, {}, None]) for created in born]
        self._lived_until = now_ms
        return ids

    def let_appear(self, now_ms: int) -> None:
        """Show the rows whose time to be visible has come."""
        while self._later and self._later[0][0] <= now_ms:
            _, ordinal, method = heapq.heappop(self._later)
            self.table(method).show(ordinal)

    def _add(self, table: Table, args: list[Any]) -> int:
        self._do("add", table.api.method, args)
        return table.id_of(len(table.created) - 1)

    # -- the journal ---------------------------------------------------------------------------------------------------

    def _do(self, op: str, method: str, args: list[Any]) -> None:
        """Do one thing to one row, and write it down."""
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps([op, method, args], ensure_ascii=False) + "\n")
        self._redo(op, method, args)

    def _redo(self, op: str, method: str, args: list[Any]) -> None:
        table = self.table(method)
        if op == "add":
            created_ms, modified_ms, patch, visible_at = args
            ordinal = table.add(created_ms, modified_ms, patch, hidden=visible_at is not None)
            if visible_at is not None:
                heapq.heappush(self._later, (visible_at, ordinal, method))
        elif op == "change":
            ordinal, modified_ms, patch = args
            table.change(ordinal, modified_ms, patch)
        else:
            table.remove(args[0])

    def keep_journal(self, path: Path) -> None:
        """Do what the journal of an earlier process tells, and write down what happens from now on.

        Args:
            path: A file that `open_journal` made.
        """
        whole = path.read_bytes()
        # A process that was killed may have left half a line; what it was about was not answered yet.
        kept = whole[: whole.rfind(b"\n") + 1]
        for line in kept.splitlines()[1:]:
            self._redo(*json.loads(line))
        if kept != whole:
            path.write_bytes(kept)
        self._journal = path


def open_journal(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Start a journal, or return the facts that an earlier process started it with.

    Args:
        path: JSON Lines; the facts come first, then what happened.
        facts: Size, seed and end of the history.

    Raises:
        ValueError: The journal is about other data (another seed or size).
    """
    if not path.exists():
        path.write_text(json.dumps(facts) + "\n", encoding="utf-8")
        return facts
    with path.open(encoding="utf-8") as journal:
        kept: dict[str, Any] = json.loads(next(journal))
    for name, value in facts.items():
        if name != "end_ms" and kept.get(name) != value:
            raise ValueError(f"{path} is about {name} {kept.get(name)}, not {value}; remove it to start afresh")
    return kept


def _instant(instant: str | int | None, now_ms: int, seen: Seen | None) -> int:
    """Return the instant an order means: the present, a given one, or one inside the window being read."""
    if instant is None:
        return now_ms
    if instant != "window":
        return to_ms(instant)
    if seen is None or seen.span_ms[0] is None or seen.span_ms[1] is None:
        raise ValueError("'modified': 'window' needs a script and a call with a window")
    return (seen.span_ms[0] + seen.span_ms[1]) // 2
