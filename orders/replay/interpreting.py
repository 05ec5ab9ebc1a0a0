"""What a client would have had to send for the recording to look as it does.

A feed shows results, not intentions. A new order is sent as it is, and the engine matches it where it
crosses. A change is an amend unless the replay has had that fill already. A cancel is a cancel, unless its
order is filled. A taker who was never shown is sent where the format names the fill (TRADE); otherwise the
order that he hit is reduced.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal

from instruments.scaling import steps
from orders.models import CLIENT_ORDER_ID, OrderType, Side, TimeInForce
from orders.replay.actions import ActionKind, RecordedAction
from orders.replay.comparison import Reason
from orders.replay.expected_book import ExpectedBook, ExpectedOrder
from orders.replay.recorded_book import RecordedBook, RecordedOrder
from orders.replay.stage import Stage
from orders.services.requests import CancelOrder, NewOrder


@dataclass(frozen=True, slots=True)
class Amend:
    """A new price, a new total quantity, or both, for an order; None keeps what it has."""

    price: Decimal | None
    quantity: Decimal | None


@dataclass(frozen=True, slots=True)
class Step:
    """What to send for a row, about which recorded order, and what a parting of the books would be due to.

    `note` says why nothing is sent.
    """

    reason: Reason
    recorded_id: str = ""
    request: NewOrder | CancelOrder | None = None
    amend: Amend | None = None
    note: str = ""


@dataclass(slots=True)
class Interpreter:
    """Moves the recorded and the expected book along, row by row."""

    stage: Stage
    prefix: str
    recorded: RecordedBook = field(default_factory=RecordedBook)
    expected: ExpectedBook = field(default_factory=ExpectedBook)

    def step(self, action: RecordedAction) -> Step:
        """Interpret the next row."""
        if action.kind == ActionKind.IGNORED:
            return Step(Reason.OTHER, note=action.note)
        if action.kind == ActionKind.NEW:
            return self._new(action)
        known = self.recorded.orders.get(action.id)
        if known is None:
            return Step(Reason.BEFORE, note="order not in the recorded book")
        if action.kind == ActionKind.TRADE:
            return self._trade(action, known)
        lots = self._lots(action.quantity)
        if action.kind == ActionKind.CANCEL or not lots:
            return self._cancel(action)
        return self._change(action, known.side, lots)

    def denied(self, recorded_id: str) -> None:
        """The platform did not take the order: it is not to be expected in the book."""
        order = self.expected.get(recorded_id)
        if order is not None and order.open_lots:
            self.expected.cancel(order)

    def name(self, recorded_id: str) -> str:
        """The client order id of a recorded order in this run."""
        plain = f"{self.prefix}{recorded_id}"
        if CLIENT_ORDER_ID.fullmatch(plain):
            return plain
        return f"{self.prefix}{hashlib.sha256(recorded_id.encode()).hexdigest()}"[:36]

    def _new(self, action: RecordedAction) -> Step:
        if not action.quantity:
            return Step(Reason.OTHER, note="new order without a quantity")
        request = self._order(action, self.name(action.id), action.side, TimeInForce.GTC)
        ticks, lots = self._ticks(action.price), self._lots(action.quantity)
        if not ticks or not lots:
            # Between steps: the platform says so, and neither book can hold it.
            return Step(Reason.DENIED, action.id, request)
        self.recorded.place(action.id, RecordedOrder(action.side, ticks, lots))
        trades = self.expected.trades
        self.expected.place(action.id, action.side, ticks, lots)
        reason = Reason.CROSSING if self.expected.trades > trades else Reason.OTHER
        return Step(reason, action.id, request)

    def _change(self, action: RecordedAction, side: Side, lots: int) -> Step:
        ticks = self._ticks(action.price)
        if not ticks:
            return Step(Reason.OTHER, note="change to a price between ticks")
        self.recorded.place(action.id, RecordedOrder(side, ticks, lots))
        order = self.expected.get(action.id)
        if order is None or not order.open_lots:
            return Step(Reason.FILLED_MORE, note="change already matched")
        target = min(order.open_lots, lots)
        reason = self._parting(order, lots)
        if ticks == order.ticks and target == order.open_lots:
            return Step(reason, note="change already matched")
        amend = Amend(
            self.stage.rules.price(ticks) if ticks != order.ticks else None,
            self.stage.rules.quantity(order.executed_lots + target) if target != order.open_lots else None,
        )
        self.expected.amend(order, ticks=ticks, open_lots=target)
        return Step(reason, action.id, amend=amend)

    def _cancel(self, action: RecordedAction) -> Step:
        self.recorded.remove(action.id)
        order = self.expected.get(action.id)
        if order is None or not order.open_lots:
            self.expected.forget(action.id)
            return Step(Reason.OTHER, note="cancel of a filled order")
        self.expected.cancel(order)
        self.expected.forget(action.id)
        request = CancelOrder(
            account_id=self.stage.account_of(action.side, action.id), client_order_id=self.name(action.id)
        )
        return Step(Reason.UNSEEN_TAKER if action.note == "filled" else Reason.OTHER, action.id, request)

    def _trade(self, action: RecordedAction, known: RecordedOrder) -> Step:
        ticks, lots = self._ticks(action.price), self._lots(action.quantity)
        if not ticks or not lots:
            return Step(Reason.OTHER, note="trade between steps")
        left = max(0, known.lots - lots)
        self.recorded.place(action.id, RecordedOrder(known.side, known.ticks, left))
        taker_id = f"x{action.line}"
        side = Side.SELL if known.side == Side.BUY else Side.BUY
        self.expected.place(taker_id, side, ticks, lots, rest=False)
        self.expected.forget(taker_id)
        order = self.expected.get(action.id)
        reason = self._parting(order, left) if order else Reason.FILLED_MORE
        return Step(reason, taker_id, self._order(action, self.name(taker_id), side, TimeInForce.IOC))

    def _parting(self, order: ExpectedOrder, recorded_lots: int) -> Reason:
        if order.open_lots > recorded_lots:
            return Reason.UNSEEN_TAKER
        return Reason.FILLED_MORE if order.open_lots < recorded_lots else Reason.OTHER

    def _order(self, action: RecordedAction, name: str, side: Side, tif: TimeInForce) -> NewOrder:
        return NewOrder(
            account_id=self.stage.account_of(side, action.id),
            symbol=self.stage.rules.symbol,
            side=side,
            type=OrderType.LIMIT,
            quantity=action.quantity,
            price=action.price,
            time_in_force=tif,
            client_order_id=name,
        )

    def _ticks(self, price: Decimal) -> int:
        return steps(price, self.stage.rules.tick_size) or 0

    def _lots(self, quantity: Decimal) -> int:
        return steps(quantity, self.stage.rules.lot_size) or 0
