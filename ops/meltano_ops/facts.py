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

_METRIC_TEXT = re.compile(r"METRIC: (\{.*\})\s*$")
_ELT_LINE = re.compile(r"^(?P<at>\S+Z) \[(?P<level>\w+)\s*\] (?P<plugin>\S+)\s+(?P<event>.*)$")
_ELT_METRIC = re.compile(r"^METRIC\s+metric_name=(?P<metric>\w+) metric_value=(?P<value>[-+.\deE]+)")
# Plugins without structured logs arrive line by line at level info: a traceback's lines are told by their looks.
_LOOKS_LIKE_ERROR = re.compile(
    r"^Traceback \(most recent call last\)|^  File \"|^    \S|^[\w.]+(?:Error|Exception)\b|\b(?:ERROR|CRITICAL|FATAL)\b"
)
_ERROR_LEVELS = frozenset({"error", "critical", "fatal", "exception"})
# `token=abc`, `"app_secret": "abc"`, `Authorization: Bearer abc`, `mysql://user:abc@host`
_SECRETS = (
    re.compile(
        r"""((?:access_?token|refresh_?token|app_?secret|app_?key|client_?secret|api_?key|secret|password|passwd|token"""
        r"""|session|sign(?:ature)?)(?:["']?\s*=\s*["']?|["']\s*:\s*["']))([^\s"'&,;}]+)""",
        re.IGNORECASE,
    ),
    re.compile(r"(\bbearer\s+)(\S+)", re.IGNORECASE),
    re.compile(r"(\w+://[^\s:/@]*:)([^\s@]+)(?=@)"),
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
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    run_id, at = _run_id(entry.get("run_id")), instant(entry.get("timestamp"))
    if run_id is None or at is None:
        return None
    event, level = str(entry.get("event") or ""), str(entry.get("level") or "info").lower()
    return Fact(
        run_id=run_id,
        pipeline=str(entry.get("job_name") or ""),
        plugin=str(entry.get("string_id") or entry.get("name") or "meltano"),
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
        metric = Metric(named["metric"], float(named["value"]), "", "")
    return Fact(run_id, pipeline, found["plugin"], "", level, at, metric, _error(event, level, {}))


def instant(text: object) -> int | None:
    """Return an RFC 3339 instant as seconds since 1970 (UTC where it names no zone), or None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        # Python 3.10 does not know the Z.
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def redact(text: str) -> str:
    """Return `text` without the secrets that plugins let slip into their logs."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


def whole(value: object) -> int | None:
    """Return a number of a METRIC's tags as an integer, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value)


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
    name, value = str(info.get("metric") or ""), info.get("value")
    if not name or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    tag = tags.get(_TAG.get(name, ""))
    stream = tags.get("stream") or tags.get("endpoint") or ""
    return Metric(name, float(value), str(stream), "" if tag is None else str(tag)[:200], tags)


def _metric_in_text(event: str) -> Metric | None:
    found = _METRIC_TEXT.search(event)
    if not found:
        return None
    try:
        return _metric(json.loads(found[1]))
    except ValueError:
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
    return redact("\n".join(part for part in parts if part))[:MAX_MESSAGE]


def _exception_lines(exception: dict[str, Any]) -> list[str]:
    frames = [frame for frame in exception.get("traceback") or [] if isinstance(frame, dict)]
    return [
        *(
            f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("function")}'
            for frame in frames
        ),
        f"{exception.get('type')}: {exception.get('message')}",
    ]
