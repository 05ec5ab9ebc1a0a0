"""A price-time book written from the rules, in decimals and plain lists: what should happen, slowly.

It knows no engine, no ticks, no lots and no table; the auditor settles what it says. Of the rules it knows
limit and market orders, triggers by the last trade, icebergs, dates, phases and auctions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

COLLECTING = {"pre_open", "auction"}
RESTS = {"gtc", "gtd", "day"}


@dataclass
class Order:
    """An order as a child would keep it on a card."""

    id: int
    account: int
    group: int
    buy: bool
    market: bool
    tif: str
    post_only: bool
    stp: str
    limit: Decimal  # the worst price it may trade at: a market order's protection
    quantity: Decimal
    maker_rate: Decimal
    taker_rate: Decimal
    trigger: Decimal | None = None
    rises: bool = False  # it goes live when the price comes from below
    display: Decimal | None = None  # 0 = hidden, None = all of it is shown
    expires: datetime | None = None
    shown: Decimal = Decimal(0)  # of an iceberg's slice
    armed: bool = True  # while it has a trigger: not yet triggered
    filled: Decimal = Decimal(0)
    prevented: Decimal = Decimal(0)
    leaves: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)  # price x quantity of its fills
    fee: Fraction = Fraction(0)  # exact, so far
    held: Decimal = Decimal(0)
    status: str = "pending"
    reason: str = ""
    place: int = 0  # the seq at which it got its place in the queue

    @property
    def is_live(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status in {"pending", "pending_trigger", "open", "partially_filled"}

    @property
    def is_parked(self) -> bool:
        """Whether it waits for its trigger, or will."""
        return self.trigger is not None and self.armed

    @property
    def meets(self) -> Decimal:
        """How much of it one meeting may take while it rests."""
        return self.shown if self.display else self.leaves

    def end(self, status: str, reason: str) -> None:
        """Nothing of it is open any more."""
        self.status, self.reason, self.leaves, self.shown = status, reason, Decimal(0), Decimal(0)

    def reached(self, price: Decimal) -> bool:
        """Whether a trade at this price triggers it."""
        assert self.trigger is not None
        return price >= self.trigger if self.rises else price <= self.trigger


@dataclass(frozen=True)
class Fill:
    """Two orders met."""

    seq: int
    price: Decimal
    quantity: Decimal
    taker: Order
    maker: Order


@dataclass
class Book:
    """The orders that rest or are parked, in the order in which they got their places."""

    resting: list[Order] = field(default_factory=list)
    parked: list[Order] = field(default_factory=list)
    seq: int = 0
    last_price: Decimal = Decimal(0)
    phase: str = "open"
    time: datetime | None = None
    fills: list[Fill] = field(default_factory=list)
    # Since the last look: trade prices, orders newly armed; and what is about to go live.
    prices: list[Decimal] = field(default_factory=list)
    fresh: list[Order] = field(default_factory=list)
    queue: list[Order] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it matches."""
        return self.phase == "open"

    # --- What may be asked of it

    def pass_time(self, now: datetime) -> None:
        """What each command does first: the time moves on, and what is due ends."""
        self.time = max(self.time or now, now)
        due = [o for o in (*self.resting, *self.parked) if o.expires is not None and o.expires <= self.time]
        for order in sorted(due, key=lambda order: (order.expires, order.id)):
            self._cancel(order, "expired")

    def tick(self) -> None:
        """Only the time passes."""
        self.seq += 1

    def new(self, order: Order) -> None:
        """Reject it whole, or accept it; then it waits for its trigger, or matches and rests or ends."""
        order.leaves = order.quantity
        reason = self._why_not(order)
        self.seq += 1
        if reason:
            order.end("rejected", reason)
            return
        order.place = self.seq
        if order.is_parked:
            order.status = "pending_trigger"
            self.parked.append(order)
            self.fresh.append(order)
        else:
            order.status = "open"
            self._go_live(order)
        self._settle()

    def cancel(self, order: Order, reason: str) -> None:
        """Take it off, or say that it is not there."""
        if order in self.resting or order in self.parked:
            self._cancel(order, reason)
        else:
            self.seq += 1

    def cancel_many(self, reason: str, *, account: int = 0, side: str = "") -> None:
        """All orders, or an account's, or a side's."""
        self.seq += 1
        meant = [
            order
            for order in self._by_place()
            if account in {0, order.account} and side in {"", "buy" if order.buy else "sell"}
        ]
        for order in meant:
            self._cancel(order, reason)

    def amend(self, order: Order, price: Decimal | None, quantity: Decimal | None) -> None:
        """Less at the same price keeps the place; anything else takes a new one, as a taker first.

        A parked order keeps its place whatever is changed.
        """
        self.seq += 1
        parked = order in self.parked
        if not (parked or order in self.resting) or not (self.is_open or self.phase in COLLECTING):
            return
        used = order.filled + order.prevented
        limit, leaves = price or order.limit, (quantity or order.quantity) - used
        moved = copy.copy(order)
        moved.limit = limit
        if leaves <= 0 or (limit, leaves) == (order.limit, order.leaves):
            return
        if not parked and self.is_open and order.post_only and self._first_for(moved) is not None:
            return
        keeps = parked or (limit == order.limit and leaves < order.leaves)
        order.limit, order.leaves, order.quantity = limit, leaves, used + leaves
        if keeps:
            order.shown = min(order.shown, leaves)
            return
        self.resting.remove(order)
        order.place, order.shown = self.seq, Decimal(0)
        self._go_live(order)
        self._settle()

    def change_phase(self, phase: str, *, cancel_resting: bool = False) -> None:
        """Take what the phase takes from here on; opening uncrosses what crosses."""
        self.seq += 1
        self.phase = phase
        if cancel_resting:
            for order in self._by_place():
                self._cancel(order, "halt_cancel")
        elif phase == "closed":
            for order in self._by_place():
                if order.tif == "day":
                    self._cancel(order, "session_end")
        if self.is_open:
            self._uncross()
            if self.last_price:
                self.prices.append(self.last_price)
        self._settle()

    # --- Entering

    def _why_not(self, order: Order) -> str:
        if self.phase == "halted":
            return "halted"
        if not self.is_open:
            waits = order.is_parked or (not order.market and order.tif in RESTS and not order.post_only)
            return "" if self.phase in COLLECTING and waits else "wrong_phase"
        if order.is_parked:
            return ""
        if order.post_only and self._first_for(order) is not None:
            return "would_take"
        if order.tif == "fok":
            trial = copy.deepcopy(Book(self.resting))
            taker = copy.copy(order)
            trial._match(taker)
            if taker.filled < order.quantity:
                return "fok_unfillable"
        return ""

    def _go_live(self, order: Order) -> None:
        if self.is_open:
            self._match(order)
        if order.leaves == 0:
            return
        if order.market:
            sided = [other for other in self.resting if other.buy != order.buy]
            self._cancel(order, "price_protection" if sided else "no_liquidity")
        elif order.tif in RESTS:
            self.resting.append(order)
            if order.display:
                self._show(order, new_place=False)
        else:
            self._cancel(order, "ioc_remainder")

    # --- Triggers

    def _settle(self) -> None:
        """Look at what was traded and what was armed; let what was triggered go live, one after the other."""
        while True:
            if self.is_open:
                self._look_at_prices()
                self._look_at_fresh()
            self.fresh.clear()
            if not self.queue:
                return
            order = self.queue.pop(0)
            self.seq += 1
            order.status, order.place = "open", self.seq
            self._go_live(order)

    def _look_at_prices(self) -> None:
        prices, self.prices = self.prices, []
        before = None
        for price in prices:
            if price != before:
                self._trigger([o for o in self.parked if o not in self.fresh and o.reached(price)])
            before = price

    def _look_at_fresh(self) -> None:
        if self.last_price:
            self._trigger([o for o in self.fresh if o in self.parked and o.reached(self.last_price)])

    def _trigger(self, orders: Iterable[Order]) -> None:
        for order in sorted(orders, key=lambda order: order.place):
            order.armed = False
            self.parked.remove(order)
            self.queue.append(order)

    # --- Matching

    def _by_place(self) -> list[Order]:
        return sorted([*self.resting, *self.parked], key=lambda order: order.place)

    def _turn(self, order: Order) -> tuple[Decimal, bool, int]:
        """Whose turn it is on a side: the best price, shown before hidden, the oldest place."""
        return -order.limit if order.buy else order.limit, order.display == 0, order.place

    def _first(self, *, buy: bool) -> Order | None:
        return min((o for o in self.resting if o.buy == buy), key=self._turn, default=None)

    def _first_for(self, taker: Order) -> Order | None:
        """The resting order it would meet first, if its price is within the taker's limit."""
        first = self._first(buy=not taker.buy)
        if first is None:
            return None
        within = first.limit <= taker.limit if taker.buy else first.limit >= taker.limit
        return first if within else None

    def _match(self, taker: Order) -> None:
        while taker.leaves and (maker := self._first_for(taker)) is not None:
            self._meet(taker, maker, maker.limit, min(taker.leaves, maker.meets))

    def _meet(self, taker: Order, maker: Order, price: Decimal, quantity: Decimal) -> None:
        related = taker.account == maker.account or taker.group == maker.group != 0
        if not related:
            self._trade(taker, maker, price, quantity)
        elif taker.stp == "decrement":
            self._decrement(taker, maker, quantity)
        else:
            if taker.stp in {"expire_maker", "expire_both"}:
                self._cancel(maker, "self_trade_prevention")
            if taker.stp in {"expire_taker", "expire_both"}:
                self._cancel(taker, "self_trade_prevention")

    def _trade(self, taker: Order, maker: Order, price: Decimal, quantity: Decimal) -> None:
        self.seq += 1
        self.last_price = price
        self.prices.append(price)
        self.fills.append(Fill(self.seq, price, quantity, taker, maker))
        for order in (taker, maker):
            order.filled += quantity
            self._take(order, quantity)
            order.status = "partially_filled" if order.leaves else "filled"
        for order in (maker, taker):
            if not order.leaves and order in self.resting:
                self.resting.remove(order)
        self._show_again(maker, taker)

    def _decrement(self, taker: Order, maker: Order, quantity: Decimal) -> None:
        self.seq += 2
        for order in (maker, taker):
            order.prevented += quantity
            self._take(order, quantity)
        for order in (maker, taker):
            if not order.leaves:
                self._cancel(order, "self_trade_prevention")
        self._show_again(maker, taker)

    def _take(self, order: Order, quantity: Decimal) -> None:
        order.leaves -= quantity
        order.shown = max(Decimal(0), order.shown - quantity)

    def _show_again(self, *orders: Order) -> None:
        """A new slice for a resting iceberg whose slice is used up."""
        for order in orders:
            if order.display and order in self.resting and order.leaves and not order.shown:
                self._show(order, new_place=True)

    def _show(self, order: Order, *, new_place: bool) -> None:
        assert order.display
        self.seq += 1
        order.shown = min(order.display, order.leaves)
        if new_place:
            order.place = self.seq

    def _cancel(self, order: Order, reason: str) -> None:
        self.seq += 1
        for place in (self.resting, self.parked):
            if order in place:
                place.remove(order)
        order.end("expired" if reason in {"expired", "session_end"} else "cancelled", reason)

    # --- Auctions

    def _uncross(self) -> None:
        while (price := self.auction_price()) is not None:
            while True:
                bid, ask = self._first(buy=True), self._first(buy=False)
                if bid is None or ask is None or bid.limit < price or ask.limit > price:
                    break
                maker, taker = sorted((bid, ask), key=lambda order: order.place)
                self._meet(taker, maker, price, min(bid.meets, ask.meets))

    def auction_price(self) -> Decimal | None:
        """The price of an uncross now; None where bids and asks do not cross."""
        bids = [order for order in self.resting if order.buy]
        asks = [order for order in self.resting if not order.buy]
        if not bids or not asks or max(o.limit for o in bids) < min(o.limit for o in asks):
            return None

        def rank(price: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal]:
            bid = sum((o.leaves for o in bids if o.limit >= price), Decimal(0))
            ask = sum((o.leaves for o in asks if o.limit <= price), Decimal(0))
            return -min(bid, ask), abs(bid - ask), abs(price - self.last_price), price

        return min({order.limit for order in self.resting}, key=rank)
