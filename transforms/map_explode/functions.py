"""The functions an expression of a stream map may call, beside those of the Singer SDK.

All are pure and answer null with null. A value that cannot be converted raises ``ValueError`` or ``TypeError``; the
message of such an exception may hold the value and must not be shown.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import re
from decimal import Decimal
from typing import Any

from map_explode import codec

BEIJING = dt.timezone(dt.timedelta(hours=8))

#: Arithmetic that never rounds: far more digits than a MySQL DECIMAL (65) can hold.
EXACT = decimal.Context(prec=1000)

#: No number with more digits than this is written out: 1e999999999 is eleven characters of JSON and a gigabyte of text.
_MAX_DIGITS = 10_000

_EPOCH = dt.datetime(1970, 1, 1, 8, tzinfo=BEIJING)
_EPOCH_MS = re.compile(r"-?\d+")
#: A fraction of a second of any length; ``datetime.fromisoformat`` of Python 3.10 knows 3 and 6 digits only.
_FRACTION = re.compile(r"\.(\d+)")
_CURRENCY = re.compile(r"^([+-]?)\s*[¥￥$]\s*")
_GROUPED = re.compile(r"[+-]?\d{1,3}([,，]\d{3})+(\.\d*)?")
#: What separates the groups of a telephone number and stays readable.
_PHONE_SEPARATORS = frozenset(" -+()（）,，#转")
_PHONE_HEAD, _PHONE_TAIL, _MOBILE_DIGITS = 3, 4, 11
_COUNTRY_CODE = re.compile(r"^(?:\+|00)?86[ -]?(?=1)")


def text(value: object) -> str | None:
    """Return a value as text: numbers in plain notation, booleans, arrays and objects as JSON, null as null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(_written_out(value), "f")
    if isinstance(value, (bool, int, list, tuple, dict)):
        return json_text(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    raise TypeError(f"a value of type {type(value).__name__} has no text form")


def _written_out(value: Decimal) -> Decimal:
    """Return the value, which is short enough to be written out digit by digit.

    Raises:
        ValueError: it is not.
    """
    if abs(value.adjusted()) > _MAX_DIGITS:
        raise ValueError("the number has too many digits")
    return value


def json_text(value: object) -> str:
    """Return compact JSON with readable Chinese; decimals keep every digit."""
    return codec.encode(value).decode()


def beijing(value: object) -> str | None:
    """Return an instant in Beijing time, as RFC 3339 text with ``+08:00``.

    Args:
        value: milliseconds since 1970 (a number or digits), or text: RFC 3339, or ``yyyy-MM-dd[ HH:mm:ss[.ffffff]]``,
            which is Beijing time when it has no offset. Null and empty text give null.

    Raises:
        ValueError: the text is no time, or the time lies outside the years 1 to 9999.
    """
    instant = _instant(value)
    return None if instant is None else instant.isoformat()


def date(value: object) -> str | None:
    """Return the day of an instant in Beijing, ``yyyy-MM-dd``; takes what `beijing` takes."""
    instant = _instant(value)
    return None if instant is None else instant.date().isoformat()


def _instant(value: object) -> dt.datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise TypeError("a boolean is no time")
    if isinstance(value, (int, Decimal)) or (isinstance(value, str) and _EPOCH_MS.fullmatch(value.strip())):
        try:
            if isinstance(value, Decimal):
                return _EPOCH + dt.timedelta(microseconds=int(_written_out(EXACT.multiply(value, 1000))))
            return _EPOCH + dt.timedelta(milliseconds=int(value))
        except OverflowError:
            raise ValueError("the time lies outside the years 1 to 9999") from None
    if not isinstance(value, str):
        raise TypeError(f"a value of type {type(value).__name__} is no time")
    iso = value.strip()
    if iso[-1:] in "Zz":
        iso = iso[:-1] + "+00:00"
    iso = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), iso)
    instant = dt.datetime.fromisoformat(iso)
    if instant.tzinfo is None:
        return instant.replace(tzinfo=BEIJING)
    try:
        return instant.astimezone(BEIJING)
    except OverflowError:
        raise ValueError("the time lies outside the years 1 to 9999") from None


def decimal_(value: object, places: int | None = None) -> Decimal | None:
    """Return an exact number.

    Args:
        value: a number, or text such as ``1,234.50`` or ``¥12``; null and empty text give null.
        places: digits after the point to round to, half away from zero as in commerce; all are kept when left out.

    Raises:
        ValueError: the text is no number, or a number that is not finite.
    """
    if value is None or (places is None and type(value) is Decimal and value.is_finite()):
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        value = _ungrouped(value)
    elif isinstance(value, float):
        value = repr(value)
    elif isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise TypeError(f"a value of type {type(value).__name__} is no number")
    try:
        number = Decimal(value)
    except decimal.InvalidOperation:
        raise ValueError("the text is no number") from None
    if not number.is_finite():
        raise ValueError("the number is not finite")
    if places is None:
        return number
    return number.quantize(Decimal(1).scaleb(-places), rounding=decimal.ROUND_HALF_UP, context=EXACT)


def _ungrouped(number: str) -> str:
    """Return a number's text without currency sign and thousands separators."""
    plain = _CURRENCY.sub(r"\1", number.strip(), count=1)
    if not ("," in plain or "，" in plain):
        return plain
    # `1,5` is not fifteen.
    if not _GROUPED.fullmatch(plain):
        raise ValueError("the text is no number")
    return plain.replace(",", "").replace("，", "")


def mask_phone(value: object) -> str | None:
    """Return a telephone number with its middle hidden: ``138****8000``.

    The first 3 and the last 4 characters of a number of 11 or more stay, the last 2 of a shorter one, none of fewer
    than 6. Separators and the country code +86 stay as they are. Masking twice changes nothing.
    """
    number = text(value)
    if number is None:
        return None
    places = [i for i, sign in enumerate(number) if sign not in _PHONE_SEPARATORS]
    country = _COUNTRY_CODE.match(number)
    if country:
        national = [i for i in places if i >= country.end()]
        places = national if len(national) >= _MOBILE_DIGITS else places
    if len(places) >= _MOBILE_DIGITS:
        hidden = places[_PHONE_HEAD:-_PHONE_TAIL]
    else:
        hidden = places[:-2] if len(places) >= 6 else places  # noqa: PLR2004 - documented above
    signs = list(number)
    for i in hidden:
        signs[i] = "*"
    return "".join(signs)


def mask_name(value: object) -> str | None:
    """Return a name with all but its first character hidden: ``张*``; a single character is hidden too."""
    name = text(value)
    if name is None:
        return None
    return "*" * len(name) if len(name) < 2 else name[0] + "*" * (len(name) - 1)  # noqa: PLR2004 - a single character


def sha256(value: object) -> str | None:
    """Return the SHA-256 of a value's text as 64 lower-case hexadecimal digits.

    Numbers and names are few enough to be guessed by hashing all of them: hash them together with a secret,
    ``sha256(config['salt'] + phone)``.
    """
    plain = text(value)
    return None if plain is None else hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def md5(value: object) -> str | None:
    """Return the MD5 of a value's text as 32 lower-case hexadecimal digits (no protection: for comparisons only)."""
    plain = text(value)
    return None if plain is None else hashlib.md5(plain.encode("utf-8", "surrogatepass")).hexdigest()  # noqa: S324 - the SDK's stream maps offer it


def concat_ws(separator: str | None, *values: object) -> str | None:
    """Return the texts of the values joined by a separator, nulls left out, as MySQL's ``CONCAT_WS`` does."""
    if separator is None:
        return None
    return separator.join(part for part in map(text, values) if part is not None)


def coalesce(*values: Any) -> Any:  # noqa: ANN401 - values of records have any JSON type
    """Return the first value that is not null, or null."""
    return next((value for value in values if value is not None), None)


def whole(value: Decimal) -> int:
    """Return a decimal without a fraction as an integer.

    Raises:
        ValueError: it has a fraction, or too many digits.
    """
    number = int(_written_out(value))
    if number != value:
        raise ValueError("the number has a fraction")
    return number


def to_int(value: object) -> int | None:
    """Return a whole number, cut off towards zero; null for null."""
    if isinstance(value, str):
        return int(value)
    if value is None:
        return None
    if isinstance(value, Decimal):
        return int(_written_out(value))
    if isinstance(value, (int, float)):
        return int(value)
    raise TypeError(f"a value of type {type(value).__name__} is no number")
