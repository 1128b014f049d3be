"""After-sales tickets as they look in life: stages that fit together, refunds, items, memos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox.kuaimai.values import BIG_ID, UNSET_MS, Context, compile_fields, money, text

if TYPE_CHECKING:
    import random

    from tests.sandbox.kuaimai.declarations import Api

SHOPS = (
    ("抖店旗舰店", "fxg"),
    ("天猫旗舰店", "tm"),
    ("拼多多专营店", "pdd"),
    ("快手小店", "kuaishou"),
    ("小红书店", "xhs"),
)
EXPRESS = ("韵达快递", "顺丰速运", "中通快递", "京东物流")
SURNAMES = "王李张刘陈杨赵黄"
GIVEN_NAMES = ("小明", "丽", "建国", "😀", "O'Neil", "梓涵", "𠮷")
ONLINE = {
    1: "空",
    2: "待卖家同意",
    3: "待买家退货",
    4: "待卖家确认收货",
    5: "卖家拒绝退款",
    6: "退款关闭",
    7: "退款成功",
    8: "待发出换货商品",
    9: "待买家收货",
    10: "换货关闭",
    11: "换货成功",
}
UNSOLVED, SOLVED, VOID, MERGED, IN_WORK = 2, 9, 10, 11, 12
REFUNDED = 7
#: Types without goods to send back: refund only, before or after dispatch.
WITHOUT_GOODS = (1, 5)
TYPES = (0, 1, 1, 1, 2, 2, 2, 2, 3, 4, 5, 5, 7, 8, 9)
#: Documented fields that are seldom, or never in live answers, filled.
SELDOM = (
    "textReason",
    "remark",
    "refundRemindTimeout",
    "reissueSid",
    "explains",
    "tagList",
    "labelNames",
    "refundWarehouseCode",
    "sourceId",
    "sourceName",
    "tradeSysMemo",
    "tradeWarehouseName",
    "tradeWarehouseId",
    "tradeWarehouseCode",
    "destWorkOrderStatus",
    "extraWarehouseStatus",
)


class TicketRows:
    """Makes tickets; every documented field is filled in some of them, some have one that is documented nowhere."""

    def __init__(self, api: Api, seed: int) -> None:
        self._seldom = compile_fields({name: api.fields[name] for name in SELDOM}, seed, api.method)
        items = api.fields["items"]["fields"]
        self._seldom_of_item = compile_fields(
            {name: items[name] for name in ("remark", "receiveGoodsOperatorNames", "batchProductDates")}, seed, "items"
        )

    def make(self, context: Context) -> dict[str, Any]:
        """Return a ticket at a stage of its life."""
        dice, created, modified = context.dice, context.created_ms, context.modified_ms
        number = context.ordinal
        kind = dice.choice(TYPES)
        status = dice.choices((UNSOLVED, IN_WORK, SOLVED, VOID, MERGED), (20, 15, 50, 8, 7))[0]
        shop = dice.randrange(len(SHOPS))
        tid = str(6_917_000_000_000_000_001 + number * 7)
        items = self._items(context, kind, tid)
        refund = round(sum(float(item["refundMoney"]) for item in items or []), 2) or money(dice)
        open_ticket = status in {UNSOLVED, IN_WORK}
        online = dice.choice((1, 2, 3, 4, 5)) if open_ticket else dice.choice((6, 7, 7, 7, 7, 10, 11))
        row: dict[str, Any] = {
            "id": context.row_id,
            "shortId": 100_000 + number,
            "orderType": dice.choice(("1", "1", "1", "2")),
            "tid": tid,
            "sid": -1 if dice.random() < 0.2 else BIG_ID + number * 11,
            "companyId": 10_000,
            "userId": 100_001 + shop,
            "shopName": SHOPS[shop][0],
            "source": SHOPS[shop][1],
            # Split tickets share the platform's number.
            "platformId": str(7_250_000_000_000_000_001 + number // 2 * 2),
            "masterId": BIG_ID + number * 13 if status == MERGED else None,
            "created": created,
            "modified": modified,
            "applyDate": self.applied_ms(number, created),
            "afterSaleApplicationTime": self.applied_ms(number, created),
            "finished": _perhaps_digits(dice, modified) if not open_ticket else _unset(dice),
            "platformCompleteTime": _later(dice, created, modified) if online in {REFUNDED, 11} else None,
            "receiveGoodsTime": _later(dice, created, modified) if online == REFUNDED and items else _unset(dice),
            "afterSaleType": kind,
            "status": status,
            "goodStatus": dice.randrange(1, 5),
            "onlineStatus": online,
            "onlineStatusText": ONLINE[online],
            "platformStatus": dice.randrange(0, 9),
            "dealResult": dice.randrange(0, 4),
            "storageProgress": dice.randrange(0, 3),
            "handlerStatus": -1,
            "handlerStatusText": "待处理",
            "advanceStatus": -1,
            "advanceStatusText": "未申请",
            "refundMoney": refund,
            "rawRefundMoney": f"{refund:.2f}",
            "refundableMoney": refund if dice.random() < 0.7 else int(refund),
            "refundPostFee": dice.choice(("0.00", "0", "8.50", "12.3")),
            "reason": str(dice.randrange(1, 10)),
            "refundWarehouseId": 69_583,
            "refundWarehouseName": "默认仓库",
            "refundExpressCompany": dice.choice(EXPRESS) if kind not in WITHOUT_GOODS else None,
            "refundExpressId": str(4_310_000_000_000 + number) if kind not in WITHOUT_GOODS else None,
            "tradeOutSid": str(4_620_000_000_000 + number),
            "buyerName": dice.choice(SURNAMES) + dice.choice(GIVEN_NAMES),
            "buyerPhone": f"1380013{dice.randrange(10**4):04d}",
            "wangwangNum": f"tb_{number % 997}_{dice.choice(GIVEN_NAMES)}",
            "messageMemos": [{"sellerFlag": dice.randrange(0, 6), "sellerMemo": text(dice)} for _ in range(number % 3)],
            "items": items,
        }
        for name, maker in self._seldom.items():
            row[name] = maker(context) if dice.random() < 0.2 else None
        if number % 50 == 0:
            row["aiTag"] = {"level": dice.randrange(5), "text": text(dice)}
        return row

    def touch(self, row: dict[str, Any], times: int, at_ms: int) -> dict[str, Any]:
        """Move a ticket on: taken up, then solved and refunded; a solved one gets another remark."""
        change: dict[str, Any] = {"remark": f"第{times}次跟进 ✅"}
        if row["status"] == UNSOLVED:
            change["status"] = IN_WORK
        elif row["status"] == IN_WORK:
            change.update(
                status=SOLVED,
                finished=at_ms,
                platformCompleteTime=at_ms,
                onlineStatus=REFUNDED,
                onlineStatusText=ONLINE[REFUNDED],
            )
        return change

    def applied_ms(self, ordinal: int, created_ms: int) -> int:
        """Return the application time: some seconds before the ticket exists, and the same for ever."""
        return created_ms - ordinal % 300 * 1000

    def _items(self, context: Context, kind: int, tid: str) -> list[dict[str, Any]] | None:
        dice = context.dice
        if kind in WITHOUT_GOODS and dice.random() < 0.5:
            return None if dice.random() < 0.7 else []
        return [self._item(context, number, tid) for number in range(dice.choice((1, 1, 1, 2, 2, 3, 5)))]

    def _item(self, context: Context, number: int, tid: str) -> dict[str, Any]:
        dice = context.dice
        count = dice.randrange(1, 4)
        price = money(dice)
        paid = f"{price * count:.2f}"
        product = dice.randrange(400)
        item: dict[str, Any] = {
            "id": BIG_ID + context.ordinal * 16 + number,
            "tid": tid,
            "type": dice.choice((1, 1, 1, 2)),
            "title": text(dice),
            "propertiesName": dice.choice(("红色;L", "蓝色;M", 'size "XL"', "均码")),
            "picPath": f"https://img.example.com/{product}.jpg",
            "mainOuterId": f"SPU{product // 4:03d}",
            "outerId": f"SKU{product:03d}",
            "sysItemId": 620_052_882_924_032 + product // 4,
            "sysSkuId": 620_052_882_924_033 + product,
            "numIid": f"{product:032x}" if product % 20 == 0 else str(700_000_000_000 + product),
            "skuId": str(5_100_000_000_000 + product),
            "receivableCount": count,
            "itemRealQty": dice.randrange(0, count + 1),
            "goodItemCount": dice.randrange(0, count + 1),
            "badItemCount": 0,
            "price": price,
            "payment": paid,
            "refundMoney": paid,
            "rawRefundMoney": round(price * count * 100),
            "refundableMoney": round(price * count, 2),
            "isGift": int(dice.random() < 0.1),
            "isMatch": dice.randrange(2),
            "suite": 0,
            "suiteSingle": 0,
            "suiteType": 0,
            "suiteRatio": 0,
            "combineId": 0,
            "itemSnapShotId": BIG_ID + context.ordinal * 16 + 100 + number,
            "receiveGoodsTime": str(_later(dice, context.created_ms, context.modified_ms)),
        }
        for name, maker in self._seldom_of_item.items():
            item[name] = maker(context) if dice.random() < 0.05 else None
        return item


def _perhaps_digits(dice: random.Random, instant_ms: int) -> int | str:
    return str(instant_ms) if dice.random() < 0.1 else instant_ms


def _unset(dice: random.Random) -> int | None:
    return dice.choice(UNSET_MS) if dice.random() < 0.05 else None


def _later(dice: random.Random, created_ms: int, modified_ms: int) -> int:
    return dice.randrange(created_ms, modified_ms + 1) // 1000 * 1000
