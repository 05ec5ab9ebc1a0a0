"""What becomes of a triggered order: it goes live in its turn, and is then an order like any other."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import CommandFlag, EventKind, Reason, Side, StpMode, TimeInForce

from tests.engine.desk import BOOK, Desk, said
from tests.engine.naive_orders import LARGEST

TRADE, CANCELLED, TRIGGERED = EventKind.TRADE, EventKind.CANCELLED, EventKind.TRIGGERED
NONE = Reason.NONE
BUY, SELL = Side.BUY, Side.SELL


class TestGoingLive:
    """A triggered order is an order like any other, in its turn."""

    def test_a_stop_limit_rests_with_the_priority_of_its_triggering(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100, 99)
        desk.buy(5, 99)

        *_, triggered = desk.trade_at(100)

        assert (triggered.kind, triggered.price, triggered.priority) == (TRIGGERED, 99, triggered.seq)
        assert desk.queue() == [(2, 5), (1, 5)]

    def test_all_are_triggered_by_a_price_before_the_first_goes_live(self, desk: Desk) -> None:
        """The first to go live trades far away; the second has been triggered by then, and comes next."""
        desk.stop(SELL, 1, 100)
        desk.take_profit(BUY, 1, 100, 95)
        desk.buy(1, 90)

        assert said(desk.trade_at(100))[2:] == [
            (TRIGGERED, NONE, 1, 0, 1),
            (TRADE, NONE, 1, 1, 0),
            (TRIGGERED, NONE, 2, 0, 1),
        ]
        assert desk.queue() == [(2, 1)]

    def test_a_cascade_goes_on_until_nothing_is_reached(self, desk: Desk) -> None:
        for at, bid in ((100, 98), (98, 96), (96, 94)):
            desk.stop(SELL, 1, at)
            desk.buy(1, bid)

        events = desk.trade_at(100)

        assert [(e.kind, e.order_id, e.price) for e in events[2:]] == [
            (TRIGGERED, 1, 0), (TRADE, 1, 98),
            (TRIGGERED, 3, 0), (TRADE, 3, 96),
            (TRIGGERED, 5, 0), (TRADE, 5, 94),
        ]  # fmt: skip
        assert desk.engine.last_price(BOOK) == 94

    def test_every_price_of_a_sweep_counts_not_only_the_last(self, desk: Desk) -> None:
        """A buyer walks 100, 101, 102 up; in between somebody waits to sell at 101 or above."""
        for ask in (100, 101, 102):
            desk.sell(1, ask)
        desk.stop(SELL, 1, 100)
        desk.take_profit(SELL, 1, 101)

        events = desk.buy(3)

        assert said(events)[4:] == [
            (TRIGGERED, NONE, 4, 0, 1),
            (CANCELLED, Reason.NO_LIQUIDITY, 4, 1, 0),
            (TRIGGERED, NONE, 5, 0, 1),
            (CANCELLED, Reason.NO_LIQUIDITY, 5, 1, 0),
        ]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"flags": CommandFlag.POST_ONLY}, Reason.WOULD_TAKE),
            ({"tif": TimeInForce.FOK}, Reason.FOK_UNFILLABLE),
            ({"min_quantity": 3}, Reason.MIN_QUANTITY),
            ({"tif": TimeInForce.IOC, "min_quantity": 3}, Reason.MIN_QUANTITY),
        ],
    )
    def test_its_conditions_are_looked_at_when_it_goes_live(
        self, desk: Desk, fields: dict[str, Any], reason: Reason
    ) -> None:
        desk.stop(BUY, 5, 100, 101, **fields)
        desk.sell(2, 101)

        assert said(desk.trade_at(100))[2:] == [(TRIGGERED, NONE, 1, 0, 5), (CANCELLED, reason, 1, 5, 0)]
        assert desk.queue() == [(2, 2)]

    def test_conditions_that_hold_let_it_pass(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100, 101, min_quantity=2)
        desk.sell(2, 101)

        assert said(desk.trade_at(100))[2:] == [(TRIGGERED, NONE, 1, 0, 5), (TRADE, NONE, 1, 2, 3)]
        assert desk.queue() == [(1, 3)]

    def test_a_side_that_would_overflow_ends_it(self, desk: Desk) -> None:
        desk.stop(BUY, LARGEST, 100, 50)
        desk.buy(2, 49)

        assert said(desk.trade_at(100))[2:] == [
            (TRIGGERED, NONE, 1, 0, LARGEST),
            (CANCELLED, Reason.INVALID, 1, LARGEST, 0),
        ]

    def test_it_keeps_its_mode_of_prevention(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100, by="X", stp=StpMode.EXPIRE_MAKER)
        desk.sell(3, 101, by="X")

        assert said(desk.trade_at(100))[2:] == [
            (TRIGGERED, NONE, 1, 0, 5),
            (CANCELLED, Reason.SELF_TRADE_PREVENTION, 2, 3, 0),
            (CANCELLED, Reason.NO_LIQUIDITY, 1, 5, 0),
        ]

    def test_a_stop_iceberg_shows_its_slice_only_after_it_has_gone_live(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100, 99, display=2)

        *_, triggered, displayed = desk.trade_at(100)

        assert (displayed.kind, displayed.quantity, displayed.leaves) == (EventKind.DISPLAYED, 2, 5)
        assert displayed.priority == triggered.seq
        assert desk.depth()["bids"] == [(99, 2)]
