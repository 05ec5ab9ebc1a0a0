"""Self-trade prevention through the whole spine: quantities, reasons and money, in each of the four ways."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount, Transfer
from orders.models import StpMode, TimeInForce
from tests.factories import Market, make_market, money, short, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=1_000_000)


def picture(order_id: int) -> tuple[str, str, str, str, str]:
    """(status, reason, filled, leaves, prevented)."""
    order = stored(order_id)
    return order.status, order.reason, short(order.filled), short(order.leaves), short(order.prevented)


def own_ask_in_front(market: Market, trader: TradingAccount) -> tuple[int, int]:
    """An ask of 2 of the trader's own, and behind it one of 3 of somebody else."""
    own = market.sell(trader, 2, 50000)
    return own, market.sell(market.trader(), 3, 50000)


STP = "self_trade_prevention"


def test_expire_taker_stops_at_the_own_order(market: Market, trader: TradingAccount) -> None:
    own, other = own_ask_in_front(market, trader)
    bought = market.buy(trader, 4, 50000, stp=StpMode.EXPIRE_TAKER)
    market.drain()

    assert picture(bought) == ("cancelled", STP, "0", "0", "0")
    assert (picture(own)[0], picture(other)[0]) == ("open", "open")
    assert money(trader, market.instrument.quote) == ("1000000", "0")
    assert money(trader, market.instrument.base) == ("10", "2")


def test_expire_maker_goes_on_behind_it(market: Market, trader: TradingAccount) -> None:
    own, other = own_ask_in_front(market, trader)
    bought = market.buy(trader, 4, 50000, stp=StpMode.EXPIRE_MAKER)
    market.drain()

    assert picture(own) == ("cancelled", STP, "0", "0", "0")
    assert picture(bought) == ("partially_filled", "", "3", "1", "0")
    assert picture(other)[0] == "filled"
    # 150000 and 0.1 % paid; 1 * 50000 * 1.001 held.
    assert money(trader, market.instrument.quote) == ("849850", "50050")
    assert money(trader, market.instrument.base) == ("13", "0")


def test_expire_both_ends_both(market: Market, trader: TradingAccount) -> None:
    own, other = own_ask_in_front(market, trader)
    bought = market.buy(trader, 4, 50000, stp=StpMode.EXPIRE_BOTH)
    market.drain()

    assert (picture(own)[:2], picture(bought)[:2]) == (("cancelled", STP), ("cancelled", STP))
    assert picture(other)[0] == "open"
    assert (money(trader, market.instrument.base)[1], money(trader, market.instrument.quote)[1]) == ("0", "0")


def test_decrement_takes_the_smaller_off_both(market: Market, trader: TradingAccount) -> None:
    own, other = own_ask_in_front(market, trader)
    bought = market.buy(trader, 4, 50000, stp=StpMode.DECREMENT)
    market.drain()

    assert picture(own) == ("cancelled", STP, "0", "0", "2")
    assert picture(bought) == ("filled", "", "2", "0", "2")
    assert picture(other) == ("partially_filled", "", "2", "1", "0")
    # Two were bought of the stranger: 100000 and 0.1 %.
    assert money(trader, market.instrument.quote) == ("899900", "0")
    assert money(trader, market.instrument.base) == ("12", "0")


def test_a_decremented_maker_keeps_its_place_with_what_is_left(
    market: Market, trader: TradingAccount
) -> None:
    own = market.sell(trader, 5, 50000)
    behind = market.sell(market.trader(), 5, 50000)
    market.buy(trader, 2, 50000, stp=StpMode.DECREMENT)
    market.buy(market.trader(), 4, 50000)
    market.drain()

    assert picture(own) == ("filled", "", "3", "0", "2")
    assert picture(behind) == ("partially_filled", "", "1", "4", "0")


def test_accounts_of_one_trade_group_do_not_trade_with_each_other(market: Market) -> None:
    one, two = market.trader(trade_group=7), market.trader(trade_group=7)
    sold = market.sell(one, 1, 50000)
    bought = market.buy(two, 1, 50000)
    market.drain()

    assert (picture(sold)[0], picture(bought)[:2]) == ("open", ("cancelled", STP))
    assert not Transfer.objects.filter(trade_id__isnull=False).exists()


def test_other_groups_and_the_ungrouped_trade(market: Market) -> None:
    one, two, three = market.trader(trade_group=7), market.trader(trade_group=8), market.trader()
    market.sell(one, 2, 50000)
    market.buy(two, 1, 50000)
    market.buy(three, 1, 50000)
    market.drain()

    assert market.trades() == [("1", "50000"), ("1", "50000")]


def test_a_fok_that_would_need_the_own_order_is_rejected(market: Market, trader: TradingAccount) -> None:
    own, other = own_ask_in_front(market, trader)
    bought = market.buy(trader, 4, 50000, stp=StpMode.DECREMENT, tif=TimeInForce.FOK)
    market.drain()

    assert picture(bought) == ("rejected", "fok_unfillable", "0", "0", "0")
    assert (picture(own)[3], picture(other)[3]) == ("2", "3")
