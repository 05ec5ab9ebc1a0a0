"""Wall 3: seq is per instrument, starts at 1, has no gaps and orders everything; time only explains."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders.models import Command, Event, Side, Trade, event_id
from orders.services.phases import halt_instrument, resume_instrument
from tests.factories import ACTOR, NOW, Market, make_market

pytestmark = pytest.mark.django_db


def seqs(market: Market) -> list[int]:
    return list(
        Event.objects.filter(instrument_id=market.instrument.id).order_by("seq").values_list("seq", flat=True)
    )


def test_wall_03_seq_is_gapless_per_instrument_and_starts_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    markets = [make_market() for _ in range(2)]
    markets.append(make_market(shard=markets[0].shard))
    for number, market in enumerate(markets, 1):
        seller, buyer = market.trader(), market.trader()
        for _ in range(number):
            order_id = market.sell(seller, 2, 50000)
            market.buy(buyer, 1)
            market.amend(order_id, seller, quantity="1.5")
            market.cancel(order_id, seller)
            market.cancel(order_id, seller)
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news")
        resume_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="over")
    fail_once(markets[0], monkeypatch)
    for market in markets:
        market.drain(batch=3)

    # Each round: accepted, accepted, trade, amended, cancelled, cancel rejected; then halted, resumed.
    for number, market in enumerate(markets, 1):
        assert seqs(market) == list(range(1, 6 * number + 3))
        assert market.book().seq == 6 * number + 2
    for event in Event.objects.all():
        assert event.id == event_id(event.instrument_id, event.seq)


def fail_once(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is rolled back uses up no seq."""

    def fail(*_args: object) -> None:
        raise OSError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr("orders.services.drain._move_shard", fail)
        with pytest.raises(OSError, match="half-way"):
            market.drain()


def test_wall_03_seq_orders_what_clocks_cannot() -> None:
    """Three processes with clocks an hour apart: the second to commit is the second in the book."""
    market = make_market()
    first, second, buyer = market.trader(), market.trader(), market.trader()
    early = market.send(market.request(first, Side.SELL, 1, 50000), now=NOW + timedelta(hours=1)).order_id
    late = market.send(market.request(second, Side.SELL, 1, 50000), now=NOW).order_id
    market.send(market.request(buyer, Side.BUY, 1, 50000), now=NOW - timedelta(hours=1))
    market.drain()

    trade = Trade.objects.get(instrument=market.instrument)
    assert (trade.sell_order_id, trade.at) == (early, NOW + timedelta(hours=1))
    times = list(Event.objects.order_by("seq").values_list("at", flat=True))
    assert times == sorted(times)
    ends = Command.objects.filter(order_id__in=[early, late]).order_by("position")
    assert list(ends.values_list("last_seq", flat=True)) == [1, 2]
