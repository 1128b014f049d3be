"""How the rows of the APIs look that have no makers of their own like the tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tests.sandbox.kuaimai.values import compile_fields, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.kuaimai.declarations import Api
    from tests.sandbox.kuaimai.values import Context


class RowMaker(Protocol):
    """What knows how the rows of an API look."""

    def make(self, context: Context) -> dict[str, Any]:
        """Return a row; null fields are None."""

    def touch(self, row: dict[str, Any], times: int, at_ms: int) -> dict[str, Any]:
        """Return the fields that change when someone works on a row for the n-th time."""

    def applied_ms(self, ordinal: int, created_ms: int) -> int:
        """Return when the matter was applied for, in epoch ms: a time that never changes."""


class DeclaredRows:
    """Rows made from the declared fields alone."""

    def __init__(self, api: Api, seed: int) -> None:
        self._makers = compile_fields(api.fields, seed, api.method)
        shown = {api.modified_field, api.created_field, *api.keys}
        self._always = frozenset(name for name in api.fields if name in shown)
        self._keys = [key for key in api.keys if key in api.fields]
        self._note = next(
            name
            for name, spec in api.fields.items()
            if (spec if isinstance(spec, str) else spec["type"]) == "string"
            and name not in shown
            and not (isinstance(spec, dict) and "enum" in spec)
        )

    def make(self, context: Context) -> dict[str, Any]:
        """Return a row with a value of the declared kind in every field that is not null."""
        row = make(self._makers, context, always=self._always)
        for number, key in enumerate(self._keys):
            # The first part of a key makes it unique; of the others only the numbers have to fit.
            if isinstance(row[key], int):
                row[key] = context.row_id
            elif number == 0:
                row[key] = str(context.row_id)
        return row

    def touch(self, row: dict[str, Any], times: int, at_ms: int) -> dict[str, Any]:  # noqa: ARG002 - as the protocol has it
        """Change one text field, so that a version can be told from the one before."""
        return {self._note: f"第{times}次修改"}

    def applied_ms(self, ordinal: int, created_ms: int) -> int:  # noqa: ARG002 - as the protocol has it
        """Return the creation time."""
        return created_ms


class OrderRows(DeclaredRows):
    """Orders whose lines know the order they belong to."""

    def make(self, context: Context) -> dict[str, Any]:
        """Return an order."""
        row = super().make(context)
        row["tid"] = str(6_917_000_000_000_000_001 + context.ordinal * 7)
        for line in row["orders"] or []:
            line.update(sid=type(line["sid"] or 0)(context.row_id), tid=row["tid"])
        return row


class LogRows(DeclaredRows):
    """Log lines of after-sales tickets, two a ticket."""

    def __init__(self, api: Api, seed: int, ticket_id: Callable[[int], int]) -> None:
        super().__init__(api, seed)
        self._ticket_id = ticket_id

    def make(self, context: Context) -> dict[str, Any]:
        """Return a line; ``key`` is the ticket."""
        return {**super().make(context), "key": self._ticket_id(context.ordinal // 2)}


class SkuStockRows(DeclaredRows):
    """The stock of a SKU in every warehouse, four SKUs an item."""

    def make(self, context: Context) -> dict[str, Any]:
        """Return a SKU; ``outerId`` is its item's, which the gateway prints once above the list."""
        row = super().make(context)
        return {**row, "skuOuterId": f"SKU{context.ordinal:03d}", "outerId": f"SPU{context.ordinal // 4:03d}"}
