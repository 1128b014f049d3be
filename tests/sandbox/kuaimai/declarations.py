"""The list APIs this gateway serves, read from ``apis/*.json``.

The files were condensed from the platform's public documentation (https://open.kuaimai.com/docs/api/, state of March
2026) and from what other projects noted about live answers. They are this stand-in's own and share nothing with the
tap's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "apis"


@dataclass(frozen=True)
class Paging:
    """The limits of ``pageNo`` and ``pageSize``."""

    default_size: int
    min_size: int
    max_size: int
    #: The error code for a size out of range; it differs by API.
    size_code: str
    #: Whether both parameters have to be sent.
    required: bool
    #: Whether ``pageSize`` has to be sent.
    size_required: bool


@dataclass(frozen=True)
class WindowParams:
    """A pair of parameters that filters by time."""

    start: str
    end: str
    #: ``modified`` or ``created`` (a row's hidden instants), or a field of the row.
    time: str
    #: ``datetime`` (text in Beijing) or ``epoch_ms``.
    format: str


@dataclass(frozen=True)
class TimeType:
    """A parameter that says which time the window is about."""

    param: str
    #: None: it has to be sent.
    default: str | None
    #: Value of the parameter to the time it means, as in `WindowParams.time`.
    values: dict[str, str]


@dataclass(frozen=True)
class Api:
    """One list API."""

    method: str
    title: str
    list_key: str
    keys: list[str]
    #: The field that shows when a row was last modified, if any does.
    modified_field: str | None
    created_field: str | None
    windows: list[WindowParams]
    time_type: TimeType | None
    paging: Paging | None
    #: ``always``, ``first_page``, ``never``, or ``trade`` (by the rules of the order APIs).
    total: str
    has_next: bool
    page_object: bool
    #: The list at zero hits: ``empty`` (``[]``) or ``omit`` (no such key).
    zero_hits: str
    #: How many rows there are, where that does not depend on the size of the demo.
    rows: int | None
    parameters: list[str]
    #: Name to kind, or to ``{"type", "enum", "unit", "items", "fields"}``.
    fields: dict[str, Any] = field(repr=False)


def read_api(text: str) -> Api:
    """Return one declaration from its JSON."""
    raw = json.loads(text)
    raw["windows"] = [WindowParams(**window) for window in raw["windows"]]
    raw["time_type"] = TimeType(**raw["time_type"]) if raw["time_type"] else None
    raw["paging"] = Paging(**raw["paging"]) if raw["paging"] else None
    return Api(**raw)


def read_apis() -> dict[str, Api]:
    """Return every list API by its method name."""
    apis = (read_api(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json")))
    return {api.method: api for api in apis}
