"""The METRIC lines of the tap, beside those that the Singer SDK writes by itself."""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from singer_sdk import metrics

from tap_kuaimai.values import format_datetime

if TYPE_CHECKING:
    from tap_kuaimai.windows import Window


class Metric(str, Enum):
    """Names of the tap's own metrics."""

    WINDOW = "window"
    HTTP_RETRY_COUNT = "http_retry_count"
    SESSION_AGE = "session_age"


def _log(kind: str, metric: Metric, value: float, tags: dict[str, Any]) -> None:
    logger = logging.getLogger(metrics.METRICS_LOGGER_NAME)
    metrics.log(logger, metrics.Point(kind, metric, value, tags))  # type: ignore[arg-type]  # any Enum of text will do


def window(
    stream: str, span: Window | None, *, source_total: int | None, distinct_keys: int, repeats: int, verified: bool
) -> None:
    """A window was read.

    Args:
        stream: whose it is.
        span: the window, None for an API that is read whole.
        source_total: rows that the platform says it has, None where it does not say.
        distinct_keys: rows read, each counted once.
        repeats: how often it had to be read again.
        verified: whether it could be proved complete.
    """
    tags = {
        "stream": stream,
        "start": format_datetime(span.start) if span else None,
        "end": format_datetime(span.end) if span else None,
        "source_total": source_total,
        "distinct_keys": distinct_keys,
        "repeats": repeats,
        "verified": verified,
    }
    _log("counter", Metric.WINDOW, distinct_keys, tags)


RequestCounter: TypeAlias = metrics.Counter


def request_counter(stream: str, method: str) -> RequestCounter:
    """The SDK's counter of requests, which logs once a minute and when it is told to exit."""
    return metrics.http_request_counter(stream, method)


class RequestTimer(metrics.Timer):
    """The SDK's timer of requests: one line for each."""

    def status(self, code: int) -> None:
        """Note the HTTP status of the answer."""
        self.tags[metrics.Tag.HTTP_STATUS_CODE] = code
        self.tags[metrics.Tag.STATUS] = (
            metrics.Status.SUCCEEDED if code < 400 else metrics.Status.FAILED  # noqa: PLR2004 -- HTTP's classes
        )


def request_timer(stream: str, method: str) -> RequestTimer:
    """Time one request."""
    tags = {metrics.Tag.STREAM: stream, metrics.Tag.ENDPOINT: method}
    return RequestTimer(metrics.Metric.HTTP_REQUEST_DURATION, tags)


def retry(stream: str, reason: str) -> None:
    """A request is repeated, for the reason with this code of the error table."""
    _log("counter", Metric.HTTP_RETRY_COUNT, 1, {"stream": stream, "reason": reason})


def session_age(days: float) -> None:
    """The session was last refreshed this many days ago."""
    _log("gauge", Metric.SESSION_AGE, round(days, 1), {})
