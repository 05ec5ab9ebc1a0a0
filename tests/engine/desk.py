"""A trading desk for tests: readable words for commands, and short words for what came back.

Accounts are names. One tick is 1 and one lot is 1, so scenarios keep their own numbers in whole units.
"""

from __future__ import annotations

from typing import Any

from tradeengine import Engine
from tradeengine.codec import (
    CommandFlag,
    CommandKind,
    EngineEvent,
    EventKind,
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
    iter_events,
    iter_levels,
    iter_open,
)

BOOK = 1

TERMS = set(Terms._fields) - {"flags"}


class Desk:
    """One engine with one book, to which commands are sent one at a time."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.engine.add_book(BOOK)
        self.commands = 0
        self.orders = 0
        self.accounts: dict[str, int] = {}

    def account(self, name: str) -> int:
        return self.accounts.setdefault(name, 100 + len(self.accounts))

    def send(self, kind: CommandKind, *, by: str = "", **fields: Any) -> list[EngineEvent]:
        """Apply one command; the book must be in order afterwards."""
        self.commands += 1
        record = encode_command(
            **{
                "kind": kind,
                "instrument": BOOK,
                "command_id": self.commands,
                "time": 1_000 * self.commands,
                "account": self.account(by) if by else 0,
                **fields,
            }
        )
        events = list(iter_events(self.engine.apply(record)))
        self.engine.check()
        return events

    # --- New orders

    def new(self, side: Side, quantity: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        """Enter order number `desk.orders`; without a price a market order, by default of an own account.

        Terms are fields like any other. A display quantity and a position limit bring their flags along, a
        parent or partner makes it an OTO child or an OCO leg.
        """
        self.orders += 1
        terms = {name: fields.pop(name) for name in TERMS & fields.keys()}
        if "display" in terms:
            terms["flags"] = TermsFlag.HAS_DISPLAY
        if "position_limit" in terms:
            fields["flags"] = fields.get("flags", 0) | CommandFlag.REDUCE_ONLY
        if "parent" in terms:
            terms.setdefault("link", Link.OTO)
        elif "partner" in terms:
            terms.setdefault("link", Link.OCO)
        defaults = {
            "by": f"owner of {self.orders}",
            "order_id": self.orders,
            "order_type": OrderType.LIMIT if price else OrderType.MARKET,
            "tif": TimeInForce.GTC if price else TimeInForce.IOC,
            "stp": StpMode.EXPIRE_TAKER,
            "terms": Terms(**terms),
        }
        return self.send(
            CommandKind.NEW, **{**defaults, "side": side, "quantity": quantity, "price": price, **fields}
        )

    def buy(self, quantity: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        return self.new(Side.BUY, quantity, price, **fields)

    def sell(self, quantity: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        return self.new(Side.SELL, quantity, price, **fields)

    def stop(self, side: Side, quantity: int, at: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        """Go live once the price has come against the position: at market, or with a `price` as a limit."""
        return self.new(side, quantity, price, **{"trigger": TriggerKind.STOP, "trigger_price": at, **fields})

    def take_profit(
        self, side: Side, quantity: int, at: int, price: int = 0, **fields: Any
    ) -> list[EngineEvent]:
        return self.stop(side, quantity, at, price, trigger=TriggerKind.TAKE_PROFIT, **fields)

    def trailing(
        self, side: Side, quantity: int, at: int, distance: int, *, step: int = 1, **fields: Any
    ) -> list[EngineEvent]:
        """A stop that follows the price at this distance, in ticks unless the trigger says basis points."""
        trail = {"trigger": TriggerKind.TRAILING, "distance": distance, "step": step}
        return self.stop(side, quantity, at, **{**trail, **fields})

    def oco(self, first: dict[str, Any], second: dict[str, Any]) -> tuple[int, int]:
        """Enter two orders that name each other; their ids."""
        one, two = self.orders + 1, self.orders + 2
        self.new(**{"by": "owner", "partner": two, **first})
        self.new(**{"by": "owner", "partner": one, **second})
        return one, two

    def bracket(
        self, entry: dict[str, Any], *, take_profit: int, stop_loss: int
    ) -> tuple[list[EngineEvent], int, int, int]:
        """Enter an order with its two exits, which come first: what the entry said, its id, and theirs."""
        profit, loss, parent = self.orders + 1, self.orders + 2, self.orders + 3
        out = Side.SELL if entry["side"] == Side.BUY else Side.BUY
        attached: dict[str, Any] = {"by": "owner", "parent": parent, "link": Link.ATTACHED}
        self.take_profit(out, entry["quantity"], take_profit, partner=loss, **attached)
        self.stop(out, entry["quantity"], stop_loss, partner=profit, **attached)
        return self.new(**{"by": "owner", **entry}), parent, profit, loss

    # --- Everything else

    def cancel(self, order_id: int, **fields: Any) -> list[EngineEvent]:
        return self.send(CommandKind.CANCEL, order_id=order_id, **fields)

    def amend(self, order_id: int, *, trigger_price: int = 0, **fields: Any) -> list[EngineEvent]:
        return self.send(CommandKind.AMEND, order_id=order_id, stp_group=trigger_price, **fields)

    def mass_cancel(self, *, by: str = "", **fields: Any) -> list[EngineEvent]:
        """Of one account, or of everybody."""
        return self.send(CommandKind.MASS_CANCEL, by=by, **fields)

    def phase(self, phase: Phase, *, cancel_resting: bool = False, **fields: Any) -> list[EngineEvent]:
        flags = CommandFlag.CANCEL_RESTING if cancel_resting else 0
        return self.send(CommandKind.PHASE, phase=phase, flags=flags, **fields)

    def halt(self, *, reason: Reason = Reason.OPERATOR, cancel_resting: bool = False) -> list[EngineEvent]:
        return self.phase(Phase.HALTED, reason=reason, cancel_resting=cancel_resting)

    def resume(self, **fields: Any) -> list[EngineEvent]:
        return self.phase(Phase.OPEN, **fields)

    def tick(self, time: int) -> list[EngineEvent]:
        """Let time pass."""
        return self.send(CommandKind.TIME, time=time)

    def trade_at(self, price: int) -> list[EngineEvent]:
        """Let two strangers trade one lot at this price; their numbers are not the desk's."""
        orders = self.orders
        for side in (Side.SELL, Side.BUY):
            events = self.new(side, 1, price, order_id=1_000_000 + self.commands)
        self.orders = orders
        assert trades(events)[0][2] == price
        return events

    # --- What there is

    def depth(self) -> dict[str, list[tuple[int, int]]]:
        """Bids and asks, best first: (price, open lots)."""
        sides: dict[str, list[tuple[int, int]]] = {"bids": [], "asks": []}
        for level in iter_levels(self.engine.depth(BOOK)):
            sides["bids" if level.side == Side.BUY else "asks"].append((level.price, level.quantity))
        return sides

    def open(self) -> dict[int, OpenOrder]:
        """Everything that is not final, by priority, under its order id."""
        return {order.order_id: order for order in iter_open(self.engine.open_orders(BOOK))}

    def queue(self) -> list[tuple[int, int]]:
        """Resting orders by priority: (order id, open lots)."""
        return [(o.order_id, o.leaves) for o in self.open().values() if o.place == Place.RESTING]

    def parked(self) -> list[tuple[int, Place, int]]:
        """Parked orders by priority: (order id, place, open lots)."""
        places = [(o.order_id, Place(o.place), o.leaves) for o in self.open().values()]
        return [parked for parked in places if parked[1] != Place.RESTING]

    def state(self) -> tuple[Any, ...]:
        """All that a refusal may not change: everything but seq and time."""
        return (self.engine.open_orders(BOOK), self.engine.last_price(BOOK), self.engine.phase(BOOK))


def trades(events: list[EngineEvent]) -> list[tuple[int, int, int]]:
    """(maker order id, quantity, price) of each trade."""
    return [(e.maker_order_id, e.quantity, e.price) for e in events if e.kind == EventKind.TRADE]


def said(events: list[EngineEvent]) -> list[tuple[EventKind, Reason, int, int, int]]:
    """(kind, reason, order id, quantity, leaves) of each event."""
    return [(EventKind(e.kind), Reason(e.reason), e.order_id, e.quantity, e.leaves) for e in events]
