"""What the two generations of the platform's API have in common: calls, pages, and the interface of a generation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_dingtalk_approval.approval import Approval

PAGE_SIZE = 20
"""Most ids that one page may have; the platform refuses more."""


@dataclass(frozen=True)
class Call:
    """One call, not yet sent.

    Attributes:
        path: Below the API's address; also the name under which the platform limits the pace.
        method: GET or POST.
        params: The query. Never log it: the old API has its token there.
        json: The body.
        headers: HTTP headers.
        counted: Whether it counts against the monthly quota; asking for tokens does not.
    """

    path: str
    method: str = "POST"
    params: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    counted: bool = True

    def with_params(self, **params: str) -> Call:
        """The same call with more in its query."""
        return replace(self, params={**self.params, **params})

    def with_headers(self, headers: Mapping[str, str]) -> Call:
        """The same call with more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    Attributes:
        ids: Of approvals, in no particular order.
        cursor: Where the next page begins; None after the last one.
    """

    ids: list[str]
    cursor: int | str | None


class Api(Protocol):
    """One generation of the API. It makes calls and reads answers; sending is the client's work."""

    default_url: str

    def token_call(self, app_key: str, app_secret: str) -> Call:
        """Ask for a token."""

    def token_of(self, body: Mapping[str, Any]) -> str:
        """The token of an answer.

        Raises:
            KeyError: There is none.
        """

    def authorised(self, call: Call, token: str) -> Call:
        """The call with a token."""

    def listing_call(self, process_code: str, start_ms: int, end_ms: int, *, cursor: int | str, size: int) -> Call:
        """Ask for a page of ids of approvals created in a window, epoch ms."""

    def page_of(self, body: Mapping[str, Any]) -> Page:
        """The page of an answer.

        Raises:
            KeyError: There is none.
        """

    def detail_call(self, instance_id: str) -> Call:
        """Ask for one approval."""

    def approval_of(self, instance_id: str, body: Mapping[str, Any]) -> Approval:
        """The approval of an answer.

        Raises:
            NoApprovalError: There is none.
        """

    def failure_of(self, body: Mapping[str, Any]) -> tuple[str, str] | None:
        """Code and message of an answer that is an error, else None."""


def object_of(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of an answer that must be there.

    Raises:
        KeyError: It is not, or it is no object.
    """
    part = body.get(key)
    if not isinstance(part, dict):
        raise KeyError(key)
    return part


class NoApprovalError(KeyError):
    """An answer that is no error, and has no approval in it."""


def approval_in(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The approval of an answer.

    Raises:
        NoApprovalError: There is none, or one without a status.
    """
    found = body.get(key)
    if not isinstance(found, dict) or not found.get("status"):
        raise NoApprovalError(key)
    return found


def page_of(ids: object, cursor: object) -> Page:
    """A page from its parts.

    Args:
        ids: The list; missing when nothing was found.
        cursor: The next page's: a number, or a number as text, which is sent back as a number; nothing after the last
            page.

    Raises:
        KeyError: There is no list of ids.
    """
    if not isinstance(ids, (list, type(None))):
        raise KeyError("list")
    text = "" if cursor is None else str(cursor)
    return Page([str(one) for one in ids or []], int(text) if text.isdigit() else text or None)
