"""A book a child could check: one plain list of orders, read from the start every time.

Written from docs/engine.md, not from the engine; it says what the engine must say, event by event. The sheet
(`naive_orders`), the meetings (`naive_matching`) and what they set off (`naive_triggers`) stand in their own
files; here is one rule for each kind of command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tradeengine.codec import (
    CommandFlag,
    CommandKind,
    EngineEvent,
    EventFlag,
    EventKind,
    Link,
    OrderType,
    Phase,
    Place,
    Reason,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    TriggerSource,
)

from tests.engine.naive_orders import LARGEST, Command, News, Order
from tests.engine.naive_triggers import Settling

MOST_SLICES = 1_000
TRAILING = (TriggerKind.TRAILING, TriggerKind.TRAILING_BPS)


@dataclass
class NaiveBook(Settling):
    """One book."""

    def execute(self, command: Command) -> list[EngineEvent]:
        """Do what the command asks, or say why not."""
        self.events = []
        self.stamp = {"instrument": command.instrument, "command_id": command.command_id}
        self.last_time = max(self.last_time, command.time)
        self.expire()
        self.settle()
        rule = {
            CommandKind.NEW: self.new,
            CommandKind.CANCEL: self.cancel,
            CommandKind.AMEND: self.amend,
            CommandKind.MASS_CANCEL: self.mass_cancel,
            CommandKind.PHASE: self.change_phase,
            CommandKind.TIME: self.tick,
        }[command.kind]
        rule(command)
        self.settle()
        return self.events

    def expire(self) -> None:
        due = [order for order in self.orders if 0 < order.terms.expires <= self.last_time]
        for order in sorted(due, key=lambda order: (order.terms.expires, order.order_id)):
            self.end(order, Reason.EXPIRED)

    def tick(self, command: Command) -> None:
        self.say(EventKind.TIME)

    # --- New orders

    def new(self, command: Command) -> None:
        terms = command.terms
        order = Order(
            side=command.side,
            post_only=bool(command.flags & CommandFlag.POST_ONLY),
            stp=command.stp,
            order_type=command.order_type,
            tif=command.tif,
            order_id=command.order_id,
            account=command.account,
            stp_group=command.stp_group,
            price=command.price,
            leaves=command.quantity,
            terms=terms,
            by_amount=terms.budget > 0,
            budget=max(terms.budget, 0),
        )
        if terms.parent:
            order.place = Place.WAITING
        elif terms.trigger != TriggerKind.NONE:
            order.place = Place.ARMED
        reason = self.refusal_of_new(command, order)
        if reason is not None:
            self.say(EventKind.REJECTED, order, reason, quantity=command.quantity, leaves=0)
            if reason != Reason.DUPLICATE_ORDER:
                self.news.append(News(EventKind.REJECTED, order))
            return

        if terms.link == Link.ATTACHED:
            order.leaves = 0  # until its parent has fills
        flags = {Place.RESTING: 0, Place.ARMED: EventFlag.ARMED, Place.WAITING: EventFlag.WAITING}
        order.priority = self.say(
            EventKind.ACCEPTED,
            order,
            flags=flags[order.place],
            quantity=command.quantity,
            priority=self.seq + 1,
        )
        if command.flags & CommandFlag.REDUCE_ONLY and order.leaves > terms.position_limit:
            cut, order.leaves = order.leaves - terms.position_limit, terms.position_limit
            order.executed += cut
            self.reduced(order, Reason.REDUCE_ONLY, cut)
        order.terms = terms._replace(position_limit=0)

        if order.place == Place.RESTING:
            self.go_live(order)
            return
        self.orders.append(order)
        if order.place == Place.ARMED:
            self.fresh.append(order)

    def refusal_of_new(self, command: Command, order: Order) -> Reason | None:
        """The first check that fails."""
        terms = command.terms
        if self.find(command.order_id) is not None:
            return Reason.DUPLICATE_ORDER
        if self.is_invalid(command, order):
            return Reason.INVALID
        reason = self.refusal_of_phase(command, order)
        if reason is not None:
            return reason
        if 0 < terms.expires <= self.last_time:
            return Reason.EXPIRED
        if terms.partner:
            partner = self.find(terms.partner)
            names_it = partner is not None and partner.terms.partner == command.order_id
            still_to_come = partner is None and terms.partner > command.order_id
            if not names_it and not still_to_come:
                return Reason.LINKED
        reduce_only = command.flags & CommandFlag.REDUCE_ONLY
        if reduce_only and terms.position_limit == 0:
            return Reason.REDUCE_ONLY
        if order.place == Place.RESTING and self.phase == Phase.OPEN:
            cut = min(command.quantity, terms.position_limit) if reduce_only else command.quantity
            return self.why_not_live(order, cut)
        return None

    def refusal_of_phase(self, command: Command, order: Order) -> Reason | None:
        if self.phase == Phase.HALTED:
            return Reason.HALTED
        if self.phase in (Phase.CANCEL_ONLY, Phase.CLOSED):
            return Reason.WRONG_PHASE
        cannot_wait = not order.may_rest or order.post_only or command.terms.min_quantity > 0
        if self.phase in (Phase.PRE_OPEN, Phase.AUCTION) and order.place == Place.RESTING and cannot_wait:
            return Reason.WRONG_PHASE
        return None

    def is_invalid(self, command: Command, order: Order) -> bool:
        """Whether it makes no sense, whatever the book."""
        terms, market = command.terms, command.order_type == OrderType.MARKET
        plain = terms.trigger == TriggerKind.NONE and terms.link == Link.NONE
        reduce_only = bool(command.flags & CommandFlag.REDUCE_ONLY)
        has_display = bool(terms.flags & TermsFlag.HAS_DISPLAY)
        immediate = market and command.tif == TimeInForce.IOC
        return any(
            (
                command.price < (0 if market else 1),
                command.quantity != 0 if terms.budget else command.quantity < 1,
                self.overflows(command.side, command.quantity),
                order.post_only and (not order.may_rest or terms.min_quantity != 0),
                has_display and (terms.display < 0 or not order.may_rest),
                too_many_slices(command.quantity, terms.display),
                terms.min_quantity < 0 or terms.min_quantity > command.quantity,
                terms.budget < 0,
                terms.budget > 0 and (not immediate or not plain or terms.min_quantity != 0 or reduce_only),
                terms.expires < 0,
                terms.expires != 0 and order.place == Place.RESTING and not order.may_rest,
                has_an_invalid_trigger(command),
                has_an_invalid_link(command),
                terms.link == Link.ATTACHED and (has_display or terms.min_quantity != 0 or reduce_only),
                terms.position_limit < 0 or (terms.position_limit != 0 and not reduce_only),
            )
        )

    # --- Changes to orders

    def cancel(self, command: Command) -> None:
        order = self.owned(command)
        if isinstance(order, Reason):
            self.refuse(command, EventKind.CANCEL_REJECTED, order)
        else:
            self.end(order, command.reason)

    def mass_cancel(self, command: Command) -> None:
        reason = command.reason or Reason.MASS_CANCEL
        chosen = [
            order
            for order in self.by_priority()
            if command.account in (0, order.account) and command.side in (0, order.side)
        ]
        self.say(
            EventKind.MASS_CANCELLED,
            reason=reason,
            side=command.side,
            account=command.account,
            quantity=len(chosen),
        )
        for order in chosen:
            self.end(order, reason)

    def amend(self, command: Command) -> None:
        order = self.owned(command)
        if isinstance(order, Reason):
            self.refuse(command, EventKind.AMEND_REJECTED, order)
            return
        total = command.quantity or order.leaves + order.executed
        new_trigger = command.stp_group or order.terms.trigger_price
        changed = replace(
            order,
            price=command.price or order.price,
            leaves=total - order.executed,
            terms=order.terms._replace(trigger_price=new_trigger),
        )
        reason = self.refusal_of_amend(command, order, changed)
        if reason is not None:
            self.refuse(command, EventKind.AMEND_REJECTED, reason)
            return

        kept = {"flags": EventFlag.KEPT_PLACE, "quantity": total, "priority": order.priority}
        less = changed.price == order.price and changed.leaves < order.leaves
        retriggered = changed.terms != order.terms
        order.price, order.leaves, order.terms = changed.price, changed.leaves, changed.terms
        if order.place != Place.RESTING:
            self.say(EventKind.AMENDED, order, **kept)
            if retriggered:
                self.say(EventKind.TRAILED, order, price=new_trigger)
            if order.place == Place.ARMED:
                self.fresh.append(order)
        elif less:
            order.slice = min(order.slice, order.leaves)
            self.say(EventKind.AMENDED, order, **kept)
        else:
            self.orders.remove(order)
            order.slice = 0
            order.priority = self.say(EventKind.AMENDED, order, quantity=total, priority=self.seq + 1)
            self.go_live(order)

    def refusal_of_amend(self, command: Command, old: Order, new: Order) -> Reason | None:
        """The first check that fails."""
        if self.is_invalid_amendment(command, old, new):
            return Reason.INVALID
        if self.phase == Phase.HALTED:
            return Reason.HALTED
        if self.phase in (Phase.CANCEL_ONLY, Phase.CLOSED):
            return Reason.WRONG_PHASE
        if command.quantity and new.leaves <= 0:
            return Reason.BELOW_EXECUTED
        if (new.price, new.leaves, new.terms) == (old.price, old.leaves, old.terms):
            return Reason.NO_CHANGE
        live = new.place == Place.RESTING and self.phase == Phase.OPEN
        if live and new.post_only and self.first_for(new) is not None:
            return Reason.WOULD_TAKE
        return None

    def is_invalid_amendment(self, command: Command, old: Order, new: Order) -> bool:
        # A resting order has no trigger left, nor is it attached any more.
        retriggered = command.stp_group != 0
        return any(
            (
                command.price < 0 or command.quantity < 0 or command.stp_group > LARGEST,
                retriggered and (old.terms.trigger == TriggerKind.NONE or old.trailing),
                command.price != 0 and old.trailing,
                command.quantity != 0 and old.terms.link == Link.ATTACHED,
                old.place == Place.RESTING and self.overflows(old.side, new.leaves - old.leaves),
                too_many_slices(new.leaves, new.terms.display),
            )
        )

    def owned(self, command: Command) -> Order | Reason:
        order = self.find(command.order_id)
        if order is None:
            return Reason.UNKNOWN_ORDER
        return order if command.account in (0, order.account) else Reason.NOT_OWNER

    def refuse(self, command: Command, kind: EventKind, reason: Reason) -> None:
        order = self.find(command.order_id)
        self.say(
            kind,
            reason=reason,
            order_id=command.order_id,
            account=command.account,
            price=command.price,
            quantity=command.quantity,
            side=order.side if order is not None else 0,
            leaves=order.leaves if order is not None else 0,
        )

    # --- Phases

    def change_phase(self, command: Command) -> None:
        unchanged = command.phase == self.phase
        self.phase = command.phase
        empties = bool(command.flags & CommandFlag.CANCEL_RESTING)
        uncrosses = command.phase == Phase.OPEN and not empties and self.crossed()
        price, volume, _ = self.auction(command.price) if uncrosses else (0, 0, 0)
        self.say(
            EventKind.PHASE_CHANGED,
            reason=command.reason or (Reason.ALREADY_IN_PHASE if unchanged else Reason.NONE),
            flags=command.phase,
            account=command.account,
            price=price,
            quantity=volume,
        )
        for order in self.by_priority():
            if empties:
                self.end(order, Reason.HALT_CANCEL)
            elif command.phase == Phase.CLOSED and order.tif == TimeInForce.DAY:
                self.end(order, Reason.SESSION_END)
        if uncrosses:
            self.uncross(command.price)
        if command.phase == Phase.OPEN and self.last_price:
            self.prices.append(self.last_price)


def too_many_slices(lots: int, display: int) -> bool:
    return display > 0 and lots > display * MOST_SLICES


def has_an_invalid_trigger(command: Command) -> bool:
    terms = command.terms
    if terms.trigger == TriggerKind.NONE and (terms.trigger_price or terms.source):
        return True
    if terms.trigger != TriggerKind.NONE and terms.trigger_price < 1:
        return True
    if terms.trigger not in TRAILING:
        return terms.distance != 0 or terms.step != 0
    widest = 9_999 if terms.trigger == TriggerKind.TRAILING_BPS else terms.distance
    return terms.source == TriggerSource.QUOTE or not 1 <= terms.distance <= widest or terms.step < 1


def has_an_invalid_link(command: Command) -> bool:
    terms = command.terms
    for other in (terms.parent, terms.partner):
        if other < 0 or other == command.order_id or (other and terms.link == Link.NONE):
            return True
    if terms.link == Link.OCO:
        return terms.partner == 0 or terms.parent != 0
    if terms.link == Link.ATTACHED and terms.trigger == TriggerKind.NONE:
        return True
    return terms.link in (Link.OTO, Link.ATTACHED) and terms.parent == 0
