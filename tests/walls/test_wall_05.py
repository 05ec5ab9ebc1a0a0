"""Wall 5: the engine in memory is a cache; in doubt it is thrown away, and what cannot be rebuilt stops."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Transfer
from orders.models import Book, Command, CommandStatus, Order, Shard, ShardStatus
from orders.selectors import waiting_shards
from orders.services import books
from orders.services.drain import ShardStopped, drain
from orders.services.operator_acts import start_shard
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def market() -> Market:
    """An ask of 2 rests; a bid that takes 1 of it is pending."""
    market = make_market()
    market.sell(market.trader(), 2, 50000)
    market.drain()
    market.buy(market.trader(), 1, 50000)
    return market


def shard_of(market: Market) -> Shard:
    return Shard.objects.get(id=market.shard.id)


def tampered(market: Market) -> str:
    """Somebody changes an order behind the journal's back; the hash that was stored."""
    Order.objects.filter(instrument=market.instrument, side="sell").update(
        leaves=Decimal("1.5"), quantity=Decimal("1.5")
    )
    books.forget(market.shard.id)
    return market.book().state_hash


def test_wall_05_a_rebuilt_book_that_differs_stops_the_shard_and_says_so(market: Market) -> None:
    stored_hash = tampered(market)
    before = everything_stored(), Transfer.objects.count()

    with pytest.raises(ShardStopped, match="--verify` names the orders") as caught:
        market.drain()

    assert (everything_stored(), Transfer.objects.count()) == before
    shard = shard_of(market)
    assert (shard.status, shard.position) == (ShardStatus.STOPPED, 1)
    assert shard.stop_reason == str(caught.value)
    assert f"Book {market.symbol}: " in shard.stop_reason
    assert f"but {stored_hash} is stored" in shard.stop_reason
    assert Command.objects.filter(status=CommandStatus.PENDING).count() == 1


def test_wall_05_a_stopped_shard_stays_stopped_until_it_fits_again(market: Market) -> None:
    tampered(market)
    for _ in range(3):
        with pytest.raises(ShardStopped):
            market.drain()
    assert waiting_shards(now=NOW.replace(hour=13), longer_than=NOW - NOW) == []

    start_shard(shard_id=market.shard.id, actor=ACTOR, now=NOW, reason="looked, found nothing")
    with pytest.raises(ShardStopped):
        market.drain()
    assert shard_of(market).status == ShardStatus.STOPPED

    Order.objects.filter(instrument=market.instrument, side="sell").update(leaves=2, quantity=2)
    start_shard(shard_id=market.shard.id, actor=ACTOR, now=NOW, reason="put right")
    market.drain()
    assert market.trades() == [("1", "50000")]


def test_wall_05_another_shard_goes_on(market: Market) -> None:
    other = make_market()
    order_id = other.sell(other.trader(), 1, 50000)
    tampered(market)
    with pytest.raises(ShardStopped):
        market.drain()

    other.drain()

    assert stored(order_id).status == "open"


@pytest.mark.parametrize(
    "step",
    [f"orders.services.{name}" for name in ("drain.read_pending", "drain.mark_done", "drain._move_shard")],
)
def test_wall_05_after_any_exception_the_engine_is_thrown_away(
    market: Market, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    assert market.shard.id in books._engines

    def fail(*_args: Any, **_how: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(step, fail)
        with pytest.raises(KeyboardInterrupt):
            market.drain()

    assert market.shard.id not in books._engines
    market.drain()
    assert market.trades() == [("1", "50000")]
    assert books.rebuild([market.book()]).state_hash(market.instrument.id) == market.book().state_hash


def test_wall_05_a_command_the_engine_cannot_read_changes_nothing(market: Market) -> None:
    """The engine refuses the whole batch before it touches a book."""
    Command.objects.filter(status=CommandStatus.PENDING).update(side=7)
    before = everything_stored()

    with pytest.raises(ValueError, match="side"):
        drain(shard_id=market.shard.id, now=NOW)

    assert everything_stored() == before
    Command.objects.filter(status=CommandStatus.PENDING).update(side=1)
    market.drain()
    assert market.trades() == [("1", "50000")]


def test_wall_05_a_position_that_differs_from_the_row_means_rebuilding(market: Market) -> None:
    engine = books._engines[market.shard.id].engine
    engine.remove_book(market.instrument.id)
    engine.add_book(market.instrument.id)
    Shard.objects.filter(id=market.shard.id).update(position=7)

    market.drain()

    assert (market.trades(), shard_of(market).position) == ([("1", "50000")], 8)


def test_wall_05_every_commit_stores_the_hash_a_rebuild_gives(market: Market) -> None:
    trader = market.trader()
    hashes = []
    for price in (50000, 49000, 50001):
        market.buy(trader, 1, price)
        market.drain()
        hashes.append(market.book().state_hash)
        fresh = books.rebuild(list(Book.objects.filter(shard=market.shard)))
        assert fresh.state_hash(market.instrument.id) == hashes[-1]

    assert len(set(hashes)) == 3
