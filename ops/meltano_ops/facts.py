"""From log lines to facts: pure functions, one line in, what it says out.

Two kinds of lines are understood: the JSON lines of a `logging.yaml` with Meltano's `json_formatter`, and the text
lines of Meltano's own per-run `elt.log` (its uncoloured console format), which name a metric and its value but not its
tags.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

MAX_MESSAGE = 8000
# Beyond these a number or an instant is a plugin's mistake, and SQLite or the calendar could not hold it.
_MAX_NUMBER = 2.0**62
_MIN_INSTANT, _MAX_INSTANT = -(2**31), 2**33  # the years 1901 and 2242

_METRIC_TEXT = re.compile(r"METRIC: (\{.*\})\s*$")
_ELT_LINE = re.compile(r"^(?P<at>\S+Z) \[(?P<level>\w+)\s*\] (?P<plugin>\S+)\s+(?P<event>.*)$")
_ELT_METRIC = re.compile(r"^METRIC\s+metric_name=(?P<metric>\w+) metric_value=(?P<value>[-+.\deE]+)")
_EL_STATE_ID = re.compile(r"^\d{4}-\d\d-\d\dT\d{6}--(?=.+--.+)")
# Plugins without structured logs arrive line by line at level info: a traceback's lines are told by their looks.
_LOOKS_LIKE_ERROR = re.compile(
    r"^Traceback \(most recent call last\)|^  File \"|^    \S|^[\w.]+(?:Error|Exception)\b|\b(?:ERROR|CRITICAL|FATAL)\b"
)
_ERROR_LEVELS = frozenset({"error", "critical", "fatal", "exception"})
# `token=abc`, `"app_secret": "abc"`, `\"sign\": \"abc\"`, `x-acs-dingtalk-access-token: abc`, `mysql://user:abc@host`
_SECRETS = (
    re.compile(
        r"""((?:access[_-]?token|refresh[_-]?token|app[_-]?secret|app[_-]?key|client[_-]?secret|api[_-]?key|password"""
        r"""|passwd)\\?["']?\s*[=:]\s*\\?["']?)(?!(?:YES|NO)\b)([^\s"'&,;}\\]+)""",
        re.IGNORECASE,
    ),
    re.compile(
        r"""((?:secret|token|session|sign(?:ature)?)(?:\\?["']?\s*=\s*\\?["']?|\\?["']\s*:\s*\\?["']))"""
        r"""([^\s"'&,;}\\]+)""",
        re.IGNORECASE,
    ),
    re.compile(r"(\bbearer\s+)(\S+)", re.IGNORECASE),
    re.compile(r"(\w+://[^\s:/@]*:)(\S+)(?=@)"),
)
# People's mobile and identity numbers, which databases quote in their messages ("Duplicate entry '138…'").
_MOBILE = re.compile(r"(?<![0-9A-Za-z_.])((?:\+?86[- ]?)?1[3-9]\d)\d{4}(\d{4})(?![0-9A-Za-z_])")
_IDENTITY = re.compile(
    r"(?<![0-9A-Za-z_])(\d{6})(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z_])"
)
# Tags by which a metric is kept apart inside a run and stream.
_TAG = {
    "http_retry_count": "reason",
    "http_request_count": "http_status_code",
    "http_request_duration": "http_status_code",
    "quarantined": "reason",
    "batch_written": "method",
    "api_calls": "month",
}


@dataclass(frozen=True)
class Metric:
    """One METRIC line: the Singer SDK's `{"type", "metric", "value", "tags"}`."""

    name: str
    value: float
    stream: str
    tag: str
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fact:
    """What one log line says.

    Attributes:
        run_id: Meltano's run id, 32 hexadecimal digits.
        pipeline: The state id; empty in lines of Meltano itself, which do not carry it.
        plugin: The plugin's name, or `meltano`.
        role: `tap`, `mapper`, `target`, or empty.
        level: The line's level, in lower case.
        logged_at: When, in seconds since 1970.
        metric: The metric of a METRIC line.
        error: The text, when the line tells of an error.
    """

    run_id: str
    pipeline: str
    plugin: str
    role: str
    level: str
    logged_at: int
    metric: Metric | None = None
    error: str | None = None


def read_json_line(line: bytes | str) -> Fact | None:
    """Return what a JSON log line says of a run, or None for a line that is cut, foreign or outside a run."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    run_id, at = _run_id(entry.get("run_id")), instant(entry.get("timestamp"))
    if run_id is None or at is None:
        return None
    event, level = clean(entry.get("event") or ""), clean(entry.get("level") or "info").lower()
    return Fact(
        run_id=run_id,
        pipeline=pipeline_name(clean(entry.get("job_name") or "")),
        plugin=clean(entry.get("string_id") or entry.get("name") or "meltano"),
        role=_role(entry.get("producer"), entry.get("consumer")),
        level=level,
        logged_at=at,
        metric=_metric(entry.get("metric_info")) or _metric_in_text(event),
        error=_error(event, level, entry),
    )


def read_text_line(line: str, run_id: str, pipeline: str) -> Fact | None:
    """Return what a line of a run's `elt.log` says; its metrics have no stream."""
    found = _ELT_LINE.match(line)
    at = instant(found["at"]) if found else None
    if found is None or at is None:
        return None
    event, level = found["event"].rstrip(), found["level"].lower()
    metric = _metric_in_text(event)
    if named := _ELT_METRIC.match(event):
        value = number(float(named["value"]))
        metric = None if value is None else Metric(named["metric"], value, "", "")
    return Fact(run_id, pipeline, found["plugin"], "", level, at, metric, _error(event, level, {}))


def instant(text: object) -> int | None:
    """Return an RFC 3339 instant as seconds since 1970 (UTC where it names no zone), or None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        # Python 3.10 does not know the Z.
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if _MIN_INSTANT <= seconds <= _MAX_INSTANT else None


def redact(text: str) -> str:
    """Return `text` without the secrets and personal numbers that plugins let slip into their logs."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return _IDENTITY.sub(r"\1************", _MOBILE.sub(r"\1****\2", text))


def whole(value: object) -> int | None:
    """Return a number of a METRIC's tags as an integer, or None."""
    found = number(value)
    return None if found is None else int(found)


def number(value: object) -> float | None:
    """Return a number that can be kept, or None: for what is none, for NaN and infinity, and beyond 2^62."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_MAX_NUMBER <= value <= _MAX_NUMBER:
        return None
    return value


def clean(value: object) -> str:
    """Return a value as text that SQLite takes: half of a surrogate pair, as a cut emoji leaves it, becomes a mark."""
    return str(value).encode("utf-8", "replace").decode()


def pipeline_name(state_id: str) -> str:
    """Return the pipeline that a state id belongs to.

    `meltano el` without `--state-id` makes a new one of every run (`2026-11-22T100200--tap-a--target-b`): without the
    time they are one pipeline.
    """
    return _EL_STATE_ID.sub("", state_id)


def _run_id(value: object) -> str | None:
    try:
        return UUID(str(value)).hex
    except ValueError:
        return None


def _role(producer: object, consumer: object) -> str:
    if producer and consumer:
        return "mapper"
    if producer:
        return "tap"
    return "target" if consumer else ""


def _metric(info: object) -> Metric | None:
    if not isinstance(info, dict):
        return None
    tags: dict[str, Any] = info["tags"] if isinstance(info.get("tags"), dict) else {}
    name, value = clean(info.get("metric") or ""), number(info.get("value"))
    if not name or value is None:
        return None
    tag = tags.get(_TAG.get(name, ""))
    stream = tags.get("stream") or tags.get("endpoint") or ""
    return Metric(name, float(value), clean(stream), "" if tag is None else redact(clean(tag))[:200], tags)


def _metric_in_text(event: str) -> Metric | None:
    found = _METRIC_TEXT.search(event)
    if not found:
        return None
    try:
        return _metric(json.loads(found[1]))
    except (ValueError, RecursionError):
        return None


def _error(event: str, level: str, entry: dict[str, Any]) -> str | None:
    if level not in _ERROR_LEVELS and not _LOOKS_LIKE_ERROR.search(event):
        return None
    parts = [event]
    if err := entry.get("err"):
        parts.append(f"{err} {entry.get('exit_codes') or ''}".strip())
    if isinstance(exception := entry.get("plugin_exception"), dict):
        parts += _exception_lines(exception)
    elif isinstance(text := entry.get("exception") or entry.get("plugin_exception"), str):
        parts.append(text)
    return redact(clean("\n".join(part for part in parts if part)))[:MAX_MESSAGE]


def _exception_lines(exception: dict[str, Any]) -> list[str]:
    frames = [frame for frame in exception.get("traceback") or [] if isinstance(frame, dict)]
    return [
        *(
            f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("function")}'
            for frame in frames
        ),
        f"{exception.get('type')}: {exception.get('message')}",
    ]
