"""What can go wrong with the platform, what the tap does about it, and what a person has to do.

The codes are those of the official error table and of the pages of the list APIs (https://open.kuaimai.com/docs/api/).
The platform reports its errors with HTTP status 200 and `success: false`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(Enum):
    """What the tap does about an error."""

    RETRY = "ask again, up to max_retries times"
    RETRY_ONCE = "ask again once"
    SLOW_DOWN = "ask again, and everybody waits first"
    STOP = "do not ask again"


class Topic(str, Enum):
    """What is wrong, as `--test` tells it."""

    ADDRESS = "address"
    CLOCK = "clock"
    KEY = "key"
    SIGNATURE = "signature"
    SESSION = "session"
    PERMISSION = "permission"
    REQUEST = "request"
    PLATFORM = "platform"
    DATA = "data"


@dataclass(frozen=True)
class Rule:
    """What one error means.

    Attributes:
        action: what the tap does.
        topic: what is wrong.
        advice: what a person has to do, a sentence.
        ends_run: every other call would fail in the same way, so that no stream can be read.
    """

    action: Action
    topic: Topic
    advice: str
    ends_run: bool = False


_BUSY = Rule(Action.RETRY, Topic.PLATFORM, "The platform is out of order; run again later.")
_PACE = Rule(Action.SLOW_DOWN, Topic.PLATFORM, "Too many requests: lower max_requests_per_second, or run fewer jobs.")
_SIGN = Rule(
    Action.STOP, Topic.SIGNATURE, "Check app_secret, and that sign_method is one the platform knows.", ends_run=True
)
_KEY = Rule(
    Action.STOP, Topic.KEY, "Check app_key against the e-mail with which the platform granted access.", ends_run=True
)
_BUG = Rule(
    Action.STOP, Topic.REQUEST, "The platform did not take a common parameter; report this as a bug.", ends_run=True
)
_PERMISSION = Rule(
    Action.STOP,
    Topic.PERMISSION,
    "This API is not open to the app, or does not exist: apply for it on open.kuaimai.com, or deselect the stream.",
)
_PARAMETER = Rule(Action.STOP, Topic.REQUEST, "The API does not take these parameters; check custom_streams.")
_PAGE = Rule(Action.STOP, Topic.REQUEST, "The API does not take pages of this size; lower page_size.")
_SESSION = Rule(
    Action.STOP,
    Topic.SESSION,
    "The session is dead; no refresh can revive it. Ask the platform's support for a new one and set access_token.",
    ends_run=True,
)

RULES: Mapping[str, Rule] = {
    "1": _BUSY,
    "9": Rule(Action.RETRY, Topic.PLATFORM, "The platform failed at this call; run again later."),
    "20": Rule(Action.STOP, Topic.SESSION, "The platform got no session: set access_token.", ends_run=True),
    "22": _KEY,
    "23": _KEY,
    "24": _SIGN,
    "25": _SIGN,
    "26": _PERMISSION,
    "27": _PERMISSION,
    "28": _BUG,
    "29": _BUG,
    "32": _PARAMETER,
    "33": _PAGE,
    "40": Rule(
        Action.STOP,
        Topic.CLOCK,
        "Set this machine's clock: the platform allows 10 minutes of difference.",
        ends_run=True,
    ),
    "50": _PARAMETER,
    "400": Rule(Action.RETRY_ONCE, Topic.PERMISSION, _PERMISSION.advice),
    "401": _SIGN,
    "429": _PACE,
    "invalid_session": _SESSION,
    "refresh_frequently": Rule(
        Action.STOP, Topic.SESSION, "The session was refreshed less than an hour ago; wait, and keep access_token."
    ),
    "20001": _PAGE,
    "20002": _PAGE,
    "20015": _PARAMETER,
    "20019": _PAGE,
    "30077": Rule(Action.RETRY_ONCE, Topic.PLATFORM, "The platform could not query its orders; run again later."),
    "40002": _PARAMETER,
    # Not the platform's codes: what happens on the way.
    "http_429": _PACE,
    "http_5xx": _BUSY,
    "http_401": _SIGN,
    "http_403": _PERMISSION,
    "http_3xx": Rule(Action.STOP, Topic.ADDRESS, "The address redirects elsewhere; correct api_url.", ends_run=True),
    "http_4xx": Rule(Action.STOP, Topic.ADDRESS, "This is not the platform's router; correct api_url.", ends_run=True),
    "connection": Rule(Action.RETRY, Topic.ADDRESS, "Check api_url, and that this machine reaches it.", ends_run=True),
    "broken": Rule(Action.RETRY, Topic.ADDRESS, "The network or the platform is out of order; run again later."),
    "timeout": Rule(
        Action.RETRY, Topic.ADDRESS, "No answer in time: check the network, or raise request_timeout_seconds."
    ),
    "not_json": Rule(Action.RETRY, Topic.ADDRESS, "The answer is not the platform's; check api_url."),
    "bad_state": Rule(
        Action.STOP, Topic.DATA, "Mend it with `meltano state set`, or begin anew with `meltano state clear`."
    ),
    "bad_key": Rule(
        Action.STOP, Topic.DATA, "Give that property another type with custom_streams, and read into a new table."
    ),
    "unproved": Rule(
        Action.STOP, Topic.DATA, "The bookmark stays where it is; run again later, or with a smaller window_minutes."
    ),
    "incomplete": Rule(Action.RETRY, Topic.DATA, "The platform keeps answering without its list; run again later."),
}
"""Code of an error → what it means."""

UNKNOWN = Rule(Action.RETRY_ONCE, Topic.PLATFORM, "The platform does not document this code; ask its support.")
"""Any other code."""

_CODES_OF_STATUS = {401: "http_401", 403: "http_403", 408: "timeout", 429: "http_429"}


def rule_of(code: str) -> Rule:
    """What an error code means, also one that nobody has documented."""
    return RULES.get(code, UNKNOWN)


def code_of_status(status: int) -> str | None:
    """The code under which an HTTP status is in the table, None for a status that is no error."""
    if status < 300:  # noqa: PLR2004 -- the classes of HTTP statuses
        return None
    return _CODES_OF_STATUS.get(status) or f"http_{status // 100}xx"


class KuaimaiError(Exception):
    """An error that is expected to happen and is told in one line.

    Attributes:
        code: code of the error table.
        rule: what it means.
    """

    def __init__(self, code: str, what: str, rule: Rule) -> None:
        super().__init__(f"{what}. {rule.advice}")
        self.code = code
        self.rule = rule


class StoppedError(Exception):
    """Nobody waits for the answer any more: the stream or the run is being ended."""
