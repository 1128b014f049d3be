"""The settings, and what is wrong with them before anything is asked of the platform."""

from __future__ import annotations

import math
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk import typing as th

from tap_kuaimai.schema import DeclarationError, declarations
from tap_kuaimai.values import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SECRETS = ("app_key", "app_secret", "access_token", "refresh_token")

SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property("app_key", th.StringType(min_length=1), required=True, secret=True, description="App key"),
    th.Property("app_secret", th.StringType(min_length=1), required=True, secret=True, description="App secret"),
    th.Property(
        "access_token",
        th.StringType(min_length=1),
        required=True,
        secret=True,
        description="What the platform calls session; it lives for 30 days after each refresh",
    ),
    th.Property(
        "refresh_token", th.StringType, secret=True, description="Used only together with `refresh_session: true`"
    ),
    th.Property(
        "refresh_session",
        th.BooleanType,
        default=False,
        description="Extend the session at the start of a run, at most once in 24 hours",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://gw.superboss.cc/router",
        description="Address of the platform's router",
    ),
    th.Property(
        "sign_method",
        th.StringType(allowed_values=["hmac-sha256", "hmac", "md5"]),
        default="hmac-sha256",
        description="How requests are signed",
    ),
    th.Property(
        "start_date",
        th.StringType,
        required=True,
        description="Nothing before it is read. RFC 3339; without an offset it is Beijing time",
    ),
    th.Property(
        "end_date",
        th.StringType,
        description="For backfills: takes the place of now, no window reaches past it",
    ),
    th.Property(
        "window_minutes",
        th.IntegerType(minimum=1, maximum=60 * 24 * 366),
        default=1440,
        description="Longest window asked for in one go; large ones are split further",
    ),
    th.Property(
        "lookback_minutes",
        th.IntegerType(minimum=0),
        default=10,
        description="A run starts this much before the bookmark, to find rows that became visible late",
    ),
    th.Property(
        "settle_minutes",
        th.IntegerType(minimum=0),
        default=2,
        description="No window ends later than this much before now",
    ),
    th.Property("page_size", th.IntegerType(minimum=1, maximum=200), default=200, description="Rows a page"),
    th.Property(
        "max_requests_per_second",
        th.NumberType(exclusive_minimum=0),
        default=10,
        description="One limiter for all streams and threads",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=64),
        default=4,
        description="Requests on their way at a time",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0),
        default=5,
        description="Repetitions of one request; a Retry-After of the server is honoured",
    ),
    th.Property(
        "request_timeout_seconds",
        th.NumberType(exclusive_minimum=0),
        default=60,
        description="Longest silence of the server, in seconds",
    ),
    th.Property(
        "audit_days",
        th.IntegerType(minimum=1, maximum=3660),
        default=30,
        description="Closed days that the `…_totals` streams count, not before `start_date`",
    ),
    th.Property(
        "custom_streams",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        description="More list APIs, or changes to shipped ones: stream name → declaration",
    ),
).to_dict()
"""JSON Schema of the settings."""


def with_numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose numbers are floats.

    From the environment they come as text, which the SDK turns into whole numbers only, and from files as Decimals.

    Args:
        config: the settings; text that is no number is left to the check of types.
    """
    found = dict(config)
    for name, schema in SETTINGS["properties"].items():
        if "number" in schema["type"] and isinstance(found.get(name), (str, Decimal)):
            with suppress(ValueError):
                found[name] = float(found[name])
    return found


def mistakes(config: Mapping[str, Any]) -> list[str]:
    """What is wrong with settings whose types are right.

    Args:
        config: the settings.

    Returns:
        One line for each mistake, without the values of secrets.
    """
    wrong: list[str] = []
    start = _date(config, "start_date", wrong)
    end = _date(config, "end_date", wrong)
    if start and end and end <= start:
        wrong.append(f"start_date {config['start_date']} is not before end_date {config['end_date']}")
    wrong += [
        f"{name} must be a finite number"
        for name, schema in SETTINGS["properties"].items()
        if "number" in schema["type"] and not math.isfinite(config.get(name) or 0)
    ]
    url = urlsplit(str(config.get("api_url", "")))
    if url.scheme not in {"http", "https"} or not url.hostname:
        wrong.append("api_url must be an address that begins with https:// or http://")
    if config.get("refresh_session") and not config.get("refresh_token"):
        wrong.append("refresh_session needs refresh_token")
    try:
        declarations(config.get("custom_streams"))
    except DeclarationError as error:
        wrong += error.mistakes
    return wrong


def _date(config: Mapping[str, Any], name: str, wrong: list[str]) -> datetime | None:
    text = config.get(name)
    if text is None:
        return None
    try:
        return parse_datetime(text)
    except ValueError:
        wrong.append(f"{name} '{text}' is not a date such as 2026-01-31 or 2026-01-31T08:00:00+08:00")
        return None
