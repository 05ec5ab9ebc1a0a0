"""A price-time book written from the rules, in decimals and sorted lists: what should happen.

It knows no engine, no ticks, no lots and no table; the auditor settles what it says. Of the rules it knows
limit and market orders, triggers by the last trade, icebergs, dates, phases and auctions.
"""

from __future__ import annotations

import copy
import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

COLLECTING = frozenset({"pre_open", "auction"})
RESTS = frozenset({"gtc", "gtd", "day"})
LIVE = frozenset({"pending", "pending_trigger", "open", "partially_filled"})

_ZERO = Decimal(0)


@dataclass(eq=False, slots=True)
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
    shown: Decimal = _ZERO  # of an iceberg's slice
    armed: bool = True  # while it has a trigger: not yet triggered
    filled: Decimal = _ZERO
    prevented: Decimal = _ZERO
    leaves: Decimal = _ZERO
    spent: Decimal = _ZERO  # price x quantity of its fills
    fee: Decimal = _ZERO  # exact, so far
    held: Decimal = _ZERO
    status: str = "pending"
    reason: str = ""
    place: int = 0  # the seq at which it got its place in the queue

    @property
    def is_live(self) -> bool:
        """Whether anything can still happen to it."""
        return self.status in LIVE

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
        self.status, self.reason, self.leaves, self.shown = status, reason, _ZERO, _ZERO

    def reached(self, price: Decimal) -> bool:
        """Whether a trade at this price triggers it."""
        assert self.trigger is not None
        return price >= self.trigger if self.rises else price <= self.trigger


@dataclass(frozen=True, slots=True)
class Fill:
    """Two orders met."""

    seq: int
    price: Decimal
    quantity: Decimal
    taker: Order
    maker: Order


@dataclass(slots=True)
class Line:
    """Orders in the order of a key, which must not change while they stand in it."""

    key: Callable[[Order], Any]
    orders: list[Order] = field(default_factory=list)

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders)

    def add(self, order: Order) -> None:
        """Put it where it belongs."""
        insort(self.orders, order, key=self.key)

    def remove(self, order: Order) -> bool:
        """Take it out; whether it was there."""
        orders, place = self.orders, bisect_left(self.orders, self.key(order), key=self.key)
        found = place < len(orders) and orders[place] is order
        if found:
            del orders[place]
        return found

    @property
    def first(self) -> Order | None:
        """Whose turn it is."""
        return self.orders[0] if self.orders else None


def _turn(order: Order) -> tuple[Decimal, bool, int]:
    """Whose turn it is on a side: the best price, shown before hidden, the oldest place."""
    return -order.limit if order.buy else order.limit, order.display == 0, order.place


def _first_to_rise(order: Order) -> tuple[Decimal | None, int]:
    return order.trigger, order.id


def _first_to_fall(order: Order) -> tuple[Decimal, int]:
    return -(order.trigger or _ZERO), order.id


@dataclass(slots=True)
class Book:
    """The orders that rest, by whose turn it is, and those that are parked, by which is triggered first."""

    bids: Line = field(default_factory=lambda: Line(_turn))
    asks: Line = field(default_factory=lambda: Line(_turn))
    rising: Line = field(default_factory=lambda: Line(_first_to_rise))
    falling: Line = field(default_factory=lambda: Line(_first_to_fall))
    seq: int = 0
    last_price: Decimal = _ZERO
    phase: str = "open"
    time: datetime | None = None
    fills: list[Fill] = field(default_factory=list)
    # What has changed since somebody looked; (when, id, order) of those that end by themselves.
    touched: dict[int, Order] = field(default_factory=dict)
    due: list[tuple[datetime, int, Order]] = field(default_factory=list)
    # Since the last look: trade prices, orders newly armed; and what is about to go live.
    prices: list[Decimal] = field(default_factory=list)
    fresh: list[Order] = field(default_factory=list)
    queue: list[Order] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it matches."""
        return self.phase == "open"

    @property
    def resting(self) -> list[Order]:
        """All that stand in a queue."""
        return [*self.bids, *self.asks]

    @property
    def parked(self) -> list[Order]:
        """All that wait for their trigger."""
        return [*self.rising, *self.falling]

    def _side(self, order: Order) -> Line:
        return self.bids if order.buy else self.asks

    def _park(self, order: Order) -> Line:
        return self.rising if order.rises else self.falling

    # --- What may be asked of it

    def pass_time(self, now: datetime) -> None:
        """What each command does first: the time moves on, and what is due ends."""
        self.time = max(self.time or now, now)
        while self.due and self.due[0][0] <= self.time:
            _, _, order = heapq.heappop(self.due)
            if order.is_live:
                self._cancel(order, "expired")

    def tick(self) -> None:
        """Only the time passes."""
        self.seq += 1

    def new(self, order: Order, refused: str = "") -> None:
        """Reject it whole, or accept it; then it waits for its trigger, or matches and rests or ends.

        `refused`: why it must not come in, whatever the book thinks of it.
        """
        order.leaves = order.quantity
        reason = refused or self._why_not(order)
        self.seq += 1
        self.touched[order.id] = order
        if reason:
            order.end("rejected", reason)
            return
        order.place = self.seq
        if order.expires is not None:
            heapq.heappush(self.due, (order.expires, order.id, order))
        if order.is_parked:
            order.status = "pending_trigger"
            self._park(order).add(order)
            self.fresh.append(order)
        else:
            order.status = "open"
            self._go_live(order)
        self._settle()

    def cancel(self, order: Order, reason: str) -> None:
        """Take it off, or say that it is not there."""
        if self._is_here(order):
            self._cancel(order, reason)
        else:
            self.seq += 1

    def _is_here(self, order: Order) -> bool:
        return order.is_live and order.status != "pending"

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

    def amend(self, order: Order, price: Decimal | None, quantity: Decimal | None, refused: str = "") -> None:
        """Less at the same price keeps the place; anything else takes a new one, as a taker first.

        A parked order keeps its place whatever is changed.
        """
        self.seq += 1
        parked = order.status == "pending_trigger"
        if refused or not self._is_here(order) or not (self.is_open or self.phase in COLLECTING):
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
        self.touched[order.id] = order
        if not keeps:
            self._side(order).remove(order)
        order.limit, order.leaves, order.quantity = limit, leaves, used + leaves
        if keeps:
            order.shown = min(order.shown, leaves)
            return
        order.place, order.shown = self.seq, _ZERO
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
        return self._why_not_now(order) or ("" if order.is_parked else self._why_not_live(order))

    def _why_not_now(self, order: Order) -> str:
        if self.phase == "halted":
            return "halted"
        waits = order.is_parked or (not order.market and order.tif in RESTS and not order.post_only)
        if not self.is_open and not (self.phase in COLLECTING and waits):
            return "wrong_phase"
        # The book's time may be ahead of the clock of whoever took the order.
        is_over = order.expires is not None and self.time is not None and order.expires <= self.time
        return "expired" if is_over else ""

    def _why_not_live(self, order: Order) -> str:
        if not self.is_open:
            return ""
        if order.post_only and self._first_for(order) is not None:
            return "would_take"
        if order.tif == "fok":
            trial, taker = self._within_reach(order), copy.copy(order)
            trial._match(taker)
            if taker.filled < order.quantity:
                return "fok_unfillable"
        return ""

    def _within_reach(self, taker: Order) -> Book:
        """Another book with copies of those it could meet."""
        # Slices shown anew go behind those that stand there.
        trial = Book(seq=self.seq)
        side = self.asks if taker.buy else self.bids
        for order in side:
            if not _crosses(taker, order):
                break
            trial._side(order).orders.append(copy.copy(order))
        return trial

    def _go_live(self, order: Order) -> None:
        if self.is_open:
            self._match(order)
        if order.leaves == 0:
            return
        if order.market:
            sided = self._first(buy=not order.buy)
            self._cancel(order, "price_protection" if sided else "no_liquidity")
        elif order.tif in RESTS:
            self._side(order).add(order)
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
                self._trigger([o for o in self._reached(price) if o not in self.fresh])
            before = price

    def _reached(self, price: Decimal) -> Iterator[Order]:
        """Those parked that a trade at this price triggers: the first of each line."""
        for line in (self.rising, self.falling):
            for order in line:
                if not order.reached(price):
                    break
                yield order

    def _look_at_fresh(self) -> None:
        if self.last_price:
            parked = [order for order in self.fresh if order.status == "pending_trigger"]
            self._trigger([order for order in parked if order.armed and order.reached(self.last_price)])

    def _trigger(self, orders: Iterable[Order]) -> None:
        for order in sorted(orders, key=lambda order: order.place):
            order.armed = False
            self.touched[order.id] = order
            self._park(order).remove(order)
            self.queue.append(order)

    # --- Matching

    def _by_place(self) -> list[Order]:
        return sorted([*self.resting, *self.parked], key=lambda order: order.place)

    def _first(self, *, buy: bool) -> Order | None:
        return (self.bids if buy else self.asks).first

    def _first_for(self, taker: Order) -> Order | None:
        """The resting order it would meet first, if its price is within the taker's limit."""
        first = self._first(buy=not taker.buy)
        return first if first is not None and _crosses(taker, first) else None

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
            if not order.leaves:
                self._side(order).remove(order)
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
        self.touched[order.id] = order
        order.leaves -= quantity
        order.shown = max(_ZERO, order.shown - quantity)

    def _show_again(self, *orders: Order) -> None:
        """A new slice for a resting iceberg whose slice is used up."""
        for order in orders:
            # A taker shows its first slice when it comes to rest, and has its place from there.
            if order.display and order.leaves and not order.shown and self._side(order).remove(order):
                self._show(order, new_place=True)
                self._side(order).add(order)

    def _show(self, order: Order, *, new_place: bool) -> None:
        assert order.display
        self.seq += 1
        self.touched[order.id] = order
        order.shown = min(order.display, order.leaves)
        if new_place:
            order.place = self.seq

    def _cancel(self, order: Order, reason: str) -> None:
        self.seq += 1
        self.touched[order.id] = order
        (self._park(order) if order.is_parked else self._side(order)).remove(order)
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
        bid, ask = self.bids.first, self.asks.first
        if bid is None or ask is None or bid.limit < ask.limit:
            return None
        # Nothing trades outside of the range in which both sides stand.
        bids = [order for order in self.bids if order.limit >= ask.limit]
        asks = [order for order in self.asks if order.limit <= bid.limit]

        def rank(price: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal]:
            demand = sum((o.leaves for o in bids if o.limit >= price), _ZERO)
            supply = sum((o.leaves for o in asks if o.limit <= price), _ZERO)
            return -min(demand, supply), abs(demand - supply), abs(price - self.last_price), price

        return min({order.limit for order in (*bids, *asks)}, key=rank)


def _crosses(taker: Order, maker: Order) -> bool:
    """Whether the maker's price is within the taker's limit."""
    return maker.limit <= taker.limit if taker.buy else maker.limit >= taker.limit
