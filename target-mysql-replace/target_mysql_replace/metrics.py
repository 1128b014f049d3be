"""Facts of a run as METRIC lines, in the Singer SDK's format."""

from __future__ import annotations

import collections
import enum
from typing import TYPE_CHECKING, Any, cast

from singer_sdk import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable


class TargetMetric(str, enum.Enum):
    """What this target measures besides the SDK's own metrics."""

    BATCH_WRITTEN = "batch_written"
    QUARANTINED = "quarantined"


def batch_written(stream: str, table: str, *, rows: int, method: str, size: int, retries: int, seconds: float) -> None:
    """Report a committed batch.

    Args:
        stream: the stream's name.
        table: where it went.
        rows: records written.
        method: name of the writer.
        size: bytes of the records as they came.
        retries: how often the batch was sent again.
        seconds: from the start of the last try to its commit.
    """
    tags = {
        "stream": stream,
        "table": table,
        "method": method,
        "bytes": size,
        "retries": retries,
        "seconds": round(seconds, 3),
    }
    _count(TargetMetric.BATCH_WRITTEN, rows, tags)


def quarantined(stream: str, reasons: Iterable[str]) -> None:
    """Report the bad records of a committed batch, by reason."""
    for reason, rows in collections.Counter(reasons).items():
        _count(TargetMetric.QUARANTINED, rows, {"stream": stream, "reason": reason})


def _count(metric: TargetMetric, value: int, tags: dict[str, Any]) -> None:
    # The SDK types its points with its own list of metrics and writes any that has a value.
    point = metrics.Point("counter", cast("metrics.Metric", metric), value, tags)
    metrics.log(metrics.get_metrics_logger(), point)
