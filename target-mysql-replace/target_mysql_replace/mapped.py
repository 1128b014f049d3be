"""Records on their way through stream maps: out of the map, and back to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import simplejson

from target_mysql_replace.convert import dump_json
from target_mysql_replace.errors import OperatorError

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap


def transformed(stream_map: StreamMap, record: dict[str, Any], stream: str) -> dict[str, Any] | None:
    """Return a record as a stream map makes it, or None where the map leaves it out.

    Raises:
        OperatorError: an expression failed; they are the user's, and may fail in any way.
    """
    try:
        return stream_map.transform(dict(record))
    except Exception as error:
        raise OperatorError(
            f"A stream map of stream '{stream}' failed on a record ({type(error).__name__}). Mend the expression, for "
            "instance with _.get('name') for what a record may lack."
        ) from error


def dump_record(record: dict[str, Any]) -> bytes:
    """Return a record as JSON; one that UTF-8 cannot carry keeps its escapes, and is found bad later."""
    try:
        return dump_json(record)
    except (UnicodeEncodeError, TypeError, msgspec.MsgspecError):
        return simplejson.dumps(record, use_decimal=True, default=str).encode()
