"""The stream of an approval template: what it reads in a run, and in which order it writes, remembers and forgets."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_dingtalk_approval import metrics, rows, schema
from tap_dingtalk_approval.client import StoppedError
from tap_dingtalk_approval.errors import DingTalkError, QuotaExhaustedError
from tap_dingtalk_approval.forms import read_form
from tap_dingtalk_approval.progress import PATIENCE, PATIENCE_WITH_BUSY, REPLICATION_KEY, Progress
from tap_dingtalk_approval.reader import (
    LONGEST_LISTING,
    Fetcher,
    Listing,
    Unreadable,
    WindowTooFullError,
    is_about_time,
    list_window,
)
from tap_dingtalk_approval.remarks import Remarks
from tap_dingtalk_approval.siblings import SiblingStream
from tap_dingtalk_approval.values import format_instant
from tap_dingtalk_approval.windows import (
    LONGEST,
    Window,
    first_part,
    later_start,
    listing_range,
    longer_than,
    most_ids,
    rest_after,
    shorter_than,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from singer_sdk.helpers.types import Context, Record

    from tap_dingtalk_approval.approval import Approval
    from tap_dingtalk_approval.settings import Process
    from tap_dingtalk_approval.tap import TapDingTalkApproval

SAVE_EVERY = 200
"""Approvals between two STATE messages: what a run that is killed has to read again, at most."""


class ApprovalStream(Stream):
    """The approvals of one template, each followed until it is final.

    Args:
        tap: The tap.
        process: The template, and what to make of its form.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows are made of the schema's columns, in their types
    primary_keys = ("process_instance_id",)
    replication_key = REPLICATION_KEY

    def __init__(self, tap: TapDingTalkApproval, process: Process) -> None:
        super().__init__(tap, schema=schema.approval_schema(process), name=process.name)
        self._approvals = tap
        self._process = process
        self._tables = {
            table.alias: self._sibling(table.alias, schema.table_schema(table), "row_number")
            for table in process.tables
        }
        self._records = self._sibling("operation_records", schema.record_schema(), "record_number")
        self._tasks = self._sibling("tasks", schema.task_schema(), "taskid")
        self._totals = SiblingStream(
            tap,
            f"{self.name}_totals",
            schema.totals_schema(),
            ("process_code", "window_start"),
            read_by=ApprovalStream,
        )
        self.siblings = [*self._tables.values(), self._records, self._tasks, self._totals]
        # With these, the SDK reads this stream also when only a sibling is selected.
        self.child_streams = [*self.siblings]
        self._progress = Progress()
        self._remarks = Remarks(self.logger)
        self._followed: dict[str, None] = {}
        self._unreadable: set[str] = set()
        self._unsaved = 0
        self._has_read = False
        self._busy: list[str] = []

    def _sibling(self, suffix: str, columns: dict[str, object], key: str) -> SiblingStream:
        keys = ("process_instance_id", key)
        return SiblingStream(self._approvals, f"{self.name}_{suffix}", columns, keys, read_by=ApprovalStream)

    # The SDK moves bookmarks by the values of single records. Here they follow the windows, so it must not.

    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        pass

    def _write_starting_replication_value(self, context: Context | None) -> None:
        pass

    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """None: windows end at a moment that is frozen anyway."""

    def generate_child_contexts(self, record: Record, context: Context | None) -> Iterable[Context | None]:  # noqa: ARG002
        """None: siblings are written to, not synced."""
        return ()

    def log_sync_costs(self) -> None:
        """End the run; the SDK calls it after all streams.

        Raises:
            RunFailedError: A stream could not be read to its end.
        """
        super().log_sync_costs()
        self._approvals.finish()

    def get_records(self, context: Context | None) -> Iterator[Record]:  # noqa: ARG002 -- the SDK's signature
        """Read what there is to read in this run, and write the rows of the siblings on the side.

        A failure that is expected to happen ends this stream, not the run: the state keeps what was read, and the tap
        fails after the other streams.

        Yields:
            Rows of approvals.
        """
        with ExitStack() as stack:
            for sibling in self.siblings:
                sibling.open(stack)
            try:
                self._progress = Progress.from_state(self.stream_state)
            except ValueError as mistake:
                error = DingTalkError("state", f"the state of {self.name} cannot be read: {mistake}")
                self._approvals.report_failure(self.name, error)
                return
            self._fetcher = Fetcher(self._approvals.client, self._approvals.settings.max_concurrency)
            stack.callback(self._fetcher.close)
            try:
                yield from self._read()
            except StoppedError:
                self.logger.warning("Told to stop: what was read is kept, the next run goes on from there.")
            except QuotaExhaustedError as error:
                self._approvals.report_quota(error)
            except DingTalkError as error:
                self._approvals.report_failure(self.name, error)
            self._judge_busy()
            self._save()
            self._remarks.sum_up()
            metrics.open_approvals(self.name, len(self._progress.open))

    def _read(self) -> Iterator[Record]:
        """First what earlier runs listed and did not get to, then what is new, then what was not final yet."""
        settings = self._approvals.settings
        whole = listing_range(self._progress.listed_until, settings.start_date, settings.lookback, self._approvals.now)
        if whole:
            self._progress.rewind(whole.start)
        self._followed = dict.fromkeys(self._progress.open)
        yield from self._fetch_unread()
        if whole:
            yield from self._list(whole)
        yield from self._fetch([one for one in self._followed if one not in self._unreadable])

    def _list(self, whole: Window) -> Iterator[Record]:
        left: Window | None = whole
        longest = LONGEST
        while left:
            window = first_part(left, longest)
            bounds = format_instant(window.start), format_instant(window.end)
            self._progress.open_days(window)
            try:
                ids, repeats = self._list_window(window)
            except WindowTooFullError:
                longest = self._shorter_than(window)
                continue
            except DingTalkError as error:
                metrics.window(self.name, *bounds, distinct_keys=0, repeats=0, verified=False)
                younger = self._younger_part(window, left, error)
                if younger is None:
                    yield from self._keep_begun()
                    raise
                left = younger
                continue
            metrics.window(self.name, *bounds, distinct_keys=len(ids), repeats=repeats, verified=True)
            self._progress.listed(window, ids, self._approvals.settings.lookback)
            self._save()
            yield from self._fetch_unread()
            self._write_totals(window)
            longest = max(longest, longer_than(window, len(ids), self._most_ids))
            left = rest_after(left, window)

    def _list_window(self, window: Window) -> Listing:
        settings = self._approvals.settings
        return list_window(
            self._approvals.client,
            self._process.code,
            window,
            page_size=settings.page_size,
            most=self._most_ids,
            on_page=self._begin,
        )

    @property
    def _most_ids(self) -> int:
        settings = self._approvals.settings
        return most_ids(settings.monthly_call_budget, settings.page_size)

    def _begin(self, ids: list[str]) -> None:
        """Fetch what a page lists while the next pages come, unless calls are so few that the listing needs them."""
        if self._approvals.client.budget.has(LONGEST_LISTING):
            self._fetcher.begin(one for one in ids if self._progress.is_new(one))

    def _shorter_than(self, window: Window) -> timedelta:
        shorter = shorter_than(window)
        if shorter is None:
            raise DingTalkError("window_too_full", f"the listing of {self._process.code} from {window} has no end")
        self.logger.info("From %s there are more approvals than one listing gives: listing shorter windows.", window)
        return shorter

    def _keep_begun(self) -> Iterator[Record]:
        """A listing failed: what was fetched meanwhile has been paid for."""
        begun = self._fetcher.begun
        self._progress.unread |= dict.fromkeys(begun)
        with suppress(DingTalkError):  # The listing's own failure is told.
            yield from self._fetch(begun)

    def _younger_part(self, refused: Window, left: Window, error: DingTalkError) -> Window | None:
        start = later_start(refused, left.end, self._approvals.present()) if is_about_time(error) else None
        if start is None:
            return None
        self.logger.warning(
            "The platform lists approvals of the last 365 days only: what was created from %s to %s CANNOT BE READ, "
            "unless the organisation buys OA高级版.",
            format_instant(refused.start),
            format_instant(start),
        )
        return Window(start, left.end)

    def _fetch_unread(self) -> Iterator[Record]:
        yield from self._fetch([one for one in self._progress.unread if one not in self._unreadable])

    def _fetch(self, ids: list[str]) -> Iterator[Record]:
        for outcome in self._fetcher.fetch(ids):
            if isinstance(outcome, Unreadable):
                self._give_up(outcome)
            else:
                yield from self._write(outcome)
            self._unsaved += 1
            if self._unsaved >= SAVE_EVERY:
                self._save()

    def _write(self, approval: Approval) -> Iterator[Record]:
        approval.restore_seconds(self._progress.open.get(approval.id, ""))
        try:
            form = read_form(self._process, approval.components)
        except DingTalkError as error:
            # It counts as not read: once the settings are mended, the next run reads it.
            self._unreadable.add(approval.id)
            self._approvals.report_failure(self.name, error)
            return
        self._remarks.add(form)
        yield rows.approval_row(approval, self._process.code, form)
        for alias, table in self._tables.items():
            table.write(rows.table_rows(approval, form.tables[alias]))
        self._records.write(rows.record_rows(approval))
        self._tasks.write(rows.task_rows(approval))
        self._followed.pop(approval.id, None)
        self._has_read = True
        # Only now, behind all its rows, may a STATE message say that it was read.
        self._progress.read(approval)

    def _give_up(self, unreadable: Unreadable) -> None:
        self._unreadable.add(unreadable.id)
        if unreadable.is_gone:
            self._progress.gone(unreadable.id)
            self.logger.warning("Approval %s is no longer readable: %s", unreadable.id, unreadable.error)
            return
        if unreadable.is_busy:
            self._busy.append(unreadable.id)
            self.logger.warning(
                "Approval %s cannot be read now, the next run tries again: %s", unreadable.id, unreadable.error
            )
        elif self._progress.failed(unreadable.id, patience=PATIENCE) < PATIENCE:
            self.logger.warning(
                "Approval %s is no longer readable, it seems: it is given up if the next run cannot read it either. %s",
                unreadable.id,
                unreadable.error,
            )
        else:
            self.logger.debug("Approval %s is given up: it could not be read again.", unreadable.id)

    def _judge_busy(self) -> None:
        """Count what the platform was too busy for, unless it was so for everybody."""
        for one in self._busy if self._has_read else ():
            if self._progress.failed(one, patience=PATIENCE_WITH_BUSY) == PATIENCE_WITH_BUSY:
                self.logger.warning("Approval %s is given up: no run could read it.", one)

    def _write_totals(self, window: Window) -> None:
        days = self._progress.closed_days()
        self._totals.write(rows.total_rows(self._process.code, days, window.end))
        self._progress.forget_past_days()

    def _save(self) -> None:
        """Write a STATE message that says how far this stream is."""
        # At once, as far as a signal is concerned.
        self.stream_state.update(self._progress.to_state())
        self._approvals.remember_calls()
        self._unsaved = 0
        self.state_manager.is_flushed = False
        self._write_state_message()
