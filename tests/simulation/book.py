"""A price-time book written from the rules, in decimals and plain lists: what should happen, slowly.

It knows no engine, no ticks, no lots and no table; the auditor settles what it says.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction


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
        return self.status in {"pending", "open", "partially_filled"}

    def end(self, status: str, reason: str) -> None:
        """Nothing of it is open any more."""
        self.status, self.reason, self.leaves = status, reason, Decimal(0)


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
    """The orders that rest, in the order in which they got their places."""

    resting: list[Order] = field(default_factory=list)
    seq: int = 0
    last_price: Decimal = Decimal(0)
    halted: bool = False
    fills: list[Fill] = field(default_factory=list)

    # --- What may be asked of it

    def new(self, order: Order) -> None:
        """Reject it whole, or accept it, match it, and let the rest wait or end."""
        order.leaves = order.quantity
        reason = self._why_not(order)
        self.seq += 1
        if reason:
            order.end("rejected", reason)
            return
        order.status, order.place = "open", self.seq
        self._match(order)
        if order.leaves == 0:
            return
        if order.market:
            sided = [other for other in self.resting if other.buy != order.buy]
            self._cancel(order, "price_protection" if sided else "no_liquidity")
        elif order.tif == "gtc":
            self.resting.append(order)
        else:
            self._cancel(order, "ioc_remainder")

    def cancel(self, order: Order, reason: str) -> None:
        """Take it off, or say that it is not there."""
        if order in self.resting:
            self._cancel(order, reason)
        else:
            self.seq += 1

    def cancel_all(self, account: int) -> None:
        """One answer for the account, then each of its orders, oldest place first."""
        self.seq += 1
        for order in sorted(self.resting, key=lambda order: order.place):
            if order.account == account:
                self._cancel(order, "mass_cancel")

    def amend(self, order: Order, price: Decimal | None, quantity: Decimal | None) -> None:
        """Less at the same price keeps the place; anything else takes a new one, as a taker first."""
        self.seq += 1
        if order not in self.resting or self.halted:
            return
        used = order.filled + order.prevented
        limit, leaves = price or order.limit, (quantity or order.quantity) - used
        moved = copy.copy(order)
        moved.limit = limit
        if leaves <= 0 or (limit, leaves) == (order.limit, order.leaves):
            return
        if order.post_only and self._first_for(moved) is not None:
            return
        keeps = limit == order.limit and leaves < order.leaves
        order.limit, order.leaves, order.quantity = limit, leaves, used + leaves
        if keeps:
            return
        self.resting.remove(order)
        order.place = self.seq
        self._match(order)
        if order.leaves:
            self.resting.append(order)

    def halt(self, *, cancel_resting: bool) -> None:
        """Take no orders from here on."""
        self.seq += 1
        self.halted = True
        for order in list(self.resting) if cancel_resting else []:
            self._cancel(order, "halt_cancel")

    def resume(self) -> None:
        """Take orders again."""
        self.seq += 1
        self.halted = False

    # --- How it does it

    def _why_not(self, order: Order) -> str:
        if self.halted:
            return "halted"
        if order.post_only and self._first_for(order) is not None:
            return "would_take"
        if order.tif == "fok":
            trial = Book([copy.copy(other) for other in self.resting])
            taker = copy.copy(order)
            trial._match(taker)
            if taker.filled < order.quantity:
                return "fok_unfillable"
        return ""

    def _first_for(self, taker: Order) -> Order | None:
        """The resting order it would meet first: the best price within its limit, and there the oldest."""
        sign = 1 if taker.buy else -1
        across = [o for o in self.resting if o.buy != taker.buy and sign * o.limit <= sign * taker.limit]
        return min(across, key=lambda order: (sign * order.limit, order.place), default=None)

    def _match(self, taker: Order) -> None:
        while taker.leaves and (maker := self._first_for(taker)) is not None:
            related = taker.account == maker.account or taker.group == maker.group != 0
            if not related:
                self._trade(taker, maker)
            elif taker.stp == "decrement":
                self._decrement(taker, maker)
            else:
                if taker.stp in {"expire_maker", "expire_both"}:
                    self._cancel(maker, "self_trade_prevention")
                if taker.stp in {"expire_taker", "expire_both"}:
                    self._cancel(taker, "self_trade_prevention")

    def _trade(self, taker: Order, maker: Order) -> None:
        self.seq += 1
        quantity = min(taker.leaves, maker.leaves)
        self.last_price = maker.limit
        self.fills.append(Fill(self.seq, maker.limit, quantity, taker, maker))
        for order in (taker, maker):
            order.filled += quantity
            order.leaves -= quantity
            order.status = "partially_filled" if order.leaves else "filled"
        if not maker.leaves:
            self.resting.remove(maker)

    def _decrement(self, taker: Order, maker: Order) -> None:
        quantity = min(taker.leaves, maker.leaves)
        self.seq += 2
        for order in (maker, taker):
            order.prevented += quantity
            order.leaves -= quantity
        for order in (maker, taker):
            if not order.leaves:
                self._cancel(order, "self_trade_prevention")

    def _cancel(self, order: Order, reason: str) -> None:
        self.seq += 1
        if order in self.resting:
            self.resting.remove(order)
        order.end("cancelled", reason)
