"""What can go wrong with the platform, what the tap does about it, and what a person has to do.

Codes and meanings: the global error codes, the pages of the single APIs and 「接口限流」 on https://open.dingtalk.com
(2026-08), and answers of the live gateway. What the gateway wraps in `errcode` 88 stands here under its real code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(Enum):
    """What the tap does about an error."""

    RETRY = "ask again, up to max_retries times"
    RETRY_FEW = "ask again, at most three times"
    RETRY_ONCE = "ask again, once"
    SLOW_DOWN = "ask again, and everybody waits first"
    REFRESH = "get a new token and ask again, once"
    SKIP = "this approval cannot be read any more"
    QUOTA = "no call will be answered this month: stop, and keep what was read"
    STOP = "do not ask again"


class Topic(str, Enum):
    """What is wrong, as `--test` tells it."""

    ADDRESS = "address"
    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    SCOPE = "permission scope"
    TEMPLATE = "template"
    QUOTA = "quota"
    REQUEST = "request"
    PLATFORM = "platform"
    DATA = "data"


@dataclass(frozen=True)
class Rule:
    """What one error means.

    Attributes:
        action: What the tap does.
        topic: What is wrong.
        advice: What a person has to do, a sentence.
        pause: For SLOW_DOWN, the seconds of the first wait; each further one is twice as long, up to a minute.
    """

    action: Action
    topic: Topic
    advice: str
    pause: float = 1.0


_BUSY = Rule(Action.RETRY, Topic.PLATFORM, "The platform is out of order; run again later.")
_BUSY_FEW = Rule(Action.RETRY_FEW, Topic.PLATFORM, _BUSY.advice)
_PACE = Rule(
    Action.SLOW_DOWN, Topic.PLATFORM, "Too many calls: lower max_requests_per_second, or run away from the full hour."
)
_PACE_MINUTE = Rule(_PACE.action, _PACE.topic, _PACE.advice, pause=60)
_TOKEN = Rule(
    Action.REFRESH, Topic.CREDENTIALS, "The platform refuses tokens that it has just given: is the app enabled?"
)
_KEY = Rule(Action.STOP, Topic.CREDENTIALS, "Check app_key and app_secret on the app's page in the developer console.")
_PERMISSION = Rule(
    Action.STOP,
    Topic.PERMISSION,
    "Grant the app the permission to read approvals (工作流实例读权限) in the developer console. An app that never had "
    "the old API's permission cannot get it any more: set api_version to v1.0.",
)
_ADDRESS_LIST = Rule(
    Action.STOP, Topic.PERMISSION, "Add this machine's address to the app's 服务器出口IP in the developer console."
)
_SCOPE = Rule(Action.STOP, Topic.SCOPE, "Widen the app's 权限范围 to the departments whose approvals are read.")
_TEMPLATE = Rule(
    Action.STOP,
    Topic.TEMPLATE,
    "Check process_code (in the address of the template's edit page), and that the app may read it.",
)
_GONE = Rule(Action.SKIP, Topic.DATA, "It was deleted, or moved out of the app's scope.")
_QUOTA = Rule(Action.QUOTA, Topic.QUOTA, "The organisation has used up its API calls of this month.")
_TIME = Rule(
    Action.STOP,
    Topic.REQUEST,
    "The platform lists the last 365 days only; set start_date later, and see that this machine's clock is right.",
)
_PARAMETER = Rule(Action.STOP, Topic.REQUEST, "The platform did not take a parameter; report this as a bug.")

RULES: Mapping[str, Rule] = {
    # The old API, https://oapi.dingtalk.com
    "-1": _BUSY_FEW,
    "15": _BUSY_FEW,
    "isp.-1": _BUSY_FEW,
    "400001": _BUSY_FEW,
    "33001": _TOKEN,
    "40001": _TOKEN,
    "40014": _TOKEN,
    "41001": _TOKEN,
    "42001": _TOKEN,
    "40089": _KEY,
    "40096": _KEY,
    "22": Rule(Action.STOP, Topic.ADDRESS, "The platform does not know this API; check api_url and api_version."),
    "404": Rule(Action.STOP, Topic.ADDRESS, "The platform does not know this path; check api_url and api_version."),
    "50002": _SCOPE,
    "50004": _SCOPE,
    "60011": _PERMISSION,
    "60020": _ADDRESS_LIST,
    "40000": _PARAMETER,
    "40035": _PARAMETER,
    "43004": _PARAMETER,
    "43005": _PARAMETER,
    "43009": _PARAMETER,
    "200002": _PARAMETER,
    "200003": _PARAMETER,
    "400002": _PARAMETER,
    "400003": _TIME,
    "810007": _TEMPLATE,
    "810008": _TEMPLATE,
    "8100017": _TEMPLATE,
    "820001": _TEMPLATE,
    "820004": _TEMPLATE,
    "830001": _TEMPLATE,
    "820005": _GONE,
    "60121": _GONE,
    "90018": _PACE,
    "90019": _PACE,
    "90002": _PACE,
    "45009": _PACE,
    **dict.fromkeys(("90001", "90003", "90004"), _PACE),
    # Historically 1,500 a minute; the ban ends with the minute.
    **dict.fromkeys(("90005", "90006"), Rule(_PACE.action, _PACE.topic, _PACE.advice, pause=5)),
    **{str(code): _PACE for code in (*range(90007, 90015), 90017)},
    "90020": _QUOTA,
    # The new API, https://api.dingtalk.com
    "InvalidAuthentication": _TOKEN,
    "AuthenticationFailed.MissingParameter": _TOKEN,
    "invalidClientIdOrSecret": _KEY,
    "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi": _PACE,
    "Forbidden.AccessDenied.QpsLimitForApi": _PACE,
    "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi": _PACE_MINUTE,
    "Forbidden.AccessDenied.ApiCountLimitForOrg": _QUOTA,
    "Forbidden.AccessDenied.AccessTokenPermissionDenied": _PERMISSION,
    "Forbidden.AccessDenied.IpNotInWhiteList": _ADDRESS_LIST,
    "processSetupNoPermission": _SCOPE,
    "noPermission": _PERMISSION,
    "processInstanceNotExist": _GONE,
    "aflowProcessInstNotExist": _GONE,
    "processInstanceIdError": _GONE,
    "aflowProcessNotExist": _TEMPLATE,
    "aflowProcessCodeIsError": _TEMPLATE,
    "formNotExist": _TEMPLATE,
    "invalidProcessCode": _TEMPLATE,
    "processCodeError": _TEMPLATE,
    "invalidEndTime": _TIME,
    "invalidInstanceListIdsStartTime": _TIME,
    "invalidMaxResults": _PARAMETER,
    "invalidNextToken": _PARAMETER,
    "invalidUserIds": _PARAMETER,
    "internalError": _BUSY_FEW,
    "processGetFailed": _BUSY_FEW,
    "systemError": _BUSY_FEW,
    "unknownError": _BUSY_FEW,
    "Service Unavailable": _BUSY,
    "operationTimeout": _BUSY,
    "service.timeout": _BUSY,
    "serviceBusy": _BUSY,
    "system.busy": _PACE,
    "systemBusy": _PACE,
    # Not the platform's codes: what happens on the way.
    "ip_banned": Rule(
        Action.SLOW_DOWN,
        Topic.PLATFORM,
        "More than 10,000 calls in 20 s left this machine's address: the platform denies it everything for 5 minutes.",
    ),
    "http_429": _PACE,
    "http_5xx": _BUSY,
    "http_3xx": Rule(Action.STOP, Topic.ADDRESS, "The address redirects elsewhere; correct api_url."),
    "http_4xx": Rule(Action.STOP, Topic.ADDRESS, "This is not the platform; correct api_url."),
    "connection": Rule(Action.RETRY, Topic.ADDRESS, "Check api_url, and that this machine reaches it."),
    "timeout": Rule(
        Action.RETRY, Topic.ADDRESS, "No answer in time: check the network, or raise request_timeout_seconds."
    ),
    "not_json": Rule(Action.RETRY, Topic.ADDRESS, "The answer is not the platform's; check api_url."),
    "incomplete": Rule(Action.RETRY_FEW, Topic.DATA, "The answer lacks what was asked for; run again later."),
    "no_approval": Rule(
        Action.RETRY_ONCE, Topic.DATA, "The answer has no approval; it was deleted, or the platform is out of order."
    ),
    "cursor_repeated": Rule(
        Action.STOP, Topic.DATA, "The listing goes round in circles, so it cannot be called complete; run again later."
    ),
    "window_too_full": Rule(
        Action.STOP, Topic.DATA, "More approvals in one minute than the platform lists; ask its support."
    ),
    "state": Rule(Action.STOP, Topic.DATA, "Mend it with `meltano state edit`, or clear it to read everything again."),
}
"""Code of an error → what it means."""

CREDENTIAL_RULES: Mapping[str, Rule] = {
    **{code: _KEY if rule.action is Action.REFRESH else rule for code, rule in RULES.items()},
    "40035": _KEY,
}
"""The same for calls that ask for a token: there, what elsewhere means an expired token means a wrong secret."""

UNKNOWN = Rule(Action.STOP, Topic.PLATFORM, "The platform does not document this code; ask its support.")
"""Any other code."""

_BY_NAME = (("ApiCountLimit", _QUOTA), ("QpmLimit", _PACE_MINUTE), ("QpsLimit", _PACE), ("isp.", _BUSY_FEW))
_OF_ONE = frozenset({Topic.SCOPE, Topic.TEMPLATE, Topic.REQUEST, Topic.DATA})
_GONE_TEXT = re.compile(
    r"实例.{0,12}(不存在|已删除|已被删除)|(不存在|找不到).{0,12}实例|审批单不存在|instance.{0,20}(not.?(exist|found)|deleted)",
    re.IGNORECASE,
)
_WRAPPED = re.compile(r"subcode=([^,\]]+)")


def rule_of(code: str, message: str = "", *, rules: Mapping[str, Rule] = RULES) -> Rule:
    """What an error means, also one that nobody has documented.

    Args:
        code: As in the table.
        message: What the platform says with it. Which code the old API gives for a deleted approval is documented
            nowhere, so a message that says so decides for codes outside the table.
        rules: The table, `CREDENTIAL_RULES` for calls that ask for a token.
    """
    if code in rules:
        return rules[code]
    for part, rule in _BY_NAME:
        if part in code:
            return rule
    return _GONE if _GONE_TEXT.search(message) else UNKNOWN


def is_about_one(rule: Rule) -> bool:
    """Whether an error of a call for one approval says something about that approval only.

    What one that was deleted, or moved to a department outside the app's scope, looks like in the old API is documented
    nowhere: anything but a refusal of the app itself may mean it.
    """
    return rule is UNKNOWN or rule.topic in _OF_ONE or rule.action is Action.RETRY_FEW


def topapi_code(body: Mapping[str, object]) -> str | None:
    """The code in an answer of the old API, None when it is no error.

    Three layouts occur: `errcode` alone, `errcode` 88 or 15 with the real code in `sub_code`, and the same with the
    real code only in the text of `errmsg`.
    """
    code = str(body.get("errcode", 0))
    if code == "0":
        return None
    if sub_code := body.get("sub_code"):
        return str(sub_code)
    wrapped = _WRAPPED.search(str(body.get("errmsg", "")))
    return wrapped[1].strip() if wrapped else code


class DingTalkError(Exception):
    """An error that is expected to happen and is told in one line.

    Attributes:
        code: Code of the error table.
        rule: What it means.
    """

    def __init__(self, code: str, what: str, rule: Rule | None = None) -> None:
        self.rule = rule or rule_of(code)
        super().__init__(f"{what}. {self.rule.advice}")
        self.code = code


class QuotaExhaustedError(DingTalkError):
    """No more calls this month: the platform's quota or the user's budget is used up."""
