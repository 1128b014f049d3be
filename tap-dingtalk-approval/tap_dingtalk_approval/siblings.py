"""Streams that come with the approvals of a template: its tables, records, tasks and totals.

They are no children in the SDK's sense: those keep a bookmark, and write a schema, for every single parent record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack

    from singer_sdk.helpers.types import Context, Record

    from tap_dingtalk_approval.tap import TapDingTalkApproval


class SiblingStream(Stream):
    """A stream that is written to while the template's own stream is read.

    Args:
        tap: The tap.
        name: Of the stream.
        columns: Its JSON Schema.
        keys: Its primary key.
        read_by: The kind of stream that writes to it.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows are made of the schema's columns, in their types

    def __init__(
        self,
        tap: TapDingTalkApproval,
        name: str,
        columns: dict[str, Any],
        keys: tuple[str, ...],
        *,
        read_by: type[Stream],
    ) -> None:
        super().__init__(tap, schema=columns, name=name)
        self.primary_keys = keys
        # On the instance: on the class, the SDK would make every sibling a child of every template.
        self.parent_stream_type = read_by

    def open(self, stack: ExitStack) -> None:
        """Write the schema and begin to count, if the stream is selected.

        Args:
            stack: Ends the counting.
        """
        if self.selected:
            self._counter = stack.enter_context(self.get_record_counter())
            self._write_schema_message()

    def write(self, rows: Iterable[Record]) -> None:
        """Write rows, if the stream is selected."""
        if self.selected:
            for row in rows:
                self._write_record_message(row)
                self._counter.increment()

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002 -- the SDK's signature
        """Nothing: the template's own stream writes the rows."""
        return ()

    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Nothing: a sibling has no bookmark, and no empty one shall stand in the state."""
