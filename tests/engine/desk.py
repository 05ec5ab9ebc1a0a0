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
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    encode_command,
    iter_events,
    iter_levels,
    iter_resting,
)

BOOK = 1


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

    def new(self, side: Side, quantity: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        """Enter order number `desk.orders`; without a price a market order, by default of an own account."""
        self.orders += 1
        defaults = {
            "by": f"owner of {self.orders}",
            "order_id": self.orders,
            "order_type": OrderType.LIMIT if price else OrderType.MARKET,
            "tif": TimeInForce.GTC if price else TimeInForce.IOC,
            "stp": StpMode.EXPIRE_TAKER,
        }
        return self.send(
            CommandKind.NEW, **{**defaults, "side": side, "quantity": quantity, "price": price, **fields}
        )

    def buy(self, quantity: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        return self.new(Side.BUY, quantity, price, **fields)

    def sell(self, quantity: int, price: int = 0, **fields: Any) -> list[EngineEvent]:
        return self.new(Side.SELL, quantity, price, **fields)

    def cancel(self, order_id: int, **fields: Any) -> list[EngineEvent]:
        return self.send(CommandKind.CANCEL, order_id=order_id, **fields)

    def amend(self, order_id: int, **fields: Any) -> list[EngineEvent]:
        return self.send(CommandKind.AMEND, order_id=order_id, **fields)

    def halt(self, *, reason: Reason = Reason.OPERATOR, cancel_resting: bool = False) -> list[EngineEvent]:
        flags = CommandFlag.CANCEL_RESTING if cancel_resting else 0
        return self.send(CommandKind.HALT, reason=reason, flags=flags)

    def resume(self, **fields: Any) -> list[EngineEvent]:
        return self.send(CommandKind.RESUME, **fields)

    def depth(self) -> dict[str, list[tuple[int, int]]]:
        """Bids and asks, best first: (price, open lots)."""
        sides: dict[str, list[tuple[int, int]]] = {"bids": [], "asks": []}
        for level in iter_levels(self.engine.depth(BOOK)):
            sides["bids" if level.side == Side.BUY else "asks"].append((level.price, level.quantity))
        return sides

    def queue(self) -> list[tuple[int, int]]:
        """Resting orders by priority: (order id, open lots)."""
        return [(order.order_id, order.leaves) for order in iter_resting(self.engine.open_orders(BOOK))]

    def state(self) -> tuple[Any, ...]:
        """All that a refusal may not change: everything but seq and time."""
        return (self.engine.open_orders(BOOK), self.engine.last_price(BOOK), self.engine.halted(BOOK))


def trades(events: list[EngineEvent]) -> list[tuple[int, int, int]]:
    """(maker order id, quantity, price) of each trade."""
    return [(e.maker_order_id, e.quantity, e.price) for e in events if e.kind == EventKind.TRADE]


def said(events: list[EngineEvent]) -> list[tuple[EventKind, Reason, int, int, int]]:
    """(kind, reason, order id, quantity, leaves) of each event."""
    return [(EventKind(e.kind), Reason(e.reason), e.order_id, e.quantity, e.leaves) for e in events]
