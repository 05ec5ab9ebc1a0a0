"""The auditor keeps its own idea of the right answer, and compares it with the database.

A dictionary of balances, a naive book for each instrument, and the rules of holding, fees and refusals
written down a second time, in fractions. It is told what was asked, predicts what must be answered, and after
each drain everything it believes must be what is stored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db.models import Sum
from tradeengine import codec

from accounts.models import LedgerAccount, LedgerKind
from instruments.models import Instrument
from instruments.selectors import rules_by_id
from orders import models
from orders.selectors import depth
from orders.services import books
from tests.simulation.book import Book, Fill, Order

STOPPED = {"halted", "maintenance", "cancel_only", "closed"}
COLLECTING = {"pre_open", "auction"}
#: What cannot be asked for where; anything else can.
NEVER = {
    "active": {"pre_open"},
    "auction": {"pre_open"},
    "closed": {"halted", "cancel_only"},
}
#: The book's phase in each status.
PHASE = {"active": "open", "maintenance": "halted"}
ENGINE_PHASE = {"open": 1, "halted": 2, "pre_open": 3, "auction": 4, "cancel_only": 5, "closed": 6}


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
    auction_seconds: int = 0


@dataclass(frozen=True)
class Asked:
    """A command that waits to be applied."""

    kind: str
    instrument: int
    at: datetime
    order: Order | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    reserved: Decimal = Decimal(0)
    reason: str = ""
    cancel_resting: bool = False
    to: str = ""  # the status a change of phase asks for
    account: int = 0
    side: str = ""


@dataclass
class Auditor:
    """What should be true now."""

    terms: dict[int, Terms]
    now: datetime
    balances: dict[tuple[int | str, int], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    orders: dict[int, Order] = field(default_factory=dict)
    instruments: dict[int, int] = field(default_factory=dict)  # order id -> instrument id
    waiting: dict[int, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    status: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books = {number: Book() for number in self.terms}
        self.status = dict.fromkeys(self.terms, "active")
        self.auction_ends: dict[int, datetime | None] = dict.fromkeys(self.terms)
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
        status = self.status[terms.id]
        if status in STOPPED:
            return f"instrument_{status}"
        waits = order.is_parked or (
            not order.market and order.tif in {"gtc", "gtd", "day"} and not order.post_only
        )
        if status in COLLECTING and not waits:
            return "not_in_auction"
        anchor = self.reference(terms) if order.trigger is None else order.trigger
        if not order.market and abs(order.limit - anchor) > anchor * terms.band:
            return "price_out_of_band"
        if order.display is not None and order.display > order.quantity:
            return "invalid_combination"
        asset = terms.quote if order.buy else terms.base
        needed = self.need(terms, order, order.quantity, order.limit)
        return "insufficient_funds" if self.available(order.account, asset) < needed else ""

    def accepted(self, order: Order, terms: Terms) -> None:
        """It was taken."""
        order.leaves = order.quantity
        order.held = self.need(terms, order, order.quantity, order.limit)
        self.orders[order.id] = order
        self.instruments[order.id] = terms.id
        self.waiting[terms.shard].append(Asked("new", terms.id, self.now, order))

    def asked_cancel(self, order: Order, reason: str) -> None:
        """A cancel was committed."""
        terms = self.terms[self.instruments[order.id]]
        self.waiting[terms.shard].append(Asked("cancel", terms.id, self.now, order, reason=reason))

    def asked_cancel_all(self, account: int) -> list[Order]:
        """All orders of an account were asked to be cancelled, by one command for each book of theirs."""
        live = [o for _, o in sorted(self.orders.items()) if o.is_live and o.account == account]
        for instrument in sorted({self.instruments[order.id] for order in live}):
            self.asked_mass_cancel(instrument, "mass_cancel", account=account)
        return live

    def amend_denial_of(self, order: Order, price: Decimal | None, quantity: Decimal | None) -> str:
        """The code with which an amend must be refused; "" when it must be taken."""
        terms = self.terms[self.instruments[order.id]]
        if any(a.kind == "amend" and a.order is order for a in self.waiting[terms.shard]):
            return "amend_pending"
        if not order.is_live:
            return "order_not_open"
        if self.status[terms.id] in STOPPED:
            return f"instrument_{self.status[terms.id]}"
        if order.market and order.trigger is None:
            return "invalid_combination"
        if order.market and price is not None:
            return "price_not_allowed"
        anchor = order.trigger if order.is_parked and order.trigger is not None else self.reference(terms)
        if price is not None and abs(price - anchor) > anchor * terms.band:
            return "price_out_of_band"
        if quantity is not None and quantity <= order.filled + order.prevented:
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
        self.waiting[terms.shard].append(Asked("amend", terms.id, self.now, order, price, quantity, reserved))

    def asked_for(self, instrument: int) -> str:
        """What the instrument will be once all that was asked for has been done."""
        queue = self.waiting[self.terms[instrument].shard]
        asked = [a.to for a in queue if a.instrument == instrument and a.kind == "phase"]
        return asked[-1] if asked else self.status[instrument]

    def phase_denial_of(self, instrument: int, to: str) -> str:
        """The code with which a phase must be refused; "" when it must be taken."""
        asked = self.asked_for(instrument)
        if asked == to:
            return "no_change"
        return "phase_not_allowed" if to in NEVER.get(asked, set()) else ""

    def resume_denial_of(self, instrument: int) -> str:
        """The same for a resumption."""
        if self.status[instrument] == "active":
            return "instrument_not_halted"
        return "no_change" if self.asked_for(instrument) in {"active", "auction"} else ""

    def end_denial_of(self, instrument: int) -> str:
        """The same for the end of an auction by hand."""
        asked = self.asked_for(instrument)
        if asked == "active" and self.status[instrument] == "auction":
            return "no_change"
        return "" if asked == "auction" else "phase_not_allowed"

    def asked_phase(self, instrument: int, to: str, *, cancel_resting: bool = False) -> None:
        """A change of phase was committed; where less is taken than before, that counts at once."""
        queue = self.waiting[self.terms[instrument].shard]
        queue.append(Asked("phase", instrument, self.now, to=to, cancel_resting=cancel_resting))
        if _takes(to) <= _takes(self.status[instrument]):
            self.status[instrument], self.auction_ends[instrument] = to, None

    def due_auctions(self) -> list[int]:
        """The instruments whose auction the clock must end now."""
        return [
            number
            for number, ends in self.auction_ends.items()
            if ends is not None and ends <= self.now and self.asked_for(number) == "auction"
        ]

    def due_books(self) -> list[int]:
        """The instruments with an order whose time is over, and no TIME waiting."""
        ticking = {a.instrument for queue in self.waiting.values() for a in queue if a.kind == "time"}
        due = {
            self.instruments[order.id]
            for order in self.orders.values()
            if order.is_live and order.expires is not None and order.expires <= self.now
        }
        return sorted(due - ticking)

    def asked_time(self, instrument: int) -> None:
        """A TIME was committed."""
        self.waiting[self.terms[instrument].shard].append(Asked("time", instrument, self.now))

    def asked_mass_cancel(self, instrument: int, reason: str, *, account: int = 0, side: str = "") -> None:
        """A mass cancel was committed."""
        queue = self.waiting[self.terms[instrument].shard]
        queue.append(Asked("mass", instrument, self.now, reason=reason, account=account, side=side))

    def uncovered(self, *, account: int = 0, instrument: int = 0, side: str = "") -> list[int]:
        """The instruments with a live order meant that no waiting mass cancel will end."""
        return sorted(
            {
                self.instruments[order.id]
                for order in self.orders.values()
                if order.is_live
                and account in {0, order.account}
                and instrument in {0, self.instruments[order.id]}
                and side in {"", _side(order)}
                and not self._is_covered(order)
            }
        )

    def _is_covered(self, order: Order) -> bool:
        """Whether a waiting mass cancel comes behind the order and means it."""
        number = self.instruments[order.id]
        queue = self.waiting[self.terms[number].shard]
        places = [n for n, asked in enumerate(queue) if asked.kind == "new" and asked.order is order]
        return any(
            asked.kind == "mass"
            and asked.instrument == number
            and asked.account in {0, order.account}
            and asked.side in {"", _side(order)}
            for asked in queue[places[0] if places else 0 :]
        )

    # --- What must have happened

    def drained(self, shard: int, commands: int) -> None:
        """So many of the shard's commands were applied now, in one batch."""
        batch, self.waiting[shard] = self.waiting[shard][:commands], self.waiting[shard][commands:]
        assert len(batch) == commands, f"{commands} commands were applied, {len(batch)} were waiting"
        for asked in batch:
            self._apply(asked)
            self._settle(asked.instrument)
        for asked in batch:
            self._announce(asked, shard)

    def _apply(self, asked: Asked) -> None:
        book, order = self.books[asked.instrument], asked.order
        book.pass_time(asked.at)
        if asked.kind == "phase":
            book.change_phase(PHASE.get(asked.to, asked.to), cancel_resting=asked.cancel_resting)
        elif asked.kind == "mass":
            book.cancel_many(asked.reason, account=asked.account, side=asked.side)
        elif order is None:
            book.tick()
        elif asked.kind == "new":
            book.new(order)
        elif asked.kind == "cancel":
            book.cancel(order, asked.reason)
        else:
            book.amend(order, asked.price, asked.quantity)

    def _announce(self, asked: Asked, shard: int) -> None:
        """The instrument's status follows its book, unless a later request has the last word."""
        later = [a for a in self.waiting[shard] if a.kind == "phase" and a.instrument == asked.instrument]
        if asked.kind == "phase" and not later:
            self.status[asked.instrument] = asked.to
            seconds = self.terms[asked.instrument].auction_seconds
            timed = asked.to == "auction" and seconds
            self.auction_ends[asked.instrument] = self.now + timedelta(seconds=seconds) if timed else None

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
        assert (row.seq, row.phase) == (book.seq, ENGINE_PHASE[book.phase]), terms.symbol
        assert row.last_price_ticks * terms.tick == book.last_price
        instrument = Instrument.objects.get(id=terms.id)
        assert (instrument.status, instrument.auction_ends_at) == (
            self.status[terms.id],
            self.auction_ends[terms.id],
        )
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
        if book.is_open:
            assert not bids or not asks or max(bids) < min(asks), f"{terms.symbol} is crossed"
        self._compare_depth(terms, book)
        engine = books.rebuild([row])  # raises when the stored hash is not that of the open orders
        engine.check()
        queue = [order.order_id for order in codec.iter_open(engine.open_orders(terms.id))]
        everything = [*book.resting, *book.parked]
        assert queue == [order.id for order in sorted(everything, key=lambda order: order.place)]
        price, lots, _surplus = engine.indicative(terms.id)
        assert (price * terms.tick or None) == (None if book.is_open else book.auction_price())
        assert not lots or not book.is_open
        self._compare_cached_engine(terms, row)

    def _compare_depth(self, terms: Terms, book: Book) -> None:
        """Everybody sees slices, and nothing of what is hidden or parked."""
        shown: dict[tuple[bool, Decimal], Decimal] = defaultdict(Decimal)
        for order in book.resting:
            if order.display != 0:
                shown[order.buy, order.limit] += order.meets
        stored = depth(rules_by_id([terms.id])[terms.id], limit=10_000)
        assert dict(stored.bids) == {price: lots for (buy, price), lots in shown.items() if buy}
        assert dict(stored.asks) == {price: lots for (buy, price), lots in shown.items() if not buy}

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
        "trigger": row.trigger_price,
        "triggered": row.triggered_at is not None,
        "shown": row.shown,
        "expires": row.expires_at,
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
        "trigger": order.trigger,
        "triggered": order.trigger is not None and not order.armed,
        "shown": order.shown,
        "expires": order.expires,
    }


def _takes(status: str) -> int:
    """How much is taken: nothing, what can wait, everything."""
    return 2 if status == "active" else int(status in COLLECTING)


def _side(order: Order) -> str:
    return "buy" if order.buy else "sell"


def day_end(now: datetime) -> datetime:
    """The next midnight, when orders of the day end."""
    return datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
