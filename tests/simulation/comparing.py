"""What the auditor believes against what is stored: at once of what has changed, now and then of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, Q, Sum
from tradeengine import codec

from accounts.models import LedgerAccount, LedgerKind
from instruments.models import Instrument
from instruments.selectors import rules_by_id
from orders import models
from orders.selectors import depth
from orders.services import books
from tests.simulation.auditor import Auditor, Difference, Terms, expect
from tests.simulation.book import Book, Order

ENGINE_PHASE = {"open": 1, "halted": 2, "pre_open": 3, "auction": 4, "cancel_only": 5, "closed": 6}
_ZERO = Decimal(0)
FINAL = frozenset({"filled", "cancelled", "rejected", "expired"})
_PIECE = 5_000
#: What is stored of an order, and after it what should be.
_FACTS = (
    "id", "status", "reason", "price", "protection_price", "quantity", "filled", "prevented", "leaves",
    "filled_notional", "fee_accrued", "held", "priority", "trigger_price", "triggered_at", "shown",
    "expires_at",
)  # fmt: skip


@dataclass
class Comparison:
    """Looks at the database for an auditor, and remembers how far it has looked."""

    auditor: Auditor

    def __post_init__(self) -> None:
        self._seen_seq = dict.fromkeys(self.auditor.terms, 0)
        self._seen_fills = dict.fromkeys(self.auditor.terms, 0)

    def everything(self, *, past: bool = False) -> None:
        """Everything believed is what is stored; with `past`, of ended orders too. Raises Difference."""
        self.changes()
        everything = self.auditor.orders if past else self.auditor.live
        self._compare_orders(everything)
        rows = models.Order.objects.filter(instrument__in=list(self.auditor.terms)).values_list("status")
        stored = {status: count for status, count in rows.annotate(count=Count("id")) if count}
        expect(
            {status: count for status, count in stored.items() if status in FINAL},
            dict(self.auditor.ended),
            "ended",
        )
        expect(sum(stored.values()), len(self.auditor.orders), "number of orders")
        sums = LedgerAccount.objects.filter(asset__in=self._assets()).values("asset")
        expect({row["sum"] for row in sums.annotate(sum=Sum("balance"))} - {_ZERO}, set(), "sums of assets")
        rows_of_books = models.Book.objects.in_bulk(list(self.auditor.terms), field_name="instrument_id")
        for number, book in self.auditor.books.items():
            self._compare_book(self.auditor.terms[number], book, rows_of_books[number])

    def changes(self) -> None:
        """What has changed since the last comparison is stored: money, orders, events, trades, statuses."""
        changed, self.auditor.changed = self.auditor.changed, {}
        self._compare_orders(changed)
        self._compare_ledger()
        events, trades = self._new_events(), self._new_trades()
        statuses = Instrument.objects.filter(id__in=list(self.auditor.terms))
        for number, *found in statuses.values_list("id", "status", "auction_ends_at"):
            expect(
                found,
                [self.auditor.status[number], self.auditor.auction_ends[number]],
                self.auditor.terms[number].symbol,
            )
        for number, book in self.auditor.books.items():
            seqs = [*range(self._seen_seq[number] + 1, book.seq + 1)]
            expect(events[number], seqs, f"events of {number}")
            fills = book.fills[self._seen_fills[number] :]
            expect(
                trades[number],
                [(f.seq, f.price, f.quantity, {f.taker.id, f.maker.id}) for f in fills],
                f"trades of {number}",
            )
            self._seen_seq[number], self._seen_fills[number] = book.seq, len(book.fills)
            if book.is_open and (bid := book.bids.first) and (ask := book.asks.first):
                expect(bid.limit < ask.limit, True, f"{number} is not crossed")

    def _new_events(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {number: [] for number in self.auditor.terms}
        rows = models.Event.objects.filter(self._since(self._seen_seq)).order_by("id")
        for number, seq in rows.values_list("instrument_id", "seq"):
            found[number].append(seq)
        return found

    def _new_trades(self) -> dict[int, list[tuple[int, Decimal, Decimal, set[int]]]]:
        found: dict[int, list[tuple[int, Decimal, Decimal, set[int]]]] = {n: [] for n in self.auditor.terms}
        rows = models.Trade.objects.filter(self._since(self._seen_seq)).order_by("id")
        for number, seq, price, quantity, *orders in rows.values_list(
            "instrument_id", "seq", "price", "quantity", "buy_order_id", "sell_order_id"
        ):
            found[number].append((seq, price, quantity, set(orders)))
        return found

    def _since(self, seen: dict[int, int]) -> Q:
        """Facts of these instruments past what was looked at; their ids have the seq in them."""
        ranges = [
            Q(id__gt=models.event_id(number, seq), id__lt=models.event_id(number + 1, 0))
            for number, seq in seen.items()
        ]
        return reduce(or_, ranges)

    def _assets(self) -> set[int]:
        return {asset for terms in self.auditor.terms.values() for asset in (terms.base, terms.quote)}

    def _compare_ledger(self) -> None:
        rows: Iterable[Any] = LedgerAccount.objects.filter(asset__in=self._assets()).values_list(
            "account_id", "kind", "asset_id", "balance", "held"
        )
        for account, kind, asset, balance, held in rows:
            who: int | str = account if account is not None else kind
            believed = self.auditor.held(account, asset) if account is not None else _ZERO
            expect(
                (balance, held), (self.auditor.balances[who, asset], believed), f"(balance, held) of {who}"
            )
            if kind == LedgerKind.CLIENT and not 0 <= held <= balance:
                raise Difference(f"{who} has {balance} and holds {held}")

    def _compare_orders(self, believed: dict[int, Order]) -> None:
        numbers = list(believed)
        for start in range(0, len(numbers), _PIECE):
            piece = numbers[start : start + _PIECE]
            rows = models.Order.objects.filter(id__in=piece).values_list(*_FACTS)
            found = {row[0]: row for row in rows}
            expect(len(found), len(piece), "orders that are stored")
            for number in piece:
                _compare_order(found[number], believed[number])

    def _compare_book(self, terms: Terms, book: Book, row: models.Book) -> None:
        expect((row.seq, row.phase), (book.seq, ENGINE_PHASE[book.phase]), terms.symbol)
        expect(row.last_price_ticks * terms.tick, book.last_price, f"last price of {terms.symbol}")
        self._compare_depth(terms, book)
        engine = books.rebuild([row])  # raises when the stored hash is not that of the open orders
        engine.check()
        queue = [order.order_id for order in codec.iter_open(engine.open_orders(terms.id))]
        everything = sorted([*book.resting, *book.parked], key=lambda order: order.place)
        expect(queue, [order.id for order in everything], f"queue of {terms.symbol}")
        price, lots, _surplus = engine.indicative(terms.id)
        expect(
            price * terms.tick or None,
            None if book.is_open else book.auction_price(),
            f"auction of {terms.symbol}",
        )
        expect(bool(lots) and book.is_open, False, f"{terms.symbol} is open and would uncross")
        self._compare_cached_engine(terms, row)

    def _compare_depth(self, terms: Terms, book: Book) -> None:
        """Everybody sees slices, and nothing of what is hidden or parked."""
        shown: dict[tuple[bool, Decimal], Decimal] = defaultdict(Decimal)
        for order in book.resting:
            if order.display != 0:
                shown[order.buy, order.limit] += order.meets
        stored = depth(rules_by_id([terms.id])[terms.id], limit=10_000)
        sides = {(True, *level): None for level in stored.bids} | {
            (False, *level): None for level in stored.asks
        }
        expect(sides.keys(), {(*key, lots) for key, lots in shown.items()}, f"depth of {terms.symbol}")

    def _compare_cached_engine(self, terms: Terms, row: models.Book) -> None:
        cached = books._engines.get(terms.shard)
        if cached is not None and terms.id in cached.engine.books():
            cached.engine.check()
            if cached.position == self._position(terms.shard) and row.state_hash:
                expect(row.state_hash, cached.engine.state_hash(terms.id), f"state of {terms.symbol}")

    def _position(self, shard: int) -> int:
        return models.Shard.objects.values_list("position", flat=True).get(id=shard)


def _compare_order(row: tuple[Any, ...], order: Order) -> None:
    price, protection = row[3], row[4]
    found = (
        row[1],
        row[2],
        protection if price is None else price,
        *row[5:14],
        row[14] is not None,
        *row[15:],
    )
    believed = (
        order.status, order.reason, order.limit, order.quantity, order.filled, order.prevented, order.leaves,
        order.spent, order.fee, order.held, order.place, order.trigger,
        order.trigger is not None and not order.armed, order.shown, order.expires,
    )  # fmt: skip
    if found != believed:
        raise Difference(f"order {order.id}: {found}, not {believed}")
