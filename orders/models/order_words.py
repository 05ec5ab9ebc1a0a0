"""What an order may say, and how it may stand: the words that orders, the doors and the engine share."""

from __future__ import annotations

import re

from django.db import models
from django.db.models import Q

# How a client may name an order.
CLIENT_ORDER_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)


class Side(models.TextChoices):
    """Buy or sell the base asset."""

    BUY = "buy", "Buy"
    SELL = "sell", "Sell"


class OrderType(models.TextChoices):
    """Limit orders name their worst price; market orders take what is there within the price band.

    The other types wait for their trigger, then become a market order (a limit order where the name says so).
    """

    LIMIT = "limit", "Limit"
    MARKET = "market", "Market"
    STOP = "stop", "Stop"
    STOP_LIMIT = "stop_limit", "Stop limit"
    TAKE_PROFIT = "take_profit", "Take profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit", "Take profit limit"
    TRAILING_STOP = "trailing_stop", "Trailing stop"
    TRAILING_STOP_LIMIT = "trailing_stop_limit", "Trailing stop limit"

    @property
    def is_limit_priced(self) -> bool:
        """Whether it names a limit (`price`); the others have a `protection_price`."""
        return self in LIMIT_PRICED

    @property
    def is_triggered(self) -> bool:
        """Whether it waits for a trigger price."""
        return self in TRIGGERED

    @property
    def is_trailing(self) -> bool:
        """Whether its trigger follows the market."""
        return self in TRAILING


LIMIT_PRICED = frozenset(
    {OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT, OrderType.TRAILING_STOP_LIMIT}
)
TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
TRIGGERED = frozenset(OrderType) - {OrderType.LIMIT, OrderType.MARKET}


class TimeInForce(models.TextChoices):
    """How long an order may wait. `gtd` waits until its `expires_at`, `day` until the trading day is over."""

    GTC = "gtc", "Good till cancelled"
    IOC = "ioc", "Immediate or cancel"
    FOK = "fok", "Fill or kill"
    DAY = "day", "Day"
    GTD = "gtd", "Good till date"


# What may stay in a book, and what of it says until when.
WAITING_TIMES = frozenset({TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD})
DATED_TIMES = [TimeInForce.DAY, TimeInForce.GTD]


class TriggerBy(models.TextChoices):
    """Which price a trigger watches: trades, or the best price this order would meet (a buy: the ask)."""

    LAST = "last", "Last trade"
    QUOTE = "quote", "Best price"


class Link(models.TextChoices):
    """How an order depends on others of its list; see docs/engine.md."""

    OCO = "oco", "One cancels the other"
    OTO = "oto", "One triggers the other"
    ATTACHED = "attached", "Attached to its parent's fills"


class StpMode(models.TextChoices):
    """What happens when an order would trade with its own account or group; the taker's mode decides."""

    EXPIRE_TAKER = "expire_taker", "Expire taker"
    EXPIRE_MAKER = "expire_maker", "Expire maker"
    EXPIRE_BOTH = "expire_both", "Expire both"
    DECREMENT = "decrement", "Decrement and cancel"


class OrderStatus(models.TextChoices):
    """Where an order stands. `pending` is accepted and durable, but not yet seen by the book.

    `waiting` is in the book's hands until its parent order has filled, `pending_trigger` until its trigger
    price has come.
    """

    PENDING = "pending", "Pending"
    WAITING = "waiting", "Waiting for its parent"
    PENDING_TRIGGER = "pending_trigger", "Waiting for its trigger"
    OPEN = "open", "Open"
    PARTIALLY_FILLED = "partially_filled", "Partially filled"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"


RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
PARKED = (OrderStatus.WAITING, OrderStatus.PENDING_TRIGGER)
# What the engine knows of: a rebuilt book is made of these.
IN_ENGINE = (*RESTING, *PARKED)
LIVE = (OrderStatus.PENDING, *IN_ENGINE)
FINAL = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED)


class Stage(models.TextChoices):
    """What the indexes know of a status: a coarser word, which a plain order keeps until it is over.

    What the book does with it meanwhile touches no index then, and is written beside it on its page.
    """

    ACTIVE = "active", "In its queue, or on its way there"
    PARKED = "parked", "Waiting for its parent or its trigger"
    FINAL = "final", "Over"


LIVE_STAGES = (Stage.ACTIVE, Stage.PARKED)


def standing(*statuses: str) -> Q:
    """Orders with one of these statuses; an index knows them where none of them is final."""
    stages = {
        Stage.FINAL if status in FINAL else Stage.PARKED if status in PARKED else Stage.ACTIVE
        for status in statuses
    }
    return Q(stage__in=sorted(stages), status__in=statuses)


class Source(models.TextChoices):
    """The door an order came through."""

    API = "api", "API"
    SOCKET = "socket", "WebSocket"
    ADMIN = "admin", "Admin"
    SIMULATION = "simulation", "Simulation"
    REPLAY = "replay", "Replay"
