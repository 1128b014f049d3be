"""What a list API says it has: the counts that the rows in a database are compared with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_kuaimai.base import KuaimaiStream
from tap_kuaimai.schema import totals_schema
from tap_kuaimai.values import BEIJING, format_datetime, parse_datetime, platform_time
from tap_kuaimai.windows import Window, span_to_read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers import types

    from tap_kuaimai.schema import Declaration
    from tap_kuaimai.tap import TapKuaimai

_DAY = timedelta(days=1)


class TotalsStream(KuaimaiStream):
    """What a list API says it has for each closed day, by a time that never changes: one request a day.

    It is what the rows in the database are compared with, and is read only where it is asked for.

    Args:
        tap: the tap.
        api_name: name of the API's own stream.
        declaration: the API.
    """

    selected_by_default = False

    def __init__(self, tap: TapKuaimai, api_name: str, declaration: Declaration) -> None:
        super().__init__(tap, schema=totals_schema(), name=f"{api_name}_totals")
        self.primary_keys = ["window_start", "time_field"]
        self.declaration = declaration

    def rows(self) -> Iterator[types.Record]:
        """Ask for each day.

        Yields:
            A row a day, the earliest first.
        """
        api = self.declaration
        totals, paging = api.totals, api.paging
        if totals is None or paging is None:
            return
        with self._tap.reader(self.name, api) as reader:
            for day in self.days():
                params = {
                    **totals.params,
                    totals.start: platform_time(day.start),
                    totals.end: platform_time(day.end),
                }
                yield {
                    "window_start": format_datetime(day.start),
                    "window_end": format_datetime(day.end),
                    "time_field": totals.time_field,
                    "source_total": reader.count(params),
                    "counted_at": format_datetime(datetime.now(BEIJING).replace(microsecond=0)),
                }

    def days(self) -> list[Window]:
        """The closed days, in Beijing: the last `audit_days` of them that are not before `start_date`."""
        config = self.config
        start = parse_datetime(config["start_date"])
        _, end = span_to_read(
            bookmark=None,
            start_date=start,
            end_date=self._tap.end_date,
            now=datetime.now(BEIJING),
            lookback=timedelta(0),
            settle=timedelta(minutes=config["settle_minutes"]),
        )
        today = end.replace(hour=0, minute=0, second=0)
        days = [Window(today - _DAY * ago, today - _DAY * (ago - 1)) for ago in range(config["audit_days"], 0, -1)]
        return [day for day in days if day.start >= start]
