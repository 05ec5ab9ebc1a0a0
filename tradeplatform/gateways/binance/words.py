"""The two alphabets of an order: this dialect's words, and ours."""

from __future__ import annotations

from enum import StrEnum

from orders.models import Order, OrderStatus, OrderType, Side, StpMode, TimeInForce


class SideWord(StrEnum):
    """Which side."""

    BUY = "BUY"
    SELL = "SELL"


class TypeWord(StrEnum):
    """What an order does; LIMIT_MAKER is a limit order that must not take."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class TimeWord(StrEnum):
    """How long an order that says so may wait."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class StpWord(StrEnum):
    """What happens where an order would trade with its own account or group."""

    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"


class ResponseWord(StrEnum):
    """How much is answered."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


SIDE = {SideWord.BUY: Side.BUY, SideWord.SELL: Side.SELL}
SIDE_WORD = {ours: theirs.value for theirs, ours in SIDE.items()}
TYPE = {
    TypeWord.LIMIT: OrderType.LIMIT,
    TypeWord.LIMIT_MAKER: OrderType.LIMIT,
    TypeWord.MARKET: OrderType.MARKET,
    TypeWord.STOP_LOSS: OrderType.STOP,
    TypeWord.STOP_LOSS_LIMIT: OrderType.STOP_LIMIT,
    TypeWord.TAKE_PROFIT: OrderType.TAKE_PROFIT,
    TypeWord.TAKE_PROFIT_LIMIT: OrderType.TAKE_PROFIT_LIMIT,
}
ORDER_TYPES = tuple(word.value for word in TypeWord)
#: Types that say how long they wait; the others do not take the word.
TIMED = frozenset({TypeWord.LIMIT, TypeWord.STOP_LOSS_LIMIT, TypeWord.TAKE_PROFIT_LIMIT})
#: Types that have a limit.
PRICED = TIMED | {TypeWord.LIMIT_MAKER}
#: Types that wait for a trigger.
TRIGGERED = frozenset(
    {TypeWord.STOP_LOSS, TypeWord.STOP_LOSS_LIMIT, TypeWord.TAKE_PROFIT, TypeWord.TAKE_PROFIT_LIMIT}
)
_TYPE_WORD = {
    OrderType.LIMIT: TypeWord.LIMIT,
    OrderType.MARKET: TypeWord.MARKET,
    OrderType.STOP: TypeWord.STOP_LOSS,
    OrderType.STOP_LIMIT: TypeWord.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT: TypeWord.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT: TypeWord.TAKE_PROFIT_LIMIT,
    # Here a trailing stop is a stop with a `trailingDelta`.
    OrderType.TRAILING_STOP: TypeWord.STOP_LOSS,
    OrderType.TRAILING_STOP_LIMIT: TypeWord.STOP_LOSS_LIMIT,
}
TIME = {
    TimeWord.GTC: TimeInForce.GTC,
    TimeWord.IOC: TimeInForce.IOC,
    TimeWord.FOK: TimeInForce.FOK,
}
STP = {
    StpWord.EXPIRE_TAKER: StpMode.EXPIRE_TAKER,
    StpWord.EXPIRE_MAKER: StpMode.EXPIRE_MAKER,
    StpWord.EXPIRE_BOTH: StpMode.EXPIRE_BOTH,
    StpWord.DECREMENT: StpMode.DECREMENT,
}
STP_WORD = {ours: theirs.value for theirs, ours in STP.items()}

_STATUS_WORD = {
    OrderStatus.PENDING: "NEW",
    OrderStatus.WAITING: "PENDING_NEW",
    OrderStatus.PENDING_TRIGGER: "NEW",
    OrderStatus.OPEN: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELLED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "EXPIRED",
}
#: Ended because a person wanted it; whatever else takes an order off the book has it expire.
_BY_HAND = frozenset({"client", "operator", "mass_cancel"})
_PREVENTED = "self_trade_prevention"
#: What the book says to an order that could not be filled as it asked; here it has expired, and is no error.
UNFILLABLE = frozenset({"fok_unfillable", "min_quantity"})


def status_word(order: Order) -> str:
    """Where an order stands."""
    if order.status == OrderStatus.CANCELLED and order.reason in _BY_HAND:
        return "CANCELED"
    if order.status == OrderStatus.CANCELLED and order.reason == _PREVENTED:
        return "EXPIRED_IN_MATCH"
    if order.status == OrderStatus.REJECTED and order.reason in UNFILLABLE:
        return "EXPIRED"
    return _STATUS_WORD[OrderStatus(order.status)]


def type_word(order: Order) -> TypeWord:
    """What the order is called here."""
    if order.type == OrderType.LIMIT and order.post_only:
        return TypeWord.LIMIT_MAKER
    return _TYPE_WORD[OrderType(order.type)]


def time_word(order: Order) -> str:
    """How long it waits; a type that does not say it counts as GTC."""
    return order.time_in_force.upper() if type_word(order) in TIMED else TimeWord.GTC.value
