"""What a client asks for and what intake answers, as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from audit.actor import Actor
from instruments.scaling import short_text
from orders.models import OrderType, Side, Source, StpMode, TimeInForce, TriggerBy
from tradeplatform.common.errors import Refusal

if TYPE_CHECKING:
    from orders.services.writing import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for. Quantities and prices are decimals in units of base and quote.

    Everything below `client_order_id` is a condition that most orders do without: None = not so. Which of
    them go together is said in orders/services/conditions.py.
    """

    account_id: int
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    post_only: bool = False
    stp_mode: StpMode = StpMode.EXPIRE_TAKER
    client_order_id: str | None = None

    trigger_price: Decimal | None = None
    trigger_by: TriggerBy | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    trail_step: Decimal | None = None
    limit_offset: Decimal | None = None
    display_quantity: Decimal | None = None
    min_quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    protection_price: Decimal | None = None
    expires_at: datetime | None = None
    reduce_only: bool = False


class ListKind(StrEnum):
    """How the orders of a list depend on each other."""

    OCO = "oco"
    OTO = "oto"
    BRACKET = "bracket"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewList:
    """Orders that are taken or denied together.

    OCO: two legs, one cancels the other. OTO: a parent, then one child, or two that are a pair, which go
    live when the parent is filled. BRACKET: an entry, its take-profit and its stop-loss.
    """

    kind: ListKind
    orders: Sequence[NewOrder]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """One item of a list: take the client's order off the book, named by the client's id of it or by ours.

    `client_request_id` is what the client calls this cancel.
    """

    account_id: int
    client_order_id: str = ""
    order_id: int = 0
    client_request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to change; None stays as it is. `quantity` is the new total, what is filled included."""

    price: Decimal | None = None
    quantity: Decimal | None = None
    trigger_price: Decimal | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.price, self.quantity, self.trigger_price))


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendOrder:
    """One item of a list: change an order of the client's. `reason` is an operator's."""

    account_id: int
    order_id: int
    changes: Changes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a request, by which way, and the id it can be followed by."""

    actor: Actor
    source: Source
    correlation_id: str


Request = NewOrder | CancelOrder | AmendOrder


@dataclass(frozen=True, slots=True)
class Sent:
    """One item of a list that several have sent."""

    request: Request
    origin: Origin


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order is committed. `duplicate` says that the same request was accepted before.

    `draft` is what was written of it; None where that was before this list.
    """

    order_id: int
    created_at: datetime
    client_order_id: str
    duplicate: bool = False
    draft: Draft | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Requested:
    """A committed request to change an order; its outcome is the event of its command, accepted at `at`."""

    command_id: int
    order_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Denied:
    """The request was refused before the book; nothing of it was stored."""

    refusal: Refusal
    client_order_id: str | None = None


Outcome = Accepted | Denied


def requested(outcome: Outcome | Requested) -> Requested:
    """What became of an amend or a cancel of a list. Raises its refusal."""
    if isinstance(outcome, Denied):
        raise outcome.refusal
    return cast("Requested", outcome)


def default_time_in_force(kind: OrderType) -> TimeInForce:
    """How long an order waits that does not say: a market order not at all, others until cancelled."""
    return TimeInForce.IOC if kind == OrderType.MARKET else TimeInForce.GTC


# In the order in which they enter a fingerprint, for ever.
_CONDITIONS = (
    "trigger_price", "trigger_by", "trail_amount", "trail_percent", "trail_step", "limit_offset",
    "display_quantity", "min_quantity", "quote_quantity", "protection_price", "expires_at",
)  # fmt: skip


_values = attrgetter(*_CONDITIONS)
_NONE = (None,) * len(_CONDITIONS)


def conditions(order: NewOrder) -> dict[str, Decimal | TriggerBy | datetime]:
    """The conditions that an order states, by name."""
    values = _values(order)
    if values == _NONE:
        return {}
    return {name: value for name, value in zip(_CONDITIONS, values, strict=True) if value is not None}


def fingerprint(order: NewOrder, *, listed: str = "") -> str:
    """SHA-256 of what was asked, numbers normalised: the same request gives the same text for ever.

    A default that was spelled out counts as left out, since one door asks for what another leaves to it. What
    is filled in from the market or the instrument is no such default: it may be another one next time.
    `listed` is the place of the order in a list, so that the same order alone is another request.
    """
    waits = order.time_in_force
    parts = [
        order.symbol,
        order.side,
        order.type,
        "" if order.quantity is None else short_text(order.quantity),
        "" if order.price is None else short_text(order.price),
        "" if waits is None or waits == default_time_in_force(order.type) else waits,
        str(order.post_only),
        order.stp_mode,
    ]
    said = conditions(order)
    if order.type.is_triggered and order.trigger_by == TriggerBy.LAST:
        del said["trigger_by"]
    parts += [f"{name}={_text(value)}" for name, value in said.items()]
    if order.reduce_only:
        parts.append("reduce_only")
    if listed:
        parts.append(listed)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def list_fingerprints(asked: NewList) -> list[str]:
    """One for each order of a list; each speaks for the whole list, the orders' own ids included."""
    legs = [f"{fingerprint(order)}:{order.client_order_id or ''}" for order in asked.orders]
    whole = hashlib.sha256("|".join([asked.kind, *legs]).encode()).hexdigest()
    return [fingerprint(order, listed=f"{whole}:{place}") for place, order in enumerate(asked.orders)]


def _text(value: Decimal | TriggerBy | datetime) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return short_text(value) if isinstance(value, Decimal) else str(value)
