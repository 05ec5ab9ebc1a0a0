"""Pairs of which one may live: how the two find each other, and what ends the other."""

from __future__ import annotations

import pytest
from tradeengine.codec import EventKind, Link, Phase, Reason, Side, TermsFlag, TriggerKind

from tests.engine.desk import Desk, said, trades

ACCEPTED, REJECTED, TRADE, CANCELLED, TRIGGERED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.TRIGGERED,
)
NONE, LINKED = Reason.NONE, Reason.LINKED
BUY, SELL = Side.BUY, Side.SELL
STOP = TriggerKind.STOP

TAKE_AT_110 = {"side": SELL, "quantity": 5, "price": 110}
STOP_AT_90 = {"side": SELL, "quantity": 5, "trigger": STOP, "trigger_price": 90}


class TestAc54:
    """An OCO pair: a limit order to sell at 110, and a stop at 90."""

    @pytest.fixture
    def pair(self, desk: Desk) -> Desk:
        desk.oco(TAKE_AT_110, STOP_AT_90)
        return desk

    def test_ac_54_if_the_stop_triggers_the_limit_order_is_cancelled(self, pair: Desk) -> None:
        assert said(pair.trade_at(90))[2:] == [
            (CANCELLED, LINKED, 1, 5, 0),
            (TRIGGERED, NONE, 2, 0, 5),
            (CANCELLED, Reason.NO_LIQUIDITY, 2, 5, 0),
        ]

    def test_ac_54_if_the_limit_order_trades_the_stop_is_cancelled(self, pair: Desk) -> None:
        assert said(pair.buy(2, 110)) == [
            (ACCEPTED, NONE, 3, 2, 2),
            (TRADE, NONE, 3, 2, 0),
            (CANCELLED, LINKED, 2, 5, 0),
        ]
        assert pair.queue() == [(1, 3)]

    @pytest.mark.parametrize(("cancelled", "other"), [(1, 2), (2, 1)])
    def test_ac_54_if_one_is_cancelled_so_is_the_other(self, pair: Desk, cancelled: int, other: int) -> None:
        assert said(pair.cancel(cancelled)) == [
            (CANCELLED, NONE, cancelled, 5, 0),
            (CANCELLED, LINKED, other, 5, 0),
        ]
        assert pair.open() == {}

    def test_a_first_fill_cuts_the_link(self, pair: Desk) -> None:
        assert pair.open()[1].terms.partner == 2
        pair.buy(2, 110)

        assert pair.open()[1].terms.partner == 0
        assert said(pair.cancel(1)) == [(CANCELLED, NONE, 1, 3, 0)]

    def test_two_fills_in_one_sweep_are_both_filled(self, desk: Desk) -> None:
        """Whether one may still live is looked at when the taker is done."""
        desk.oco(TAKE_AT_110, {"side": SELL, "quantity": 5, "price": 111})

        assert said(desk.buy(7, 111)) == [
            (ACCEPTED, NONE, 3, 7, 7),
            (TRADE, NONE, 3, 5, 2),
            (TRADE, NONE, 3, 2, 0),
            (CANCELLED, LINKED, 2, 3, 0),
        ]

    def test_amending_keeps_the_link(self, pair: Desk) -> None:
        pair.amend(1, price=111)
        pair.amend(2, trigger_price=89)

        assert [order.terms.partner for order in pair.open().values()] == [1, 2]
        assert said(pair.cancel(1))[1:] == [(CANCELLED, LINKED, 2, 5, 0)]


class TestPairs:
    """How the two legs find each other."""

    def test_a_leg_that_trades_on_entry_refuses_the_other(self, desk: Desk) -> None:
        desk.buy(2, 110)
        desk.sell(5, 110, partner=3)
        before = desk.state()

        assert said(desk.stop(SELL, 5, 90, partner=2)) == [(REJECTED, LINKED, 3, 5, 0)]
        assert desk.state() == before

    def test_a_second_leg_that_trades_on_entry_ends_the_first(self, desk: Desk) -> None:
        desk.buy(2, 110)
        desk.stop(SELL, 5, 90, partner=3)

        assert said(desk.sell(5, 110, partner=2)) == [
            (ACCEPTED, NONE, 3, 5, 5),
            (TRADE, NONE, 3, 2, 3),
            (CANCELLED, LINKED, 2, 5, 0),
        ]

    def test_a_refused_second_leg_ends_the_first(self, desk: Desk) -> None:
        desk.sell(5, 110, partner=2)

        assert said(desk.stop(SELL, 5, 0, partner=1)) == [
            (REJECTED, Reason.INVALID, 2, 5, 0),
            (CANCELLED, LINKED, 1, 5, 0),
        ]

    def test_a_second_leg_that_finds_no_first_is_refused(self, desk: Desk) -> None:
        before = desk.state()

        assert said(desk.sell(5, 110, order_id=7, partner=6)) == [(REJECTED, LINKED, 7, 5, 0)]
        assert desk.state() == before

    @pytest.mark.parametrize("others_partner", [None, 9])
    def test_a_partner_must_name_it_in_turn(self, desk: Desk, others_partner: int | None) -> None:
        desk.sell(5, 110, **({} if others_partner is None else {"partner": others_partner}))
        before = desk.state()

        assert said(desk.stop(SELL, 5, 90, partner=1)) == [(REJECTED, LINKED, 2, 5, 0)]
        assert desk.state() == before

    def test_an_unlinked_order_of_the_same_id_is_nobodys_partner(self, desk: Desk) -> None:
        """The first leg waits for order 2; another order 2 comes, and goes."""
        desk.sell(5, 110, partner=2)
        desk.sell(5, 120)

        assert said(desk.cancel(2)) == [(CANCELLED, NONE, 2, 5, 0)]
        assert desk.queue() == [(1, 5)]

    def test_a_triggered_order_without_a_link_ends_nobody(self, desk: Desk) -> None:
        """The first leg names a stop of somebody else, who does not know of it."""
        desk.sell(5, 110, partner=2)
        desk.stop(BUY, 5, 100, 99)

        assert said(desk.trade_at(100))[2:] == [(TRIGGERED, NONE, 2, 0, 5)]
        assert desk.queue() == [(1, 5), (2, 5)]


def test_a_resting_leg_keeps_its_partner_and_nothing_else_of_its_link(desk: Desk) -> None:
    desk.sell(5, 100, partner=2, display=2, expires=10**9)

    terms = desk.open()[1].terms

    assert terms == (0, 0, Link.NONE, TermsFlag.HAS_DISPLAY, 0, 0, 0, 2, 0, 10**9, 0, 0, 0, 2)


def test_links_work_in_any_phase(desk: Desk) -> None:
    desk.phase(Phase.PRE_OPEN)
    desk.oco(TAKE_AT_110, STOP_AT_90)
    desk.halt()

    assert said(desk.cancel(2)) == [(CANCELLED, NONE, 2, 5, 0), (CANCELLED, LINKED, 1, 5, 0)]


def test_both_legs_may_be_filled_by_one_uncross(desk: Desk) -> None:
    """The auction is over before anybody is told."""
    desk.phase(Phase.AUCTION)
    desk.oco(TAKE_AT_110, {"side": SELL, "quantity": 5, "price": 109})
    desk.buy(10, 110)

    events = desk.resume()

    assert trades(events) == [(2, 5, 110), (1, 5, 110)]
    assert desk.open() == {}
