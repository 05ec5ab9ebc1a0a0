"""A book a child could check: one plain list of orders, read from the start every time.

Written from the rules, not from the engine; it says what the engine must say, event by event.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from tradeengine.codec import (
    CommandFlag,
    CommandKind,
    EngineEvent,
    EventFlag,
    EventKind,
    Level,
    OrderType,
    Reason,
    RestingOrder,
    Side,
    StpMode,
    TimeInForce,
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
    price: int = 0
    quantity: int = 0


@dataclass
class NaiveBook:
    """One book. `orders` stands in the order in which places were given."""

    orders: list[RestingOrder] = field(default_factory=list)
    seq: int = 0
    last_time: int = 0
    last_price: int = 0
    halted: bool = False

    def execute(self, command: Command) -> list[EngineEvent]:
        """Do what the command asks, or say why not."""
        self.last_time = max(self.last_time, command.time)
        rule = {
            CommandKind.NEW: self.new,
            CommandKind.CANCEL: self.cancel,
            CommandKind.AMEND: self.amend,
            CommandKind.HALT: self.halt,
            CommandKind.RESUME: self.resume,
        }[command.kind]
        stamped = []
        for said in rule(command):
            self.seq += 1
            event = said._replace(
                instrument=command.instrument,
                seq=self.seq,
                command_id=command.command_id,
                time=self.last_time,
            )
            order = next((order for order in self.orders if order.order_id == event.order_id), None)
            if order is not None and event.kind not in (EventKind.ACCEPTED, EventKind.AMENDED):
                event = event._replace(flags=event.flags | EventFlag.RESTS)
            if order is not None and event.kind in (EventKind.CANCEL_REJECTED, EventKind.AMEND_REJECTED):
                event = event._replace(side=order.side, leaves=order.leaves)
            stamped.append(event)
        return stamped

    def depth(self, instrument: int) -> list[Level]:
        """All levels: bids from the highest, then asks from the lowest."""
        levels = []
        for side in (Side.BUY, Side.SELL):
            mine = [order for order in self.orders if order.side == side]
            for price in sorted({order.price for order in mine}, reverse=side == Side.BUY):
                total = sum(order.leaves for order in mine if order.price == price)
                levels.append(Level(instrument, side, price, total))
        return levels

    # --- One rule for each kind of command

    def new(self, command: Command) -> list[EngineEvent]:
        order = RestingOrder(
            side=command.side,
            post_only=bool(command.flags & CommandFlag.POST_ONLY),
            stp=command.stp,
            order_id=command.order_id,
            account=command.account,
            stp_group=command.stp_group,
            price=command.price,
            leaves=command.quantity,
            executed=0,
            priority=self.seq + 1,
            time=self.last_time,
        )
        market = command.order_type == OrderType.MARKET
        limit = None if market and command.price == 0 else command.price
        refusal = self.refusal_of_new(command, order, limit)
        if refusal is not None:
            return [about(order, EventKind.REJECTED, refusal, quantity=command.quantity, leaves=0)]

        accepted = about(order, EventKind.ACCEPTED, quantity=command.quantity, priority=order.priority)
        rest, events = self.match(order, limit)
        events.insert(0, accepted)
        if rest.leaves == 0:
            return events
        if market:
            empty = not any(other.side != order.side for other in self.orders)
            events.append(cancelled(rest, Reason.NO_LIQUIDITY if empty else Reason.PRICE_PROTECTION))
        elif command.tif == TimeInForce.GTC:
            self.orders.append(rest)
        else:
            events.append(cancelled(rest, Reason.IOC_REMAINDER))
        return events

    def refusal_of_new(self, command: Command, order: RestingOrder, limit: int | None) -> Reason | None:
        may_rest = command.order_type == OrderType.LIMIT and command.tif == TimeInForce.GTC
        if any(other.order_id == order.order_id for other in self.orders):
            return Reason.DUPLICATE_ORDER
        if (
            (limit is not None and limit <= 0)
            or order.leaves <= 0
            or (order.post_only and not may_rest)
            or self.open_lots(order.side) + order.leaves > LARGEST
        ):
            return Reason.INVALID
        if self.halted:
            return Reason.HALTED
        if order.post_only and self.first_for(order, limit) is not None:
            return Reason.WOULD_TAKE
        if command.tif == TimeInForce.FOK:
            _, what_if = copy.deepcopy(self).match(order, limit)
            if sum(event.quantity for event in what_if if event.kind == EventKind.TRADE) < order.leaves:
                return Reason.FOK_UNFILLABLE
        return None

    def cancel(self, command: Command) -> list[EngineEvent]:
        order = self.owned(command)
        if isinstance(order, Reason):
            return [refused(command, EventKind.CANCEL_REJECTED, order, price=0, quantity=0)]
        self.orders.remove(order)
        return [cancelled(order, command.reason)]

    def amend(self, command: Command) -> list[EngineEvent]:
        old = self.owned(command)
        if isinstance(old, Reason):
            return [refused(command, EventKind.AMEND_REJECTED, old)]
        total = command.quantity or old.leaves + old.executed
        new = old._replace(price=command.price or old.price, leaves=total - old.executed)
        refusal = self.refusal_of_amend(command, old, new)
        if refusal is not None:
            return [refused(command, EventKind.AMEND_REJECTED, refusal)]

        if new.price == old.price and new.leaves < old.leaves:
            self.orders[self.orders.index(old)] = new
            kept = {"quantity": total, "priority": old.priority, "flags": EventFlag.KEPT_PLACE}
            return [about(new, EventKind.AMENDED, **kept)]
        self.orders.remove(old)
        new = new._replace(priority=self.seq + 1, time=self.last_time)
        rest, events = self.match(new, new.price)
        if rest.leaves > 0:
            self.orders.append(rest)
        return [about(new, EventKind.AMENDED, quantity=total, priority=new.priority), *events]

    def refusal_of_amend(self, command: Command, old: RestingOrder, new: RestingOrder) -> Reason | None:
        if command.price < 0 or command.quantity < 0:
            return Reason.INVALID
        if self.open_lots(old.side) - old.leaves + new.leaves > LARGEST:
            return Reason.INVALID
        if self.halted:
            return Reason.HALTED
        if new.leaves <= 0:
            return Reason.BELOW_EXECUTED
        if new == old:
            return Reason.NO_CHANGE
        if new.post_only and self.first_for(new, new.price) is not None:
            return Reason.WOULD_TAKE
        return None

    def halt(self, command: Command) -> list[EngineEvent]:
        reason = command.reason or (Reason.ALREADY_HALTED if self.halted else Reason.NONE)
        self.halted = True
        events = [NOTHING._replace(kind=EventKind.HALTED, reason=reason, account=command.account)]
        if command.flags & CommandFlag.CANCEL_RESTING:
            events += [cancelled(order, Reason.HALT_CANCEL) for order in self.orders]
            self.orders = []
        return events

    def resume(self, command: Command) -> list[EngineEvent]:
        reason = command.reason or (Reason.NONE if self.halted else Reason.NOT_HALTED)
        self.halted = False
        return [NOTHING._replace(kind=EventKind.RESUMED, reason=reason, account=command.account)]

    # --- Matching

    def match(self, taker: RestingOrder, limit: int | None) -> tuple[RestingOrder, list[EngineEvent]]:
        """Let the taker meet makers, one after another; returns what became of it, and what was said."""
        events: list[EngineEvent] = []
        while taker.leaves > 0 and (maker := self.first_for(taker, limit)) is not None:
            mode = meeting(taker, maker)
            lots = min(taker.leaves, maker.leaves)
            if mode == StpMode.NONE:
                taker = taker._replace(leaves=taker.leaves - lots, executed=taker.executed + lots)
                traded = maker._replace(leaves=maker.leaves - lots, executed=maker.executed + lots)
                self.put_back(maker, traded)
                self.last_price = maker.price
                trade = about(taker, EventKind.TRADE, price=maker.price, quantity=lots)
                events.append(
                    trade._replace(
                        maker_order_id=maker.order_id, maker_account=maker.account, maker_leaves=traded.leaves
                    )
                )
            elif mode == StpMode.DECREMENT:
                taker = taker._replace(leaves=taker.leaves - lots, executed=taker.executed + lots)
                shrunk = maker._replace(leaves=maker.leaves - lots, executed=maker.executed + lots)
                self.put_back(maker, shrunk)
                both = (shrunk, taker)
                stp = Reason.SELF_TRADE_PREVENTION
                events += [about(order, EventKind.REDUCED, stp, quantity=lots) for order in both]
                events += [cancelled(order, stp) for order in both if order.leaves == 0]
            else:
                if mode in (StpMode.EXPIRE_MAKER, StpMode.EXPIRE_BOTH):
                    self.orders.remove(maker)
                    events.append(cancelled(maker, Reason.SELF_TRADE_PREVENTION))
                if mode in (StpMode.EXPIRE_TAKER, StpMode.EXPIRE_BOTH):
                    events.append(cancelled(taker, Reason.SELF_TRADE_PREVENTION))
                    taker = taker._replace(leaves=0)
        return taker, events

    def first_for(self, taker: RestingOrder, limit: int | None) -> RestingOrder | None:
        """The order the taker would meet first: the best price, and there the oldest."""
        best = None
        for maker in self.orders:
            if maker.side == taker.side:
                continue
            worse_than_limit = limit is not None and better(taker.side, limit, maker.price)
            if not worse_than_limit and (best is None or better(taker.side, maker.price, best.price)):
                best = maker
        return best

    def put_back(self, old: RestingOrder, new: RestingOrder) -> None:
        place = self.orders.index(old)
        self.orders[place : place + 1] = [new] if new.leaves > 0 else []

    def owned(self, command: Command) -> RestingOrder | Reason:
        for order in self.orders:
            if order.order_id == command.order_id:
                return order if command.account in (0, order.account) else Reason.NOT_OWNER
        return Reason.UNKNOWN_ORDER

    def open_lots(self, side: int) -> int:
        return sum(order.leaves for order in self.orders if order.side == side)


def better(side: int, price: int, other: int) -> bool:
    """Whether a taker of this side would rather trade at `price` than at `other`."""
    return price < other if side == Side.BUY else price > other


def meeting(taker: RestingOrder, maker: RestingOrder) -> int:
    """NONE = they trade; otherwise the taker's mode, where the two belong together."""
    if taker.account == maker.account:
        return taker.stp or StpMode.EXPIRE_TAKER
    if taker.stp_group == maker.stp_group != 0:
        return taker.stp
    return StpMode.NONE


def about(order: RestingOrder, kind: EventKind, reason: int = Reason.NONE, **fields: Any) -> EngineEvent:
    event = NOTHING._replace(kind=kind, reason=reason, side=order.side, order_id=order.order_id)
    event = event._replace(account=order.account, price=order.price, leaves=order.leaves)
    return event._replace(**fields)


def cancelled(order: RestingOrder, reason: int) -> EngineEvent:
    return about(order, EventKind.CANCELLED, reason, quantity=order.leaves, leaves=0)


def refused(command: Command, kind: EventKind, reason: Reason, **fields: Any) -> EngineEvent:
    asked = NOTHING._replace(kind=kind, reason=reason, order_id=command.order_id, account=command.account)
    return asked._replace(**({"price": command.price, "quantity": command.quantity} | fields))
