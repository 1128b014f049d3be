"""JSON to values and back without changing a number: fractions are `decimal.Decimal`, integers of any size are `int`.

msgspec does the work. What it refuses and Singer's Python taps may still write (NaN, half of a surrogate pair from a
text cut in the middle) goes through the SDK's own JSON functions, as in any other SDK plugin.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import msgspec
from singer_sdk.singerlib.json import deserialize_json, serialize_json


def _plain(value: object) -> str:
    """Return the text of a value JSON has no form for."""
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_DECODER = msgspec.json.Decoder(float_hook=decimal.Decimal)
_ENCODER = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")


def decode(line: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON. The message tells the position, never the text.
    """
    try:
        return _DECODER.decode(line)
    except msgspec.DecodeError as error:
        reason = str(error)
    try:
        return deserialize_json(line, parse_constant=_nothing)
    except ValueError:
        raise ValueError(reason) from None


def _nothing(_: str) -> None:
    """Return null for NaN and the infinities, which is what they are written as."""


def encode(value: object) -> bytes:
    """Return a value as compact JSON in UTF-8."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return serialize_json(value).encode()
