"""Icebergs and hidden orders: what they show, and where they stand."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from instruments.selectors import Rules, rules_by_id
from orders.market.selectors import tickers
from orders.models import EventKind, OrderType, StpMode
from orders.selectors import depth
from tests.factories import NOW, Market, make_market, short, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def seller(market: Market) -> TradingAccount:
    return market.trader()


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    return market.trader()


def rules(market: Market) -> Rules:
    return rules_by_id([market.instrument.id])[market.instrument.id]


def asks(market: Market) -> list[tuple[str, str]]:
    """(price, quantity shown) of the asks as everybody sees them."""
    return [(short(price), short(quantity)) for price, quantity in depth(rules(market)).asks]


def state(order_id: int) -> tuple[str, str, int]:
    """(leaves, shown, priority) of an order."""
    order = stored(order_id)
    return short(order.leaves), short(order.shown), order.priority


def test_it_shows_a_slice_and_holds_it_all(market: Market, seller: TradingAccount) -> None:
    order_id = market.sell(seller, 5, 50000, display=2)
    market.drain()

    assert market.events() == [EventKind.ACCEPTED, EventKind.DISPLAYED]
    assert state(order_id) == ("5", "2", 1)
    assert asks(market) == [("50000", "2")]
    assert short(stored(order_id).held) == "5"


def test_a_used_up_slice_is_followed_by_another_at_the_back(
    market: Market, seller: TradingAccount, buyer: TradingAccount
) -> None:
    order_id = market.sell(seller, 5, 50000, display=2)
    behind = market.sell(market.trader(), 1, 50000)
    market.buy(buyer, 1, 50000)
    market.drain()
    assert (state(order_id), asks(market)) == (("4", "1", 1), [("50000", "2")])

    market.buy(buyer, "2.5", 50000)
    market.drain()

    # One of the slice, a new slice at the back of the queue, the one behind, half of the new slice.
    assert market.trades() == [("1", "50000"), ("1", "50000"), ("1", "50000"), ("0.5", "50000")]
    assert stored(behind).status == "filled"
    displayed = market.events().index(EventKind.DISPLAYED, 2) + 1
    assert state(order_id) == ("2.5", "1.5", displayed)
    assert asks(market) == [("50000", "1.5")]


def test_a_hidden_order_shows_nothing_and_trades(
    market: Market, seller: TradingAccount, buyer: TradingAccount
) -> None:
    order_id = market.sell(seller, 5, 50000, display=0)
    market.sell(seller, 1, 50001)
    market.drain()
    assert (state(order_id), asks(market)) == (("5", "0", 1), [("50001", "1")])
    (ticker,) = tickers([rules(market)], now=NOW)
    assert (short(ticker.ask or 0), short(ticker.ask_quantity or 0)) == ("50001", "1")  # type: ignore[arg-type]

    market.buy(buyer, 2, 50001)
    market.drain()

    assert market.trades() == [("2", "50000")]
    assert state(order_id) == ("3", "0", 1)


def test_less_at_the_same_price_keeps_the_place_and_shrinks_the_slice_if_it_must(
    market: Market, seller: TradingAccount
) -> None:
    order_id = market.sell(seller, 5, 50000, display=2)
    market.drain()
    market.amend(order_id, seller, quantity=3)
    market.drain()
    assert state(order_id) == ("3", "2", 1)

    market.amend(order_id, seller, quantity=1)
    market.drain()

    assert state(order_id) == ("1", "1", 1)
    assert market.events() == [EventKind.ACCEPTED, EventKind.DISPLAYED, EventKind.AMENDED, EventKind.AMENDED]


def test_a_new_place_shows_a_new_slice(market: Market, seller: TradingAccount, buyer: TradingAccount) -> None:
    order_id = market.sell(seller, 5, 50000, display=2)
    market.buy(buyer, 1, 50000)
    market.drain()
    market.amend(order_id, seller, price=50001)
    market.drain()

    assert market.events()[-2:] == [EventKind.AMENDED, EventKind.DISPLAYED]
    assert state(order_id) == ("4", "2", 5)
    assert asks(market) == [("50001", "2")]


def test_prevention_takes_from_the_slice(market: Market, seller: TradingAccount) -> None:
    order_id = market.sell(seller, 5, 50000, display=2)
    market.buy(seller, "0.5", 50000, stp=StpMode.DECREMENT)
    market.drain()

    assert state(order_id) == ("4.5", "1.5", 1)
    assert short(stored(order_id).prevented) == "0.5"


def test_a_parked_iceberg_shows_its_slice_once_it_rests(
    market: Market, seller: TradingAccount, buyer: TradingAccount
) -> None:
    order_id = market.sell(seller, 5, 49900, kind=OrderType.STOP_LIMIT, trigger=49950, display=2)
    market.drain()
    assert state(order_id) == ("5", "0", 1)

    market.sell(market.trader(), 1, 49950)
    market.buy(buyer, 1, 49950)
    market.drain()

    assert market.events()[-2:] == [EventKind.TRIGGERED, EventKind.DISPLAYED]
    assert state(order_id) == ("5", "2", 5)
    assert asks(market) == [("49900", "2")]


def test_a_cancelled_one_shows_nothing(market: Market, seller: TradingAccount) -> None:
    order_id = market.sell(seller, 5, 50000, display=2)
    market.drain()
    market.cancel(order_id, seller)
    market.drain()

    assert (state(order_id)[:2], asks(market)) == (("0", "0"), [])
