"""What an event in the naive book sets off elsewhere: links, triggers, trailing, and the order of it all."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradeengine.codec import (
    EventFlag,
    EventKind,
    Link,
    Phase,
    Place,
    Reason,
    Side,
    TriggerKind,
    TriggerSource,
)

from tests.engine.naive_matching import Matching
from tests.engine.naive_orders import LARGEST, News, Order


@dataclass
class Settling(Matching):
    """The matching sheet, with the rules of settling."""

    fresh: list[Order] = field(default_factory=list)  # armed, or amended while armed, since the last pass
    queue: list[Order] = field(default_factory=list)  # of activations

    def settle(self) -> None:
        """Until nothing is left to do."""
        while True:
            while self.news:
                self.spread(self.news.pop(0))
            if self.phase == Phase.OPEN:
                self.watch_prices()
                self.examine_the_fresh()
                self.watch_the_touch()
                if self.news:
                    continue
            self.fresh.clear()
            self.queue = [order for order in self.queue if not order.ended]
            if not self.queue:
                return
            self.take_its_turn(self.queue.pop(0))

    # --- 1. News

    def spread(self, news: News) -> None:
        """Tell the partner, then the children."""
        order = news.order
        if news.kind == EventKind.REDUCED:
            # It can no longer bring what its children rely on; attached ones follow its fills.
            for child in self.children_of(order):
                if child.terms.link == Link.OTO:
                    self.end(child, Reason.PARENT_ENDED)
            return
        partner = self.partner_of(order)
        if partner is not None:
            self.end(partner, Reason.LINKED)
        if news.kind == EventKind.TRADE:
            self.cut_the_link(order)
        for child in self.children_of(order):
            if news.kind == EventKind.TRADE:
                self.tell_of_a_fill(child, news)
            elif child.place == Place.WAITING:
                self.end(child, Reason.PARENT_ENDED)

    def tell_of_a_fill(self, child: Order, news: News) -> None:
        if child.terms.link == Link.ATTACHED:
            child.leaves = min(child.leaves + news.lots, LARGEST)
            if child.place == Place.WAITING:
                self.arm(child)
            self.say(
                EventKind.ACTIVATED,
                child,
                flags=EventFlag.ARMED,
                quantity=news.lots,
                priority=child.priority,
            )
        elif news.to_the_end and child.terms.trigger != TriggerKind.NONE:
            self.arm(child)
            self.say(
                EventKind.ACTIVATED,
                child,
                flags=EventFlag.ARMED,
                quantity=child.leaves + child.executed,
                priority=child.priority,
            )
        elif news.to_the_end:
            self.join_the_queue(child)

    def arm(self, child: Order) -> None:
        """It has waited for its parent; now it waits for its trigger, from the event that is said next."""
        child.place, child.priority = Place.ARMED, self.seq + 1
        self.fresh.append(child)

    def join_the_queue(self, order: Order) -> None:
        order.queued = True
        self.queue.append(order)

    def cut_the_link(self, order: Order) -> None:
        order.terms = order.terms._replace(partner=0)

    # --- 2. Prices, and the touch

    def armed(self) -> list[Order]:
        """Those that prices and the touch may trigger, in order of entry."""
        return [order for order in self.by_priority() if self.is_armed(order) and order not in self.fresh]

    def is_armed(self, order: Order) -> bool:
        return order.place == Place.ARMED and not order.queued and not order.ended

    def watch_prices(self) -> None:
        """Each trade price first moves what trails, then triggers."""
        moved, before = [], 0
        for price in self.prices:
            if price == before:
                continue
            moved += [order for order in self.armed() if self.follow(order, price)]
            for order in self.armed():
                if order.terms.source == TriggerSource.LAST and self.is_armed(order):
                    self.trigger_if_reached(order, price)
            before = price
        self.prices.clear()
        for order in self.armed():
            if order in moved:
                self.say(EventKind.TRAILED, order, price=order.terms.trigger_price)

    def examine_the_fresh(self) -> None:
        """What has just been armed looks at the last trade price, if there was a trade."""
        fresh, self.fresh = self.fresh, []
        for order in fresh:
            if self.last_price == 0 or not self.is_armed(order):
                continue
            if self.follow(order, self.last_price):
                self.say(EventKind.TRAILED, order, price=order.terms.trigger_price)
            if order.terms.source == TriggerSource.LAST:
                self.trigger_if_reached(order, self.last_price)

    def watch_the_touch(self) -> None:
        """The best displayed prices as they are before anything is triggered by them."""
        touch = {
            Side.BUY: min((order.price for order in self.resting(Side.SELL) if order.shown), default=0),
            Side.SELL: max((order.price for order in self.resting(Side.BUY) if order.shown), default=0),
        }
        for order in self.armed():
            price = touch[Side(order.side)]
            if order.terms.source == TriggerSource.QUOTE and price > 0 and self.is_armed(order):
                self.trigger_if_reached(order, price)

    def follow(self, order: Order, price: int) -> bool:
        """Move a trailing order's trigger after the price, by whole steps; say whether it moved."""
        terms = order.terms
        if not order.trailing:
            return False
        in_points = terms.trigger == TriggerKind.TRAILING_BPS
        distance = price * terms.distance // 10_000 if in_points else terms.distance
        gain = (
            terms.trigger_price - (price + distance)
            if order.side == Side.BUY
            else (price - distance) - terms.trigger_price
        )
        if gain < terms.step:
            return False
        move = gain // terms.step * terms.step
        move = -move if order.side == Side.BUY else move
        trigger_price = terms.trigger_price + move
        limit = order.price + move if order.price else 0
        if trigger_price < 1 or (order.price and not 1 <= limit <= LARGEST):
            return False
        order.terms, order.price = terms._replace(trigger_price=trigger_price), limit
        return True

    def trigger_if_reached(self, order: Order, price: int) -> None:
        upwards = (order.side == Side.BUY) == (order.terms.trigger != TriggerKind.TAKE_PROFIT)
        trigger_price = order.terms.trigger_price
        if price < trigger_price if upwards else price > trigger_price:
            return
        self.join_the_queue(order)
        partner = self.partner_of(order)
        self.cut_the_link(order)
        if partner is not None:
            self.end(partner, Reason.LINKED)
        if order.terms.link == Link.ATTACHED:
            parent = self.find(order.terms.parent)
            if parent is not None:
                self.end(parent, Reason.EXIT_TRIGGERED)

    # --- 3. Activations

    def take_its_turn(self, order: Order) -> None:
        """It goes live, if it still may."""
        order.priority = self.seq + 1
        if order.terms.trigger == TriggerKind.NONE:
            total = order.leaves + order.executed
            self.say(EventKind.ACTIVATED, order, quantity=total, priority=order.priority)
        else:
            self.say(EventKind.TRIGGERED, order, priority=order.priority)
        self.orders.remove(order)
        reason = self.why_not_live(order, order.leaves)
        if reason is None and self.overflows(order.side, order.leaves):
            reason = Reason.INVALID
        if reason is not None:
            self.end(order, reason)
        else:
            self.go_live(order)
