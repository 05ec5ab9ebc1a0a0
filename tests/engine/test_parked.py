"""A parked order: its record until it goes live and afterwards, and how it is amended where it stands."""

from __future__ import annotations

import pytest
from tradeengine.codec import EventFlag, EventKind, Reason, Side, TermsFlag

from tests.engine.desk import Desk, said
from tests.engine.naive_orders import LARGEST

REJECTED, AMENDED, TRIGGERED = EventKind.REJECTED, EventKind.AMENDED, EventKind.TRIGGERED
NONE = Reason.NONE
BUY = Side.BUY


class TestRecordOfParkedOrders:
    """What a parked order is until it goes live, and what is left of that afterwards."""

    def test_a_parked_order_keeps_its_terms_and_a_resting_one_drops_what_is_done(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 100, 99, min_quantity=0, display=2, expires=10**9)
        parked = desk.open()[1]
        desk.trade_at(100)
        resting = desk.open()[1]

        assert (parked.place, parked.shown, parked.terms.trigger, parked.terms.trigger_price) == (
            1,
            0,
            1,
            100,
        )
        assert (resting.place, resting.shown, resting.terms.trigger, resting.terms.trigger_price) == (
            0,
            2,
            0,
            0,
        )
        for order in (parked, resting):
            terms = order.terms
            assert (terms.flags, terms.display, terms.expires) == (TermsFlag.HAS_DISPLAY, 2, 10**9)


class TestAmendingParkedOrders:
    """A parked order is amended where it stands, and looks again."""

    def test_everything_about_it_may_change_and_it_keeps_its_place(self, desk: Desk) -> None:
        desk.stop(BUY, 5, 110, 120)
        desk.stop(BUY, 5, 110, 120)

        amended, trailed = desk.amend(1, price=125, quantity=7, trigger_price=115)

        assert (amended.kind, amended.flags, amended.priority) == (AMENDED, EventFlag.KEPT_PLACE, 1)
        assert (amended.price, amended.quantity, amended.leaves) == (125, 7, 7)
        assert (trailed.kind, trailed.price, trailed.leaves) == (EventKind.TRAILED, 115, 7)
        assert [order.terms.trigger_price for order in desk.open().values()] == [115, 110]

    def test_a_trigger_that_is_reached_by_its_amendment_triggers(self, desk: Desk) -> None:
        desk.trade_at(100)
        desk.stop(BUY, 5, 110, 95)

        assert said(desk.amend(1, trigger_price=100)) == [
            (AMENDED, NONE, 1, 5, 5),
            (EventKind.TRAILED, NONE, 1, 0, 5),
            (TRIGGERED, NONE, 1, 0, 5),
        ]
        assert desk.queue() == [(1, 5)]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({}, Reason.NO_CHANGE),
            ({"price": 95, "quantity": 5, "trigger_price": 110}, Reason.NO_CHANGE),
            ({"price": -1}, Reason.INVALID),
            ({"quantity": -1}, Reason.INVALID),
            ({"trigger_price": 2**63}, Reason.INVALID),
        ],
    )
    def test_refusals_change_nothing(self, desk: Desk, fields: dict[str, int], reason: Reason) -> None:
        desk.stop(BUY, 5, 110, 95)
        before = desk.state()

        (event,) = desk.amend(1, **fields)

        assert (event.kind, event.reason) == (EventKind.AMEND_REJECTED, reason)
        assert (event.side, event.leaves) == (BUY, 5)
        assert desk.state() == before

    def test_only_a_resting_quantity_may_not_overflow_its_side(self, desk: Desk) -> None:
        """A parked one is looked at when it goes live."""
        desk.stop(BUY, 5, 110, 95)
        desk.buy(2, 90)

        assert said(desk.amend(1, quantity=LARGEST)) == [(AMENDED, NONE, 1, LARGEST, LARGEST)]
        assert said(desk.amend(2, quantity=LARGEST)) == [(AMENDED, NONE, 2, LARGEST, LARGEST)]
        assert said(desk.buy(1, 90)) == [(REJECTED, Reason.INVALID, 3, 1, 0)]

    def test_a_resting_order_has_no_trigger_to_amend(self, desk: Desk) -> None:
        desk.buy(5, 100)
        before = desk.state()

        assert said(desk.amend(1, trigger_price=99)) == [(EventKind.AMEND_REJECTED, Reason.INVALID, 1, 0, 5)]
        assert desk.state() == before
