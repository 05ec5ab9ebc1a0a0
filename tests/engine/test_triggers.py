"""What triggers stops and take-profits, when and in which order. In the scenarios a lot is a tenth."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import (
    CommandFlag,
    EventFlag,
    EventKind,
    Phase,
    Place,
    Reason,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerSource,
)

from tests.engine.desk import BOOK, Desk, said, trades
from tests.engine.records import OTHER

ACCEPTED, REJECTED, TRADE, CANCELLED, TRIGGERED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.TRIGGERED,
)
NONE = Reason.NONE
BUY, SELL = Side.BUY, Side.SELL
STOP, TAKE_PROFIT, QUOTE = TriggerKind.STOP, TriggerKind.TAKE_PROFIT, TriggerSource.QUOTE


def test_ac_28_a_stop_sells_at_market_once_the_price_has_fallen(desk: Desk) -> None:
    desk.stop(SELL, 5, 49500)
    desk.buy(10, 49000)

    assert said(desk.sell(1)) == [
        (ACCEPTED, NONE, 3, 1, 1),
        (TRADE, NONE, 3, 1, 0),
        (TRIGGERED, NONE, 1, 0, 5),
        (TRADE, NONE, 1, 5, 0),
    ]
    assert desk.depth() == {"bids": [(49000, 4)], "asks": []}
    assert desk.parked() == []


def test_ac_29_a_sell_stop_triggers_at_its_very_price(desk: Desk) -> None:
    desk.stop(SELL, 5, 49000)

    assert said(desk.trade_at(49001))[-1][0] == TRADE
    assert said(desk.trade_at(49000))[-2:] == [
        (TRIGGERED, NONE, 1, 0, 5),
        (CANCELLED, Reason.NO_LIQUIDITY, 1, 5, 0),
    ]


def test_ac_30_a_buy_stop_triggers_at_its_very_price(desk: Desk) -> None:
    desk.stop(BUY, 5, 50500)

    assert said(desk.trade_at(50499))[-1][0] == TRADE
    assert said(desk.trade_at(50500))[-2:] == [
        (TRIGGERED, NONE, 1, 0, 5),
        (CANCELLED, Reason.NO_LIQUIDITY, 1, 5, 0),
    ]


def test_ac_31_stops_at_one_price_trigger_in_order_of_entry(desk: Desk) -> None:
    for quantity in (3, 1, 2):
        desk.stop(SELL, quantity, 49500)
    desk.buy(5, 49000)

    assert said(desk.trade_at(49500)) == [
        (ACCEPTED, NONE, 1_000_005, 1, 1),
        (TRADE, NONE, 1_000_005, 1, 0),
        (TRIGGERED, NONE, 1, 0, 3),
        (TRADE, NONE, 1, 3, 0),
        (TRIGGERED, NONE, 2, 0, 1),
        (TRADE, NONE, 2, 1, 0),
        (TRIGGERED, NONE, 3, 0, 2),
        (TRADE, NONE, 3, 1, 1),
        (CANCELLED, Reason.NO_LIQUIDITY, 3, 1, 0),
    ]


def test_ac_32_a_cancelled_stop_never_triggers(desk: Desk) -> None:
    desk.stop(SELL, 5, 49500)

    assert said(desk.cancel(1)) == [(CANCELLED, NONE, 1, 5, 0)]
    assert [event.kind for event in desk.trade_at(49000)] == [ACCEPTED, TRADE]


def test_ac_33_a_trade_touches_the_stops_of_its_own_book_only(desk: Desk) -> None:
    desk.engine.add_book(OTHER)
    desk.stop(SELL, 5, 49500)
    desk.stop(SELL, 5, 49500, instrument=OTHER)

    assert said(desk.trade_at(49000))[2:] == [
        (TRIGGERED, NONE, 1, 0, 5),
        (CANCELLED, Reason.NO_LIQUIDITY, 1, 5, 0),
    ]
    assert (desk.engine.order_count(BOOK), desk.engine.order_count(OTHER)) == (0, 1)


def test_ac_34_a_thousand_stops_trigger_in_one_sweep(desk: Desk) -> None:
    """At a hundred prices, in an order of entry that is not the order of prices."""
    for n in range(1_000):
        desk.stop(SELL, 1, 49000 + n * 37 % 100)
    desk.buy(1_001, 48000)

    events = desk.sell(1)

    triggered = [event.order_id for event in events if event.kind == TRIGGERED]
    assert triggered == list(range(1, 1_001))
    assert trades(events) == [(1_001, 1, 48000)] * 1_001
    assert (desk.queue(), desk.parked()) == ([], [])


class TestAc55:
    """The four pending orders watch the touch that they would meet, and fire at their very price."""

    def test_ac_55_a_pending_buy_limit_fires_when_the_ask_has_fallen_to_it(self, desk: Desk) -> None:
        desk.take_profit(BUY, 1, 100, source=QUOTE)

        assert said(desk.sell(1, 101))[-1][0] == ACCEPTED
        assert said(desk.sell(1, 100))[1:] == [(TRIGGERED, NONE, 1, 0, 1), (TRADE, NONE, 1, 1, 0)]

    def test_ac_55_a_pending_sell_limit_fires_when_the_bid_has_risen_to_it(self, desk: Desk) -> None:
        desk.take_profit(SELL, 1, 100, source=QUOTE)

        assert said(desk.buy(1, 99))[-1][0] == ACCEPTED
        assert said(desk.buy(1, 100))[1:] == [(TRIGGERED, NONE, 1, 0, 1), (TRADE, NONE, 1, 1, 0)]

    def test_ac_55_a_pending_buy_stop_fires_when_the_ask_has_risen_to_it(self, desk: Desk) -> None:
        desk.sell(1, 99)
        desk.stop(BUY, 1, 100, source=QUOTE)
        desk.sell(1, 100)

        assert said(desk.cancel(1))[1:] == [(TRIGGERED, NONE, 2, 0, 1), (TRADE, NONE, 2, 1, 0)]

    def test_ac_55_a_pending_sell_stop_fires_when_the_bid_has_fallen_to_it(self, desk: Desk) -> None:
        desk.buy(1, 101)
        desk.stop(SELL, 1, 100, source=QUOTE)
        desk.buy(1, 100)

        assert said(desk.cancel(1))[1:] == [(TRIGGERED, NONE, 2, 0, 1), (TRADE, NONE, 2, 1, 0)]


class TestArming:
    """A parked order is seen by nobody, and looks at what there is as soon as it is armed."""

    def test_an_armed_order_is_in_no_depth_and_meets_nobody(self, desk: Desk) -> None:
        (accepted,) = desk.stop(BUY, 5, 110, 120)

        assert (accepted.flags, accepted.priority, accepted.leaves) == (EventFlag.ARMED, 1, 5)
        assert desk.depth() == {"bids": [], "asks": []}
        assert trades(desk.sell(5, 100)) == []
        assert desk.parked() == [(1, Place.ARMED, 5)]

    def test_without_a_trade_there_is_no_last_price_to_look_at(self, desk: Desk) -> None:
        assert said(desk.take_profit(BUY, 5, 110)) == [(ACCEPTED, NONE, 1, 5, 5)]

    @pytest.mark.parametrize(
        ("side", "trigger", "at"),
        [
            (BUY, STOP, 100), (BUY, STOP, 99),
            (SELL, STOP, 100), (SELL, STOP, 101),
            (BUY, TAKE_PROFIT, 100), (BUY, TAKE_PROFIT, 101),
            (SELL, TAKE_PROFIT, 100), (SELL, TAKE_PROFIT, 99),
        ],
    )  # fmt: skip
    def test_a_price_that_is_reached_already_triggers_at_once(
        self, desk: Desk, side: Side, trigger: TriggerKind, at: int
    ) -> None:
        desk.trade_at(100)

        assert said(desk.stop(side, 5, at, trigger=trigger)) == [
            (ACCEPTED, NONE, 1, 5, 5),
            (TRIGGERED, NONE, 1, 0, 5),
            (CANCELLED, Reason.NO_LIQUIDITY, 1, 5, 0),
        ]

    @pytest.mark.parametrize(
        ("side", "trigger", "at"),
        [(BUY, STOP, 101), (SELL, STOP, 99), (BUY, TAKE_PROFIT, 99), (SELL, TAKE_PROFIT, 101)],
    )
    def test_a_price_that_is_not_reached_waits(
        self, desk: Desk, side: Side, trigger: TriggerKind, at: int
    ) -> None:
        desk.trade_at(100)

        assert said(desk.stop(side, 5, at, trigger=trigger)) == [(ACCEPTED, NONE, 1, 5, 5)]

    def test_a_touch_that_is_reached_already_triggers_at_once(self, desk: Desk) -> None:
        desk.sell(5, 100)

        assert said(desk.stop(BUY, 5, 100, source=QUOTE))[1:] == [
            (TRIGGERED, NONE, 2, 0, 5),
            (TRADE, NONE, 2, 5, 0),
        ]

    def test_trades_do_not_move_what_watches_the_touch(self, desk: Desk) -> None:
        desk.stop(SELL, 5, 100, source=QUOTE)

        assert [event.kind for event in desk.trade_at(100)] == [ACCEPTED, TRADE]
        assert desk.parked() == [(1, Place.ARMED, 5)]

    def test_quotes_do_not_move_what_watches_trades(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100)

        assert said(desk.sell(5, 100)) == [(ACCEPTED, NONE, 2, 5, 5)]

    def test_a_hidden_order_is_no_quote(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100, source=QUOTE)

        assert said(desk.sell(5, 100, display=0)) == [(ACCEPTED, NONE, 2, 5, 5)]
        assert said(desk.sell(5, 101))[1:2] == [(TRIGGERED, NONE, 1, 0, 5)]


@pytest.mark.parametrize(
    "fields",
    [
        {"trigger_price": 0},
        {"trigger_price": -1},
        {"distance": 1},
        {"step": 1},
        {"trigger": TriggerKind.NONE},
        {"trigger": TriggerKind.NONE, "trigger_price": 0, "source": QUOTE},
        {"quantity": 0},
        {"min_quantity": 6},
        {"min_quantity": -1},
        {"expires": -1},
        {"budget": 10},
        {"display": 1, "tif": TimeInForce.IOC},
        {"display": -1},
        {"flags": CommandFlag.POST_ONLY, "tif": TimeInForce.IOC},
        {"flags": CommandFlag.POST_ONLY, "min_quantity": 1},
    ],
)
def test_a_stop_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    desk.trade_at(100)
    before = desk.state()

    assert said(
        desk.new(**{"side": BUY, "quantity": 5, "price": 99, "trigger": STOP, "trigger_price": 110, **fields})
    ) == [(REJECTED, Reason.INVALID, 1, fields.get("quantity", 5), 0)]
    assert desk.state() == before


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.AUCTION])
def test_outside_open_nothing_triggers_until_the_book_opens(desk: Desk, phase: Phase) -> None:
    desk.trade_at(100)
    desk.phase(phase)

    assert said(desk.stop(BUY, 5, 99)) == [(ACCEPTED, NONE, 1, 5, 5)]
    assert said(desk.stop(BUY, 5, 105, source=QUOTE)) == [(ACCEPTED, NONE, 2, 5, 5)]
    assert said(desk.sell(4, 106)) == [(ACCEPTED, NONE, 3, 4, 4)]
    assert said(desk.resume()) == [
        (EventKind.PHASE_CHANGED, NONE, 0, 0, 0),
        (TRIGGERED, NONE, 1, 0, 5),
        (TRADE, NONE, 1, 4, 1),
        (CANCELLED, Reason.NO_LIQUIDITY, 1, 1, 0),
        (TRIGGERED, NONE, 2, 0, 5),
        (CANCELLED, Reason.NO_LIQUIDITY, 2, 5, 0),
    ]
