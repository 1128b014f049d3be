"""What a table must hold for a record of the platform: written from what is promised, not from the tap.

A value is expected by the type of its column: instants as Beijing wall clock, money and counts exact, arrays as JSON.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

BEIJING = timezone(timedelta(hours=8))
# The platform's "not set": midnight of 2000-01-01 and of 2001-01-01 in Beijing.
UNSET = {datetime(2000, 1, 1), datetime(2001, 1, 1)}  # noqa: DTZ001 wall clock, as the column holds it


def instant(value: object) -> datetime | None:
    """Return the Beijing wall clock of epoch ms, of the same as digits, or of ``yyyy-MM-dd HH:mm:ss``."""
    if value is None or value == "":
        return None
    text = str(value)
    if re.fullmatch(r"-?\d+", text):
        moment = datetime.fromtimestamp(0, BEIJING) + timedelta(milliseconds=int(text))
    else:
        moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=None)
    return None if moment in UNSET else moment


def cell(value: object, column_type: str) -> object:
    """Return what a column of this type (``information_schema.columns.data_type``) holds for a platform's value."""
    if value is None:
        return None
    if column_type == "datetime":
        return instant(value)
    if column_type == "decimal":
        return None if value == "" else Decimal(str(value))
    if column_type in {"bigint", "int", "tinyint"}:
        return None if value == "" else int(str(value))
    return value


def same(found: object, expected: object) -> bool:
    """Return whether a stored value is the expected one; JSON columns are compared as what they hold."""
    if isinstance(expected, (list, dict)):
        if not isinstance(found, str):
            return False
        return bool(canonical(json.loads(found, parse_float=Decimal)) == canonical(expected))
    if isinstance(expected, (int, float, Decimal)) and isinstance(found, str):
        return found == str(expected)
    if isinstance(found, str) and found.startswith('"') and isinstance(expected, str):
        return found == expected or bool(json.loads(found) == expected)
    return found == expected


def canonical(value: object) -> Any:  # noqa: ANN401 any JSON
    """Return JSON with its lists in an order of their own: the platform shuffles them at every call."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return sorted((canonical(item) for item in value), key=lambda item: json.dumps(item, default=str))
    if isinstance(value, (float, Decimal)):
        return str(Decimal(str(value)).normalize())
    if isinstance(value, int) and not isinstance(value, bool):
        return str(Decimal(value).normalize())
    return value
