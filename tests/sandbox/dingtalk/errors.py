"""The platform's refusals: codes, texts, and the layouts they arrive in.

Codes and texts: https://open.dingtalk.com/document/orgapp/server-api-error-codes-1 and the pages of the single APIs;
layouts: answers of the live gateway that were published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tests.sandbox.clock import to_text
from tests.sandbox.platform import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where an error of the old API carries its code: wrapped by the gateway (errcode 88 and sub_code), at the top, or
#: wrapped with the code in the text alone.
Layout = Literal["wrapped", "top", "text"]
LAYOUTS: tuple[Layout, ...] = ("wrapped", "top", "text")

#: Old API, answered with HTTP 200.
OLD: Mapping[str, str] = {
    "-1": "系统繁忙",
    "15": "Remote service error",
    "22": "Invalid method",
    "33001": "无效的企业ID",
    "40000": "access_token is blank",
    "40001": "获取access_token时Secret错误，或者access_token无效",
    "40014": "不合法的access_token",
    "40035": "缺少参数 corpid or appkey",
    "40089": "不合法的corpid或corpsecret",
    "40096": "不合法的appKey或appSecret",
    "41001": "缺少access_token参数",
    "42001": "access_token超时",
    "43004": "无效的HTTP HEADER Content-Type",
    "43009": "post参数需要json类型",
    "45009": "接口调用超过限制",
    "50002": "企业部门不在授权范围",
    "50004": "企业部门不在授权范围",
    "60011": "应用尚未开通所需的权限：[qyapi_aflow]",
    "60020": "访问ip不在白名单之中,request ip=203.0.113.9",
    "60121": "找不到该用户",
    "810007": "没有权限操作该模板",
    "820001": "审批模板编码不正确",
    "820004": "模板不存在",
    "820005": "审批单状态异常",
    "830001": "审批模板不存在",
    "90001": "您的服务器调用钉钉开放平台所有接口的请求都被暂时禁用了",
    "90002": "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
    "90005": "您的企业调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
    "90006": "您的应用调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
    "90018": "您的应用调用该接口的频率超过限制，请求被暂时禁用了",
    "90020": "您的企业本月api调用量已超过限制",
    "200002": "分页游标不正确",
    "200003": "分页大小不正确",
    "400001": "系统错误",
    "400002": "参数错误",
    "400003": "时间戳无效",
}

#: New API: HTTP status and text by code.
NEW: Mapping[str, tuple[int, str]] = {
    "AuthenticationFailed.MissingParameter": (400, "缺少参数：x-acs-dingtalk-access-token"),
    "InvalidAuthentication": (400, "不合法的access_token"),
    "invalidClientIdOrSecret": (400, "无效的clientId或者clientSecret"),
    "invalidParameter": (400, "参数错误"),
    "invalidProcessCode": (400, "审批模板编码不能为空"),
    "invalidInstanceListIdsStartTime": (400, "开始时间不能为空"),
    "invalidNextToken": (400, "分页游标不能为空"),
    "invalidMaxResults": (400, "分页参数非法，每页大小，最多传20。"),
    "invalidEndTime": (400, "结束时间非法，结束时间不能小于开始时间；且查询时间范围不能超过120天。"),
    "invalidUserIds": (400, "发起人列表非法，最多传10个。"),
    "processInstanceNotExist": (400, "审批实例不存在"),
    "processInstanceIdError": (400, "审批实例ID错误"),
    "aflowProcessInstNotExist": (400, "审批实例不存在"),
    "processCodeError": (400, "审批模板编码错误"),
    "processSetupNoPermission": (400, "没有该审批模板的权限"),
    "processGetFailed": (400, "获取审批实例失败"),
    "internalError": (400, "系统内部错误"),
    "systemError": (500, "系统错误"),
    "unknownError": (503, "未知错误"),
    "serviceBusy": (503, "服务繁忙"),
    "operationTimeout": (504, "操作超时"),
    "system.busy": (429, "系统繁忙"),
    "NotFound": (404, "请求的URI地址不存在"),
    "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi": (
        403,
        "您的企业应用调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
    ),
    "Forbidden.AccessDenied.QpsLimitForApi": (
        403,
        "当前所有钉钉应用调用该接口次数过多，超出了该接口承受的最大qps，请求被暂时限制了，建议错开整点时刻调用该接口",
    ),
    "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi": (403, "您的应用每分钟调用该接口的次数超过限制"),
    "Forbidden.AccessDenied.ApiCountLimitForOrg": (403, "您的企业本月api调用量已超过限制"),
    "Forbidden.AccessDenied.AccessTokenPermissionDenied": (
        403,
        "应用尚未开通所需的权限：[Workflow.Instance.Read]",
    ),
    "Forbidden.AccessDenied.IpNotInWhiteList": (403, "访问ip不在白名单之中"),
}

#: Refusals that both generations know: the code of the old and of the new API.
TWINS: Mapping[str, tuple[str, str]] = {
    "bad_token": ("40014", "InvalidAuthentication"),
    "app_qps": ("90018", "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"),
    "api_qps": ("90002", "Forbidden.AccessDenied.QpsLimitForApi"),
    "app_qpm": ("90006", "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi"),
    "quota": ("90020", "Forbidden.AccessDenied.ApiCountLimitForOrg"),
    "denied": ("60011", "Forbidden.AccessDenied.AccessTokenPermissionDenied"),
    "address": ("60020", "Forbidden.AccessDenied.IpNotInWhiteList"),
    "busy": ("-1", "systemError"),
    "unavailable": ("15", "serviceBusy"),
}

#: Codes of the old API that only ever came at the top level.
_TOP_ONLY = frozenset({"-1", "15", "22", "40035", "40089", "40096", "43004", "43009"})


@dataclass(eq=False)
class RefusedError(Exception):
    """The platform does not do what was asked.

    Attributes:
        code: Of either generation, or a name of `TWINS`.
        text: Takes the place of the table's text.
        layout: Where the old API carries the code; None for the stand-in's switch.
    """

    code: str
    text: str | None = None
    layout: Layout | None = None

    def answer(self, *, new: bool, layout: Layout, request_id: str) -> Answer:
        """Return the refusal as one generation answers it."""
        code = TWINS[self.code][new] if self.code in TWINS else self.code
        if new:
            status, text = NEW.get(code, (400, code))
            content = {"requestid": request_id, "code": code, "message": self.text or text}
            return Answer.json(content, status=status, outcome=code)
        text = self.text or OLD.get(code, "未知错误")
        content = _old(code, text, self.layout or ("top" if code in _TOP_ONLY else layout))
        return Answer.json({**content, "request_id": request_id}, outcome=code)


def _old(code: str, text: str, layout: Layout) -> dict[str, Any]:
    if code == "15":
        return {"errcode": 15, "sub_code": "isp.-1", "sub_msg": "服务不可用", "errmsg": text}
    if layout == "top":
        return {"errcode": int(code), "errmsg": text}
    content: dict[str, Any] = {"errcode": 88, "errmsg": f"ding talk error[subcode={code},submsg={text}]"}
    return content if layout == "text" else {**content, "sub_code": code, "sub_msg": text}


def quota_text(used: int, limit: int) -> str:
    """Return what the platform says when the month's calls are used up."""
    return f"您的企业本月api调用量已超过限制,调用量:{used + 1}次,额度:{limit}次,请登录开发者后台-资源管理-查看用量明细"


def punished_text(api: str, now_ms: int, seconds: float, limit: int) -> str:
    """Return the text of 90002, which names the end of the punishment in Beijing time.

    Args:
        api: The path called.
        now_ms: The platform's time, epoch ms.
        seconds: How long the punishment lasts.
        limit: Calls allowed.
    """
    now, end = to_text(now_ms), to_text(now_ms + round(seconds * 1000))
    return f"{OLD['90002']}, apiPath({api}), 从 {now} 到 {now} 请求总次数超过 {limit} 次, 限制将在 {end} 结束."


def ban(layout: str, *, status: int) -> Answer:
    """Return what an address that called too often gets in place of every answer: a page, or JSON without errcode.

    Source: https://open.dingtalk.com/document/orgapp/invocation-frequency-limit (the HTTP status is not told there, so
    a reader has to live with any).
    """
    if layout == "html":
        page = "<!DOCTYPE html><html><head><title>访问被拒绝</title></head><body>您的访问过于频繁</body></html>"
        return Answer(page.encode(), status=status, content_type="text/html;charset=utf-8", outcome="ban")
    content = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "0a1b2c3d"}
    return Answer.json(content, status=status, outcome="ban")
