"""What each phase of a book takes, refuses, and ends."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import CommandFlag, EventKind, Phase, Place, Reason, Side, TimeInForce

from tests.engine.desk import BOOK, Desk, said

ACCEPTED, REJECTED, CANCELLED, AMENDED, AMEND_REJECTED, PHASE_CHANGED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.CANCELLED,
    EventKind.AMENDED,
    EventKind.AMEND_REJECTED,
    EventKind.PHASE_CHANGED,
)
NONE = Reason.NONE

GATHERING = (Phase.PRE_OPEN, Phase.AUCTION)
SHUT = (
    (Phase.HALTED, Reason.HALTED),
    (Phase.CANCEL_ONLY, Reason.WRONG_PHASE),
    (Phase.CLOSED, Reason.WRONG_PHASE),
)


class TestChange:
    """A change of phase says who, why and whereto."""

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase != Phase.OPEN])
    def test_every_phase_may_follow_on_open_and_open_on_it(self, desk: Desk, phase: Phase) -> None:
        (event,) = desk.phase(phase, by="operator")

        assert (event.kind, event.reason, event.flags) == (PHASE_CHANGED, NONE, phase)
        assert (event.account, event.side, event.order_id) == (desk.account("operator"), 0, 0)
        assert desk.engine.phase(BOOK) == phase
        assert said(desk.phase(phase)) == [(PHASE_CHANGED, Reason.ALREADY_IN_PHASE, 0, 0, 0)]
        assert said(desk.phase(phase, reason=Reason.MAINTENANCE)) == [
            (PHASE_CHANGED, Reason.MAINTENANCE, 0, 0, 0)
        ]
        assert said(desk.resume()) == [(PHASE_CHANGED, NONE, 0, 0, 0)]

    @pytest.mark.parametrize("phase", list(Phase))
    def test_any_phase_may_empty_the_book_parked_orders_too(self, desk: Desk, phase: Phase) -> None:
        desk.buy(1, 100)
        desk.stop(Side.SELL, 2, 90)
        desk.sell(3, 110, parent=9)
        desk.sell(4, 120)
        desk.amend(1, quantity=5)

        assert said(desk.phase(phase, cancel_resting=True, reason=Reason.DELISTED)) == [
            (PHASE_CHANGED, Reason.DELISTED, 0, 0, 0),
            (CANCELLED, Reason.HALT_CANCEL, 2, 2, 0),
            (CANCELLED, Reason.HALT_CANCEL, 3, 3, 0),
            (CANCELLED, Reason.HALT_CANCEL, 4, 4, 0),
            (CANCELLED, Reason.HALT_CANCEL, 1, 5, 0),
        ]
        assert desk.open() == {}

    def test_going_into_closed_ends_the_orders_of_the_day(self, desk: Desk) -> None:
        desk.buy(1, 100, tif=TimeInForce.DAY)
        desk.buy(2, 100)
        desk.stop(Side.BUY, 3, 110, 111, tif=TimeInForce.DAY)
        desk.sell(4, 120, parent=9, tif=TimeInForce.DAY)
        desk.stop(Side.BUY, 5, 110)
        desk.amend(1, quantity=6)

        assert said(desk.phase(Phase.CLOSED)) == [
            (PHASE_CHANGED, NONE, 0, 0, 0),
            (CANCELLED, Reason.SESSION_END, 3, 3, 0),
            (CANCELLED, Reason.SESSION_END, 4, 4, 0),
            (CANCELLED, Reason.SESSION_END, 1, 6, 0),
        ]
        assert (desk.queue(), desk.parked()) == ([(2, 2)], [(5, Place.ARMED, 5)])

    def test_a_day_order_is_an_order_like_any_other_until_then(self, desk: Desk) -> None:
        desk.sell(5, 100, tif=TimeInForce.DAY)
        for phase in (Phase.HALTED, Phase.AUCTION, Phase.PRE_OPEN, Phase.CANCEL_ONLY, Phase.OPEN):
            desk.phase(phase)

        assert said(desk.buy(2, 100))[1:] == [(EventKind.TRADE, NONE, 2, 2, 0)]
        assert desk.queue() == [(1, 3)]

    def test_the_end_of_the_day_is_news_for_partners_and_children(self, desk: Desk) -> None:
        desk.sell(1, 110, partner=2, tif=TimeInForce.DAY)
        desk.stop(Side.SELL, 1, 90, partner=1)
        desk.sell(1, 110, parent=4)
        desk.buy(1, 100, tif=TimeInForce.DAY)

        assert said(desk.phase(Phase.CLOSED))[1:] == [
            (CANCELLED, Reason.SESSION_END, 1, 1, 0),
            (CANCELLED, Reason.SESSION_END, 4, 1, 0),
            (CANCELLED, Reason.LINKED, 2, 1, 0),
            (CANCELLED, Reason.PARENT_ENDED, 3, 1, 0),
        ]


class TestGathering:
    """Before the opening and in an auction the book takes what can rest or wait, and matches nothing."""

    @pytest.mark.parametrize("phase", GATHERING)
    @pytest.mark.parametrize(
        "fields",
        [
            {"price": 0, "order_type": 2},
            {"tif": TimeInForce.IOC},
            {"tif": TimeInForce.FOK},
            {"flags": CommandFlag.POST_ONLY},
            {"min_quantity": 1},
            {"price": 0, "order_type": 2, "quantity": 0, "budget": 100},
        ],
    )
    def test_what_cannot_rest_is_refused(self, desk: Desk, phase: Phase, fields: dict[str, Any]) -> None:
        desk.phase(phase)
        before = desk.state()

        (event,) = desk.buy(**{"quantity": 5, "price": 100, **fields})

        assert (event.kind, event.reason) == (REJECTED, Reason.WRONG_PHASE)
        assert desk.state() == before

    @pytest.mark.parametrize("phase", GATHERING)
    @pytest.mark.parametrize(
        "fields",
        [
            {"price": 0, "order_type": 2},
            {"tif": TimeInForce.IOC},
            {"tif": TimeInForce.FOK},
            {"flags": CommandFlag.POST_ONLY},
            {"min_quantity": 1},
        ],
    )
    @pytest.mark.parametrize("waits", [{"trigger": 1, "trigger_price": 110}, {"parent": 9}])
    def test_what_waits_is_taken_whatever_it_is(
        self, desk: Desk, phase: Phase, fields: dict[str, Any], waits: dict[str, Any]
    ) -> None:
        desk.phase(phase)

        (event,) = desk.buy(**{"quantity": 5, "price": 100, **fields, **waits})

        assert (event.kind, event.reason) == (ACCEPTED, NONE)

    @pytest.mark.parametrize("phase", GATHERING)
    def test_the_book_may_be_crossed(self, desk: Desk, phase: Phase) -> None:
        desk.phase(phase)

        assert said(desk.sell(5, 99) + desk.buy(5, 101, position_limit=3)) == [
            (ACCEPTED, NONE, 1, 5, 5),
            (ACCEPTED, NONE, 2, 5, 5),
            (EventKind.REDUCED, Reason.REDUCE_ONLY, 2, 2, 3),
        ]
        assert desk.depth() == {"bids": [(101, 3)], "asks": [(99, 5)]}

    @pytest.mark.parametrize("phase", GATHERING)
    def test_amendments_rest_without_taking_post_only_ones_too(self, desk: Desk, phase: Phase) -> None:
        desk.buy(5, 99, flags=CommandFlag.POST_ONLY)
        desk.sell(5, 101)
        desk.phase(phase)

        assert said(desk.amend(1, price=102)) == [(AMENDED, NONE, 1, 5, 5)]
        assert desk.depth() == {"bids": [(102, 5)], "asks": [(101, 5)]}


class TestShut:
    """A halted, closed or cancel-only book takes nothing, and lets everything be cancelled."""

    @pytest.mark.parametrize(("phase", "reason"), SHUT)
    def test_it_takes_nothing_new(self, desk: Desk, phase: Phase, reason: Reason) -> None:
        desk.phase(phase)
        before = desk.state()

        refused = desk.buy(5, 100) + desk.stop(Side.BUY, 5, 110) + desk.sell(5, 110, parent=9)

        assert [(event.kind, event.reason) for event in refused] == [(REJECTED, reason)] * 3
        assert desk.state() == before

    @pytest.mark.parametrize(("phase", "reason"), SHUT)
    def test_it_amends_nothing(self, desk: Desk, phase: Phase, reason: Reason) -> None:
        desk.buy(5, 100)
        desk.stop(Side.BUY, 5, 110)
        desk.phase(phase)
        before = desk.state()

        assert said(desk.amend(1, quantity=4) + desk.amend(2, trigger_price=111)) == [
            (AMEND_REJECTED, reason, 1, 4, 5),
            (AMEND_REJECTED, reason, 2, 0, 5),
        ]
        assert desk.state() == before

    @pytest.mark.parametrize(("phase", "reason"), SHUT)
    def test_it_cancels(self, desk: Desk, phase: Phase, reason: Reason) -> None:
        desk.buy(5, 100)
        desk.stop(Side.BUY, 6, 110)
        desk.phase(phase)

        assert said(desk.cancel(1) + desk.cancel(2)) == [
            (CANCELLED, NONE, 1, 5, 0),
            (CANCELLED, NONE, 2, 6, 0),
        ]

    @pytest.mark.parametrize(("phase", "reason"), SHUT)
    def test_a_refused_order_ends_those_that_wait_for_it(
        self, desk: Desk, phase: Phase, reason: Reason
    ) -> None:
        desk.sell(5, 110, partner=2)
        desk.phase(phase)

        assert said(desk.stop(Side.SELL, 5, 90, partner=1)) == [
            (REJECTED, reason, 2, 5, 0),
            (CANCELLED, Reason.LINKED, 1, 5, 0),
        ]

    @pytest.mark.parametrize(("phase", "reason"), SHUT)
    def test_nonsense_is_refused_as_such_first(self, desk: Desk, phase: Phase, reason: Reason) -> None:
        desk.buy(5, 100)
        desk.phase(phase)

        assert said(desk.buy(0, 100) + desk.buy(5, 100, order_id=1) + desk.amend(1, price=-1)) == [
            (REJECTED, Reason.INVALID, 2, 0, 0),
            (REJECTED, Reason.DUPLICATE_ORDER, 1, 5, 0),
            (AMEND_REJECTED, Reason.INVALID, 1, 0, 5),
        ]
