"""The settings of the tap: declared, checked at start, and ready to use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from tap_dingtalk_approval.api import PAGE_SIZE
from tap_dingtalk_approval.schema import APPROVAL_COLUMNS, TABLE_ROW_COLUMNS, TYPES
from tap_dingtalk_approval.topapi import TopApi
from tap_dingtalk_approval.v1 import V1Api
from tap_dingtalk_approval.values import parse_setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_dingtalk_approval.api import Api

API_VERSIONS: dict[str, type[TopApi | V1Api]] = {"topapi": TopApi, "v1.0": V1Api}

CALLS_BOOKMARK = "api_calls"
"""Where the state counts the calls of the month, beside the bookmarks of the streams."""

SECRETS = ("app_key", "app_secret")
"""Settings that never reach a log."""

SIBLINGS = ("operation_records", "tasks", "totals")
"""What each process has beside its own stream and its tables."""

_NAME = re.compile(r"\w+")
# A rate or a length of time may have a fraction. The SDK turns the texts of the environment into numbers for integers
# alone, so both types are named.
_AMOUNT = th.CustomType({"type": ["integer", "number"]})
_FIELD = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "id": {"type": "string"}, "type": {"enum": list(TYPES)}},
    "additionalProperties": False,
}
_FIELDS = {"type": "object", "additionalProperties": _FIELD}
_PROCESS = {
    "type": "object",
    "required": ["process_code", "name"],
    "properties": {
        "process_code": {"type": "string", "minLength": 1},
        "name": {"type": "string"},
        "fields": _FIELDS,
        "tables": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["fields"],
                "properties": {"label": {"type": "string"}, "id": {"type": "string"}, "fields": _FIELDS},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "app_key", th.StringType, required=True, secret=True, description="AppKey (Client ID) of the internal app."
    ),
    th.Property(
        "app_secret", th.StringType, required=True, secret=True, description="AppSecret (Client Secret) of the app."
    ),
    th.Property(
        "api_version",
        th.StringType,
        default="topapi",
        allowed_values=list(API_VERSIONS),
        description="Generation of the API: topapi tells seconds; a new app gets permission for v1.0 only.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        description="Address of the API; by default https://oapi.dingtalk.com or https://api.dingtalk.com, by version.",
    ),
    th.Property(
        "processes",
        th.CustomType({"type": "array", "minItems": 1, "items": _PROCESS}),
        required=True,
        description="Approval templates to read: a list of {process_code, name, fields, tables}. "
        "`tap-dingtalk-approval --describe PROC-…` prints an entry.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        required=True,
        description="Approvals created before are left out. RFC 3339; without an offset it is Beijing time.",
    ),
    th.Property("end_date", th.DateTimeType, description="Takes the place of now: the listing stops there."),
    th.Property(
        "lookback_hours",
        _AMOUNT,
        default=24,
        description="The next run lists from this long before the bookmark, for approvals that appear late.",
    ),
    th.Property("page_size", th.IntegerType, default=PAGE_SIZE, description=f"Ids a page, 1 to {PAGE_SIZE}."),
    th.Property(
        "max_requests_per_second",
        _AMOUNT,
        default=15,
        description="For each API by itself, as the platform counts (20 on the standard edition).",
    ),
    th.Property("max_concurrency", th.IntegerType, default=8, description="Approvals fetched at the same time."),
    th.Property(
        "monthly_call_budget",
        th.IntegerType,
        description="The run stops before it makes more calls than this in a calendar month, keeps what it has and "
        "ends well.",
    ),
    th.Property("max_retries", th.IntegerType, default=5, description="Repetitions of a call that failed."),
    th.Property("request_timeout_seconds", _AMOUNT, default=60, description="Longest wait for an answer."),
).to_dict()


@dataclass(frozen=True)
class Field:
    """A column made of a component: the one with this label or this id."""

    column: str
    label: str | None
    id: str | None
    type: str

    def __str__(self) -> str:
        """How a person finds it."""
        return f"id {self.id}" if self.id else f"label {self.label!r}"


@dataclass(frozen=True)
class Table:
    """A stream made of a TableField."""

    alias: str
    label: str | None
    id: str | None
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        """How a person finds it."""
        return f"id {self.id}" if self.id else f"label {self.label!r}"


@dataclass(frozen=True)
class Process:
    """An approval template to read."""

    code: str
    name: str
    fields: tuple[Field, ...]
    tables: tuple[Table, ...]

    @property
    def stream_names(self) -> list[str]:
        """Its streams, its own first."""
        aliases = [table.alias for table in self.tables]
        return [self.name, *(f"{self.name}_{part}" for part in (*aliases, *SIBLINGS))]


@dataclass(frozen=True)
class Settings:
    """Checked settings; names as in the configuration."""

    app_key: str
    app_secret: str
    api_version: str
    api_url: str
    processes: tuple[Process, ...]
    start_date: datetime
    end_date: datetime | None
    lookback: timedelta
    page_size: int
    max_requests_per_second: float
    max_concurrency: int
    monthly_call_budget: int | None
    max_retries: int
    request_timeout_seconds: float

    @property
    def api(self) -> Api:
        """The generation of the API."""
        return API_VERSIONS[self.api_version]()


def find_mistakes(config: Mapping[str, Any]) -> list[str]:
    """What is wrong with settings whose types are right already.

    Returns:
        One sentence a mistake, without secrets.
    """
    return [
        *_key_mistakes(config),
        *_date_mistakes(config),
        *_range_mistakes(config),
        *_process_mistakes(config.get("processes") or []),
    ]


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings, of a configuration in which `find_mistakes` found nothing."""
    version = config["api_version"]
    return Settings(
        app_key=config["app_key"],
        app_secret=config["app_secret"],
        api_version=version,
        api_url=(config.get("api_url") or API_VERSIONS[version].default_url).rstrip("/"),
        processes=tuple(read_process(entry) for entry in config["processes"]),
        start_date=parse_setting(config["start_date"]).at,
        end_date=parse_setting(config["end_date"]).at if config.get("end_date") else None,
        lookback=timedelta(hours=float(config["lookback_hours"])),
        page_size=config["page_size"],
        max_requests_per_second=float(config["max_requests_per_second"]),
        max_concurrency=config["max_concurrency"],
        monthly_call_budget=config.get("monthly_call_budget"),
        max_retries=config["max_retries"],
        request_timeout_seconds=float(config["request_timeout_seconds"]),
    )


def read_process(entry: Mapping[str, Any]) -> Process:
    """One entry of `processes`."""
    tables = (
        Table(alias, table.get("label"), table.get("id"), _fields(table["fields"]))
        for alias, table in (entry.get("tables") or {}).items()
    )
    return Process(entry["process_code"], entry["name"], _fields(entry.get("fields") or {}), tuple(tables))


def _fields(entries: Mapping[str, Any]) -> tuple[Field, ...]:
    return tuple(
        Field(column, entry.get("label"), entry.get("id"), entry.get("type", "string"))
        for column, entry in entries.items()
    )


def _key_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} is empty" for name in SECRETS if not config[name].strip())


def _date_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    dates = {}
    for name in ("start_date", "end_date"):
        if config.get(name):
            try:
                dates[name] = parse_setting(config[name]).at
            except ValueError:
                yield f"{name} is {config[name]!r}; write it like 2026-01-31T00:00:00+08:00"
    if len(dates) == 2 and dates["start_date"] >= dates["end_date"]:  # noqa: PLR2004 -- both are there
        yield "start_date is not before end_date"


def _range_mistakes(config: Mapping[str, Any]) -> Iterator[str]:
    if not 1 <= config["page_size"] <= PAGE_SIZE:
        yield f"page_size is {config['page_size']}; the platform takes 1 to {PAGE_SIZE}"
    for name in ("max_requests_per_second", "request_timeout_seconds", "max_concurrency"):
        if config[name] <= 0:
            yield f"{name} is {config[name]}; it must be more than 0"
    for name in ("lookback_hours", "max_retries", "monthly_call_budget"):
        if config.get(name) is not None and config[name] < 0:
            yield f"{name} is {config[name]}; it cannot be negative"
    if config.get("api_url") and not re.match(r"https?://[^/\s]", config["api_url"]):
        yield "api_url must begin with http:// or https://"


def _process_mistakes(entries: list[Mapping[str, Any]]) -> Iterator[str]:
    streams: set[str] = set()
    codes: set[str] = set()
    for entry in entries:
        where = f"processes[{entry['name']}]"
        if not _NAME.fullmatch(entry["name"]) or entry["name"] == CALLS_BOOKMARK:
            yield f"{where}: the name becomes a table's; use letters, digits and _, and not {CALLS_BOOKMARK}"
        if entry["process_code"] in codes:
            yield f"{where}: {entry['process_code']} is listed twice, and its calls would be paid for twice"
        codes.add(entry["process_code"])
        yield from _field_mistakes(where, entry.get("fields") or {}, APPROVAL_COLUMNS)
        for alias, table in (entry.get("tables") or {}).items():
            if not _NAME.fullmatch(alias):
                yield f"{where}.tables[{alias}]: the alias becomes a table's name; use letters, digits and _"
            yield from _choice_mistakes(f"{where}.tables[{alias}]", table)
            yield from _field_mistakes(f"{where}.tables[{alias}]", table["fields"], TABLE_ROW_COLUMNS)
        for name in read_process(entry).stream_names:
            if name in streams:
                yield f"{where}: there are two streams {name}; choose another name or alias"
            streams.add(name)


def _field_mistakes(where: str, fields: Mapping[str, Any], taken: Mapping[str, Any]) -> Iterator[str]:
    for column, field in fields.items():
        yield from _choice_mistakes(f"{where}.fields[{column}]", field)
        if column in taken:
            yield f"{where}.fields[{column}]: every row has a column of this name already; choose another"


def _choice_mistakes(where: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if bool(entry.get("label")) == bool(entry.get("id")):
        yield f"{where}: name the component by either label or id"
