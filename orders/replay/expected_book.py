"""The book that the platform must arrive at: the same engine, fed with the same commands, beside it.

It knows at once what the platform knows after its drain, so a recorded reduction can be told from a fill
that the replay has had already; and at the end the platform's book must equal this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradeengine import Engine, codec
from tradeengine.codec import CommandKind, EngineEvent, EventKind, OrderType, StpMode, TimeInForce

from orders.models import Side
from orders.replay.recorded_book import Levels
from orders.services import engine_codes

_BOOK = 1


@dataclass(slots=True)
class ExpectedOrder:
    """An order of the replay, in ticks and lots."""

    number: int
    ticks: int
    open_lots: int
    executed_lots: int = 0


class ExpectedBook:
    """Orders are known by their recorded ids. Owners differ by side, so that nobody meets himself."""

    def __init__(self) -> None:
        """Empty."""
        self.trades = 0
        self._engine = Engine()
        self._engine.add_book(_BOOK)
        self._commands = 0
        self._orders: dict[str, ExpectedOrder] = {}
        self._by_number: dict[int, ExpectedOrder] = {}

    def get(self, order_id: str) -> ExpectedOrder | None:
        """The order, once placed, also after it is filled; None after `forget`."""
        return self._orders.get(order_id)

    def place(self, order_id: str, side: Side, ticks: int, lots: int, *, rest: bool = True) -> None:
        """Send a limit order; with `rest` False what is not filled at once goes."""
        order = ExpectedOrder(self._commands + 1, ticks, lots)
        self._orders[order_id] = self._by_number[order.number] = order
        self._commands += 1
        self._apply(
            codec.encode_command(
                kind=CommandKind.NEW,
                instrument=_BOOK,
                command_id=self._commands,
                time=0,
                order_id=order.number,
                account=engine_codes.SIDE[side],
                side=engine_codes.SIDE[side],
                order_type=OrderType.LIMIT,
                tif=TimeInForce.GTC if rest else TimeInForce.IOC,
                stp=StpMode.EXPIRE_TAKER,
                price=ticks,
                quantity=lots,
            )
        )

    def amend(self, order: ExpectedOrder, *, ticks: int, open_lots: int) -> None:
        """Give an open order a new price and a new open quantity."""
        self._change(CommandKind.AMEND, order, ticks, order.executed_lots + open_lots)

    def cancel(self, order: ExpectedOrder) -> None:
        """Take an open order off the book."""
        self._change(CommandKind.CANCEL, order)

    def forget(self, order_id: str) -> None:
        """Drop what is known of an order that is final."""
        order = self._orders.pop(order_id, None)
        if order is not None:
            del self._by_number[order.number]

    def best(self, side: Side) -> int:
        """The best price of a side in ticks; 0 when the side is empty."""
        levels = self.depth(side, 1)
        return levels[0][0] if levels else 0

    def depth(self, side: Side, limit: int) -> Levels:
        """The best levels of a side."""
        code = engine_codes.SIDE[side]
        levels = codec.iter_levels(self._engine.depth(_BOOK, limit))
        return [(level.price, level.quantity) for level in levels if level.side == code]

    def _change(self, kind: CommandKind, order: ExpectedOrder, ticks: int = 0, lots: int = 0) -> None:
        self._commands += 1
        self._apply(
            codec.encode_command(
                kind=kind,
                instrument=_BOOK,
                command_id=self._commands,
                time=0,
                order_id=order.number,
                price=ticks,
                quantity=lots,
            )
        )

    def _apply(self, command: bytes) -> None:
        for event in codec.iter_events(self._engine.apply(command)):
            self._follow(event)

    def _follow(self, event: EngineEvent) -> None:
        order = self._by_number[event.order_id]
        if event.kind == EventKind.TRADE:
            self.trades += 1
            order.open_lots = event.leaves
            order.executed_lots += event.quantity
            maker = self._by_number[event.maker_order_id]
            maker.open_lots = event.maker_leaves
            maker.executed_lots += event.quantity
        elif event.kind == EventKind.AMENDED:
            order.ticks, order.open_lots = event.price, event.leaves
        elif event.kind == EventKind.CANCELLED:
            order.open_lots = 0
