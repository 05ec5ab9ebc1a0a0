"""Brackets: exits that grow with each fill of their entry, and end each other."""

from __future__ import annotations

import pytest
from tradeengine.codec import EventFlag, EventKind, Link, Place, Reason, Side, StpMode

from tests.engine.desk import Desk, said

ACCEPTED, TRADE, CANCELLED, TRIGGERED, ACTIVATED = (
    EventKind.ACCEPTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.TRIGGERED,
    EventKind.ACTIVATED,
)
NONE, LINKED, PARENT_ENDED = Reason.NONE, Reason.LINKED, Reason.PARENT_ENDED
BUY, SELL = Side.BUY, Side.SELL


class TestBrackets:
    """A bid of 10 at 100 with a take-profit at 120 and a stop-loss at 90: orders 1 and 2 for order 3."""

    ENTRY = {"side": BUY, "quantity": 10, "price": 100}

    @pytest.fixture
    def bracket(self, desk: Desk) -> Desk:
        desk.bracket(self.ENTRY, take_profit=120, stop_loss=90)
        return desk

    def test_exits_wait_with_nothing(self, bracket: Desk) -> None:
        assert bracket.parked() == [(1, Place.WAITING, 0), (2, Place.WAITING, 0)]
        assert bracket.depth() == {"bids": [(100, 10)], "asks": []}

    def test_each_fill_of_the_entry_adds_to_both_exits(self, bracket: Desk) -> None:
        first = bracket.sell(4, 100)
        second = bracket.sell(3, 100)

        assert said(first)[2:] == [(ACTIVATED, NONE, 1, 4, 4), (ACTIVATED, NONE, 2, 4, 4)]
        assert said(second)[2:] == [(ACTIVATED, NONE, 1, 3, 7), (ACTIVATED, NONE, 2, 3, 7)]
        assert {event.flags for event in (first + second)[2:4]} == {EventFlag.ARMED}
        assert [event.priority for event in first[2:]] == [event.seq for event in first[2:]]
        assert [event.priority for event in second[2:]] == [event.seq for event in first[2:]]
        assert bracket.parked() == [(1, Place.ARMED, 7), (2, Place.ARMED, 7)]

    def test_the_fills_of_one_sweep_are_told_one_by_one(self, desk: Desk) -> None:
        for ask in (98, 99):
            desk.sell(3, ask)
        events, *_ = desk.bracket(self.ENTRY, take_profit=120, stop_loss=90)

        assert said(events)[3:] == [
            (ACTIVATED, NONE, 3, 3, 3),
            (ACTIVATED, NONE, 4, 3, 3),
            (ACTIVATED, NONE, 3, 3, 6),
            (ACTIVATED, NONE, 4, 3, 6),
        ]

    def test_a_triggered_exit_ends_the_other_and_the_rest_of_the_entry(self, bracket: Desk) -> None:
        bracket.sell(4, 100)
        bracket.buy(9, 80)
        bracket.amend(3, price=85)

        assert said(bracket.trade_at(90))[2:] == [
            (CANCELLED, LINKED, 1, 4, 0),
            (CANCELLED, Reason.EXIT_TRIGGERED, 3, 6, 0),
            (TRIGGERED, NONE, 2, 0, 4),
            (TRADE, NONE, 2, 4, 0),
        ]
        assert bracket.queue() == [(5, 5)]

    def test_the_take_profit_may_come_first(self, bracket: Desk) -> None:
        bracket.sell(10, 100)

        assert said(bracket.trade_at(120))[2:] == [
            (CANCELLED, LINKED, 2, 10, 0),
            (TRIGGERED, NONE, 1, 0, 10),
            (CANCELLED, Reason.NO_LIQUIDITY, 1, 10, 0),
        ]

    def test_a_triggered_exit_has_no_partner_that_could_end_it(self, desk: Desk) -> None:
        """A take-profit with a limit rests after its triggering, and lives on."""
        desk.take_profit(SELL, 5, 120, 125, by="owner", parent=3, link=Link.ATTACHED, partner=2)
        desk.stop(SELL, 5, 90, by="owner", parent=3, link=Link.ATTACHED, partner=1)
        desk.buy(5, 100, by="owner")
        desk.sell(5, 100)
        desk.trade_at(120)

        assert desk.queue() == [(1, 5)]
        assert desk.open()[1].terms.partner == desk.open()[1].terms.parent == 0

    def test_an_entry_that_ends_without_a_fill_ends_its_exits(self, bracket: Desk) -> None:
        assert said(bracket.cancel(3)) == [
            (CANCELLED, NONE, 3, 10, 0),
            (CANCELLED, PARENT_ENDED, 1, 0, 0),
            (CANCELLED, PARENT_ENDED, 2, 0, 0),
        ]

    def test_an_entry_that_ends_after_a_fill_leaves_them(self, bracket: Desk) -> None:
        bracket.sell(4, 100)

        assert said(bracket.cancel(3)) == [(CANCELLED, NONE, 3, 6, 0)]
        assert bracket.parked() == [(1, Place.ARMED, 4), (2, Place.ARMED, 4)]

    def test_lots_lost_to_prevention_are_no_fill(self, bracket: Desk) -> None:
        events = bracket.sell(4, 100, by="owner", stp=StpMode.DECREMENT)

        assert ACTIVATED not in [event.kind for event in events]
        assert bracket.parked() == [(1, Place.WAITING, 0), (2, Place.WAITING, 0)]
        assert said(bracket.sell(6, 100))[2:] == [(ACTIVATED, NONE, 1, 6, 6), (ACTIVATED, NONE, 2, 6, 6)]

    def test_an_entry_by_amount_feeds_its_exits(self, desk: Desk) -> None:
        desk.sell(5, 100)
        desk.take_profit(SELL, 1, 120, parent=3, link=Link.ATTACHED)

        assert said(desk.buy(0, budget=250)) == [
            (ACCEPTED, NONE, 3, 0, 0),
            (TRADE, NONE, 3, 2, 0),
            (CANCELLED, Reason.AMOUNT_SPENT, 3, 0, 0),
            (ACTIVATED, NONE, 2, 2, 2),
        ]

    def test_an_exit_triggered_by_its_entrys_own_price_goes_live_at_once(self, desk: Desk) -> None:
        """The entry buys at 100 what a stop at 100 sells again."""
        desk.sell(5, 100)
        desk.buy(5, 95)

        events, *_ = desk.bracket(self.ENTRY, take_profit=120, stop_loss=100)

        assert said(events)[2:] == [
            (ACTIVATED, NONE, 3, 5, 5),
            (ACTIVATED, NONE, 4, 5, 5),
            (CANCELLED, LINKED, 3, 5, 0),
            (CANCELLED, Reason.EXIT_TRIGGERED, 5, 5, 0),
            (TRIGGERED, NONE, 4, 0, 5),
            (TRADE, NONE, 4, 5, 0),
        ]

    @pytest.mark.parametrize("order_id", [1, 2])
    def test_the_quantity_of_an_exit_cannot_be_amended(self, bracket: Desk, order_id: int) -> None:
        bracket.sell(4, 100)
        before = bracket.state()

        assert said(bracket.amend(order_id, quantity=3)) == [
            (EventKind.AMEND_REJECTED, Reason.INVALID, order_id, 3, 4)
        ]
        assert bracket.state() == before

    def test_the_trigger_of_an_exit_can_be_amended_while_it_waits(self, bracket: Desk) -> None:
        assert said(bracket.amend(2, trigger_price=95)) == [
            (EventKind.AMENDED, NONE, 2, 0, 0),
            (EventKind.TRAILED, NONE, 2, 0, 0),
        ]
        bracket.sell(10, 100)

        assert said(bracket.trade_at(95))[2:4] == [
            (CANCELLED, LINKED, 1, 10, 0),
            (TRIGGERED, NONE, 2, 0, 10),
        ]

    def test_a_cancelled_exit_takes_the_other_along_and_leaves_the_entry(self, bracket: Desk) -> None:
        assert said(bracket.cancel(1)) == [(CANCELLED, NONE, 1, 0, 0), (CANCELLED, LINKED, 2, 0, 0)]
        assert bracket.queue() == [(3, 10)]
