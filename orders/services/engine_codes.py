"""The two alphabets of an order: words in the database and API, small integers in the engine."""

from __future__ import annotations

from orders.models import OrderType, Side, StpMode, TimeInForce

SIDE = {Side.BUY: 1, Side.SELL: 2}
SIDE_WORD = {number: word for word, number in SIDE.items()}
ORDER_TYPE = {OrderType.LIMIT: 1, OrderType.MARKET: 2}
TIME_IN_FORCE = {TimeInForce.GTC: 1, TimeInForce.IOC: 2, TimeInForce.FOK: 3}
STP_MODE = {
    StpMode.EXPIRE_TAKER: 1,
    StpMode.EXPIRE_MAKER: 2,
    StpMode.EXPIRE_BOTH: 3,
    StpMode.DECREMENT: 4,
}
POST_ONLY = 1
CANCEL_RESTING = 2

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
    18: "already_halted",
    19: "not_halted",
    20: "maintenance",
    21: "delisted",
}
REASON = {word: number for number, word in REASON_WORD.items()}
