"""The auditor keeps its own idea of the right answer, and compares it with the database.

A dictionary of balances, a naive book for each instrument, and the rules of holding, fees and refusals
written down a second time, in fractions. It is told what was asked, predicts what must be answered, and after
each drain everything it believes must be what is stored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db.models import Sum
from tradeengine import codec

from accounts.models import LedgerAccount, LedgerKind
from instruments.models import Instrument
from orders import models
from orders.services import books
from tests.simulation.book import Book, Fill, Order


def up(amount: Fraction, decimals: int) -> Decimal:
    """Rounded up to the asset's unit."""
    return Decimal(math.ceil(amount * 10**decimals)).scaleb(-decimals)


def down(amount: Fraction, decimals: int) -> Decimal:
    """Rounded down to the asset's unit."""
    return Decimal(math.floor(amount * 10**decimals)).scaleb(-decimals)


@dataclass(frozen=True)
class Terms:
    """An instrument, as far as money is concerned."""

    id: int
    symbol: str
    shard: int
    base: int
    quote: int
    quote_decimals: int
    tick: Decimal
    band: Decimal
    reference: Decimal
    maker_rate: Decimal
    taker_rate: Decimal


@dataclass(frozen=True)
class Asked:
    """A command that waits to be applied."""

    kind: str
    instrument: int
    order: Order | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    reserved: Decimal = Decimal(0)
    reason: str = ""
    cancel_resting: bool = False
    account: int = 0


@dataclass
class Auditor:
    """What should be true now."""

    terms: dict[int, Terms]
    balances: dict[tuple[int | str, int], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    orders: dict[int, Order] = field(default_factory=dict)
    instruments: dict[int, int] = field(default_factory=dict)  # order id -> instrument id
    waiting: dict[int, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    status: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books = {number: Book() for number in self.terms}
        self.status = dict.fromkeys(self.terms, "active")
        self._settled = dict.fromkeys(self.terms, 0)

    # --- Money

    def held(self, account: int, asset: int) -> Decimal:
        """What the account's live orders and waiting amends reserve of an asset."""
        live = sum(
            (order.held for order in self.orders.values() if self._holds(order, account, asset)), Decimal(0)
        )
        amends = (asked for queue in self.waiting.values() for asked in queue if asked.reserved)
        return live + sum(
            (a.reserved for a in amends if a.order and self._holds(a.order, account, asset)), Decimal(0)
        )

    def available(self, account: int, asset: int) -> Decimal:
        """What it may spend."""
        return self.balances[account, asset] - self.held(account, asset)

    def _holds(self, order: Order, account: int, asset: int) -> bool:
        return order.account == account and self._asset(order) == asset

    def _asset(self, order: Order) -> int:
        terms = self.terms[self.instruments[order.id]]
        return terms.quote if order.buy else terms.base

    def deposit(self, account: int, asset: int, amount: Decimal) -> None:
        """Money came in."""
        self.balances[account, asset] += amount
        self.balances["funding", asset] -= amount

    def need(self, terms: Terms, order: Order, leaves: Decimal, price: Decimal) -> Decimal:
        """What an order must hold while `leaves` of it are open at `price`."""
        if not order.buy:
            return leaves
        if not leaves:
            return Decimal(0)
        worst = Fraction(leaves) * Fraction(price) * (1 + Fraction(max(order.maker_rate, order.taker_rate)))
        decimals = terms.quote_decimals
        return up(worst + order.fee, decimals) - up(order.fee, decimals)

    # --- What must be answered

    def reference(self, terms: Terms) -> Decimal:
        """The price the band is measured from."""
        return self.books[terms.id].last_price or terms.reference

    def denial_of(self, order: Order, terms: Terms) -> str:
        """The code with which an order must be denied; "" when it must be taken."""
        if self.status[terms.id] != "active":
            return f"instrument_{self.status[terms.id]}"
        reference = self.reference(terms)
        if not order.market and abs(order.limit - reference) > reference * terms.band:
            return "price_out_of_band"
        asset = terms.quote if order.buy else terms.base
        needed = self.need(terms, order, order.quantity, order.limit)
        return "insufficient_funds" if self.available(order.account, asset) < needed else ""

    def accepted(self, order: Order, terms: Terms) -> None:
        """It was taken."""
        order.leaves = order.quantity
        order.held = self.need(terms, order, order.quantity, order.limit)
        self.orders[order.id] = order
        self.instruments[order.id] = terms.id
        self.waiting[terms.shard].append(Asked("new", terms.id, order))

    def asked_cancel(self, order: Order, reason: str) -> None:
        """A cancel was committed."""
        terms = self.terms[self.instruments[order.id]]
        self.waiting[terms.shard].append(Asked("cancel", terms.id, order, reason=reason))

    def asked_cancel_all(self, account: int) -> list[Order]:
        """All orders of an account were asked to be cancelled, by one command for each book of theirs."""
        live = [o for _, o in sorted(self.orders.items()) if o.is_live and o.account == account]
        for instrument in sorted({self.instruments[order.id] for order in live}):
            self.waiting[self.terms[instrument].shard].append(
                Asked("cancel_all", instrument, account=account)
            )
        return live

    def amend_denial_of(self, order: Order, price: Decimal | None, quantity: Decimal | None) -> str:
        """The code with which an amend must be refused; "" when it must be taken."""
        terms = self.terms[self.instruments[order.id]]
        if any(a.kind == "amend" and a.order is order for a in self.waiting[terms.shard]):
            return "amend_pending"
        if not order.is_live:
            return "order_not_open"
        if order.market:
            return "invalid_combination"
        if self.status[terms.id] != "active":
            return f"instrument_{self.status[terms.id]}"
        reference = self.reference(terms)
        if price is not None and abs(price - reference) > reference * terms.band:
            return "price_out_of_band"
        if (quantity or order.quantity) <= order.filled + order.prevented:
            return "below_executed"
        extra = self.extra_hold(order, terms, price, quantity)
        return "insufficient_funds" if extra and extra > self._spare(order) else ""

    def _spare(self, order: Order) -> Decimal:
        return self.available(order.account, self._asset(order))

    def extra_hold(
        self, order: Order, terms: Terms, price: Decimal | None, quantity: Decimal | None
    ) -> Decimal:
        """What an amend reserves beside the order's hold: enough whatever fills come in between."""
        leaves = (quantity or order.quantity) - order.filled - order.prevented
        grown = max(Decimal(0), leaves - order.leaves)
        if not order.buy:
            return grown
        limit = price or order.limit
        more = max(self.need(terms, order, leaves, limit) - order.held, self.need(terms, order, grown, limit))
        return more + Decimal(1).scaleb(-terms.quote_decimals) if more > 0 else Decimal(0)

    def asked_amend(self, order: Order, price: Decimal | None, quantity: Decimal | None) -> None:
        """An amend was committed."""
        terms = self.terms[self.instruments[order.id]]
        reserved = self.extra_hold(order, terms, price, quantity)
        self.waiting[terms.shard].append(Asked("amend", terms.id, order, price, quantity, reserved))

    def asked_halt(self, instrument: int, status: str, *, cancel_resting: bool) -> None:
        """A halt was committed."""
        terms = self.terms[instrument]
        self.status[instrument] = status
        self.waiting[terms.shard].append(
            Asked("halt", instrument, reason=status, cancel_resting=cancel_resting)
        )

    def asked_resume(self, instrument: int) -> None:
        """A resumption was committed."""
        self.waiting[self.terms[instrument].shard].append(Asked("resume", instrument))

    def resume_waits(self, instrument: int) -> bool:
        """Whether the last thing asked for, and not yet applied, is to trade again."""
        queue = self.waiting[self.terms[instrument].shard]
        asked = [a.kind for a in queue if a.instrument == instrument and a.kind in {"halt", "resume"}]
        return asked[-1:] == ["resume"]

    # --- What must have happened

    def drained(self, shard: int, commands: int) -> None:
        """So many of the shard's commands were applied, in one batch."""
        batch, self.waiting[shard] = self.waiting[shard][:commands], self.waiting[shard][commands:]
        assert len(batch) == commands, f"{commands} commands were applied, {len(batch)} were waiting"
        for asked in batch:
            self._apply(asked)
            self._settle(asked.instrument)
        for asked in batch:
            self._announce(asked, shard)

    def _apply(self, asked: Asked) -> None:
        book = self.books[asked.instrument]
        if asked.kind == "halt":
            book.halt(cancel_resting=asked.cancel_resting)
        elif asked.kind == "resume":
            book.resume()
        elif asked.kind == "cancel_all":
            book.cancel_all(asked.account)
        elif asked.order is not None and asked.kind == "new":
            book.new(asked.order)
        elif asked.order is not None and asked.kind == "cancel":
            book.cancel(asked.order, asked.reason)
        elif asked.order is not None:
            book.amend(asked.order, asked.price, asked.quantity)

    def _announce(self, asked: Asked, shard: int) -> None:
        """The instrument's status follows its book, unless a later halt has announced another."""
        later = [a for a in self.waiting[shard] if a.kind == "halt" and a.instrument == asked.instrument]
        if asked.kind in {"halt", "resume"} and not later:
            self.status[asked.instrument] = asked.reason or "active"

    def _settle(self, instrument: int) -> None:
        book, terms = self.books[instrument], self.terms[instrument]
        for fill in book.fills[self._settled[instrument] :]:
            self._pay(fill, terms)
        self._settled[instrument] = len(book.fills)
        for number, order in self.orders.items():
            if self.instruments[number] == instrument and order.held and order.status != "pending":
                order.held = self.need(terms, order, order.leaves, order.limit)

    def _pay(self, fill: Fill, terms: Terms) -> None:
        buyer, seller = (fill.taker, fill.maker) if fill.taker.buy else (fill.maker, fill.taker)
        notional = fill.price * fill.quantity
        self._move(seller.account, buyer.account, terms.base, fill.quantity)
        self._move(buyer.account, seller.account, terms.quote, notional)
        for order, rate in ((fill.taker, fill.taker.taker_rate), (fill.maker, fill.maker.maker_rate)):
            before, order.fee = order.fee, order.fee + Fraction(notional) * Fraction(rate)
            order.spent += notional
            decimals = terms.quote_decimals
            paid = up(order.fee, decimals) - up(before, decimals)
            earned = down(order.fee, decimals) - down(before, decimals)
            self._move(order.account, "fee", terms.quote, earned)
            self._move(order.account, "rounding", terms.quote, paid - earned)

    def _move(self, payer: int | str, payee: int | str, asset: int, amount: Decimal) -> None:
        self.balances[payer, asset] -= amount
        self.balances[payee, asset] += amount

    # --- The comparison

    def compare(self) -> None:
        """Everything believed is what is stored; raises AssertionError naming the first that is not."""
        self._compare_ledger()
        self._compare_orders()
        for number, book in self.books.items():
            self._compare_book(self.terms[number], book)

    def _compare_ledger(self) -> None:
        assets = {asset for terms in self.terms.values() for asset in (terms.base, terms.quote)}
        for row in LedgerAccount.objects.filter(asset__in=assets):
            who: int | str = row.account_id if row.account_id is not None else row.kind
            believed = self.balances[who, row.asset_id]
            assert row.balance == believed, (
                f"balance of {who} in {row.asset_id}: {row.balance}, not {believed}"
            )
            held = self.held(who, row.asset_id) if isinstance(who, int) else Decimal(0)
            assert row.held == held, f"hold of {who} in {row.asset_id}: {row.held}, not {held}"
            assert row.kind != LedgerKind.CLIENT or 0 <= row.held <= row.balance
        sums = LedgerAccount.objects.filter(asset__in=assets).values("asset").annotate(sum=Sum("balance"))
        assert {row["sum"] for row in sums} <= {Decimal(0)}

    def _compare_orders(self) -> None:
        rows = models.Order.objects.filter(instrument__in=list(self.terms)).in_bulk()
        assert rows.keys() == self.orders.keys()
        for number, order in self.orders.items():
            assert facts_of(rows[number]) == believed_of(order), f"order {number}"

    def _compare_book(self, terms: Terms, book: Book) -> None:
        row = models.Book.objects.get(instrument=terms.id)
        phase = models.Phase.HALTED if book.halted else models.Phase.OPEN
        assert (row.seq, row.phase) == (book.seq, phase), terms.symbol
        assert row.last_price_ticks * terms.tick == book.last_price
        assert Instrument.objects.get(id=terms.id).status == self.status[terms.id]
        seqs = (
            models.Event.objects.filter(instrument_id=terms.id).order_by("seq").values_list("seq", flat=True)
        )
        assert list(seqs) == list(range(1, book.seq + 1))
        trades = models.Trade.objects.filter(instrument=terms.id).order_by("seq")
        assert [
            (trade.seq, trade.price, trade.quantity, {trade.buy_order_id, trade.sell_order_id})
            for trade in trades
        ] == [(fill.seq, fill.price, fill.quantity, {fill.taker.id, fill.maker.id}) for fill in book.fills]
        bids = [order.limit for order in book.resting if order.buy]
        asks = [order.limit for order in book.resting if not order.buy]
        assert not bids or not asks or max(bids) < min(asks), f"{terms.symbol} is crossed"
        engine = books.rebuild([row])  # raises when the stored hash is not that of the open orders
        engine.check()
        queue = [order.order_id for order in codec.iter_open(engine.open_orders(terms.id))]
        assert queue == [order.id for order in sorted(book.resting, key=lambda order: order.place)]
        self._compare_cached_engine(terms, row)

    def _compare_cached_engine(self, terms: Terms, row: models.Book) -> None:
        cached = books._engines.get(terms.shard)
        if cached is not None and terms.id in cached.engine.books():
            cached.engine.check()
            assert row.state_hash in {"", cached.engine.state_hash(terms.id)}


def facts_of(row: models.Order) -> dict[str, Any]:
    """What is stored of an order."""
    return {
        "status": row.status,
        "reason": row.reason,
        "limit": row.price if row.price is not None else row.protection_price,
        "quantity": row.quantity,
        "filled": row.filled,
        "prevented": row.prevented,
        "leaves": row.leaves,
        "spent": row.filled_notional,
        "fee": Fraction(row.fee_accrued),
        "held": row.held,
        "place": row.priority,
    }


def believed_of(order: Order) -> dict[str, Any]:
    """What should be."""
    return {
        "status": order.status,
        "reason": order.reason,
        "limit": order.limit,
        "quantity": order.quantity,
        "filled": order.filled,
        "prevented": order.prevented,
        "leaves": order.leaves,
        "spent": order.spent,
        "fee": order.fee,
        "held": order.held,
        "place": order.place,
    }
