"""A forecast comes true: what is said of an order is what placing it then does. And it leaves no trace."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import Fill, OrderType, Side, TimeInForce
from orders.services.books import forget
from orders.services.forecasting import Forecast, Taken, forecast
from orders.services.phases import halt_instrument
from orders.services.requests import NewOrder
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market, stored
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

Zero = Decimal(0)


@pytest.fixture
def market(db: None) -> Market:
    """Asks of 1 at 50000 and 2 at 50100, bids of 1 at 49900 and 2 at 49800; fees 5 and 10 basis points."""
    market = make_market()
    maker = market.trader()
    for price, quantity in ((50000, 1), (50100, 2)):
        market.sell(maker, quantity, price)
    for price, quantity in ((49900, 1), (49800, 2)):
        market.buy(maker, quantity, price)
    market.drain()
    return market


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    """A trader with 100 of the base asset and 10,000,000 of the quote asset."""
    return market.trader()


def ask(order: NewOrder) -> Forecast:
    """Forecast, and see that nothing was written."""
    before = everything_stored()
    found = forecast(order=order, now=NOW)
    assert everything_stored() == before
    return found


class TestExactly:
    """By hand."""

    def test_a_limit_order_that_takes_a_part_and_rests(self, market: Market, alice: TradingAccount) -> None:
        found = ask(market.request(alice, Side.BUY, 3, 50000))
        # Held for 3 at 50000 and 10 basis points; 1 trades, 2 wait for makers' 5 basis points.
        assert (found.held, found.available) == (Decimal(150150), Decimal(10_000_000))
        assert found.taken == Taken(Decimal(1), Decimal(50000), Decimal(50))
        assert (found.rest, found.rest_fee, found.reason) == (Decimal(2), Decimal(50), "")
        assert found.seq == 4

    def test_a_market_order_through_two_levels(self, market: Market, alice: TradingAccount) -> None:
        found = ask(market.request(alice, Side.BUY, 2))
        assert found.taken == Taken(Decimal(2), Decimal(100100), Decimal("100.1"))
        assert (found.rest, found.reason) == (Zero, "")

    def test_a_sale_holds_what_it_sells(self, market: Market, alice: TradingAccount) -> None:
        found = ask(market.request(alice, Side.SELL, 2, 49850))
        assert (found.held, found.available) == (Decimal(2), Decimal(100))
        assert found.taken == Taken(Decimal(1), Decimal(49900), Decimal("49.9"))
        assert (found.rest, found.rest_fee) == (Decimal(1), Decimal("24.925"))

    def test_a_stop_waits_whole(self, market: Market, alice: TradingAccount) -> None:
        found = ask(market.request(alice, Side.SELL, 2, kind=OrderType.STOP, trigger=49000))
        assert (found.taken, found.rest, found.rest_fee) == (Taken(), Decimal(2), Decimal(98))

    def test_what_was_placed_before_stays_as_it_is(self, market: Market, alice: TradingAccount) -> None:
        order = market.request(alice, Side.BUY, 1, 49000, client_order_id="mine")
        number = market.send(order).order_id
        assert ask(order).duplicate_of == number
        with pytest.raises(Refusal) as refused:
            ask(market.request(alice, Side.BUY, 2, 49000, client_order_id="mine"))
        assert refused.value.code == Code.CLIENT_ORDER_ID_CONFLICT

    def test_while_nothing_is_matched_nothing_is_taken(self, market: Market, alice: TradingAccount) -> None:
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="test")
        with pytest.raises(Refusal) as refused:
            ask(market.request(alice, Side.BUY, 1, 50000))
        assert refused.value.code == Code.INSTRUMENT_HALTED


REFUSED: dict[str, Callable[[Market, TradingAccount], NewOrder]] = {
    "insufficient_funds": lambda m, a: m.request(a, Side.BUY, 250, 50000),
    "not_a_multiple": lambda m, a: m.request(a, Side.BUY, 1, "50000.001"),
    "too_large": lambda m, a: m.request(a, Side.BUY, 1001, 50000),
    "outside_the_band": lambda m, a: m.request(a, Side.BUY, 1, 90000),
    "contradiction": lambda m, a: m.request(a, Side.BUY, 1, 50000, post_only=True, tif=TimeInForce.IOC),
    "reduce_only": lambda m, _a: m.request(m.trader(base=0), Side.SELL, 1, 50000, reduce_only=True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_as_the_order_is(name: str, market: Market, alice: TradingAccount) -> None:
    order = REFUSED[name](market, alice)
    with pytest.raises(Refusal) as foreseen:
        forecast(order=order, now=NOW)
    with pytest.raises(Refusal) as real:
        market.send(order)
    assert (foreseen.value.code, foreseen.value.message) == (real.value.code, real.value.message)
    assert foreseen.value.context == real.value.context


@pytest.mark.parametrize("seed", range(8))
def test_random_forecasts_come_true(seed: int, market: Market) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        taker = market.trader()
        order = random_order(market, taker, chance)
        found = forecast(order=order, now=NOW)
        number = market.send(order).order_id
        assert stored(number).held == found.held
        market.drain()
        placed = stored(number)
        fees = sum((fill.fee for fill in Fill.objects.filter(order_id=number)), Zero)
        assert (placed.filled, placed.filled_notional, fees) == (
            found.taken.quantity,
            found.taken.notional,
            found.taken.fee,
        ), order
        assert placed.leaves == found.rest, order
        assert placed.reason == found.reason, order
    forget(market.shard.id)


def random_order(market: Market, taker: TradingAccount, chance: random.Random) -> NewOrder:
    """Of any type that the book answers at once."""
    side = chance.choice([Side.BUY, Side.SELL])
    quantity = Decimal(chance.randint(1, 60000)) / 10000
    how: dict[str, Any] = {}
    price: int | None = 50000 + chance.randint(-300, 300)
    kind = chance.random()
    if kind < 0.2:
        price = None
    elif kind < 0.3:
        price, how["amount"] = None, chance.randint(1, 300_000)
    elif kind < 0.45:
        how["tif"] = TimeInForce.IOC
    elif kind < 0.6:
        how["tif"] = TimeInForce.FOK
    elif kind < 0.7:
        how["post_only"] = True
    elif kind < 0.8:
        how |= {"tif": TimeInForce.IOC, "minimum": min(quantity, Decimal(1))}
    return market.request(taker, side, quantity, price, **how)
