"""Why a run failed, in plain words: which of its error lines tells the cause, and what kind of cause that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meltano_ops.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CAUSE = 400

_TRACEBACK = "Traceback (most recent call last)"
# Lines of a traceback, and sentences that only point to another line.
_NO_CAUSE = re.compile(
    r"^\s*$|^Traceback \(most recent|^  |^During handling of the above|^The above exception|^Block run completed"
    r"|\bsee above\b",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(r"^[\w.]+(?:Error|Exception|Exit|Interrupt|Warning)\b")


@dataclass(frozen=True)
class Kind:
    """A kind of cause: how it is recognised, its name, and what to do about it."""

    pattern: re.Pattern[str]
    name: Text
    advice: Text


def _kind(pattern: str, zh: str, en: str, advice_zh: str, advice_en: str) -> Kind:
    return Kind(re.compile(pattern, re.IGNORECASE), Text(zh, en), Text(advice_zh, advice_en))


# The first that matches; what is more telling comes first.
KINDS = (
    _kind(
        r"config\w* validation|required property|missing (?:required )?(?:setting|config)|not have been installed",
        "配置不完整",
        "the configuration is incomplete",
        "按提示补全 .env 或 meltano.yml 里的设置，再跑一次",
        "Complete the settings in .env or meltano.yml as the text says, and run it again",
    ),
    _kind(
        r"no space left|disk (?:is )?full|ENOSPC",
        "磁盘已满",
        "the disk is full",
        "清理磁盘；下次运行从书签继续，不会漏数",
        "Free some space; the next run continues from the bookmark and loses nothing",
    ),
    _kind(
        r"access denied for user|\b1045\b|password authentication failed",
        "数据库账号或密码不对",
        "the database refuses user or password",
        "核对 .env 里目标库的账号和密码，以及它的来源 IP 授权",
        "Check user and password of the target database in .env, and from where it may connect",
    ),
    _kind(
        r"can't connect to (?:mysql|server)|lost connection to mysql|mysql server has gone away|unknown database"
        r"|\b(?:2002|2003|2006|2013|1049)\b.*(?:mysql|server|database)",
        "目标数据库连不上",
        "the target database cannot be reached",
        "检查数据库是否在运行、网络和地址；恢复后下次运行从书签继续，不会漏数",
        "See whether the database runs, its network and address; the next run continues from the bookmark",
    ),
    _kind(
        r"invalid.?sign|sign\w* (?:error|invalid|mismatch|not match|check)|签名",
        "签名不对",
        "the signature is refused",
        "核对 .env 里的 app_key、app_secret 和 sign_method，以及本机时钟",
        "Check app_key, app_secret and sign_method in .env, and this machine's clock",
    ),
    _kind(
        r"session|会话|授权(?!范围)|access.?token|invalid.?token|token (?:has |is )?(?:expired|invalid)"
        r"|unauthori[sz]ed|\b401\b|\b40014\b",
        "授权会话已失效",
        "the authorised session is dead",
        "到开放平台重新授权，把新的值写进 .env；下次运行从书签继续，不会漏数",
        "Authorise again on the platform and put the new value into .env; the next run continues from the bookmark",
    ),
    _kind(
        r"permission|forbidden|not authori[sz]ed|权限|白名单|\b403\b|isv\.",
        "没有接口权限",
        "the application lacks a permission",
        "到开放平台后台给应用加上这个接口的权限或 IP 白名单",
        "Give the application this permission, or the address, in the platform's console",
    ),
    _kind(
        r"\b429\b|rate.?limit|too many requests|too fast|限流|频率|QPS",
        "被源平台限流",
        "the platform limits the rate",
        "会自动再试；若持续，调低 max_requests_per_second 或运行频率",
        "It is tried again by itself; if it persists lower max_requests_per_second or run less often",
    ),
    _kind(
        r"\b50[0-4]\b|bad gateway|service unavailable|connection|timed? ?out|timeout|refused|reset by peer"
        r"|name resolution|getaddrinfo|unreachable|\bSSL\b|HTML|out of order",
        "源平台或网络不通",
        "the platform or the network is down",
        "会自动再试，恢复后从书签继续，不会漏数；若持续，到平台公告看是否在维护",
        "It is tried again by itself and continues from the bookmark; if it persists see whether the platform says why",
    ),
)
OTHER = Kind(
    re.compile(""),
    Text("", ""),
    Text(
        "看页面上的“最近错误”全文；修好后下次运行从书签继续，不会漏数",
        "Read the full text under “Recent errors”; once it is mended the next run continues from the bookmark",
    ),
)


def cause_of(messages: Iterable[str]) -> str:
    """Return the line that tells why a run failed, at most 400 characters, or an empty text.

    A plugin says first what is wrong, and then what follows from it; a traceback says it last.

    Args:
        messages: The run's error messages in the order in which they were logged.
    """
    lines = [line for message in messages for line in _telling(message.splitlines())]
    traced = any(line.startswith(_TRACEBACK) for line in lines)
    found = [line.strip() for line in lines if not _NO_CAUSE.search(line)]
    if not found:
        return ""
    exceptions = [line for line in found if _EXCEPTION.match(line)]
    return (exceptions[-1] if traced and exceptions else found[0])[:MAX_CAUSE]


def _telling(lines: list[str]) -> list[str]:
    """Return the lines of one message; of one with an exception's frames in it, the exception alone."""
    if len(lines) > 1 and any(line.startswith('  File "') for line in lines):
        return lines[-1:]
    return lines[:1]


def kind_of(cause: str) -> Kind:
    """Return the kind of a cause; `OTHER`, which has no name, where none is known."""
    return next((kind for kind in KINDS if kind.pattern.search(cause)), OTHER)
