"""Orders that depend on each other: pairs of which one may live, children that wait, exits that grow."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import (
    CommandFlag,
    EventFlag,
    EventKind,
    Link,
    Phase,
    Place,
    Reason,
    Side,
    StpMode,
    TermsFlag,
    TimeInForce,
    TriggerKind,
)

from tests.engine.desk import Desk, said, trades

ACCEPTED, REJECTED, TRADE, CANCELLED, REDUCED, TRIGGERED, ACTIVATED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.REDUCED,
    EventKind.TRIGGERED,
    EventKind.ACTIVATED,
)
NONE, LINKED, PARENT_ENDED = Reason.NONE, Reason.LINKED, Reason.PARENT_ENDED
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


class TestChildren:
    """A child that waits for its parent to be filled: first the child, then the parent."""

    @pytest.fixture
    def child_and_parent(self, desk: Desk) -> Desk:
        desk.sell(5, 110, by="owner", parent=2)
        desk.buy(5, 100, by="owner")
        return desk

    def test_a_waiting_child_is_in_no_depth(self, desk: Desk) -> None:
        (accepted,) = desk.sell(5, 110, parent=2)

        assert (accepted.flags, accepted.leaves, accepted.priority) == (EventFlag.WAITING, 5, 1)
        assert desk.parked() == [(1, Place.WAITING, 5)]
        assert desk.depth() == {"bids": [], "asks": []}

    def test_it_goes_live_when_its_parent_has_been_filled_to_the_end(self, child_and_parent: Desk) -> None:
        desk = child_and_parent

        assert said(desk.sell(4, 100)) == [(ACCEPTED, NONE, 3, 4, 4), (TRADE, NONE, 3, 4, 0)]
        *_, trade, activated = desk.sell(1, 100)

        assert (trade.kind, trade.maker_leaves) == (TRADE, 0)
        assert (activated.kind, activated.quantity, activated.leaves) == (ACTIVATED, 5, 5)
        assert (activated.flags, activated.priority) == (0, activated.seq)
        assert desk.queue() == [(1, 5)]

    def test_it_takes_like_any_other_when_it_goes_live(self, child_and_parent: Desk) -> None:
        desk = child_and_parent
        desk.buy(3, 99)
        desk.amend(1, price=99)

        assert said(desk.sell(5, 100))[2:] == [(ACTIVATED, NONE, 1, 5, 5), (TRADE, NONE, 1, 3, 2)]
        assert desk.depth() == {"bids": [], "asks": [(99, 2)]}

    def test_a_parent_that_is_cancelled_ends_it(self, child_and_parent: Desk) -> None:
        child_and_parent.sell(4, 100)

        assert said(child_and_parent.cancel(2)) == [
            (CANCELLED, NONE, 2, 1, 0),
            (CANCELLED, PARENT_ENDED, 1, 5, 0),
        ]

    def test_a_parent_that_is_refused_ends_it(self, desk: Desk) -> None:
        desk.sell(5, 110, parent=2)

        assert said(desk.buy(5, -1, order_type=1)) == [
            (REJECTED, Reason.INVALID, 2, 5, 0),
            (CANCELLED, PARENT_ENDED, 1, 5, 0),
        ]

    def test_a_duplicate_of_its_parent_does_not_end_it(self, child_and_parent: Desk) -> None:
        before = child_and_parent.state()

        assert said(child_and_parent.buy(5, 100, order_id=2)) == [(REJECTED, Reason.DUPLICATE_ORDER, 2, 5, 0)]
        assert child_and_parent.state() == before

    def test_a_parent_that_loses_lots_to_prevention_ends_it(self, child_and_parent: Desk) -> None:
        """What is left of the parent cannot bring what the child sells."""
        desk = child_and_parent

        assert said(desk.sell(2, 100, by="owner", stp=StpMode.DECREMENT)) == [
            (ACCEPTED, NONE, 3, 2, 2),
            (REDUCED, Reason.SELF_TRADE_PREVENTION, 2, 2, 3),
            (REDUCED, Reason.SELF_TRADE_PREVENTION, 3, 2, 0),
            (CANCELLED, Reason.SELF_TRADE_PREVENTION, 3, 0, 0),
            (CANCELLED, PARENT_ENDED, 1, 5, 0),
        ]
        assert desk.queue() == [(2, 3)]

    def test_a_parent_that_is_cut_to_its_position_ends_it(self, desk: Desk) -> None:
        desk.sell(5, 110, parent=2)

        assert said(desk.buy(5, 100, position_limit=3)) == [
            (ACCEPTED, NONE, 2, 5, 5),
            (REDUCED, Reason.REDUCE_ONLY, 2, 2, 3),
            (CANCELLED, PARENT_ENDED, 1, 5, 0),
        ]

    def test_a_parent_by_amount_is_never_filled_to_the_end(self, desk: Desk) -> None:
        desk.sell(5, 100)
        desk.sell(5, 110, parent=3)

        assert said(desk.buy(0, budget=500)) == [
            (ACCEPTED, NONE, 3, 0, 0),
            (TRADE, NONE, 3, 5, 0),
            (CANCELLED, Reason.AMOUNT_SPENT, 3, 0, 0),
            (CANCELLED, PARENT_ENDED, 2, 5, 0),
        ]

    def test_a_child_with_a_trigger_is_armed_first(self, desk: Desk) -> None:
        desk.stop(SELL, 5, 90, parent=2)
        desk.buy(5, 100)

        *_, activated = desk.sell(5, 100)

        assert (activated.kind, activated.flags, activated.priority) == (
            ACTIVATED,
            EventFlag.ARMED,
            activated.seq,
        )
        assert desk.parked() == [(1, Place.ARMED, 5)]
        assert said(desk.trade_at(90))[2:3] == [(TRIGGERED, NONE, 1, 0, 5)]

    def test_a_child_that_is_armed_by_a_price_beyond_its_trigger_is_triggered(self, desk: Desk) -> None:
        desk.stop(SELL, 5, 100, parent=2)
        desk.buy(5, 100)

        assert said(desk.sell(5, 100))[2:4] == [(ACTIVATED, NONE, 1, 5, 5), (TRIGGERED, NONE, 1, 0, 5)]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"flags": CommandFlag.POST_ONLY}, Reason.WOULD_TAKE),
            ({"tif": TimeInForce.FOK}, Reason.FOK_UNFILLABLE),
            ({"min_quantity": 4}, Reason.MIN_QUANTITY),
        ],
    )
    def test_its_conditions_are_looked_at_when_it_goes_live(
        self, desk: Desk, fields: dict[str, Any], reason: Reason
    ) -> None:
        desk.sell(5, 99, parent=2, **fields)
        desk.buy(5, 100)
        desk.buy(3, 99)

        assert said(desk.sell(5, 100))[2:] == [(ACTIVATED, NONE, 1, 5, 5), (CANCELLED, reason, 1, 5, 0)]

    def test_children_come_in_order_of_entry(self, desk: Desk) -> None:
        for price in (112, 110, 111):
            desk.sell(1, price, parent=4)
        desk.buy(5, 100)

        assert said(desk.sell(5, 100))[2:] == [(ACTIVATED, NONE, n, 1, 1) for n in (1, 2, 3)]

    def test_two_children_may_be_partners(self, desk: Desk) -> None:
        """The first to go live trades, and so the second never does."""
        desk.sell(5, 99, parent=3, partner=2)
        desk.sell(5, 110, parent=3, partner=1)
        desk.buy(5, 100)
        desk.buy(1, 99)

        assert said(desk.sell(5, 100))[2:] == [
            (ACTIVATED, NONE, 1, 5, 5),
            (TRADE, NONE, 1, 1, 4),
            (CANCELLED, LINKED, 2, 5, 0),
        ]

    def test_a_child_may_be_a_parent(self, desk: Desk) -> None:
        desk.buy(5, 90, parent=2)
        desk.sell(5, 100, parent=3)
        desk.buy(5, 100)
        desk.buy(5, 99)
        desk.amend(2, price=99)

        assert said(desk.sell(5, 100))[2:] == [
            (ACTIVATED, NONE, 2, 5, 5),
            (TRADE, NONE, 2, 5, 0),
            (ACTIVATED, NONE, 1, 5, 5),
        ]

    def test_the_end_of_a_parent_goes_down_all_generations(self, desk: Desk) -> None:
        desk.buy(5, 90, parent=2)
        desk.sell(5, 100, parent=3)
        desk.buy(5, 100)

        assert said(desk.cancel(3)) == [
            (CANCELLED, NONE, 3, 5, 0),
            (CANCELLED, PARENT_ENDED, 2, 5, 0),
            (CANCELLED, PARENT_ENDED, 1, 5, 0),
        ]


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


def test_news_goes_to_the_end_of_the_line(desk: Desk) -> None:
    """Two fills are told before the end of a partner that the first of them brings about."""
    desk.buy(1, 50, parent=3)
    desk.sell(1, 100, partner=3)
    desk.stop(SELL, 1, 40, partner=2)
    desk.stop(SELL, 1, 30, parent=5)
    desk.sell(1, 101)

    assert said(desk.buy(2, 101))[3:] == [
        (CANCELLED, LINKED, 3, 1, 0),
        (ACTIVATED, NONE, 4, 1, 1),
        (CANCELLED, PARENT_ENDED, 1, 1, 0),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"link": Link.OCO},
        {"link": Link.OCO, "partner": 1},
        {"link": Link.OCO, "partner": -1},
        {"link": Link.OCO, "partner": 5, "parent": 6},
        {"link": Link.OTO},
        {"link": Link.OTO, "parent": 1},
        {"link": Link.OTO, "parent": -1},
        {"link": Link.OTO, "parent": 5, "partner": 1},
        {"link": Link.NONE, "parent": 5},
        {"link": Link.NONE, "partner": 5},
        {"link": Link.ATTACHED, "trigger": STOP, "trigger_price": 90},
        {"link": Link.ATTACHED, "parent": 5},
        {"link": Link.ATTACHED, "parent": 5, "trigger": STOP, "trigger_price": 90, "display": 1},
        {"link": Link.ATTACHED, "parent": 5, "trigger": STOP, "trigger_price": 90, "min_quantity": 1},
        {"link": Link.ATTACHED, "parent": 5, "trigger": STOP, "trigger_price": 90, "position_limit": 1},
    ],
)
def test_a_link_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    before = desk.state()

    assert said(desk.sell(5, 100, **fields)) == [(REJECTED, Reason.INVALID, 1, 5, 0)]
    assert desk.state() == before


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
