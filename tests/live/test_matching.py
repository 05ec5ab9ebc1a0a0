"""Acceptance scenarios of matching: market and limit orders, price before time, what the book then shows."""

from __future__ import annotations

import pytest

from tests.live.desk import Desk

pytestmark = pytest.mark.live


def test_ac_01_a_market_order_takes_the_whole_maker(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()

    resting = seller.sell("1.0", "50000")
    taking = buyer.buy("1.0")

    assert desk.trades() == [("1", "50000")]
    assert seller.order(resting) == ("filled", "1", "0", "")
    assert buyer.order(taking) == ("filled", "1", "0", "")
    assert desk.depth() == ([], [])
    assert buyer.fees(taking) == [("taker", "50")]
    assert seller.fees(resting) == [("maker", "25")]


def test_ac_02_a_market_order_walks_the_levels(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    for price in ("50000", "50100", "50200"):
        seller.sell("0.5", price)

    buyer.buy("1.2")

    assert desk.trades() == [("0.5", "50000"), ("0.5", "50100"), ("0.2", "50200")]
    assert desk.depth() == ([], [("50200", "0.3")])


def test_ac_03_what_a_market_order_cannot_get_is_cancelled_with_a_reason(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("0.5", "50000")

    taking = buyer.buy("1.0")

    assert desk.trades() == [("0.5", "50000")]
    assert buyer.order(taking) == ("cancelled", "0.5", "0", "no_liquidity")
    assert buyer.balances()["quote"] == ("999974975", "0")


def test_ac_04_a_market_order_into_an_empty_book_ends(desk: Desk) -> None:
    buyer = desk.trader()

    taking = buyer.buy("1.0")

    assert desk.trades() == []
    assert buyer.order(taking) == ("cancelled", "0", "0", "no_liquidity")
    assert buyer.balances()["quote"] == ("1000000000", "0")


def test_ac_05_a_market_sell_takes_the_better_bid_first(desk: Desk) -> None:
    buyer, seller = desk.trader(), desk.trader()
    buyer.buy("0.5", "49900")
    buyer.buy("0.5", "50000")

    seller.sell("0.7")

    assert desk.trades() == [("0.5", "50000"), ("0.2", "49900")]


def test_ac_06_the_trade_is_at_the_makers_price(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("1", "50000")

    buyer.buy("1", "51000")

    assert desk.trades() == [("1", "50000")]
    assert buyer.balances()["quote"] == ("999949950", "0")


def test_ac_07_the_rest_of_a_limit_order_rests(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("0.5", "50000")

    bid = buyer.buy("1", "50000")

    assert desk.trades() == [("0.5", "50000")]
    assert buyer.order(bid) == ("partially_filled", "0.5", "0.5", "")
    assert desk.depth() == ([("50000", "0.5")], [])


def test_ac_08_orders_that_do_not_cross_both_rest(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()

    seller.sell("1", "52000")
    buyer.buy("1", "50000")

    assert desk.trades() == []
    assert desk.depth() == ([("50000", "1")], [("52000", "1")])
    assert desk.ticker()["spread"] == "2000"


def test_ac_09_the_better_price_goes_first(desk: Desk) -> None:
    early, cheap, buyer = desk.trader(), desk.trader(), desk.trader()
    dear = early.sell("1", "50100")
    best = cheap.sell("1", "50000")

    buyer.buy("1")

    assert desk.trades() == [("1", "50000")]
    assert cheap.order(best)[0] == "filled"
    assert early.order(dear) == ("open", "0", "1", "")


def test_ac_10_at_one_price_the_earlier_order_goes_first(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    first, second, third = (seller.sell("0.5", "50000") for _ in range(3))

    buyer.buy("1")

    assert [seller.order(order)[0] for order in (first, second, third)] == ["filled", "filled", "open"]


def test_ac_11_price_then_time(desk: Desk) -> None:
    sellers = [desk.trader() for _ in range(4)]
    prices = ("49900", "50000", "50000", "50100")
    orders = [seller.sell("0.3", price) for seller, price in zip(sellers, prices, strict=True)]

    desk.trader().buy("0.7")

    filled = [seller.order(order)[1] for seller, order in zip(sellers, orders, strict=True)]
    assert filled == ["0.3", "0.3", "0.1", "0"]
    assert desk.trades() == [("0.3", "49900"), ("0.3", "50000"), ("0.1", "50000")]


def test_ac_19_nobody_trades_with_himself(desk: Desk) -> None:
    trader = desk.trader()
    resting = trader.sell("1", "50000")

    taking = trader.buy("1")

    assert desk.trades() == []
    assert trader.order(taking) == ("cancelled", "0", "0", "self_trade_prevention")
    assert trader.order(resting) == ("open", "0", "1", "")


def test_ac_21_a_cancel_in_the_middle_keeps_the_order_of_the_others(desk: Desk) -> None:
    buyer = desk.trader()
    first, middle, last = (buyer.buy(quantity, "50000") for quantity in ("1.0", "1.5", "2.0"))

    buyer.cancel(middle["id"])

    assert desk.depth() == ([("50000", "3")], [])
    desk.trader().sell("1.5", "50000")
    assert buyer.order(first) == ("filled", "1", "0", "")
    assert buyer.order(last) == ("partially_filled", "0.5", "1.5", "")


def test_ac_22_best_bid_ask_spread_and_mid(desk: Desk) -> None:
    buyer, seller = desk.trader(), desk.trader()
    for price in ("49900", "50000"):
        buyer.buy("1", price)
    for price in ("50200", "50100"):
        seller.sell("1", price)

    assert desk.ticker() == {"bid": "50000", "ask": "50100", "spread": "100", "mid": "50050"}


def test_ac_24_one_seller_three_buyers(desk: Desk) -> None:
    seller = desk.trader()
    ask = seller.sell("6", "50000")

    for _ in range(3):
        desk.trader().buy("2")

    assert desk.trades() == [("2", "50000")] * 3
    assert seller.order(ask) == ("filled", "6", "0", "")


def test_ac_25_a_sell_trades_at_the_better_bid(stock_desk: Desk) -> None:
    buyer = stock_desk.trader()
    buyer.buy("100", "150.00")
    buyer.buy("100", "150.50")

    stock_desk.trader().sell("50", "150.25")

    assert stock_desk.trades() == [("50", "150.5")]


def test_ac_26_a_partly_filled_bid_shows_what_is_left(stock_desk: Desk) -> None:
    buyer = stock_desk.trader()
    bid = buyer.buy("1000", "150.50")

    stock_desk.trader().sell("300", "150.50")

    assert stock_desk.depth() == ([("150.5", "700")], [])
    assert buyer.order(bid) == ("partially_filled", "300", "700", "")


def test_ac_27_the_average_price_is_over_what_was_filled(stock_desk: Desk) -> None:
    seller, buyer = stock_desk.trader(), stock_desk.trader()
    seller.sell("100", "150.50")
    seller.sell("100", "150.75")

    order = buyer.buy("150")

    assert stock_desk.trades() == [("100", "150.5"), ("50", "150.75")]
    assert order["average_price"].startswith("150.5833")
