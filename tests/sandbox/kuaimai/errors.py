"""The gateway's error codes and the layout of an error answer."""

from __future__ import annotations

#: Code to text, from the error table of the documentation. ``{api}`` is the method name and version.
MESSAGES = {
    "1": "服务不可用",
    "9": "服务方法({api})业务逻辑出错",
    "20": "缺少会话参数",
    "22": "缺少应用键参数",
    "23": "应用键参数无效",
    "24": "缺少签名参数",
    "25": "服务方法({api})的签名无效",
    "26": "缺少方法名参数",
    "27": "调用不存在的服务方法({api})",
    "28": "缺少版本参数",
    "29": "服务方法({api})不存在对应的版本",
    "32": "缺少业务参数",
    "33": "单页数量不能超过200！",
    "40": "应用键参数timestamp无效",
    "50": "非法参数！",
    "400": "资源异常,请联系管理员!",
    "401": "资源异常，请联系管理员！",
    "invalid_session": "用户未启用，请联系管理员启用",
    "refresh_frequently": "会话刷新太频繁了，请降低频次调用",
    "20001": "页码为空或不符合规定",
    "20002": "页数为空或不符合规定",
    "20004": "排序方式不正确",
    "20009": "系统订单号格式不正确",
    "20014": "店铺ID格式不正确！",
    "20015": "店铺ID数量最大支持10组！",
    "20019": "页数不能超过100",
    "20020": "系统订单号数量最大支持200组",
    "20021": "订单操作日志操作人最大支持20组",
    "20101": "标签ID格式不正确",
    "20102": "查询指定标签ID数量最大支持10组",
    "20103": "标签ID格式不正确",
    "20104": "排除标签ID数量最大支持10组",
    "20105": "自定义异常标签ID格式不正确",
    "20106": "自定义异常标签ID数量最大支持10组",
    "20108": "系统异常标签ID数量最大支持10组",
    "20301": "主商家编码与SKU商家编码，必须二选一！",
    "20302": "平台商家编码不支持多个查询!",
    "20303": "平台规格商家编码不支持多个查询!",
    "20304": "查询仓库及商品库存信息有误",
    "20305": "仓库ID不能为空或小于0",
    "20307": "商品类型不合法",
    "30077": "订单查询失败",
    "40002": "开始时间不能大于结束时间",
}


class ApiError(Exception):
    """The gateway refuses a call."""

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message

    def layout(self, api: str, trace: str) -> dict[str, object]:
        """Return the error as the gateway prints it: string code, ``trace_id`` where a success has ``traceId``."""
        message = self.message or MESSAGES.get(self.code, self.code).format(api=f"{api}:1.0")
        return {"code": self.code, "msg": message, "success": False, "trace_id": trace}
