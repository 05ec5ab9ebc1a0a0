"""The engine as a cache: kept while current, rebuilt from open orders, checked against the stored hash."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tradeengine import codec

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from instruments.selectors import rules_by_id
from orders.models import (
    Book,
    Command,
    CommandStatus,
    Order,
    OrderStatus,
    OrderType,
    Phase,
    Side,
    StpMode,
    TimeInForce,
    TriggerBy,
)
from orders.services import book_refs, books
from orders.services.books import StateMismatch
from orders.services.requests import ListKind
from tests.factories import NOW, Market, make_instrument, make_market, make_shard, stored
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


def with_every_condition(market: Market) -> list[int]:
    """One order of each kind that may stay in a book, resting or parked; their ids."""
    trader, other = market.trader(base=1000, quote=10**9), market.trader(base=1000, quote=10**9)
    until = {"tif": TimeInForce.GTD, "expires_at": NOW + timedelta(hours=1)}
    orders = [
        market.buy(trader, 5, 49900, display=1),
        market.buy(trader, 5, 49800, display=0, tif=TimeInForce.DAY),
        market.buy(trader, 5, 49700, **until),  # type: ignore[arg-type]
        market.buy(trader, 5, 49600, minimum=1, kind=OrderType.STOP_LIMIT, trigger=52000),
        market.sell(trader, 5, kind=OrderType.STOP, trigger=48000, tif=TimeInForce.FOK),
        market.sell(trader, 5, kind=OrderType.TAKE_PROFIT, trigger=52000, by=TriggerBy.QUOTE, **until),  # type: ignore[arg-type]
        market.sell(
            trader, 5, 53000, kind=OrderType.TAKE_PROFIT_LIMIT, trigger=52000, display=2, post_only=True
        ),
        market.sell(trader, 5, kind=OrderType.TRAILING_STOP, trail=1000, step=3, tif=TimeInForce.DAY),
        market.buy(trader, 5, kind=OrderType.TRAILING_STOP_LIMIT, trail_percent="2.5", offset=10),
        market.sell(trader, 5, 51500, reduce_only=True),
        *pair(market, other, ListKind.OCO),
        *pair(market, other, ListKind.OTO),
        *pair(market, other, ListKind.BRACKET),
    ]
    market.drain()
    # A trade: trails move, a bracket is filled in part, and an iceberg shows its second slice.
    market.sell(market.trader(), "1.5", 49900)
    market.sell(market.trader(), 1, 50300)
    market.buy(market.trader(), "0.25", 50300)
    market.drain()
    return orders


def pair(market: Market, account: TradingAccount, kind: ListKind) -> list[int]:
    """A list of this kind: two orders at 51000 and below, or those behind a parent that buys at 49900."""
    exits = [
        market.request(account, Side.SELL, 2, kind=OrderType.TAKE_PROFIT, trigger=51000),
        market.request(account, Side.SELL, 2, kind=OrderType.STOP, trigger=47000),
    ]
    if kind == ListKind.OCO:
        return market.send_list(kind, market.request(account, Side.SELL, 2, 51000), exits[1])
    return market.send_list(kind, market.request(account, Side.BUY, 2, 49900), *exits)


def rebuilt_hash(market: Market) -> str:
    """The state hash of a fresh rebuild; raises StateMismatch."""
    return books.rebuild([market.book()]).state_hash(market.instrument.id)


class TestRebuild:
    """Open orders are the snapshot."""

    def test_every_kind_of_history_gives_the_stored_hash(self, market: Market) -> None:
        seller, buyer, third = market.trader(), market.trader(trade_group=3), market.trader(trade_group=3)
        resting = market.sell(seller, 5, 50010)
        market.sell(seller, 2, 50000)
        market.buy(buyer, "0.5", 50000)
        market.buy(buyer, 1, 49000, post_only=True)
        moved = market.buy(third, 2, 49500, stp=StpMode.EXPIRE_BOTH)
        shrunk = market.sell(third, 4, 50020)
        market.drain()
        market.amend(moved, third, price=49600)
        market.amend(shrunk, third, quantity=3)
        market.buy(third, 1, 50020, stp=StpMode.DECREMENT)
        market.cancel(resting, seller)
        market.drain()

        assert rebuilt_hash(market) == market.book().state_hash != ""

    def test_prevented_lots_are_part_of_it(self, market: Market) -> None:
        trader = market.trader()
        market.sell(trader, 5, 50000)
        market.buy(trader, 2, 50000, stp=StpMode.DECREMENT)
        market.drain()

        engine = books.rebuild([market.book()])

        (order,) = codec.iter_open(engine.open_orders(market.instrument.id))
        assert (order.leaves, order.executed) == (30_000, 20_000)

    def test_a_rebuilt_engine_reports_no_changes(self, market: Market) -> None:
        market.sell(market.trader(), 5, 50000)
        market.drain()

        assert books.rebuild([market.book()]).level_changes() == b""

    @pytest.mark.parametrize(
        "changes",
        [
            {"leaves": Decimal("4.9999"), "quantity": Decimal("4.9999")},
            {"price": Decimal("50000.01")},
            {"stp_group": 9},
            {"stp_mode": StpMode.EXPIRE_BOTH},
            {"post_only": True},
        ],
    )
    def test_an_order_that_is_not_where_the_journal_left_it_is_noticed(
        self, market: Market, changes: dict[str, object]
    ) -> None:
        order_id = market.sell(market.trader(), 5, 50000)
        market.drain()
        Order.objects.filter(id=order_id).update(**changes)

        with pytest.raises(StateMismatch) as caught:
            rebuilt_hash(market)

        assert f"Book {market.symbol}: " in str(caught.value)

    @pytest.mark.parametrize(
        "changes", [{"seq": 2}, {"last_price_ticks": 1}, {"phase": Phase.HALTED}, {"last_time": 1}]
    )
    def test_a_book_row_that_was_tampered_with_is_noticed(
        self, market: Market, changes: dict[str, object]
    ) -> None:
        market.sell(market.trader(), 5, 50000)
        market.drain()
        Book.objects.filter(instrument=market.instrument).update(**changes)

        with pytest.raises(StateMismatch):
            rebuilt_hash(market)

    def test_every_condition_gives_the_stored_hash(self, market: Market) -> None:
        with_every_condition(market)

        assert rebuilt_hash(market) == market.book().state_hash != ""

    def test_parked_orders_are_restored_with_the_terms_they_came_with(self, market: Market) -> None:
        with_every_condition(market)

        engine = books.rebuild([market.book()])

        found = list(codec.iter_open(engine.open_orders(market.instrument.id)))
        assert {order.place for order in found} == set(codec.Place)
        assert {order.terms.trigger for order in found} == set(codec.TriggerKind)
        assert {order.terms.link for order in found} == set(codec.Link)
        assert len(found) == Order.objects.in_engine().filter(instrument=market.instrument).count()

    @pytest.mark.parametrize(
        ("status", "changes"),
        [
            (OrderStatus.PENDING_TRIGGER, {"trigger_price": Decimal(47999)}),
            (OrderStatus.PENDING_TRIGGER, {"trigger_by": TriggerBy.QUOTE}),
            (OrderStatus.PENDING_TRIGGER, {"time_in_force": TimeInForce.IOC}),
            (OrderStatus.PENDING_TRIGGER, {"protection_price": Decimal(40000)}),
        ],
    )
    def test_a_parked_order_that_was_tampered_with_is_noticed(
        self, market: Market, status: OrderStatus, changes: dict[str, object]
    ) -> None:
        market.sell(market.trader(), 1, kind=OrderType.STOP, trigger=48000)
        market.drain()
        assert Order.objects.filter(status=status).update(**changes) == 1

        with pytest.raises(StateMismatch):
            rebuilt_hash(market)

    @pytest.mark.parametrize("changes", [{"shown": Decimal(1)}, {"display_quantity": Decimal(3)}])
    def test_so_is_an_iceberg(self, market: Market, changes: dict[str, object]) -> None:
        market.sell(market.trader(), 5, 50000, display=2)
        market.drain()
        assert Order.objects.filter(status=OrderStatus.OPEN).update(**changes) == 1

        with pytest.raises(StateMismatch):
            rebuilt_hash(market)

    def test_every_condition_goes_on_after_a_rebuild(self) -> None:
        told = []
        for forget in (False, True):
            market = make_market()
            orders = with_every_condition(market)
            if forget:
                books.forget(market.shard.id)

            # Down through every stop, up through every take-profit, and the day is over.
            seller, buyer = market.trader(), market.trader()
            for price in (49500, 48000, 47000, 50500, 52000, 53000):
                market.sell(seller, 1, price)
                market.buy(buyer, 1, price)
            market.phase(InstrumentStatus.CLOSED)
            market.drain()

            assert rebuilt_hash(market) == market.book().state_hash
            rows = [stored(order_id) for order_id in orders]
            told.append([(row.status, row.reason, row.filled, row.leaves, row.priority) for row in rows])

        assert told[0] == told[1]
        assert {row[0] for row in told[0]} >= {"filled", "cancelled", "expired"}

    def test_continuing_on_a_rebuilt_engine_is_continuing(self) -> None:
        kept, rebuilt = make_market(), make_market()
        for market in (kept, rebuilt):
            seller, buyer = market.trader(), market.trader()
            for price in (50002, 50001, 50001):
                market.sell(seller, 1, price)
            market.buy(buyer, "1.5", 50001)
            market.drain()
            if market is rebuilt:
                books.forget(market.shard.id)
            market.buy(buyer, 1, 50002)
            market.drain()

        assert (
            rebuilt.trades()
            == kept.trades()
            == [
                ("1", "50001"),
                ("0.5", "50001"),
                ("0.5", "50001"),
                ("0.5", "50002"),
            ]
        )
        assert rebuilt.events() == kept.events()


class TestCache:
    """Thrown away whenever in doubt."""

    def test_is_kept_between_runs(self, market: Market) -> None:
        trader = market.trader()
        engines = []
        for _ in range(2):
            market.sell(trader, 1, 50000)
            market.drain()
            engines.append(books._engines[market.shard.id].engine)

        assert engines[0] is engines[1]

    def test_is_rebuilt_when_the_shard_has_moved_on_elsewhere(self, market: Market) -> None:
        trader = market.trader()
        market.sell(trader, 1, 50000)
        market.drain()
        stale = books._engines.pop(market.shard.id)
        market.sell(trader, 1, 50000)
        market.drain()
        books._engines[market.shard.id] = stale

        market.sell(trader, 1, 50000)
        market.drain()

        assert market.book().seq == 3
        assert books._engines[market.shard.id] is not stale
        assert rebuilt_hash(market) == market.book().state_hash
        assert not Command.objects.filter(status=CommandStatus.PENDING).exists()


class TestBookRefs:
    """Where a book lives."""

    def test_books_are_dealt_out_to_the_shards_with_the_fewest(self) -> None:
        first, second = make_shard(), make_shard()
        make_market(shard=first)
        instruments = [make_instrument() for _ in range(3)]

        refs = book_refs.books_for(rules_by_id([row.id for row in instruments]).values())

        assert sorted(ref.shard_id for ref in refs.values()) == [first.id, second.id, second.id]
        assert Book.objects.filter(instrument__in=instruments, seq=0, state_hash="").count() == 3

    def test_an_open_book_stays_where_it_is(self, market: Market) -> None:
        make_shard()

        (ref,) = book_refs.books_for(rules_by_id([market.instrument.id]).values()).values()

        assert ref.shard_id == market.shard.id

    def test_without_a_shard_it_is_unavailable(self) -> None:
        rules = rules_by_id([make_instrument().id])

        with pytest.raises(Refusal) as caught:
            book_refs.books_for(rules.values())

        assert (caught.value.code, Book.objects.count()) == (Code.UNAVAILABLE, 0)

    def test_the_reference_is_the_last_trade_or_else_the_instruments(self, market: Market) -> None:
        rules = rules_by_id([market.instrument.id])[market.instrument.id]
        assert book_refs.books_for([rules])[rules.id].reference(rules) == 50000

        market.sell(market.trader(), 1, 50100)
        market.buy(market.trader(), 1, 50100)
        market.drain()

        assert book_refs.books_for([rules])[rules.id].reference(rules) == 50100
