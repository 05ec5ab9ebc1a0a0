"""How orders of the naive book meet: one taker and makers, or in an uncross two resting orders."""

from __future__ import annotations

import copy
from typing import NamedTuple

from tradeengine.codec import (
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Place,
    Reason,
    Side,
    StpMode,
    Terms,
    TimeInForce,
)

from tests.engine.naive_orders import LARGEST, News, Order, Sheet, better


class Auction(NamedTuple):
    """What an uncross at this price would trade, and how many more lots the bids have than the asks."""

    price: int
    volume: int
    surplus: int


class Matching(Sheet):
    """The sheet, with the rules of meetings."""

    # --- Going live

    def go_live(self, order: Order) -> None:
        """Let it take what it can, and see to what is left."""
        # Triggers, parents, budgets and the like have done their work.
        order.place, order.queued = Place.RESTING, False
        was = order.terms
        order.terms = Terms(flags=was.flags, display=was.display, expires=was.expires, partner=was.partner)
        if self.phase == Phase.OPEN:
            self.take(order)
        if order.ended:
            return
        if order.may_rest:
            self.orders.append(order)
            if order.iceberg:
                order.slice = min(order.terms.display, order.leaves)
                self.say(EventKind.DISPLAYED, order, quantity=order.slice, priority=order.priority)
        elif order.order_type == OrderType.LIMIT:
            self.end(order, Reason.IOC_REMAINDER)
        else:
            empty = not any(other.side != order.side for other in self.orders if other.place == Place.RESTING)
            self.end(order, Reason.NO_LIQUIDITY if empty else Reason.PRICE_PROTECTION)

    def take(self, taker: Order) -> None:
        """Let the taker meet makers, one after another."""
        while not taker.ended:
            maker = self.first_for(taker)
            if taker.by_amount and (taker.budget == 0 or (maker and taker.budget < maker.price)):
                self.end(taker, Reason.AMOUNT_SPENT)
            elif maker is None:
                return
            else:
                self.meet(taker, maker, maker.price)

    def first_for(self, taker: Order) -> Order | None:
        """The order the taker would meet first: the best price, and there the first in turn."""
        best = None
        for maker in self.in_turn(Side.SELL if taker.side == Side.BUY else Side.BUY):
            worse_than_limit = taker.limit is not None and better(taker.side, taker.limit, maker.price)
            if not worse_than_limit and (best is None or better(taker.side, maker.price, best.price)):
                best = maker
        return best

    def in_turn(self, side: int) -> list[Order]:
        """The resting orders of a side as their turn comes at one price: by age, the hidden ones last."""
        return sorted(self.resting(side), key=lambda order: (order.hidden, order.priority))

    def best(self, side: int) -> Order | None:
        """The first in turn of a whole side."""
        best = None
        for order in self.in_turn(side):
            if best is None or better(side, best.price, order.price):
                best = order
        return best

    def what_it_could_trade(self, order: Order) -> int:
        """The lots it would get now; nothing changes. Prevention that stops a meeting ends the count."""
        trial = copy.deepcopy(self)
        trial.events = []
        taker = copy.deepcopy(order)
        if taker.stp == StpMode.DECREMENT:
            taker.stp = StpMode.EXPIRE_TAKER
        trial.take(taker)
        return sum(event.quantity for event in trial.events if event.kind == EventKind.TRADE)

    def why_not_live(self, order: Order, leaves: int) -> Reason | None:
        """What forbids a new or activated order with so many lots to go live in phase OPEN."""
        if order.post_only and self.first_for(order) is not None:
            return Reason.WOULD_TAKE
        if order.tif == TimeInForce.FOK and self.what_it_could_trade(order) < leaves:
            return Reason.FOK_UNFILLABLE
        minimum = order.terms.min_quantity
        if minimum > 0 and self.what_it_could_trade(order) < minimum:
            return Reason.MIN_QUANTITY
        return None

    def overflows(self, side: int, lots: int) -> bool:
        return self.open_lots(side) + lots > LARGEST

    # --- One meeting

    def meet(self, taker: Order, maker: Order, price: int, flags: int = 0) -> None:
        """A trade, unless the two belong together."""
        mode = meeting(taker, maker)
        if mode == StpMode.NONE:
            self.trade(taker, maker, price, flags)
        elif mode == StpMode.DECREMENT:
            self.decrement(taker, maker, price)
        if mode in (StpMode.EXPIRE_MAKER, StpMode.EXPIRE_BOTH):
            self.end(maker, Reason.SELF_TRADE_PREVENTION)
        if mode in (StpMode.EXPIRE_TAKER, StpMode.EXPIRE_BOTH):
            self.end(taker, Reason.SELF_TRADE_PREVENTION)
        for order in (maker, taker):
            if order in self.orders and order.iceberg and order.slice == 0:
                self.show_the_next_slice(order)

    def trade(self, taker: Order, maker: Order, price: int, flags: int) -> None:
        lots = use_up(taker, maker, price)
        self.last_price = price
        self.prices.append(price)
        self.say(
            EventKind.TRADE,
            taker,
            flags=flags,
            price=price,
            quantity=lots,
            maker_order_id=maker.order_id,
            maker_account=maker.account,
            maker_leaves=maker.leaves,
        )
        for order in (maker, taker):
            filled = order.leaves == 0 and not order.by_amount
            self.news.append(News(EventKind.TRADE, order, lots, to_the_end=filled))
            if filled:
                self.leave(order)

    def decrement(self, taker: Order, maker: Order, price: int) -> None:
        lots = use_up(taker, maker, price)
        for order in (maker, taker):
            self.reduced(order, Reason.SELF_TRADE_PREVENTION, lots)
        for order in (maker, taker):
            if order.leaves == 0:
                self.end(order, Reason.SELF_TRADE_PREVENTION)

    def reduced(self, order: Order, reason: Reason, lots: int) -> None:
        self.say(EventKind.REDUCED, order, reason, quantity=lots)
        self.news.append(News(EventKind.REDUCED, order))

    def leave(self, order: Order) -> None:
        """It has been filled."""
        order.ended = True
        if order in self.orders:
            self.orders.remove(order)

    def show_the_next_slice(self, order: Order) -> None:
        order.slice = min(order.terms.display, order.leaves)
        order.priority = self.say(EventKind.DISPLAYED, order, quantity=order.slice, priority=self.seq + 1)

    # --- Auctions

    def crossed(self) -> bool:
        bid, ask = self.best(Side.BUY), self.best(Side.SELL)
        return bid is not None and ask is not None and bid.price >= ask.price

    def auction(self, reference: int) -> Auction:
        """At the price with the most lots, then the least surplus, then near the reference, then lowest."""

        def at(price: int) -> Auction:
            bids = sum(order.leaves for order in self.resting(Side.BUY) if order.price >= price)
            asks = sum(order.leaves for order in self.resting(Side.SELL) if order.price <= price)
            return Auction(price, min(bids, asks), bids - asks)

        near = reference or self.last_price
        prices = {order.price for side in Side for order in self.resting(side)}
        return min(
            map(at, prices), key=lambda it: (-it.volume, abs(it.surplus), abs(it.price - near), it.price)
        )

    def indicative(self) -> Auction:
        """What an uncross would bring now; zeros if there is nothing to uncross."""
        return self.auction(0) if self.phase != Phase.OPEN and self.crossed() else Auction(0, 0, 0)

    def uncross(self, reference: int) -> None:
        """Trade at one price what is crossed; then at another, if prevention left something crossed."""
        while self.crossed():
            price = self.auction(reference).price
            while True:
                bid, ask = self.best(Side.BUY), self.best(Side.SELL)
                if bid is None or ask is None or bid.price < price or ask.price > price:
                    break
                maker, taker = sorted((bid, ask), key=lambda order: order.priority)
                self.meet(taker, maker, price, EventFlag.AUCTION)


def offer(order: Order, price: int) -> int:
    """The lots one meeting may take of it: no more than the slice it shows; of a budget what it pays."""
    if order.by_amount:
        return order.budget // price
    return order.slice if order.slice > 0 else order.leaves


def use_up(taker: Order, maker: Order, price: int) -> int:
    """Take from both what the smaller offers; returns the lots."""
    lots = min(offer(taker, price), offer(maker, price))
    for order in (taker, maker):
        order.executed += lots
        order.slice -= lots if order.slice > 0 else 0
        if order.by_amount:
            order.budget -= lots * price
        else:
            order.leaves -= lots
    return lots


def meeting(taker: Order, maker: Order) -> int:
    """NONE = they trade; otherwise the taker's mode, where the two belong together."""
    mode = taker.stp
    if mode == StpMode.DECREMENT and taker.by_amount:
        mode = StpMode.EXPIRE_TAKER
    if taker.account == maker.account:
        return mode or StpMode.EXPIRE_TAKER
    if taker.stp_group == maker.stp_group != 0:
        return mode
    return StpMode.NONE
