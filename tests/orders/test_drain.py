"""The drain as a whole: batches, empty runs, failures in the middle, and who owns a shard."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Transfer
from orders.models import Command, Event, EventKind, OrderType, Phase, Shard, ShardStatus, Side, Trade
from orders.services import books
from orders.services.drain import Drained, ShardStopped, drain
from orders.services.requests import ListKind
from tests.factories import NOW, Market, everything_stored, make_market, money, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


def test_nothing_pending_changes_nothing(market: Market) -> None:
    before = everything_stored()

    assert market.drain() == Drained()
    assert everything_stored() == before


def test_commands_get_their_place_and_the_book_its_seq(market: Market) -> None:
    seller, buyer = market.trader(), market.trader()
    market.sell(seller, 2, 50000)
    market.buy(buyer, 1, 50000)
    market.buy(buyer, 1, 49000)

    assert market.drain() == Drained(commands=3, events=4, trades=1)

    places = Command.objects.order_by("id").values_list("status", "position", "last_seq", "held")
    assert list(places) == [("done", place, seq, Decimal(0)) for place, seq in ((1, 1), (2, 3), (3, 4))]
    book, shard = market.book(), Shard.objects.get(id=market.shard.id)
    assert (book.seq, book.last_price_ticks, book.phase) == (4, 5_000_000, Phase.OPEN)
    assert book.last_time == 1_772_452_800_000_000
    assert (shard.position, shard.drained_at) == (3, NOW)


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_the_size_of_batches_changes_nothing(market: Market, batch: int) -> None:
    seller, buyer = market.trader(), market.trader()
    for price in (50002, 50001, 50000):
        market.sell(seller, "0.5", price)
    bought = market.buy(buyer, "1.2", 50002)
    market.cancel(bought, buyer)

    drained = market.drain(batch=batch)

    assert drained == Drained(commands=5, events=8, trades=3)
    assert market.trades() == [("0.5", "50000"), ("0.5", "50001"), ("0.2", "50002")]
    assert market.events() == [EventKind.ACCEPTED] * 4 + [EventKind.TRADE] * 3 + [EventKind.CANCEL_REJECTED]
    # 25000 + 25000.50 + 10000.40, and 0.1 % of it.
    assert money(buyer, market.instrument.quote) == ("9939939.0991", "0")


def test_commands_of_many_books_are_applied_in_one_run(market: Market) -> None:
    other = make_market(shard=market.shard)
    market.sell(market.trader(), 1, 50000)
    other.sell(other.trader(), 1, 50000)
    other.buy(other.trader(), 1, 50000)

    assert market.drain() == Drained(commands=3, events=4, trades=1)
    assert (market.book().seq, other.book().seq) == (1, 3)


def test_a_book_opened_later_joins_the_running_engine(market: Market) -> None:
    market.sell(market.trader(), 1, 50000)
    market.drain()
    other = make_market(shard=market.shard)
    order_id = other.sell(other.trader(), 1, 50000)

    market.drain()

    assert (stored(order_id).status, other.book().seq) == ("open", 1)


def test_time_of_events_never_runs_backwards(market: Market) -> None:
    trader = market.trader()
    for now in (NOW, NOW.replace(hour=11)):
        market.send(market.request(trader, Side.SELL, 1, 50000), now=now)
    market.drain()

    assert list(Event.objects.order_by("seq").values_list("at", flat=True)) == [NOW, NOW]


class TestFailure:
    """If anything fails, nothing happened; and the next run does what this one did not."""

    @pytest.fixture
    def crossed(self, market: Market) -> Market:
        market.sell(market.trader(), 1, 50000)
        market.drain()
        market.buy(market.trader(), 1, 50000)
        return market

    @pytest.mark.parametrize(
        "step",
        [
            "orders.services.projecting.copying",
            "orders.services.projecting.Projection.settle_holds",
            "orders.services.projecting.copy_packed",
            "tradeplatform.common.statements.copy_packed",
            "orders.services.order_state.execute",
            "orders.services.drain.mark_done",
            "orders.services.drain._move_books",
            "orders.services.drain._move_shard",
        ],
    )
    def test_at_any_step_writes_nothing_and_is_made_up_for(
        self, crossed: Market, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        before = (
            everything_stored(),
            Transfer.objects.count(),
            Command.objects.filter(status="pending").count(),
        )

        def fail(*_args: Any, **_how: Any) -> None:
            raise OSError(step)

        with monkeypatch.context() as patched:
            patched.setattr(step, fail)
            with pytest.raises(OSError, match=step):
                crossed.drain()

        after = (
            everything_stored(),
            Transfer.objects.count(),
            Command.objects.filter(status="pending").count(),
        )
        assert after == before
        crossed.drain()
        assert crossed.events() == [EventKind.ACCEPTED, EventKind.ACCEPTED, EventKind.TRADE]
        assert crossed.trades() == [("1", "50000")]

    def test_leaves_no_engine_behind_that_ran_ahead(
        self, crossed: Market, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another thread may come before the failed one has thrown its engine away."""

        def fail(*_args: Any, **_how: Any) -> None:
            raise OSError("half-way")

        with monkeypatch.context() as patched:
            patched.setattr("orders.services.drain.mark_done", fail)
            patched.setattr(books, "forget", lambda _shard_id: None)
            with pytest.raises(OSError, match="half-way"):
                crossed.drain()

        crossed.drain()

        assert crossed.events() == [EventKind.ACCEPTED, EventKind.ACCEPTED, EventKind.TRADE]
        assert Trade.objects.get(instrument=crossed.instrument).seq == 3


class TestOwner:
    """Whoever takes the shard over opens a new epoch."""

    def test_the_same_owner_stays_in_its_epoch(self, market: Market) -> None:
        for _ in range(2):
            market.sell(market.trader(), 1, 50000)
            market.drain()

        assert Shard.objects.get(id=market.shard.id).epoch == 1
        assert set(Event.objects.values_list("epoch", flat=True)) == {1}

    def test_another_owner_opens_the_next(self, market: Market) -> None:
        for owner in ("one", "two", "one"):
            market.sell(market.trader(), 1, 50000)
            drain(shard_id=market.shard.id, now=NOW, owner=owner)

        assert Shard.objects.get(id=market.shard.id).epoch == 3
        assert list(Event.objects.order_by("seq").values_list("epoch", flat=True)) == [1, 2, 3]

    def test_a_stopped_shard_says_why_and_does_nothing(self, market: Market) -> None:
        order_id = market.sell(market.trader(), 1, 50000)
        Shard.objects.filter(id=market.shard.id).update(status=ShardStatus.STOPPED, stop_reason="because")

        with pytest.raises(ShardStopped, match="because"):
            market.drain()

        assert (stored(order_id).status, market.book().seq) == ("pending", 0)


def test_a_batch_costs_the_same_queries_whatever_its_size_and_one_more_for_lists(market: Market) -> None:
    def queries(*act: Callable[[], object]) -> list[str]:
        for each in act:
            each()
        with CaptureQueriesContext(connection) as captured:
            market.drain()
        return [query["sql"] for query in captured.captured_queries]

    seller, buyer = market.trader(), market.trader()
    queries(lambda: market.buy(buyer, 1, 49000))  # the engine is there, and so is every account
    few = queries(lambda: market.sell(seller, 1, 50000), lambda: market.buy(buyer, 1, 50000))
    many = queries(
        *[lambda: market.sell(seller, 1, 50000), lambda: market.buy(buyer, 1, 50000)] * 5,
        lambda: market.sell(seller, 5, 50000),
    )
    asked = queries(
        lambda: market.send_list(
            ListKind.OCO,
            market.request(seller, Side.SELL, 1, 51000),
            market.request(seller, Side.SELL, 1, kind=OrderType.STOP, trigger=49000),
        )
    )

    assert len(few) == len(many)
    assert [sql for sql in few + many if "list_id = ANY" in sql] == []
    assert len([sql for sql in asked if "list_id = ANY" in sql]) == 1
