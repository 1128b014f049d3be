"""One call of the platform: sign, wait for the turn, send, judge the answer, and ask again where that can help."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError

from tap_kuaimai import metrics
from tap_kuaimai.errors import RULES, Action, KuaimaiError, StoppedError, code_of_status, rule_of
from tap_kuaimai.redact import redact
from tap_kuaimai.signature import signed

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from tap_kuaimai.limiter import Limiter
    from tap_kuaimai.signature import Credentials

Answer: TypeAlias = dict[str, Any]
"""A successful answer: the envelope with the rows in it. Numbers with a fraction are Decimals."""

_CONNECT_SECONDS = 10.0
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_LONGEST_PAUSE = 600.0
"""Seconds; a server that asks for a longer pause is asked again sooner than it likes."""

_MESSAGE_LENGTH = 200

_BLOCK_BYTES = 1 << 20
"""How much of an answer is taken at a time; requests' own 10 KB cost more than the rest of it."""

# Amounts must not become binary fractions, and ids above 2^53 must stay whole.
_decode_strictly = msgspec.json.Decoder(float_hook=Decimal).decode


class Incomplete(Exception):  # noqa: N818 -- raised by callers of this module about an answer, not an error of its own
    """Raised by a caller's check: the answer is well-formed but lacks what it must have."""


class _Failure(Exception):  # noqa: N818 -- it says what happened; KuaimaiError is the error that users see
    """One attempt failed.

    Attributes:
        code: code of the error table.
        what: what happened, a sentence without its full stop.
        pause: seconds that the server asked to wait, None if it did not.
    """

    def __init__(self, code: str, what: str, *, pause: float | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.pause = pause


class Client:
    """Calls the platform from any thread.

    Args:
        api_url: the platform's router; one address serves every API.
        credentials: who calls.
        limiter: the pace, shared by everything that calls the platform.
        max_retries: repetitions of one call.
        timeout: seconds without a sign of the server after which a call has failed.
        connections: how many threads call at a time.
        logger: where repetitions are told.
    """

    def __init__(
        self,
        *,
        api_url: str,
        credentials: Credentials,
        limiter: Limiter,
        max_retries: int,
        timeout: float,
        connections: int,
        logger: logging.Logger,
    ) -> None:
        self._url = api_url
        self._host = urlsplit(api_url).hostname or api_url
        self._credentials = credentials
        self._limiter = limiter
        self._max_retries = max_retries
        self._timeout = (min(_CONNECT_SECONDS, timeout), timeout)
        self._logger = logger
        self._secrets = [credentials.app_secret, credentials.access_token, credentials.app_key]
        self._counting = threading.Lock()
        self._counters: dict[str, metrics.RequestCounter] = {}
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._has_answered = False
        self.clock_ahead: float | None = None
        """Seconds by which this machine's clock is ahead of the server's, None before the first answer."""

    def adopt_token(self, access_token: object) -> bool:
        """Go on with another session.

        Args:
            access_token: what the platform gave out.

        Returns:
            True if it differs from the one in use.
        """
        if not isinstance(access_token, str) or access_token in {"", self._credentials.access_token}:
            return False
        self._secrets.append(access_token)
        self._credentials = replace(self._credentials, access_token=access_token)
        return True

    def call(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        stream: str,
        stop: threading.Event,
        check: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Call an API until it answers, or until asking again is hopeless.

        Args:
            method: name of the API.
            params: its parameters.
            stream: for whom, in metrics and logs.
            stop: ends waits early.
            check: raises `Incomplete` about an answer that must not be believed.

        Returns:
            The answer, which the platform calls a success.

        Raises:
            KuaimaiError: it did not work out; the message says what and what to do.
            StoppedError: `stop` was set.
        """
        hidden = [value for name, value in params.items() if name.endswith("Token")]
        attempt = 0
        while True:
            if not self._limiter.acquire(stop):
                raise StoppedError
            try:
                answer = self._attempt(method, params, stream)
                if check:
                    check(answer)
            except _Failure as failure:
                problem = failure
            except Incomplete as lacking:
                problem = _Failure("incomplete", str(lacking))
            else:
                self._has_answered = True
                return answer
            attempt += 1
            what = redact(f"{method}: {problem.what}", [*self._secrets, *hidden])
            self._prepare_retry(problem, what, attempt, stream, stop)

    def _prepare_retry(self, problem: _Failure, what: str, attempt: int, stream: str, stop: threading.Event) -> None:
        """Wait before the next attempt, or raise the problem if there is none."""
        rule = rule_of(problem.code)
        if problem.code == "http_4xx" and self._has_answered:  # So the address is right, and other streams may go on.
            rule = replace(rule, ends_run=False)
        allowed = {Action.STOP: 0, Action.RETRY_ONCE: min(1, self._max_retries)}.get(rule.action, self._max_retries)
        if attempt > allowed:
            raise KuaimaiError(problem.code, what, rule)
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.75, 1.0)
        if problem.pause is not None:
            # Not less than our own: a server that asks for 0 s would use up all attempts at once.
            wait = max(wait, min(problem.pause, _LONGEST_PAUSE))
        self._logger.warning("%s; asking again in %.1f s (%d of %d)", what, wait, attempt, allowed)
        metrics.retry(stream, problem.code)
        if rule.action is Action.SLOW_DOWN:
            self._limiter.slow_down(wait)
        elif stop.wait(wait):
            raise StoppedError

    def _attempt(self, method: str, params: Mapping[str, Any], stream: str) -> Answer:
        """Send once.

        Raises:
            _Failure: anything but a success.
        """
        form = signed(method, params, self._credentials, datetime.now(timezone.utc))
        with metrics.request_timer(stream, method) as timer:
            self._count(stream, method)
            try:
                response = self._session.post(
                    self._url, data=form, timeout=self._timeout, allow_redirects=False, stream=True
                )
                content = b"".join(response.iter_content(_BLOCK_BYTES))
            except requests.Timeout:
                # `from None`: what the libraries say repeats the whole request.
                raise _Failure("timeout", f"no answer from {self._host}") from None
            except requests.RequestException as error:
                kind = type(error).__name__
                if _was_connected(error):
                    raise _Failure("broken", f"the connection to {self._host} broke ({kind})") from None
                raise _Failure("connection", f"no connection to {self._host} ({kind})") from None
            timer.status(response.status_code)
        self._compare_clocks(response)
        return _judge(response, content)

    def _compare_clocks(self, response: requests.Response) -> None:
        try:
            theirs = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError, TypeError):
            return
        self.clock_ahead = (datetime.now(timezone.utc) - theirs).total_seconds()

    def _count(self, stream: str, method: str) -> None:
        with self._counting:
            if stream not in self._counters:
                self._counters[stream] = metrics.request_counter(stream, method)
            self._counters[stream].increment()

    def finish_counting(self, stream: str) -> None:
        """Log how many requests a stream has cost since the last such line."""
        with self._counting:
            counter = self._counters.pop(stream, None)
        if counter:
            counter.exit()


def _was_connected(error: requests.RequestException) -> bool:
    """Whether a request failed on the way, and not because there is nobody at the address."""
    broke = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
    return isinstance(error, broke) or any(isinstance(cause, ProtocolError) for cause in error.args)


def _decode(content: bytes) -> object:
    """Read JSON, also such as strict readers refuse.

    A text that was cut in the middle of an emoji leaves half of a surrogate pair behind, and one such remark would make
    its whole window unreadable: the half becomes U+FFFD. Raw control characters and a byte order mark are passed over.

    Raises:
        ValueError: it is no JSON, or only a part of it.
    """
    try:
        return _decode_strictly(content)
    except msgspec.DecodeError:
        text = content.decode("utf-8-sig")
    answer = json.loads(text, parse_float=Decimal, parse_constant=_refuse, strict=False)
    return _mended(answer)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(element) for element in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(element) for name, element in value.items()}
    return value


def _judge(response: requests.Response, content: bytes) -> Answer:
    """The answer that a response carries.

    Args:
        response: the response.
        content: its body.

    Raises:
        _Failure: an HTTP error, an error of the platform, or no answer of the platform at all.
    """
    pause = _pause_asked_for(response)
    try:
        answer = _decode(content)
    except (ValueError, RecursionError):  # msgspec's and json's errors are ValueErrors.
        answer = None
    told = _error_code(answer) if isinstance(answer, dict) else None
    met = code_of_status(response.status_code)
    if told and isinstance(answer, dict):
        message = str(answer.get("msg") or "no message")[:_MESSAGE_LENGTH]
        trace = answer.get("trace_id") or answer.get("traceId") or "none"
        # A documented code says more than an HTTP status, except that a 429 always means the pace.
        code = met if met and (told not in RULES or met == "http_429") else told
        raise _Failure(code, f"the platform answers error {told}: {message} (trace {trace})", pause=pause)
    if met:
        raise _Failure(met, f"HTTP status {response.status_code} from {urlsplit(response.url).hostname}", pause=pause)
    if not isinstance(answer, dict):
        kind = response.headers.get("Content-Type", "unknown type").split(";")[0]
        raise _Failure("not_json", f"the answer is no JSON object ({kind}, {len(content)} bytes)")
    return answer


def _error_code(answer: Answer) -> str | None:
    """The platform's error code, None for a success.

    `success` is a boolean, or in one API its text. Where it is missing, a code is an error. A bare `success: false`
    also stands beside the data of an official sample: there the data are judged by what they are.
    """
    code = answer.get("code")
    text = "" if code is None else str(code).strip()
    success = str(answer.get("success", "")).lower()
    if success == "true":
        return None
    if success == "false":
        return text or ("unknown" if answer.get("msg") else None)
    return text if text not in {"", "0", "200"} else None


def _pause_asked_for(response: requests.Response) -> float | None:
    """Seconds to wait according to Retry-After, which is a number or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return None
