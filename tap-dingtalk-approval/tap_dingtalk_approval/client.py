"""One call to the platform: its pace, sending, refusals and repetitions."""

from __future__ import annotations

import json
import logging
import random
import re
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from tap_dingtalk_approval import metrics
from tap_dingtalk_approval.api import NoApprovalError
from tap_dingtalk_approval.auth import Token, TokenKeeper
from tap_dingtalk_approval.errors import (
    CREDENTIAL_RULES,
    RULES,
    UNKNOWN,
    Action,
    DingTalkError,
    QuotaExhaustedError,
    Rule,
    rule_of,
)
from tap_dingtalk_approval.limiter import Limiter
from tap_dingtalk_approval.redact import redact
from tap_dingtalk_approval.values import BEIJING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_dingtalk_approval.api import Api, Call
    from tap_dingtalk_approval.budget import CallBudget
    from tap_dingtalk_approval.settings import Settings

T = TypeVar("T")

LONGEST_PAUSE = 60.0
"""Seconds; nobody waits longer than this in one go."""

LONGEST_SLOWNESS = 600.0
"""Seconds that one call may spend waiting for the platform's patience before it gives up. A ban of an address lasts
five minutes."""

_REPETITIONS = {Action.RETRY: sys.maxsize, Action.RETRY_FEW: 3, Action.RETRY_ONCE: 1}
_PUNISHED = re.compile(
    r"(?:到\s*(?P<until>[-\d]+ [:\d]+).*?)?(?:限制|处罚)将在\s*(?P<end>[-\d]+ [:\d]+)\s*结束", re.DOTALL
)
_LAST_SECOND = 1.0
"""The platform tells ends to the second; that second shall be over, too."""

_BANNED = 1111


class StoppedError(Exception):
    """Nobody waits for the answer any more: the run is being ended."""


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 -- an attempt without a usable answer; it never leaves this module
    """An attempt that gave no answer to use.

    Attributes:
        code: Code of the error table.
        message: The platform's words, not yet redacted.
        pause: Seconds that the answer asks to wait, None when it does not say.
        answered: Whether the platform took the call, so that it counts.
    """

    code: str
    message: str = ""
    pause: float | None = None
    answered: bool = True


class Client:
    """Sends calls of one generation of the API, from any thread.

    Args:
        api: The generation.
        settings: Address, keys, pace and patience.
        budget: Counts the calls.
        stop: When set, waits end early and nothing is repeated.
    """

    def __init__(self, api: Api, settings: Settings, budget: CallBudget, stop: threading.Event) -> None:
        self.api = api
        self.budget = budget
        self.stop = stop
        self._settings = settings
        self._tokens = TokenKeeper(self._fetch_token)
        self._lock = threading.Lock()
        self._limiters: dict[str, Limiter] = {}
        self._exhausted: QuotaExhaustedError | None = None
        self._session = requests.Session()
        self._session.mount("http", HTTPAdapter(pool_maxsize=settings.max_concurrency + 1))
        self._reached = False
        # urllib3 logs the path of every request at DEBUG, and that of an answer with odd headers as a warning. The old
        # API has its token there.
        for name in ("urllib3", "urllib3.connectionpool", "urllib3.connection"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def send(self, call: Call, parse: Callable[[Mapping[str, Any]], T]) -> T:
        """Send a call and read its answer, repeating it as the error table says.

        Args:
            call: What to ask, without a token.
            parse: Reads the answer; a KeyError means that something is missing from it.

        Returns:
            What `parse` made of the answer.

        Raises:
            DingTalkError: The call failed for good.
            QuotaExhaustedError: It, and every other one, will not be answered this month.
        """
        return self._repeat(call, parse, self._tokens.get, RULES)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def token(self) -> str:
        """The access token.

        Raises:
            DingTalkError: The platform gives none.
        """
        return self._tokens.get().text

    def _fetch_token(self) -> str:
        call = self.api.token_call(self._settings.app_key, self._settings.app_secret)
        return self._repeat(call, self.api.token_of, None, CREDENTIAL_RULES)

    def _repeat(
        self,
        call: Call,
        parse: Callable[[Mapping[str, Any]], T],
        token_of: Callable[[], Token] | None,
        rules: Mapping[str, Rule],
    ) -> T:
        patience = _Patience(self._settings.max_retries)
        while True:
            token = token_of() if token_of else None
            try:
                return self._attempt(call, parse, token)
            except Refusal as refusal:
                rule = rule_of(refusal.code, refusal.message, rules=rules)
                self._forget_uncounted(call, refusal, rule)
                was_good = token is not None and self._tokens.was_accepted(token)
                pause = patience.pause_after(refusal, rule, token_was_good=was_good)
                if pause is None:
                    raise self._failure(call, refusal, rule) from None
                metrics.retry(call.path, refusal.code)
            if rule.action is Action.REFRESH:
                self._tokens.renew(token)
            elif rule.action is Action.SLOW_DOWN:
                self._limiter(call.path).slow_down(pause)
            else:
                self.stop.wait(pause)

    def _attempt(self, call: Call, parse: Callable[[Mapping[str, Any]], T], token: Token | None) -> T:
        self._limiter(call.path).acquire()
        if self.stop.is_set():
            raise StoppedError
        if call.counted:
            if self._exhausted:
                raise self._exhausted
            self.budget.take()
        body = self._exchange(self.api.authorised(call, token.text) if token else call)
        if token:
            self._tokens.accepted(token)
        try:
            return parse(body)
        except NoApprovalError as missing:
            raise Refusal("no_approval", f"no {missing.args[0]!r} in the answer") from None
        except KeyError as missing:
            raise Refusal("incomplete", f"no {missing.args[0]!r} in the answer") from None

    def _exchange(self, call: Call) -> Mapping[str, Any]:
        # What requests raises carries the address, and with it the token: none of it may be seen.
        try:
            response = self._session.request(
                call.method,
                self._settings.api_url + call.path,
                params=call.params,
                json=call.json,
                headers=call.headers,
                timeout=self._settings.request_timeout_seconds,
                allow_redirects=False,
            )
        except requests.Timeout as error:
            # An answer that came too late was an answer, as far as the quota is concerned.
            raise Refusal("timeout", answered=isinstance(error, requests.ReadTimeout)) from None
        except requests.RequestException as error:
            raise Refusal("connection", type(error).__name__, answered=False) from None
        body = read_answer(response, self.api, reached=self._reached)
        self._reached = True
        return body

    def _limiter(self, path: str) -> Limiter:
        with self._lock:
            if path not in self._limiters:
                self._limiters[path] = Limiter(self._settings.max_requests_per_second, self.stop)
            return self._limiters[path]

    def _forget_uncounted(self, call: Call, refusal: Refusal, rule: Rule) -> None:
        free = rule.action in {Action.SLOW_DOWN, Action.QUOTA, Action.REFRESH}
        if call.counted and (free or not refusal.answered):
            self.budget.give_back()

    def _failure(self, call: Call, refusal: Refusal, rule: Rule) -> DingTalkError:
        said = f": {refusal.message}" if refusal.message else ""
        secrets = [self._settings.app_key, self._settings.app_secret, *self._tokens.texts]
        what = redact(f"{call.path} failed ({refusal.code}{said})", secrets)
        if rule.action is Action.QUOTA:
            advice = f"{rule.advice} It goes on after {self.budget.resumes()}."
            self._exhausted = QuotaExhaustedError(refusal.code, what, Rule(rule.action, rule.topic, advice))
            return self._exhausted
        return DingTalkError(refusal.code, what, rule)


class _Patience:
    """How often one call is still repeated."""

    def __init__(self, max_retries: int) -> None:
        self._most = max_retries
        self._retries = 0
        self._refreshes = 0
        self._slowed = 0
        self._waited = 0.0

    def pause_after(self, refusal: Refusal, rule: Rule, *, token_was_good: bool) -> float | None:
        """Seconds to wait before the next attempt.

        Args:
            refusal: The last attempt.
            rule: What it means.
            token_was_good: Whether its token had worked before. One that never did is renewed only once.

        Returns:
            None when there is no next attempt.
        """
        pause = self._pause(refusal, rule, token_was_good=token_was_good)
        return None if pause is None or pause > LONGEST_SLOWNESS else pause

    def _pause(self, refusal: Refusal, rule: Rule, *, token_was_good: bool) -> float | None:
        if rule.action is Action.SLOW_DOWN:
            return self._slow_down(refusal, rule)
        if rule.action is Action.REFRESH:
            self._refreshes += 1
            return 0.0 if self._refreshes <= (self._most if token_was_good else 1) else None
        most = min(self._most, _REPETITIONS.get(rule.action, 0))
        if self._retries >= most:
            return None
        self._retries += 1
        return refusal.pause or _backoff(self._retries)

    def _slow_down(self, refusal: Refusal, rule: Rule) -> float | None:
        if self._waited >= LONGEST_SLOWNESS:
            return None
        pause = min(LONGEST_PAUSE, rule.pause * 2**self._slowed) if refusal.pause is None else refusal.pause
        self._slowed += 1
        self._waited += pause
        return pause


def _backoff(attempt: int) -> float:
    """1, 2, 4 … seconds, less up to a half so that threads do not come back together."""
    return min(LONGEST_PAUSE, 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def read_answer(response: requests.Response, api: Api, *, reached: bool) -> Mapping[str, Any]:
    """The JSON object of an answer that is no error.

    Args:
        response: The answer.
        api: The generation of the API.
        reached: Whether the platform has answered before. Then a page of HTML is the ban of an address, whose HTTP
            status is documented nowhere; before, it may as well come from a wrong address.

    Raises:
        Refusal: It is one, or it is not the platform's: a page of HTML, half an answer, the ban of an address.
    """
    status = response.status_code
    pause = retry_after(response.headers.get("Retry-After"))
    on_the_way = Refusal(
        "http_429" if status == requests.codes.too_many_requests else f"http_{status // 100}xx", f"HTTP {status}", pause
    )
    try:
        body = json.loads(response.content, parse_float=Decimal)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        if reached and status < requests.codes.server_error and response.content.lstrip()[:1] == b"<":
            raise Refusal("ip_banned")
        raise Refusal("not_json") if response.ok and status < requests.codes.multiple_choices else on_the_way
    if body.get("status") == _BANNED and "errcode" not in body:
        raise Refusal("ip_banned")
    failure = api.failure_of(body)
    if failure is None:
        if status < requests.codes.multiple_choices:
            return body
        raise on_the_way
    code, message = failure
    if rule_of(code, message) is UNKNOWN and on_the_way.code in ("http_429", "http_5xx"):
        raise on_the_way
    raise Refusal(code, message, punishment(message, datetime.now(BEIJING)) or pause)


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or an HTTP date. None for neither."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def punishment(message: str, now: datetime) -> float | None:
    """Seconds until the end of a punishment that a refusal names.

    ``从 2026-09-03 00:01:02 到 2026-09-03 00:01:02 请求总次数超过 1200 次, 限制将在 2026-09-03 00:01:03 结束`` is
    Beijing time. When this machine's clock cannot be right, the punishment's own length counts.

    Args:
        message: The platform's words.
        now: The present, aware.

    Returns:
        Seconds from now, None when the message names no end.
    """
    found = _PUNISHED.search(message)
    if not found:
        return None
    try:
        ends = _beijing(found["end"])
        left = (ends - now.astimezone(timezone.utc)).total_seconds()
        if not -_LAST_SECOND <= left <= LONGEST_SLOWNESS:
            if not found["until"]:
                return None
            left = (ends - _beijing(found["until"])).total_seconds()
    except ValueError:
        return None
    return max(0.0, left) + _LAST_SECOND


def _beijing(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
