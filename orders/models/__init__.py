"""Commands in, events out, and the projections of events: orders, trades, fills."""

from orders.models.command import Book, Command, CommandKind, CommandStatus, Shard, ShardStatus
from orders.models.event import SEQ_BITS, Event, EventKind, event_id
from orders.models.order import (
    CLIENT_ORDER_ID,
    FINAL,
    LIVE,
    RESTING,
    Order,
    OrderIdentity,
    OrderStatus,
    OrderType,
    Side,
    Source,
    StpMode,
    TimeInForce,
)
from orders.models.trade import Fill, Liquidity, Trade

__all__ = [
    "CLIENT_ORDER_ID",
    "FINAL",
    "LIVE",
    "RESTING",
    "SEQ_BITS",
    "Book",
    "Command",
    "CommandKind",
    "CommandStatus",
    "Event",
    "EventKind",
    "Fill",
    "Liquidity",
    "Order",
    "OrderIdentity",
    "OrderStatus",
    "OrderType",
    "Shard",
    "ShardStatus",
    "Side",
    "Source",
    "StpMode",
    "TimeInForce",
    "Trade",
    "event_id",
]
