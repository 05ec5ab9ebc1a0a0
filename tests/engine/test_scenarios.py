"""The acceptance scenarios AC-01 to AC-27, as far as they are about matching.

Lots are tenths: "S 1.0" is 10 lots. Fees and symbols are other people's tests.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from tradeengine.codec import CommandFlag, EventKind, Reason, TimeInForce

from tests.engine.desk import BOOK, Desk, said, trades

ACCEPTED, CANCELLED, REJECTED, TRADE = (
    EventKind.ACCEPTED,
    EventKind.CANCELLED,
    EventKind.REJECTED,
    EventKind.TRADE,
)
NONE = Reason.NONE


def test_ac_01_market_order_fills_the_only_ask(desk: Desk) -> None:
    desk.sell(10, 50000)

    events = desk.buy(10)

    assert said(events) == [(ACCEPTED, NONE, 2, 10, 10), (TRADE, NONE, 2, 10, 0)]
    assert (events[1].price, events[1].maker_order_id, events[1].maker_leaves) == (50000, 1, 0)
    assert desk.depth() == {"bids": [], "asks": []}


def test_ac_02_market_order_walks_the_levels(desk: Desk) -> None:
    for price in (50000, 50100, 50200):
        desk.sell(5, price)

    assert trades(desk.buy(12)) == [(1, 5, 50000), (2, 5, 50100), (3, 2, 50200)]
    assert desk.depth() == {"bids": [], "asks": [(50200, 3)]}


def test_ac_03_market_remainder_is_cancelled_with_a_reason(desk: Desk) -> None:
    desk.sell(5, 50000)

    assert said(desk.buy(10)) == [
        (ACCEPTED, NONE, 2, 10, 10),
        (TRADE, NONE, 2, 5, 5),
        (CANCELLED, Reason.NO_LIQUIDITY, 2, 5, 0),
    ]


def test_ac_04_market_order_in_an_empty_book_is_final(desk: Desk) -> None:
    assert said(desk.buy(10)) == [(ACCEPTED, NONE, 1, 10, 10), (CANCELLED, Reason.NO_LIQUIDITY, 1, 10, 0)]
    assert desk.queue() == []


def test_ac_05_market_sell_takes_the_best_bid_first(desk: Desk) -> None:
    desk.buy(5, 50000)
    desk.buy(5, 49900)

    assert trades(desk.sell(7)) == [(1, 5, 50000), (2, 2, 49900)]


def test_ac_06_the_makers_price_wins(desk: Desk) -> None:
    desk.sell(10, 50000)

    assert trades(desk.buy(10, 51000)) == [(1, 10, 50000)]


def test_ac_07_the_rest_of_a_limit_order_rests(desk: Desk) -> None:
    desk.sell(5, 50000)

    assert trades(desk.buy(10, 50000)) == [(1, 5, 50000)]
    assert desk.depth() == {"bids": [(50000, 5)], "asks": []}


def test_ac_08_a_spread_keeps_both_resting(desk: Desk) -> None:
    desk.sell(10, 52000)

    assert trades(desk.buy(10, 50000)) == []
    assert desk.depth() == {"bids": [(50000, 10)], "asks": [(52000, 10)]}


def test_ac_09_price_comes_before_time(desk: Desk) -> None:
    desk.sell(10, 50100)
    desk.sell(10, 50000)

    assert trades(desk.buy(10)) == [(2, 10, 50000)]


def test_ac_10_at_one_price_the_oldest_comes_first(desk: Desk) -> None:
    for _ in range(3):
        desk.sell(5, 50000)

    assert trades(desk.buy(10)) == [(1, 5, 50000), (2, 5, 50000)]
    assert desk.queue() == [(3, 5)]


def test_ac_11_price_then_time(desk: Desk) -> None:
    for price in (49900, 50000, 50000, 50100):
        desk.sell(3, price)

    assert trades(desk.buy(7)) == [(1, 3, 49900), (2, 3, 50000), (3, 1, 50000)]
    assert desk.queue() == [(3, 2), (4, 3)]


def test_ac_12_ioc_remainder_is_cancelled(desk: Desk) -> None:
    desk.sell(5, 50000)

    assert said(desk.buy(10, 50000, tif=TimeInForce.IOC)) == [
        (ACCEPTED, NONE, 2, 10, 10),
        (TRADE, NONE, 2, 5, 5),
        (CANCELLED, Reason.IOC_REMAINDER, 2, 5, 0),
    ]
    assert desk.queue() == []


def test_ac_13_ioc_in_an_empty_book_is_cancelled(desk: Desk) -> None:
    events = desk.buy(10, 50000, tif=TimeInForce.IOC)

    assert said(events) == [(ACCEPTED, NONE, 1, 10, 10), (CANCELLED, Reason.IOC_REMAINDER, 1, 10, 0)]


@pytest.mark.parametrize("price", [50000, 0], ids=["limit", "market"])
def test_ac_14_fok_that_cannot_fill_is_rejected(desk: Desk, price: int) -> None:
    desk.sell(8, 50000)
    before = desk.state()

    events = desk.buy(10, price, tif=TimeInForce.FOK)

    assert said(events) == [(REJECTED, Reason.FOK_UNFILLABLE, 2, 10, 0)]
    assert desk.state() == before


@pytest.mark.parametrize("price", [50000, 0], ids=["limit", "market"])
def test_ac_15_fok_that_can_fill_does(desk: Desk, price: int) -> None:
    desk.sell(15, 50000)

    assert trades(desk.buy(10, price, tif=TimeInForce.FOK)) == [(1, 10, 50000)]
    assert desk.queue() == [(1, 5)]


def test_ac_15_fok_looks_at_all_levels(desk: Desk) -> None:
    levels = range(50000, 50250)
    for price in levels:
        desk.sell(1, price)
    before = desk.state()

    assert said(desk.buy(251, 60000, tif=TimeInForce.FOK)) == [(REJECTED, Reason.FOK_UNFILLABLE, 251, 251, 0)]
    assert said(desk.buy(250, 50248, tif=TimeInForce.FOK)) == [(REJECTED, Reason.FOK_UNFILLABLE, 252, 250, 0)]
    assert desk.state() == before

    filled = desk.buy(250, 50249, tif=TimeInForce.FOK)
    assert trades(filled) == [(number, 1, price) for number, price in enumerate(levels, start=1)]
    assert desk.queue() == []


def test_ac_16_post_only_that_would_take_is_rejected(desk: Desk) -> None:
    desk.sell(10, 50000)
    before = desk.state()

    events = desk.buy(5, 50000, flags=CommandFlag.POST_ONLY)

    assert said(events) == [(REJECTED, Reason.WOULD_TAKE, 2, 5, 0)]
    assert desk.state() == before


def test_ac_17_post_only_rests_and_is_filled_as_maker(desk: Desk) -> None:
    desk.sell(10, 50100)
    desk.buy(5, 50000, flags=CommandFlag.POST_ONLY)

    assert desk.depth() == {"bids": [(50000, 5)], "asks": [(50100, 10)]}
    assert trades(desk.sell(5)) == [(2, 5, 50000)]


@pytest.mark.parametrize(
    ("price", "tif"), [(0, TimeInForce.GTC), (50000, TimeInForce.IOC), (50000, TimeInForce.FOK)]
)
def test_ac_17_post_only_contradicts_market_ioc_and_fok(desk: Desk, price: int, tif: TimeInForce) -> None:
    events = desk.buy(5, price, tif=tif, flags=CommandFlag.POST_ONLY)

    assert said(events) == [(REJECTED, Reason.INVALID, 1, 5, 0)]
    assert desk.queue() == []


def test_ac_18_the_resting_order_is_the_maker(desk: Desk) -> None:
    desk.buy(10, 50000, by="maker")

    (_, trade) = desk.sell(5, by="taker")

    assert (trade.account, trade.maker_account) == (desk.account("taker"), desk.account("maker"))
    assert (trade.quantity, trade.price, trade.leaves, trade.maker_leaves) == (5, 50000, 0, 5)


def test_ac_19_nobody_trades_with_himself(desk: Desk) -> None:
    desk.sell(10, 50000, by="user X")
    before = desk.state()

    assert said(desk.buy(10, by="user X")) == [
        (ACCEPTED, NONE, 2, 10, 10),
        (CANCELLED, Reason.SELF_TRADE_PREVENTION, 2, 10, 0),
    ]
    assert desk.state() == before


def test_ac_20_cancel_of_a_resting_a_filled_and_an_unknown_order(desk: Desk) -> None:
    desk.sell(10, 50000)
    desk.buy(10, 50000)
    desk.buy(7, 49000)

    assert said(desk.cancel(3)) == [(CANCELLED, NONE, 3, 7, 0)]
    assert desk.depth() == {"bids": [], "asks": []}
    for gone in (1, 3, 99):
        assert said(desk.cancel(gone)) == [(EventKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER, gone, 0, 0)]


def test_ac_21_cancelling_the_middle_keeps_the_others_in_turn(desk: Desk) -> None:
    for quantity in (10, 15, 20):
        desk.buy(quantity, 50000)

    desk.cancel(2)

    assert desk.depth()["bids"] == [(50000, 30)]
    assert trades(desk.sell(30)) == [(1, 10, 50000), (3, 20, 50000)]


def test_ac_22_best_bid_and_ask(desk: Desk) -> None:
    for bid, ask in ((49800, 50300), (50000, 50100), (49900, 50200)):
        desk.buy(1, bid)
        desk.sell(1, ask)

    depth = desk.depth()
    (bid, _), (ask, _) = depth["bids"][0], depth["asks"][0]

    assert (bid, ask, ask - bid) == (50000, 50100, 100)
    assert Fraction(bid + ask, 2) == 50050
    assert desk.depth()["bids"] == [(50000, 1), (49900, 1), (49800, 1)]
    assert desk.depth()["asks"] == [(50100, 1), (50200, 1), (50300, 1)]


@pytest.mark.parametrize(
    "fields",
    [{"quantity": 0}, {"quantity": -1}, {"quantity": -(2**63)}, {"price": -50000}, {"price": 0}],
)
def test_ac_23_values_out_of_range_are_rejected(desk: Desk, fields: dict[str, int]) -> None:
    desk.sell(2, 50000)
    before = desk.state()

    events = desk.buy(**{"quantity": 1, "price": 50000, "order_type": 1, **fields})

    assert [(e.kind, e.reason, e.leaves) for e in events] == [(REJECTED, Reason.INVALID, 0)]
    assert desk.state() == before


def test_ac_24_one_seller_three_buyers(desk: Desk) -> None:
    desk.sell(60, 50000)

    done = [trade for _ in range(3) for trade in trades(desk.buy(20))]

    assert done == [(1, 20, 50000)] * 3
    assert desk.queue() == []
    assert desk.engine.last_price(BOOK) == 50000


def test_ac_25_the_better_bid_trades(desk: Desk) -> None:
    desk.buy(100, 15000)
    desk.buy(100, 15050)

    assert trades(desk.sell(50, 15025)) == [(2, 50, 15050)]


def test_ac_26_the_level_shows_what_is_left(desk: Desk) -> None:
    desk.buy(1000, 15050)
    desk.sell(300, 15050)

    assert desk.depth() == {"bids": [(15050, 700)], "asks": []}


def test_ac_27_average_price_over_two_levels(desk: Desk) -> None:
    desk.sell(100, 15050)
    desk.sell(100, 15075)

    done = trades(desk.buy(150))

    assert done == [(1, 100, 15050), (2, 50, 15075)]
    assert Fraction(sum(lots * price for _, lots, price in done), 150) == Fraction(45175, 3)
