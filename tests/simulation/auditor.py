"""The auditor keeps its own idea of the right answer, and compares it with the database.

A dictionary of balances, a book for each instrument, and the rules of holding, fees and refusals written
down a second time. It is told what was asked, predicts what must be answered, and after each drain what it
believes must be what is stored (comparing.py).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, Inexact, InvalidOperation

from tests.simulation.book import Book, Fill, Order

STOPPED = frozenset({"halted", "maintenance", "cancel_only", "closed"})
COLLECTING = frozenset({"pre_open", "auction"})
_ZERO = Decimal(0)
_EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])
_ROUNDING = Context(prec=80)
_UNIT = [Decimal(1).scaleb(-decimals) for decimals in range(19)]
#: What cannot be asked for where; anything else can.
NEVER = {
    "active": {"pre_open"},
    "auction": {"pre_open"},
    "closed": {"halted", "cancel_only"},
}
#: The book's phase in each status.
PHASE = {"active": "open", "maintenance": "halted"}


class Difference(AssertionError):  # noqa: N818 - what was looked for, not an error
    """What was found is not what is believed."""


def expect(found: object, believed: object, what: object) -> None:
    """Raise Difference, saying what it is about, unless both are the same."""
    if found != believed:
        raise Difference(f"{what}: {found!r}, not {believed!r}")


def up(amount: Decimal, decimals: int) -> Decimal:
    """Rounded up to the asset's unit."""
    return amount.quantize(_UNIT[decimals], ROUND_CEILING, _ROUNDING)


def down(amount: Decimal, decimals: int) -> Decimal:
    """Rounded down to the asset's unit."""
    return amount.quantize(_UNIT[decimals], ROUND_FLOOR, _ROUNDING)


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class Asked:
    """A command that waits to be applied."""

    kind: str
    instrument: int
    at: datetime
    order: Order | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    reserved: Decimal = _ZERO
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
        self.live: dict[int, Order] = {}
        self.stops: set[tuple[str, int]] = set()
        self._due: dict[int, list[tuple[str, int]]] = defaultdict(list)  # what shards have yet to see
        self._poisoned: set[int] = set()
        self._held: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
        self._phases: dict[int, list[str]] = {number: [] for number in self.terms}
        self._ticking: dict[int, int] = dict.fromkeys(self.terms, 0)
        self._amending: set[int] = set()
        self._settled = dict.fromkeys(self.terms, 0)  # how far fills are paid
        #: Orders that have changed since somebody compared them; how many have ended, by status.
        self.changed: dict[int, Order] = {}
        self.ended: defaultdict[str, int] = defaultdict(int)

    # --- Money

    def held(self, account: int, asset: int) -> Decimal:
        """What the account's live orders and waiting amends reserve of an asset."""
        return self._held[account, asset]

    def available(self, account: int, asset: int) -> Decimal:
        """What it may spend."""
        return self.balances[account, asset] - self._held[account, asset]

    def _hold(self, order: Order, amount: Decimal) -> None:
        self._held[order.account, self._asset(order)] += amount

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
            return _ZERO
        notional = _EXACT.multiply(leaves, price)
        fee = _EXACT.multiply(notional, max(order.maker_rate, order.taker_rate))
        worst = _EXACT.add(_EXACT.add(notional, fee), order.fee)
        return up(worst, terms.quote_decimals) - up(order.fee, terms.quote_decimals)

    # --- What must be answered

    def reference(self, terms: Terms) -> Decimal:
        """The price the band is measured from."""
        return self.books[terms.id].last_price or terms.reference

    def denial_of(self, order: Order, terms: Terms) -> str:
        """The code with which an order must be denied; "" when it must be taken."""
        if self.is_killed(order, terms.id):
            return "killed"
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
        self.orders[order.id] = self.live[order.id] = self.changed[order.id] = order
        self.instruments[order.id] = terms.id
        self._hold(order, order.held)

    def asked_new(self, order: Order) -> None:
        """Its command comes next."""
        terms = self.terms[self.instruments[order.id]]
        self.waiting[terms.shard].append(Asked("new", terms.id, self.now, order))

    def asked_cancel(self, order: Order, reason: str) -> None:
        """A cancel was committed."""
        terms = self.terms[self.instruments[order.id]]
        self.waiting[terms.shard].append(Asked("cancel", terms.id, self.now, order, reason=reason))

    def asked_cancel_all(self, account: int) -> list[Order]:
        """All orders of an account were asked to be cancelled, by one command for each book of theirs."""
        live = [order for _, order in sorted(self.live.items()) if order.account == account]
        for instrument in sorted({self.instruments[order.id] for order in live}):
            self.asked_mass_cancel(instrument, "mass_cancel", account=account)
        return live

    def amend_denial_of(self, order: Order, price: Decimal | None, quantity: Decimal | None) -> str:
        """The code with which an amend must be refused; "" when it must be taken."""
        terms = self.terms[self.instruments[order.id]]
        if order.id in self._amending:
            return "amend_pending"
        if not order.is_live:
            return "order_not_open"
        if self.is_killed(order, terms.id):
            return "killed"
        if self.status[terms.id] in STOPPED:
            return f"instrument_{self.status[terms.id]}"
        if order.market and (order.trigger is None or price is not None):
            return "invalid_combination" if order.trigger is None else "price_not_allowed"
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
        self._amending.add(order.id)
        self._hold(order, reserved)

    def asked_for(self, instrument: int) -> str:
        """What the instrument will be once all that was asked for has been done."""
        asked = self._phases[instrument]
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
        self._phases[instrument].append(to)
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
        due = {
            self.instruments[order.id]
            for order in self.live.values()
            if order.expires is not None and order.expires <= self.now
        }
        return sorted(number for number in due if not self._ticking[number])

    def asked_time(self, instrument: int) -> None:
        """A TIME was committed."""
        self.waiting[self.terms[instrument].shard].append(Asked("time", instrument, self.now))
        self._ticking[instrument] += 1

    def asked_mass_cancel(self, instrument: int, reason: str, *, account: int = 0, side: str = "") -> None:
        """A mass cancel was committed."""
        queue = self.waiting[self.terms[instrument].shard]
        queue.append(Asked("mass", instrument, self.now, reason=reason, account=account, side=side))

    def uncovered(self, *, account: int = 0, instrument: int = 0, side: str = "") -> list[int]:
        """The instruments with a live order meant that no waiting mass cancel will end."""
        places = {
            asked.order.id: number
            for queue in self.waiting.values()
            for number, asked in enumerate(queue)
            if asked.kind == "new" and asked.order is not None
        }
        masses = [
            (number, asked)
            for queue in self.waiting.values()
            for number, asked in enumerate(queue)
            if asked.kind == "mass"
        ]

        def is_covered(order: Order) -> bool:
            """Whether a waiting mass cancel comes behind the order and means it."""
            place, book = places.get(order.id, -1), self.instruments[order.id]
            return any(
                number > place
                and asked.instrument == book
                and asked.account in {0, order.account}
                and asked.side in {"", _side(order)}
                for number, asked in masses
            )

        return sorted(
            {
                self.instruments[order.id]
                for order in self.live.values()
                if account in {0, order.account}
                and instrument in {0, self.instruments[order.id]}
                and side in {"", _side(order)}
                and not is_covered(order)
            }
        )

    # --- The kill switch, and commands that cannot be applied

    def pressed(self, scope: str, key: int) -> None:
        """A scope was stopped: "global", "instrument" or "account"."""
        self.stops.add((scope, key))
        shards = {terms.shard for terms in self.terms.values() if scope != "instrument" or terms.id == key}
        for shard in sorted(shards):
            self._due[shard].append((scope, key))

    def released(self, scope: str, key: int) -> None:
        """It was opened again, all the way."""
        self.stops.discard((scope, key))

    def poisoned(self, order: Order) -> None:
        """What waits of it will not be applied but set aside."""
        self._poisoned.add(order.id)

    def is_killed(self, order: Order, instrument: int = 0) -> bool:
        """Whether a stop stands against it."""
        account, instrument = order.account, instrument or self.instruments[order.id]
        return bool(self.stops) and any(
            scope == "global" or (scope, key) in {("account", account), ("instrument", instrument)}
            for scope, key in self.stops
        )

    def _kills(self, shard: int) -> list[Asked]:
        """What the shard does first: for each press a mass cancel in each of its books concerned."""
        due, self._due[shard] = self._due[shard], []
        return [
            Asked("mass", number, self.now, reason="killed", account=key if scope == "account" else 0)
            for scope, key in due
            for number in sorted(self.terms)
            if self.terms[number].shard == shard and (scope != "instrument" or number == key)
        ]

    def _refused(self, asked: Asked) -> str:
        """Why a command must not come in, whatever the book thinks of it."""
        order = asked.order
        if order is None or asked.kind not in {"new", "amend"}:
            return ""
        if self.is_killed(order, asked.instrument):
            return "killed"
        return "quarantined" if asked.kind == "new" and order.id in self._poisoned else ""

    # --- What must have happened

    def drained(self, shard: int, commands: int) -> None:
        """So many commands were applied now: what the kill switch had to do, then what waited."""
        kills = self._kills(shard)
        queue, waiting = self.waiting[shard], commands - len(kills)
        if not 0 <= waiting <= len(queue):
            raise Difference(f"{commands} commands were applied, {len(kills)} and {len(queue)} were waiting")
        batch, self.waiting[shard] = [*kills, *queue[:waiting]], queue[waiting:]
        for asked in batch:
            self._apply(asked)
        for number in {asked.instrument for asked in batch}:
            self._settle(number)
        for asked in batch:
            self._announce(asked)

    def _apply(self, asked: Asked) -> None:
        book, order = self.books[asked.instrument], asked.order
        book.pass_time(asked.at)
        if asked.kind == "phase":
            book.change_phase(PHASE.get(asked.to, asked.to), cancel_resting=asked.cancel_resting)
            self._phases[asked.instrument].pop(0)
        elif asked.kind == "mass":
            book.cancel_many(asked.reason, account=asked.account, side=asked.side)
        elif order is None:
            book.tick()
            self._ticking[asked.instrument] -= 1
        elif asked.kind == "new":
            book.new(order, self._refused(asked))
        elif asked.kind == "cancel":
            book.cancel(order, asked.reason)
        else:
            book.amend(order, asked.price, asked.quantity, self._refused(asked))
            self._amending.discard(order.id)
            self._hold(order, -asked.reserved)

    def _announce(self, asked: Asked) -> None:
        """The instrument's status follows its book, unless a later request has the last word."""
        if asked.kind == "phase" and not self._phases[asked.instrument]:
            self.status[asked.instrument] = asked.to
            seconds = self.terms[asked.instrument].auction_seconds
            timed = asked.to == "auction" and seconds
            self.auction_ends[asked.instrument] = self.now + timedelta(seconds=seconds) if timed else None

    def _settle(self, instrument: int) -> None:
        book, terms = self.books[instrument], self.terms[instrument]
        for fill in book.fills[self._settled[instrument] :]:
            self._pay(fill, terms)
        self._settled[instrument] = len(book.fills)
        touched, book.touched = book.touched, {}
        for order in touched.values():
            needed = self.need(terms, order, order.leaves, order.limit)
            self._hold(order, needed - order.held)
            order.held = needed
            if not order.is_live and order.id in self.live:
                del self.live[order.id]
                self.ended[order.status] += 1
        self.changed |= touched

    def _pay(self, fill: Fill, terms: Terms) -> None:
        buyer, seller = (fill.taker, fill.maker) if fill.taker.buy else (fill.maker, fill.taker)
        notional = _EXACT.multiply(fill.price, fill.quantity)
        self._move(seller.account, buyer.account, terms.base, fill.quantity)
        self._move(buyer.account, seller.account, terms.quote, notional)
        for order, rate in ((fill.taker, fill.taker.taker_rate), (fill.maker, fill.maker.maker_rate)):
            before, order.fee = order.fee, _EXACT.add(order.fee, _EXACT.multiply(notional, rate))
            order.spent += notional
            decimals = terms.quote_decimals
            paid = up(order.fee, decimals) - up(before, decimals)
            earned = down(order.fee, decimals) - down(before, decimals)
            self._move(order.account, "fee", terms.quote, earned)
            self._move(order.account, "rounding", terms.quote, paid - earned)

    def _move(self, payer: int | str, payee: int | str, asset: int, amount: Decimal) -> None:
        self.balances[payer, asset] -= amount
        self.balances[payee, asset] += amount


def _takes(status: str) -> int:
    """How much is taken: nothing, what can wait, everything."""
    return 2 if status == "active" else int(status in COLLECTING)


def _side(order: Order) -> str:
    return "buy" if order.buy else "sell"


def day_end(now: datetime) -> datetime:
    """The next midnight, when orders of the day end."""
    return datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
