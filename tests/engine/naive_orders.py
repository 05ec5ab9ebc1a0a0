"""What stands on the sheet of the naive book: commands, orders, and what has been said about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tradeengine.codec import (
    NO_TERMS,
    CommandFlag,
    CommandKind,
    EngineEvent,
    EventKind,
    Level,
    Link,
    OpenOrder,
    OrderType,
    Phase,
    Place,
    Reason,
    Side,
    StpMode,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    encode_command,
)

LARGEST = 2**63 - 1

NOTHING = EngineEvent(*[0] * len(EngineEvent._fields))


@dataclass(frozen=True, kw_only=True)
class Command:
    """What `encode_command` takes."""

    kind: CommandKind
    instrument: int
    command_id: int
    time: int
    order_id: int = 0
    account: int = 0
    stp_group: int = 0
    side: Side | int = 0
    order_type: OrderType | int = 0
    tif: TimeInForce | int = 0
    flags: CommandFlag | int = 0
    stp: StpMode = StpMode.NONE
    reason: Reason = Reason.NONE
    phase: Phase | int = 0
    price: int = 0
    quantity: int = 0
    terms: Terms = NO_TERMS

    def record(self) -> bytes:
        return encode_command(**vars(self))


@dataclass(eq=False)
class Order:
    """An order as a child would keep it on a card: two cards are never the same card."""

    side: int
    post_only: bool
    stp: int
    order_type: int
    tif: int
    order_id: int
    account: int
    stp_group: int
    price: int
    leaves: int
    terms: Terms
    executed: int = 0
    priority: int = 0
    place: Place = Place.RESTING
    slice: int = 0  # what is left of the shown part of an iceberg
    by_amount: bool = False
    budget: int = 0  # what is left of the amount, if it is by amount
    queued: bool = False  # it has been triggered or activated, and waits for its turn to go live
    ended: bool = False

    @property
    def limit(self) -> int | None:
        """The worst price it may trade at; None = any."""
        return None if self.order_type == OrderType.MARKET and self.price == 0 else self.price

    @property
    def may_rest(self) -> bool:
        return self.order_type == OrderType.LIMIT and self.tif in (TimeInForce.GTC, TimeInForce.DAY)

    @property
    def hidden(self) -> bool:
        return bool(self.terms.flags & TermsFlag.HAS_DISPLAY) and self.terms.display == 0

    @property
    def iceberg(self) -> bool:
        return self.terms.display > 0

    @property
    def trailing(self) -> bool:
        return self.terms.trigger in (TriggerKind.TRAILING, TriggerKind.TRAILING_BPS)

    @property
    def shown(self) -> int:
        """The lots that others see."""
        if self.place != Place.RESTING or self.hidden:
            return 0
        return self.slice if self.iceberg else self.leaves

    def as_open(self) -> OpenOrder:
        """The record of it."""
        return OpenOrder(
            side=self.side,
            post_only=self.post_only,
            stp=self.stp,
            place=self.place,
            order_type=self.order_type,
            tif=self.tif,
            order_id=self.order_id,
            account=self.account,
            stp_group=self.stp_group,
            price=self.price,
            leaves=self.leaves,
            executed=self.executed,
            priority=self.priority,
            shown=self.shown,
            terms=self.terms,
        )


@dataclass(frozen=True)
class News:
    """A TRADE, a REDUCED, or the end or refusal of an order, for those linked with it."""

    kind: EventKind
    order: Order
    lots: int = 0
    to_the_end: bool = False


@dataclass
class Sheet:
    """The open orders of one book in no particular order, and the events of the present command."""

    orders: list[Order] = field(default_factory=list)
    seq: int = 0
    last_time: int = 0
    last_price: int = 0
    phase: int = Phase.OPEN
    events: list[EngineEvent] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    prices: list[int] = field(default_factory=list)  # of trades that no trigger has seen yet
    stamp: dict[str, int] = field(default_factory=dict)  # what all events of a command have in common

    def by_priority(self) -> list[Order]:
        return sorted(self.orders, key=lambda order: order.priority)

    def find(self, order_id: int) -> Order | None:
        return next((order for order in self.orders if order.order_id == order_id), None)

    def resting(self, side: int) -> list[Order]:
        return [order for order in self.orders if order.side == side and order.place == Place.RESTING]

    def open_lots(self, side: int) -> int:
        return sum(order.leaves for order in self.resting(side))

    def depth(self, instrument: int) -> list[Level]:
        """All levels: bids from the highest, then asks from the lowest."""
        levels = []
        for side in (Side.BUY, Side.SELL):
            seen = [order for order in self.resting(side) if order.shown > 0]
            for price in sorted({order.price for order in seen}, reverse=side == Side.BUY):
                total = sum(order.shown for order in seen if order.price == price)
                levels.append(Level(instrument, side, price, total))
        return levels

    def say(
        self, kind: EventKind, order: Order | None = None, reason: int = Reason.NONE, **fields: Any
    ) -> int:
        """Write down one event, with what every event of an order tells of it; returns its seq."""
        self.seq += 1
        event = NOTHING._replace(kind=kind, reason=reason, seq=self.seq, time=self.last_time, **self.stamp)
        if order is not None:
            event = event._replace(
                side=order.side,
                order_id=order.order_id,
                account=order.account,
                price=order.price,
                leaves=order.leaves,
            )
        self.events.append(event._replace(**fields))
        return self.seq

    def end(self, order: Order, reason: int) -> None:
        """Cancel what is open of it."""
        open_lots, order.leaves, order.ended = order.leaves, 0, True
        if order in self.orders:
            self.orders.remove(order)
        self.say(EventKind.CANCELLED, order, reason, quantity=open_lots)
        self.news.append(News(EventKind.CANCELLED, order))

    def partner_of(self, order: Order) -> Order | None:
        """The order it names, if that is open and names it in turn."""
        partner = self.find(order.terms.partner) if order.terms.partner else None
        return partner if partner is not None and partner.terms.partner == order.order_id else None

    def children_of(self, parent: Order) -> list[Order]:
        """Those that wait for it, and attached ones that grow with it, in order of entry."""
        return [
            child
            for child in self.by_priority()
            if child.terms.parent == parent.order_id
            and not child.queued
            and (child.place == Place.WAITING or child.terms.link == Link.ATTACHED)
        ]


def better(side: int, price: int, other: int) -> bool:
    """Whether a taker of this side would rather trade at `price` than at `other`."""
    return price < other if side == Side.BUY else price > other
