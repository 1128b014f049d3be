"""Who we are to the platform, and how a request is signed with it. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tap_kuaimai.values import platform_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SignMethod = Literal["hmac-sha256", "hmac", "md5"]


@dataclass(frozen=True)
class Credentials:
    """What the platform's e-mail grants. Never shown, not even by `repr`.

    Attributes:
        app_key: who calls.
        app_secret: signs the calls.
        access_token: the session.
        sign_method: how calls are signed.
    """

    app_key: str = field(repr=False)
    app_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    sign_method: SignMethod = "hmac-sha256"


def sign(params: Mapping[str, str], secret: str, method: SignMethod) -> str:
    """Sign a request as https://open.kuaimai.com/docs/api/ prescribes.

    Args:
        params: all parameters that will be sent, except `sign`; none of them empty.
        secret: the app secret.
        method: `md5` puts the secret around the text, the two others use it as a key.

    Returns:
        Upper-case hex, 64 characters for hmac-sha256 and 32 for the others.
    """
    # Byte order: with UTF-8, Python's order of strings by code point is the same.
    text = "".join(f"{name}{params[name]}" for name in sorted(params)).encode()
    key = secret.encode()
    if method == "md5":
        digest = hashlib.md5(key + text + key, usedforsecurity=False).hexdigest()
    else:
        digest = hmac.new(key, text, "sha256" if method == "hmac-sha256" else "md5").hexdigest()
    return digest.upper()


def signed(method: str, params: Mapping[str, Any], who: Credentials, now: datetime) -> dict[str, str]:
    """The form of one call: common parameters, the API's own, and the signature over both.

    Args:
        method: name of the API.
        params: its parameters; None and empty ones are left out, because the platform's own samples disagree on
            whether they are part of the signature.
        who: credentials.
        now: the platform tolerates 10 minutes of difference, so every attempt needs a fresh one.

    Returns:
        Form field → text.
    """
    form = {name: _text(value) for name, value in params.items() if value is not None and value != ""}
    form |= {
        "method": method,
        "appKey": who.app_key,
        "session": who.access_token,
        "timestamp": platform_time(now),
        "format": "json",
        "version": "1.0",
        "sign_method": who.sign_method,
    }
    form["sign"] = sign(form, who.app_secret, who.sign_method)
    return form


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
