"""What a client asks for and what intake answers, as plain values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from instruments.scaling import short_text
from orders.models import OrderType, Side, StpMode, TimeInForce
from tradeplatform.common.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for. `quantity` and `price` are decimals in units of base and quote."""

    account_id: int
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    post_only: bool = False
    stp_mode: StpMode = StpMode.EXPIRE_TAKER
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """One item of a list: take the client's order off the book, named by the id the client gave it."""

    account_id: int
    client_order_id: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order is committed. `duplicate` says that the same request was accepted before."""

    order_id: int
    created_at: datetime
    client_order_id: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Requested:
    """A committed request to change an order; its outcome is the event of its command."""

    command_id: int
    order_id: int


@dataclass(frozen=True, slots=True)
class Denied:
    """The request was refused before the book; nothing of it was stored."""

    refusal: Refusal
    client_order_id: str | None = None


Outcome = Accepted | Denied


def fingerprint(order: NewOrder) -> str:
    """SHA-256 of what was asked, numbers normalised: the same request gives the same text for ever."""
    parts = [
        order.symbol,
        order.side,
        order.type,
        short_text(order.quantity),
        "" if order.price is None else short_text(order.price),
        order.time_in_force or "",
        str(order.post_only),
        order.stp_mode,
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
