"""How much: orders by amount, protection prices, minimum quantities, and orders that only reduce."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import (
    CommandFlag,
    EventKind,
    Link,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    TriggerKind,
)

from tests.engine.desk import Desk, said, trades
from tests.engine.naive_orders import LARGEST

ACCEPTED, REJECTED, TRADE, CANCELLED, REDUCED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.REDUCED,
)
NONE, STP, INVALID = Reason.NONE, Reason.SELF_TRADE_PREVENTION, Reason.INVALID


class TestBudget:
    """Asks of 3 at 10, 3 at 20 and 3 at 30: 30, 60 and 90 would buy each level whole."""

    @pytest.fixture
    def asks(self, desk: Desk) -> Desk:
        for price in (10, 20, 30):
            desk.sell(3, price)
        return desk

    @pytest.mark.parametrize(
        ("budget", "bought"),
        [
            (9, []),
            (10, [(1, 1, 10)]),
            (19, [(1, 1, 10)]),
            (29, [(1, 2, 10)]),
            (30, [(1, 3, 10)]),
            (49, [(1, 3, 10)]),
            (50, [(1, 3, 10), (2, 1, 20)]),
            (179, [(1, 3, 10), (2, 3, 20), (3, 2, 30)]),
            (180, [(1, 3, 10), (2, 3, 20), (3, 3, 30)]),
        ],
    )
    def test_it_buys_what_the_amount_pays_and_not_a_lot_more(
        self, asks: Desk, budget: int, bought: list[tuple[int, int, int]]
    ) -> None:
        events = asks.buy(0, budget=budget)

        assert trades(events) == bought
        assert said(events)[-1] == (CANCELLED, Reason.AMOUNT_SPENT, 4, 0, 0)
        assert {event.leaves for event in events} == {0}

    def test_a_market_that_is_empty_before_the_amount_is_spent(self, asks: Desk) -> None:
        events = asks.buy(0, budget=181)

        assert len(trades(events)) == 3
        assert said(events)[-1] == (CANCELLED, Reason.NO_LIQUIDITY, 4, 0, 0)

    def test_a_protection_price_before_the_amount_is_spent(self, asks: Desk) -> None:
        events = asks.buy(0, 20, order_type=2, tif=TimeInForce.IOC, budget=180)

        assert trades(events) == [(1, 3, 10), (2, 3, 20)]
        assert said(events)[-1] == (CANCELLED, Reason.PRICE_PROTECTION, 4, 0, 0)

    def test_a_seller_may_name_an_amount_too(self, desk: Desk) -> None:
        desk.buy(3, 30)
        desk.buy(3, 20)

        events = desk.sell(0, budget=135)

        assert trades(events) == [(1, 3, 30), (2, 2, 20)]
        assert said(events)[-1] == (CANCELLED, Reason.AMOUNT_SPENT, 3, 0, 0)

    def test_it_takes_an_iceberg_slice_by_slice(self, desk: Desk) -> None:
        desk.sell(9, 10, display=2)

        assert trades(desk.buy(0, budget=55)) == [(1, 2, 10), (1, 2, 10), (1, 1, 10)]
        assert desk.depth()["asks"] == [(10, 1)]

    @pytest.mark.parametrize("mode", [StpMode.NONE, StpMode.EXPIRE_TAKER, StpMode.DECREMENT])
    def test_prevention_ends_it_also_in_place_of_a_decrement(self, desk: Desk, mode: StpMode) -> None:
        desk.sell(3, 10, by="X")
        before = desk.state()

        assert said(desk.buy(0, by="X", budget=100, stp=mode)) == [
            (ACCEPTED, NONE, 2, 0, 0),
            (CANCELLED, STP, 2, 0, 0),
        ]
        assert desk.state() == before

    def test_prevention_may_end_the_maker(self, desk: Desk) -> None:
        desk.sell(3, 10, by="X")
        desk.sell(3, 10)

        assert said(desk.buy(0, by="X", budget=30, stp=StpMode.EXPIRE_MAKER))[1:] == [
            (CANCELLED, STP, 1, 3, 0),
            (TRADE, NONE, 3, 3, 0),
            (CANCELLED, Reason.AMOUNT_SPENT, 3, 0, 0),
        ]

    def test_the_widest_numbers(self, desk: Desk) -> None:
        desk.sell(LARGEST, 1)

        assert trades(desk.buy(0, budget=LARGEST)) == [(1, LARGEST, 1)]

    @pytest.mark.parametrize(
        "fields",
        [
            {"budget": -1},
            {"budget": 0},
            {"quantity": 1},
            {"quantity": -1},
            {"order_type": 1, "price": 10},
            {"tif": TimeInForce.GTC},
            {"tif": TimeInForce.FOK},
            {"price": -1, "order_type": 2, "tif": TimeInForce.IOC},
            {"min_quantity": 1},
            {"trigger": TriggerKind.STOP, "trigger_price": 10},
            {"link": Link.OCO, "partner": 9},
            {"link": Link.OTO, "parent": 9},
            {"position_limit": 5},
            {"display": 1},
            {"expires": 10**9},
        ],
    )
    def test_an_amount_that_makes_no_sense_is_refused(self, asks: Desk, fields: dict[str, Any]) -> None:
        before = asks.state()

        (event,) = asks.buy(**{"quantity": 0, "budget": 100, **fields})

        assert (event.kind, event.reason, event.leaves) == (REJECTED, INVALID, 0)
        assert asks.state() == before


class TestProtection:
    """The worst price at which a market order may trade."""

    def test_it_stops_before_the_first_price_beyond(self, desk: Desk) -> None:
        for price in (100, 101, 102):
            desk.sell(2, price)

        events = desk.buy(9, 101, order_type=2, tif=TimeInForce.IOC)

        assert trades(events) == [(1, 2, 100), (2, 2, 101)]
        assert said(events)[-1] == (CANCELLED, Reason.PRICE_PROTECTION, 4, 5, 0)

    def test_without_one_only_the_market_ends_it(self, desk: Desk) -> None:
        desk.sell(2, LARGEST)

        assert said(desk.buy(9))[1:] == [
            (TRADE, NONE, 2, 2, 7),
            (CANCELLED, Reason.NO_LIQUIDITY, 2, 7, 0),
        ]

    def test_that_of_a_stop_may_be_amended_while_it_waits(self, desk: Desk) -> None:
        desk.stop(Side.BUY, 5, 100, 101, order_type=2, tif=TimeInForce.IOC)
        desk.sell(5, 103)
        desk.amend(1, price=103)

        assert said(desk.trade_at(100))[3:] == [(TRADE, NONE, 1, 5, 0)]


class TestMinimum:
    """At least so much at once, or nothing."""

    @pytest.fixture
    def ask(self, desk: Desk) -> Desk:
        desk.sell(4, 100)
        return desk

    @pytest.mark.parametrize(
        "fields",
        [{}, {"tif": TimeInForce.IOC}, {"tif": TimeInForce.DAY}, {"price": 0, "order_type": 2}],
    )
    def test_it_is_refused_where_there_is_less(self, ask: Desk, fields: dict[str, Any]) -> None:
        before = ask.state()

        assert said(ask.buy(**{"quantity": 9, "price": 100, "min_quantity": 5, **fields})) == [
            (REJECTED, Reason.MIN_QUANTITY, 2, 9, 0)
        ]
        assert ask.state() == before

    def test_it_takes_what_there_is_and_rests_where_there_is_enough(self, ask: Desk) -> None:
        assert said(ask.buy(9, 100, min_quantity=4))[1:] == [(TRADE, NONE, 2, 4, 5)]
        assert ask.queue() == [(2, 5)]
        assert ask.open()[2].terms.min_quantity == 0

    def test_worse_prices_do_not_count(self, ask: Desk) -> None:
        ask.sell(4, 101)

        assert said(ask.buy(9, 100, min_quantity=5)) == [(REJECTED, Reason.MIN_QUANTITY, 3, 9, 0)]
        assert len(trades(ask.buy(9, 101, min_quantity=5))) == 2

    @pytest.mark.parametrize(
        ("mode", "counts"),
        [(StpMode.EXPIRE_MAKER, True), (StpMode.EXPIRE_TAKER, False), (StpMode.DECREMENT, False)],
    )
    def test_own_orders_do_not_count(self, desk: Desk, mode: StpMode, counts: bool) -> None:
        desk.sell(4, 99, by="X")
        desk.sell(4, 100)

        events = desk.buy(9, 100, by="X", min_quantity=3, stp=mode)

        assert (events[0].kind == ACCEPTED) == counts

    def test_fill_or_kill_is_the_stricter_of_the_two(self, ask: Desk) -> None:
        assert said(ask.buy(9, 100, min_quantity=5, tif=TimeInForce.FOK)) == [
            (REJECTED, Reason.FOK_UNFILLABLE, 2, 9, 0)
        ]

    @pytest.mark.parametrize(
        "fields",
        [{"min_quantity": -1}, {"min_quantity": 10}, {"min_quantity": 1, "flags": CommandFlag.POST_ONLY}],
    )
    def test_one_that_makes_no_sense_is_refused(self, ask: Desk, fields: dict[str, Any]) -> None:
        before = ask.state()

        assert said(ask.buy(9, 99, **fields)) == [(REJECTED, INVALID, 2, 9, 0)]
        assert ask.state() == before


class TestReduceOnly:
    """An order may be no larger than the position that it reduces."""

    def test_it_is_cut_to_its_position(self, desk: Desk) -> None:
        accepted, reduced = desk.sell(9, 100, position_limit=5)

        assert (accepted.quantity, accepted.leaves) == (9, 9)
        assert (reduced.kind, reduced.reason, reduced.quantity, reduced.leaves) == (
            REDUCED, Reason.REDUCE_ONLY, 4, 5,
        )  # fmt: skip
        order = desk.open()[1]
        assert (order.leaves, order.executed, order.terms.position_limit) == (5, 4, 0)

    def test_one_that_is_small_enough_is_not(self, desk: Desk) -> None:
        assert said(desk.sell(5, 100, position_limit=5)) == [(ACCEPTED, NONE, 1, 5, 5)]

    def test_it_is_cut_before_it_trades(self, desk: Desk) -> None:
        desk.buy(9, 100)

        assert said(desk.sell(9, 100, position_limit=5)) == [
            (ACCEPTED, NONE, 2, 9, 9),
            (REDUCED, Reason.REDUCE_ONLY, 2, 4, 5),
            (TRADE, NONE, 2, 5, 0),
        ]

    def test_it_is_cut_before_it_shows_a_slice(self, desk: Desk) -> None:
        desk.sell(9, 100, position_limit=2, display=3)

        assert desk.depth()["asks"] == [(100, 2)]

    def test_fill_or_kill_asks_for_what_is_left_after_the_cut(self, desk: Desk) -> None:
        desk.buy(5, 100)

        assert trades(desk.sell(9, 100, position_limit=5, tif=TimeInForce.FOK)) == [(1, 5, 100)]

    def test_a_stop_is_cut_when_it_is_entered(self, desk: Desk) -> None:
        assert said(desk.stop(Side.SELL, 9, 90, position_limit=5))[1:] == [
            (REDUCED, Reason.REDUCE_ONLY, 1, 4, 5)
        ]
        assert said(desk.trade_at(90))[2:3] == [(EventKind.TRIGGERED, NONE, 1, 0, 5)]

    def test_without_a_position_it_is_refused(self, desk: Desk) -> None:
        before = desk.state()

        assert said(desk.sell(9, 100, position_limit=0)) == [(REJECTED, Reason.REDUCE_ONLY, 1, 9, 0)]
        assert desk.state() == before

    @pytest.mark.parametrize(
        "fields", [{"position_limit": -1}, {"position_limit": -(2**63)}, {"position_limit": 5, "quantity": 0}]
    )
    def test_one_that_makes_no_sense_is_refused(self, desk: Desk, fields: dict[str, Any]) -> None:
        before = desk.state()

        (event,) = desk.sell(**{"quantity": 9, "price": 100, **fields})

        assert (event.kind, event.reason) == (REJECTED, INVALID)
        assert desk.state() == before
