"""Children that wait for their parents: when they go live, what they are then, what ends them."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import CommandFlag, EventFlag, EventKind, Place, Reason, Side, StpMode, TimeInForce

from tests.engine.desk import Desk, said

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
SELL = Side.SELL


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
