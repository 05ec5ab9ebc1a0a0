"""Turn a batch of engine events into what must never disagree: orders, trades, fills, ledger and holds.

Everything is computed in memory on locked rows and written by a handful of statements; nothing here
commits. The order of events is the order of effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tradeengine import event_rows, pack_rows
from tradeengine.codec import EngineEvent, EventFlag

from accounts.models import LedgerKind, TransferKind
from accounts.services.posting import Cause, Entry, Ledger, OpenAccount
from instruments.models import InstrumentStatus
from instruments.scaling import product
from instruments.selectors import Rules
from orders.models import EventKind, Link, Liquidity, OrderStatus, Side, event_id
from orders.services import engine_codes
from orders.services.holding import Claim, claim_of, fee_step, hold_alone, holds_of
from orders.services.journal import moment
from orders.services.order_state import OrderState
from orders.services.phases import Settled, settle_status, status_of
from tradeplatform.common.db import copy_packed, copying

_EVENT_COLUMNS = (
    "id", "at", "instrument_id", "seq", "command_id", "kind", "reason_code", "side", "flags", "order_id",
    "account_id", "maker_order_id", "maker_account_id", "price_ticks", "quantity_lots", "leaves_lots",
    "maker_leaves_lots", "priority", "epoch",
)  # fmt: skip
_TRADE_COLUMNS = (
    "id", "at", "instrument_id", "seq", "price", "quantity", "notional", "taker_side", "buy_order_id",
    "sell_order_id", "buyer_id", "seller_id",
)  # fmt: skip
_TRADE_TYPES = "qtiqnnnsqqqq"
_FILL_COLUMNS = (
    "at", "trade_id", "order_id", "account_id", "instrument_id", "side", "liquidity", "price", "quantity",
    "fee_rate", "fee", "fee_asset_id",
)  # fmt: skip
_FILL_TYPES = "tqqqissnnnnh"

_ZERO = Decimal(0)
# As plain numbers: an operation with a member of an enumeration makes another member, for each event.
_WAITING, _ARMED, _KEPT_PLACE = (
    int(flag) for flag in (EventFlag.WAITING, EventFlag.ARMED, EventFlag.KEPT_PLACE)
)
_RUN_OUT = frozenset({engine_codes.REASON["expired"], engine_codes.REASON["session_end"]})
_REDUCE_ONLY = engine_codes.REASON["reduce_only"]
_AMOUNT_SPENT = engine_codes.REASON["amount_spent"]


class TradeRow(NamedTuple):
    """A trade as computed, for the table and the feed."""

    id: int
    at: datetime
    instrument_id: int
    seq: int
    price: Decimal
    quantity: Decimal
    notional: Decimal
    taker_side: Side
    buy: OrderState
    sell: OrderState


class FillRow(NamedTuple):
    """One side of a trade as computed, for the table and the feed."""

    trade: TradeRow
    order: OrderState
    liquidity: Liquidity
    fee_rate: Decimal
    fee: Decimal


@dataclass(slots=True)
class Projection:
    """What one batch of events has done so far. `now` is the moment money is posted."""

    rules: dict[int, Rules]
    orders: dict[int, OrderState]
    ledger: Ledger
    now: datetime
    trades: list[TradeRow] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    phases: dict[int, int] = field(default_factory=dict)
    statuses: dict[int, InstrumentStatus] = field(default_factory=dict)
    settled: dict[int, Settled] = field(default_factory=dict)
    status_commands: dict[int, int] = field(default_factory=dict)

    def apply(self, events: Iterable[EngineEvent]) -> None:
        """Apply events in order."""
        for event in events:
            _EFFECT[event.kind](self, event)

    def release_amend_holds(self, amends: Iterable[tuple[int, Decimal]]) -> None:
        """Give back what applied amends had reserved beside their orders: (order id, amount)."""
        for order_id, amount in amends:
            self.ledger.hold(self._holding_account(self.orders[order_id]), -amount)

    def settle_holds(self) -> None:
        """Bring every touched order's hold, and those of its list, to what they need now."""
        lists: dict[int, list[OrderState]] = {}
        for order in self.orders.values():
            if order.list_id:
                lists.setdefault(order.list_id, []).append(order)
            elif order.touched:
                self._hold(order, hold_alone(self._claim(order)) if order.is_live else _ZERO)
        for members in lists.values():
            if any(order.touched for order in members):
                self._settle(members)

    def _settle(self, orders: Sequence[OrderState]) -> None:
        """A hold may move from one order of a list to another: only their sum must be there."""
        needs = holds_of(self._claim(order) for order in orders if order.is_live)
        for order in orders:
            self._hold(order, needs.get(order.id, _ZERO))

    def _claim(self, order: OrderState) -> Claim:
        rules = self.rules[order.instrument_id]
        return claim_of(order, decimals=rules.quote_decimals, lot_size=rules.lot_size)

    def _hold(self, order: OrderState, needed: Decimal) -> None:
        if needed != order.held:
            self.ledger.hold(self._holding_account(order), needed - order.held)
            order.held, order.touched = needed, True

    def _holding_account(self, order: OrderState) -> OpenAccount:
        rules = self.rules[order.instrument_id]
        asset_id = rules.quote_id if order.side == Side.BUY else rules.base_id
        return self.ledger.client(order.account_id, asset_id)

    def accepted(self, event: EngineEvent) -> None:
        """The order is in the book's hands: in a queue, or parked."""
        order = self.orders[event.order_id]
        order.status = OrderStatus.OPEN
        if event.flags & _WAITING:
            order.status = OrderStatus.WAITING
        elif event.flags & _ARMED:
            order.status = OrderStatus.PENDING_TRIGGER
        order.priority = event.priority
        order.touch(event.seq)

    def ended(self, event: EngineEvent) -> None:
        """Rejected by the book, or the open rest taken off it."""
        order = self.orders[event.order_id]
        order.reason = engine_codes.REASON_WORD[event.reason]
        if event.kind == EventKind.REJECTED:
            order.status = OrderStatus.REJECTED
        elif event.reason in _RUN_OUT:
            order.status = OrderStatus.EXPIRED
        elif event.reason == _AMOUNT_SPENT and order.filled:
            order.status, order.reason = OrderStatus.FILLED, ""
        else:
            order.status = OrderStatus.CANCELLED
        order.leaves = order.shown = _ZERO
        order.reshape(event.seq)

    def amended(self, event: EngineEvent) -> None:
        """New price or quantity; the place is the event's."""
        order, rules = self.orders[event.order_id], self.rules[event.instrument]
        price = rules.price(event.price)
        if order.price is not None:
            order.price = price
        elif price:
            order.protection_price = price
        order.leaves = rules.quantity(event.leaves)
        if order.link != Link.ATTACHED or order.triggered_at is not None:
            # Before its trigger an attached order has the quantity its parent is still to bring.
            order.quantity = order.filled + order.prevented + order.leaves
        if order.shown:
            # One that takes a new place shows nothing until it rests again, and says so.
            kept = event.flags & _KEPT_PLACE
            order.shown = min(order.shown, order.leaves) if kept else _ZERO
        order.priority = event.priority
        order.reshape(event.seq)

    def reduced(self, event: EngineEvent) -> None:
        """Self-trade prevention, or the account's position, took a part off."""
        order, rules = self.orders[event.order_id], self.rules[event.instrument]
        quantity = rules.quantity(event.quantity)
        order.take(quantity, rules.quantity(event.leaves))
        if event.reason == _REDUCE_ONLY:
            # Intake knew the position, has held for no more than that, and said so already.
            order.prevented = order.quantity - order.filled - order.leaves
        else:
            order.prevented += quantity
        order.reshape(event.seq)

    def triggered(self, event: EngineEvent) -> None:
        """Its trigger price has come; it is nobody's partner any more."""
        order, rules = self.orders[event.order_id], self.rules[event.instrument]
        if order.type.is_trailing:
            # What it moved in the same pass is said by no event of its own, only by where its price is.
            order.trail(rules.price(event.price) - order.worst_price)
        order.status = OrderStatus.OPEN
        order.triggered_at = moment(event.time)
        order.partner_id = 0
        order.priority = event.priority
        order.reshape(event.seq)

    def activated(self, event: EngineEvent) -> None:
        """Its parent was filled: it goes live, or waits for its trigger from here on."""
        order, rules = self.orders[event.order_id], self.rules[event.instrument]
        armed = event.flags & _ARMED
        order.status = OrderStatus.PENDING_TRIGGER if armed else OrderStatus.OPEN
        order.leaves = rules.quantity(event.leaves)
        # An attached order follows its parent, which may have been amended to more.
        order.quantity = max(order.quantity, order.filled + order.prevented + order.leaves)
        order.priority = event.priority
        order.reshape(event.seq)

    def trailed(self, event: EngineEvent) -> None:
        """Its trigger moved: with the market, and its price by as much; or because an amendment said so."""
        order, rules = self.orders[event.order_id], self.rules[event.instrument]
        trigger = rules.price(event.price)
        if order.type.is_trailing and order.trigger_price is not None:
            order.trail(trigger - order.trigger_price)
        order.trigger_price = trigger
        order.reshape(event.seq)

    def displayed(self, event: EngineEvent) -> None:
        """An iceberg shows a slice, at the end of its level's queue."""
        order, rules = self.orders[event.order_id], self.rules[event.instrument]
        order.shown = rules.quantity(event.quantity)
        order.priority = event.priority
        order.reshape(event.seq)

    def trade(self, event: EngineEvent) -> None:
        """Two orders met: fill both, pay both ways, charge both fees."""
        rules = self.rules[event.instrument]
        taker, maker = self.orders[event.order_id], self.orders[event.maker_order_id]
        buy, sell = (taker, maker) if taker.side == Side.BUY else (maker, taker)
        price, quantity = rules.price(event.price), rules.quantity(event.quantity)
        trade = TradeRow(
            id=event_id(event.instrument, event.seq),
            at=moment(event.time),
            instrument_id=event.instrument,
            seq=event.seq,
            price=price,
            quantity=quantity,
            notional=product(price, quantity),
            taker_side=taker.side,
            buy=buy,
            sell=sell,
        )
        self.trades.append(trade)
        for order, leaves in ((taker, event.leaves), (maker, event.maker_leaves)):
            order.filled += quantity
            order.filled_notional += trade.notional
            order.take(quantity, rules.quantity(leaves))
            order.status = OrderStatus.PARTIALLY_FILLED if leaves else OrderStatus.FILLED
            # A first fill ends the other leg of a pair.
            order.partner_id = 0
            if order.quote_quantity is not None:
                # Nothing is open of an order for an amount; what ends it comes after its last trade.
                order.quantity, order.status = order.filled, OrderStatus.PARTIALLY_FILLED
            order.touch(event.seq)
        entry = self._pay(trade, rules)
        self._charge(trade, taker, Liquidity.TAKER, rules, entry)
        self._charge(trade, maker, Liquidity.MAKER, rules, entry)

    def _pay(self, trade: TradeRow, rules: Rules) -> Entry:
        """Base from seller to buyer, quote from buyer to seller: the entry that the fees join."""
        buyer, seller = trade.buy.account_id, trade.sell.account_id
        entry = self.ledger.transfer(
            at=self.now,
            kind=TransferKind.TRADE_BASE,
            debit=self.ledger.client(seller, rules.base_id),
            credit=self.ledger.client(buyer, rules.base_id),
            amount=trade.quantity,
            cause=Cause(order_id=trade.sell.id, trade_id=trade.id),
        )
        self.ledger.transfer(
            at=self.now,
            kind=TransferKind.TRADE_QUOTE,
            debit=self.ledger.client(buyer, rules.quote_id),
            credit=self.ledger.client(seller, rules.quote_id),
            amount=trade.notional,
            cause=Cause(order_id=trade.buy.id, trade_id=trade.id),
            entry=entry,
        )
        return entry

    def _charge(
        self, trade: TradeRow, order: OrderState, liquidity: Liquidity, rules: Rules, entry: Entry
    ) -> None:
        """The fee on notional, in quote; the fraction that rounding adds goes to its own account."""
        rate = order.taker_fee_rate if liquidity == Liquidity.TAKER else order.maker_fee_rate
        exact = product(trade.notional, rate)
        charge, residue = fee_step(accrued=order.fee_accrued, exact=exact, decimals=rules.quote_decimals)
        order.fee_accrued += exact
        self.fills.append(FillRow(trade, order, liquidity, rate, charge))
        client = self.ledger.client(order.account_id, rules.quote_id)
        fee = self.ledger.system(LedgerKind.FEE, rules.quote_id, client.realm)
        rounding = self.ledger.system(LedgerKind.ROUNDING, rules.quote_id, client.realm)
        cause = Cause(order_id=order.id, trade_id=trade.id)
        if charge:
            self.ledger.transfer(
                at=self.now,
                kind=TransferKind.FEE,
                debit=client,
                credit=fee,
                amount=charge,
                cause=cause,
                entry=entry,
            )
        if residue:
            debit, credit = (fee, rounding) if residue > 0 else (rounding, fee)
            self.ledger.transfer(
                at=self.now,
                kind=TransferKind.ROUNDING,
                debit=debit,
                credit=credit,
                amount=abs(residue),
                cause=cause,
                entry=entry,
            )

    def noted(self, event: EngineEvent) -> None:
        """A cancel or amend that came too late, a mass cancel, the time: the event is the whole effect."""

    def phase_changed(self, event: EngineEvent) -> None:
        """What the book does with orders from here on."""
        self.phases[event.instrument] = event.flags
        self.statuses[event.instrument] = status_of(event.flags, event.reason)
        self.status_commands[event.instrument] = event.command_id

    def write(self) -> None:
        """Write facts and orders."""
        if self.trades:
            trades = pack_rows(_TRADE_TYPES, map(_trade_row, self.trades))
            copy_packed("orders_trade", _TRADE_COLUMNS, trades)
            fee_assets = {number: rules.quote_id for number, rules in self.rules.items()}
            fills = pack_rows(_FILL_TYPES, (_fill_row(fill, fee_assets) for fill in self.fills))
            copy_packed("orders_fill", _FILL_COLUMNS, fills)
        OrderState.write([order for order in self.orders.values() if order.touched], now=self.now)

    def post(self) -> None:
        """Write what others wait for: money, and statuses. The ledger refuses to leave a client short.

        Comes last, so that accounts that all shards and doors move are locked for no longer than needed.
        """
        self.ledger.flush()
        for instrument_id, status in self.statuses.items():
            self.settled[instrument_id] = settle_status(
                instrument_id=instrument_id,
                status=status,
                command_id=self.status_commands[instrument_id],
                now=self.now,
            )


_EFFECT: dict[int, Callable[[Projection, EngineEvent], None]] = {
    EventKind.ACCEPTED: Projection.accepted,
    EventKind.REJECTED: Projection.ended,
    EventKind.TRADE: Projection.trade,
    EventKind.CANCELLED: Projection.ended,
    EventKind.AMENDED: Projection.amended,
    EventKind.CANCEL_REJECTED: Projection.noted,
    EventKind.AMEND_REJECTED: Projection.noted,
    EventKind.REDUCED: Projection.reduced,
    EventKind.PHASE_CHANGED: Projection.phase_changed,
    EventKind.MASS_CANCELLED: Projection.noted,
    EventKind.TRIGGERED: Projection.triggered,
    EventKind.ACTIVATED: Projection.activated,
    EventKind.TRAILED: Projection.trailed,
    EventKind.DISPLAYED: Projection.displayed,
    EventKind.TIME: Projection.noted,
}


def writing_events(records: bytes, epoch: int) -> AbstractContextManager[None]:
    """Write the engine's records as events, while the block computes what comes of them."""
    return copying("orders_event", _EVENT_COLUMNS, event_rows(records, epoch))


def _trade_row(trade: TradeRow) -> tuple[object, ...]:
    return (
        trade.id, trade.at, trade.instrument_id, trade.seq, trade.price, trade.quantity, trade.notional,
        trade.taker_side, trade.buy.id, trade.sell.id, trade.buy.account_id, trade.sell.account_id,
    )  # fmt: skip


def _fill_row(fill: FillRow, fee_assets: dict[int, int]) -> tuple[object, ...]:
    trade, order = fill.trade, fill.order
    return (
        trade.at, trade.id, order.id, order.account_id, order.instrument_id, order.side,
        fill.liquidity, trade.price, trade.quantity, fill.fee_rate, fill.fee,
        fee_assets[order.instrument_id],
    )  # fmt: skip
