"""Approval templates (审批模板) and what becomes of them when an administrator edits them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

#: What the labels of components with two parts look like: JSON text (https://open.dingtalk.com/document/orgapp).
DATE_RANGE_LABEL = json.dumps(["开始时间", "结束时间"], ensure_ascii=False, separators=(",", ":"))
TIME_AND_PLACE_LABEL = json.dumps(["当前时间", "当前地点"], ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Component:
    """One input of a form.

    Attributes:
        id: Stays the same while the template is edited.
        type: The platform's name of the type; an open set.
        label: What users see and may change; two components may share one.
        options: The choices of a select, or fixed texts of other types.
        fill: The chance that the component is filled.
        by_finance: Filled by the last approver, so empty until the approval is agreed to.
        columns: The columns of a TableField.
    """

    id: str
    type: str
    label: str
    options: tuple[str, ...] = ()
    fill: float = 1.0
    by_finance: bool = False
    columns: tuple[Component, ...] = ()


@dataclass(frozen=True)
class Version:
    """The components of a template from an instant on (epoch ms)."""

    since_ms: int
    components: tuple[Component, ...]


@dataclass(frozen=True)
class Template:
    """A template with all its versions, oldest first; an approval keeps the one it was started with."""

    code: str
    name: str
    versions: tuple[Version, ...]

    @property
    def components(self) -> tuple[Component, ...]:
        """Return the components of the newest version."""
        return self.versions[-1].components

    def components_at(self, instant_ms: int) -> tuple[Component, ...]:
        """Return the components an approval started at this instant (epoch ms) has."""
        known = [version for version in self.versions if version.since_ms <= instant_ms]
        return (known or self.versions[:1])[-1].components

    def edited(
        self, at_ms: int, *, add: tuple[Component, ...] = (), rename: dict[str, str], remove: tuple[str, ...] = ()
    ) -> Template:
        """Return the template with one more version.

        Args:
            at_ms: From when on new approvals have it, epoch ms.
            add: New components, put at the end.
            rename: New labels by component id, of columns of a TableField too.
            remove: Ids of components, or of columns, that go.

        Raises:
            ValueError: An id is not in the newest version.
        """
        present = {column.id for component in self.components for column in (component, *component.columns)}
        unknown = {*rename, *remove} - present
        if unknown:
            raise ValueError(f"no component {', '.join(sorted(unknown))} in {self.name}")
        components = _edited(self.components, rename, remove) + add
        return replace(self, versions=(*self.versions, Version(at_ms, components)))


def _edited(
    components: tuple[Component, ...], rename: dict[str, str], remove: tuple[str, ...]
) -> tuple[Component, ...]:
    return tuple(
        replace(
            component,
            label=rename.get(component.id, component.label),
            columns=_edited(component.columns, rename, remove),
        )
        for component in components
        if component.id not in remove
    )


RECHARGE = Template(
    "PROC-9E080FCB-182E-43F6-BBE4-79CF1C1F669F",
    "万师傅充值单",
    (
        Version(
            0,
            (
                Component("DepartmentField_1RC0DEPT", "DepartmentField", "部门"),
                Component("DDDateField_1RC0MONTH", "DDDateField", "月份", options=("%Y-%m",)),
                Component("TextareaField_1RC0PURPOSE", "TextareaField", "用途明细"),
                Component(
                    "DDSelectField_1RC0SUBJECT",
                    "DDSelectField",
                    "对应科目",
                    options=("售后安装费", "维修费", "物流费", "其他"),
                ),
                Component("TextField_1RC0ACCOUNT", "TextField", "充值账户"),
                Component("TextareaField_1RC0EXPLAIN", "TextareaField", "费用说明", fill=0.7),
                Component("MoneyField_1RC0AMOUNT", "MoneyField", "充值金额"),
                Component(
                    "DDSelectField_1RC0METHOD",
                    "DDSelectField",
                    "付款方式",
                    options=("对公转账", "支付宝", "微信", "其他"),
                ),
                Component("TextField_1RC0OTHER", "TextField", "其他付款账户", fill=0.2),
                Component("TextField_1RC0PAYEE", "TextField", "收款人名称"),
                Component("TextField_1RC0PAYACCT", "TextField", "付款账号", options=("account",), fill=0.8),
                Component("TextField_1RC0BANK", "TextField", "付款银行", fill=0.8),
                Component(
                    "DDSelectField_1RC0FINANCE",
                    "DDSelectField",
                    "财务付款方式",
                    options=("网银", "支票", "现金"),
                    by_finance=True,
                ),
                Component("MoneyField_1RC0ACTUAL", "MoneyField", "实际付款金额", by_finance=True),
            ),
        ),
    ),
)

EXPENSE = Template(
    "PROC-3B1F6C52-7D0A-4E9B-8A55-2F6E0C9D1A77",
    "费用报销",
    (
        Version(
            0,
            (
                Component("SeqNumberField_1EX0SEQ", "SeqNumberField", "流水号"),
                Component("TextField_1EX0TITLE", "TextField", "标题"),
                Component("TextareaField_1EX0REASON", "TextareaField", "事由", fill=0.8),
                Component("NumberField_1EX0COUNT", "NumberField", "票据张数", fill=0.9),
                Component("MoneyField_1EX0MONEY", "MoneyField", "金额（元）"),
                Component("CalculateField_1EX0SUM", "CalculateField", "合计", fill=0.9),
                Component(
                    "DDSelectField_1EX0KIND",
                    "DDSelectField",
                    "费用类型",
                    options=("差旅费", "交通费", "招待费", "办公费"),
                ),
                Component(
                    "DDMultiSelectField_1EX0TAGS",
                    "DDMultiSelectField",
                    "标签",
                    options=("加急", "含税", "跨部门", "有合同"),
                    fill=0.7,
                ),
                Component("DDDateField_1EX0DATE", "DDDateField", "发生日期", fill=0.9),
                Component("DDDateField_1EX0TIME", "DDDateField", "出发时间", options=("%Y-%m-%d %H:%M",), fill=0.6),
                Component("DDDateRangeField_1EX0RANGE", "DDDateRangeField", DATE_RANGE_LABEL, fill=0.7),
                Component("DDHolidayField_1EX0HOLIDAY", "DDHolidayField", DATE_RANGE_LABEL, fill=0.2),
                Component("PhoneField_1EX0PHONE", "PhoneField", "联系电话", fill=0.7),
                Component("DDPhotoField_1EX0PHOTO", "DDPhotoField", "图片", fill=0.5),
                Component("DDAttachment_1EX0FILES", "DDAttachment", "附件", fill=0.5),
                Component("InnerContactField_1EX0WHO", "InnerContactField", "同行人", fill=0.6),
                Component("DepartmentField_1EX0DEPT", "DepartmentField", "费用归属部门"),
                Component("RelateField_1EX0RELATED", "RelateField", "关联审批单", fill=0.4),
                Component("AddressField_1EX0ADDRESS", "AddressField", "省市区", fill=0.6),
                Component("StarRatingField_1EX0STARS", "StarRatingField", "评分", fill=0.5),
                Component("TimeAndLocationField_1EX0HERE", "TimeAndLocationField", TIME_AND_PLACE_LABEL, fill=0.3),
                Component("TextNote_1EX0NOTE", "TextNote", "", options=("请在月底前提交",)),
                Component("SignatureField_1EX0SIGN", "SignatureField", "签名", fill=0.5),
                Component("CascadeField_1EX0CLASS", "CascadeField", "分类", fill=0.6),
                Component("RecipientAccountField_1EX0PAYEE", "RecipientAccountField", "收款账户", fill=0.6),
                Component("InvoiceField_1EX0INVOICE", "InvoiceField", "发票", fill=0.4),
                Component("IdCardField_1EX0IDCARD", "IdCardField", "身份证", fill=0.3),
                Component("DDBizSuite_1EX0SUITE", "DDBizSuite", "财务套件", fill=0.3),
                Component("MysteryField_1EX0NEW", "MysteryField", "新类型", fill=0.3),
                Component(
                    "TableField_1EX0ITEMS",
                    "TableField",
                    "明细",
                    fill=0.85,
                    columns=(
                        Component("TextField_1EX1ITEM", "TextField", "事项"),
                        Component("MoneyField_1EX1MONEY", "MoneyField", "金额", fill=0.9),
                        Component("NumberField_1EX1COUNT", "NumberField", "数量", fill=0.7),
                        Component(
                            "DDSelectField_1EX1KIND",
                            "DDSelectField",
                            "类型",
                            options=("住宿", "交通", "餐饮"),
                            fill=0.8,
                        ),
                        Component(
                            "DDMultiSelectField_1EX1TAGS",
                            "DDMultiSelectField",
                            "标签",
                            options=("甲", "乙", "丙"),
                            fill=0.5,
                        ),
                        Component("DDDateField_1EX1DATE", "DDDateField", "日期", fill=0.8),
                        Component("DDDateRangeField_1EX1RANGE", "DDDateRangeField", DATE_RANGE_LABEL, fill=0.4),
                        Component("InnerContactField_1EX1WHO", "InnerContactField", "经办人", fill=0.5),
                        Component("DDPhotoField_1EX1PHOTO", "DDPhotoField", "图片", fill=0.3),
                        Component("DDAttachment_1EX1FILES", "DDAttachment", "附件", fill=0.3),
                    ),
                ),
            ),
        ),
    ),
)

#: Components that share a label, at the top, in the table and across both: only ids tell them apart.
REFUND = Template(
    "PROC-5C7E2A90-64BD-4B1F-9D3C-81E0F7A4B6D2",
    "退款申请单",
    (
        Version(
            0,
            (
                Component("TextField_1RF0ORDER", "TextField", "订单号"),
                Component("MoneyField_1RF0ASKED", "MoneyField", "金额"),
                Component("MoneyField_1RF0GRANTED", "MoneyField", "金额", by_finance=True),
                Component(
                    "TableField_1RF0GOODS",
                    "TableField",
                    "商品",
                    columns=(
                        Component("TextField_1RF1NAME", "TextField", "名称"),
                        Component("MoneyField_1RF1PRICE", "MoneyField", "金额"),
                        Component("MoneyField_1RF1REFUND", "MoneyField", "金额", fill=0.6),
                    ),
                ),
            ),
        ),
    ),
)

SHIPPED = (RECHARGE, EXPENSE, REFUND)
