"""The three signatures of the gateway, as its documentation defines them.

https://open.kuaimai.com/docs/api/: all parameters but ``sign``, sorted by the bytes of their names, names and values
run together.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_METHOD = "hmac"
METHODS = ("hmac", "md5", "hmac-sha256")


def text_to_sign(params: Mapping[str, str]) -> str:
    """Return the parameters as the text that is signed; ``sign`` itself is left out."""
    ordered = sorted((name for name in params if name != "sign"), key=lambda name: name.encode())
    return "".join(name + params[name] for name in ordered)


def signature(params: Mapping[str, str], secret: str, method: str) -> str:
    """Return the signature in upper-case hex.

    Raises:
        ValueError: The method is none of `METHODS`.
    """
    text = text_to_sign(params)
    if method == "md5":
        digest = hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest()  # noqa: S324 - the platform's choice
    elif method == "hmac":
        digest = hmac.new(secret.encode(), text.encode(), hashlib.md5).hexdigest()
    elif method == "hmac-sha256":
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    else:
        raise ValueError(f"unknown sign_method {method!r}")
    return digest.upper()


def is_signed(params: Mapping[str, str], secret: str) -> bool:
    """Return whether ``sign`` fits the other parameters.

    Hex in either case is accepted, and so are both readings of empty values: the vendor's own samples sign them
    (Python) or leave them out (Java, C#).
    """
    sent = params.get("sign", "").upper()
    method = params.get("sign_method") or DEFAULT_METHOD
    if method not in METHODS:
        return False
    filled = {name: value for name, value in params.items() if value}
    return any(
        hmac.compare_digest(sent.encode(), signature(some, secret, method).encode()) for some in (params, filled)
    )
