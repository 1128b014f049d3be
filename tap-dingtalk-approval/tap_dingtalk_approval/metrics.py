"""The METRIC lines of the tap, beside those that the Singer SDK writes by itself."""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any

from singer_sdk import metrics


class Metric(str, Enum):
    """Names of the tap's own metrics."""

    WINDOW = "window"
    HTTP_RETRY_COUNT = "http_retry_count"
    API_CALLS = "api_calls"
    OPEN_APPROVALS = "open_approvals"


def _log(kind: str, metric: Metric, value: float, tags: dict[str, Any]) -> None:
    logger = logging.getLogger(metrics.METRICS_LOGGER_NAME)
    metrics.log(logger, metrics.Point(kind, metric, value, tags))  # type: ignore[arg-type]  # any Enum of text will do


def window(stream: str, start: str, end: str, *, distinct_keys: int, repeats: int, verified: bool) -> None:
    """A window of create times was listed.

    Args:
        stream: Whose it is.
        start: RFC 3339, ``+08:00``.
        end: The same.
        distinct_keys: Approvals in it, each counted once.
        repeats: How often it had to be listed again.
        verified: Whether it was read whole. The platform names no total to compare with.
    """
    tags = {
        "stream": stream,
        "start": start,
        "end": end,
        "source_total": None,
        "distinct_keys": distinct_keys,
        "repeats": repeats,
        "verified": verified,
    }
    _log("counter", Metric.WINDOW, distinct_keys, tags)


def retry(endpoint: str, reason: str) -> None:
    """A request is repeated, for the reason with this code of the error table."""
    _log("counter", Metric.HTTP_RETRY_COUNT, 1, {"endpoint": endpoint, "reason": reason})


def api_calls(used: int, *, month: str, month_total: int, budget: int | None) -> None:
    """The calls of this run that count against the organisation's monthly quota."""
    _log("gauge", Metric.API_CALLS, used, {"month": month, "month_total": month_total, "budget": budget})


def open_approvals(stream: str, count: int) -> None:
    """Approvals that are not final and will be read again by the next run."""
    _log("gauge", Metric.OPEN_APPROVALS, count, {"stream": stream})
