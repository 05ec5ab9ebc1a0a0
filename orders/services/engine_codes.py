"""The two alphabets of an order: words in the database and API, small integers in the engine."""

from __future__ import annotations

from tradeengine.codec import CommandFlag, TriggerKind, TriggerSource
from tradeengine.codec import Link as LinkCode
from tradeengine.codec import OrderType as TypeCode
from tradeengine.codec import TimeInForce as TimeCode

from orders.models import LIMIT_PRICED, Link, OrderType, Side, StpMode, TimeInForce, TriggerBy

SIDE = {Side.BUY: 1, Side.SELL: 2}
SIDE_WORD = {number: word for word, number in SIDE.items()}
# Once its trigger has come, an order is a limit or a market order like any other.
ORDER_TYPE: dict[OrderType, int] = {
    word: TypeCode.LIMIT if word in LIMIT_PRICED else TypeCode.MARKET for word in OrderType
}
# A trailing order follows by ticks or by basis points: `trigger_kind` says which.
TRIGGER: dict[OrderType, int] = {
    OrderType.LIMIT: TriggerKind.NONE,
    OrderType.MARKET: TriggerKind.NONE,
    OrderType.STOP: TriggerKind.STOP,
    OrderType.STOP_LIMIT: TriggerKind.STOP,
    OrderType.TAKE_PROFIT: TriggerKind.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT: TriggerKind.TAKE_PROFIT,
}
TRIGGER_SOURCE: dict[str, int] = {
    "": TriggerSource.LAST,
    TriggerBy.LAST: TriggerSource.LAST,
    TriggerBy.QUOTE: TriggerSource.QUOTE,
}
# Good till date is good till cancelled with an `expires`.
TIME_IN_FORCE: dict[TimeInForce, int] = {
    TimeInForce.GTC: TimeCode.GTC,
    TimeInForce.IOC: TimeCode.IOC,
    TimeInForce.FOK: TimeCode.FOK,
    TimeInForce.DAY: TimeCode.DAY,
    TimeInForce.GTD: TimeCode.GTC,
}
LINK: dict[str, int] = {
    "": LinkCode.NONE,
    Link.OCO: LinkCode.OCO,
    Link.OTO: LinkCode.OTO,
    Link.ATTACHED: LinkCode.ATTACHED,
}
STP_MODE = {
    StpMode.EXPIRE_TAKER: 1,
    StpMode.EXPIRE_MAKER: 2,
    StpMode.EXPIRE_BOTH: 3,
    StpMode.DECREMENT: 4,
}
POST_ONLY = int(CommandFlag.POST_ONLY)
CANCEL_RESTING = int(CommandFlag.CANCEL_RESTING)
REDUCE_ONLY = int(CommandFlag.REDUCE_ONLY)

# The engine's reason codes as the words clients see; they are part of the API's contract.
REASON_WORD = {
    0: "client",
    1: "ioc_remainder",
    2: "no_liquidity",
    3: "price_protection",
    4: "fok_unfillable",
    5: "would_take",
    6: "self_trade_prevention",
    7: "halted",
    8: "unknown_order",
    9: "not_owner",
    10: "duplicate_order",
    11: "below_executed",
    12: "invalid",
    13: "unknown_instrument",
    14: "operator",
    15: "mass_cancel",
    16: "halt_cancel",
    17: "no_change",
    18: "already_in_phase",
    19: "wrong_phase",
    20: "maintenance",
    21: "delisted",
    22: "expired",
    23: "session_end",
    24: "linked",
    25: "parent_ended",
    26: "exit_triggered",
    27: "amount_spent",
    28: "min_quantity",
    29: "reduce_only",
    30: "killed",
    31: "quarantined",
}
REASON = {word: number for number, word in REASON_WORD.items()}


def trigger_kind(order_type: OrderType, *, by_bps: bool) -> int:
    """The engine's trigger of an order type; a trailing one follows by basis points or by ticks."""
    if order_type.is_trailing:
        return TriggerKind.TRAILING_BPS if by_bps else TriggerKind.TRAILING
    return TRIGGER[order_type]
