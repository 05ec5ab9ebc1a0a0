"""Orders that show a part of themselves, or nothing: what is seen, who comes first, what a meeting takes."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import CommandFlag, EventFlag, EventKind, Phase, Reason, StpMode, TimeInForce

from tests.engine.desk import Desk, said, trades
from tests.engine.naive_orders import LARGEST

ACCEPTED, REJECTED, TRADE, CANCELLED, AMENDED, REDUCED, DISPLAYED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.AMENDED,
    EventKind.REDUCED,
    EventKind.DISPLAYED,
)
NONE, STP = Reason.NONE, Reason.SELF_TRADE_PREVENTION


class TestSlices:
    """An ask of 10 lots that shows 3."""

    @pytest.fixture
    def ask(self, desk: Desk) -> Desk:
        desk.sell(10, 100, by="X", display=3)
        return desk

    def test_only_the_slice_is_seen(self, ask: Desk) -> None:
        assert ask.depth()["asks"] == [(100, 3)]
        assert (ask.open()[1].leaves, ask.open()[1].shown) == (10, 3)

    def test_coming_to_rest_it_says_what_it_shows_and_keeps_its_priority(self, desk: Desk) -> None:
        accepted, displayed = desk.sell(10, 100, display=3)

        assert (displayed.kind, displayed.price, displayed.quantity, displayed.leaves) == (
            DISPLAYED,
            100,
            3,
            10,
        )
        assert displayed.priority == accepted.priority == accepted.seq

    def test_one_that_fits_its_slice_says_so_too(self, desk: Desk) -> None:
        assert said(desk.sell(2, 100, display=3)) == [(ACCEPTED, NONE, 1, 2, 2), (DISPLAYED, NONE, 1, 2, 2)]

    def test_a_part_of_the_slice_leaves_the_rest_of_it(self, ask: Desk) -> None:
        assert said(ask.buy(2, 100)) == [(ACCEPTED, NONE, 2, 2, 2), (TRADE, NONE, 2, 2, 0)]
        assert ask.depth()["asks"] == [(100, 1)]

    def test_a_used_up_slice_is_followed_by_the_next_at_once(self, ask: Desk) -> None:
        _, trade, displayed = ask.buy(3, 100)

        assert (trade.maker_order_id, trade.quantity, trade.maker_leaves) == (1, 3, 7)
        assert (displayed.kind, displayed.quantity, displayed.leaves) == (DISPLAYED, 3, 7)
        assert displayed.priority == displayed.seq == ask.open()[1].priority

    def test_the_next_slice_goes_to_the_back_of_its_level(self, ask: Desk) -> None:
        ask.sell(2, 100)

        assert said(ask.buy(7, 100)) == [
            (ACCEPTED, NONE, 3, 7, 7),
            (TRADE, NONE, 3, 3, 4),
            (DISPLAYED, NONE, 1, 3, 7),
            (TRADE, NONE, 3, 2, 2),
            (TRADE, NONE, 3, 2, 0),
        ]
        assert ask.depth()["asks"] == [(100, 1)]

    def test_alone_at_its_level_it_trades_slice_by_slice(self, ask: Desk) -> None:
        assert trades(ask.buy(12, 100)) == [(1, 3, 100), (1, 3, 100), (1, 3, 100), (1, 1, 100)]
        assert ask.depth() == {"bids": [(100, 2)], "asks": []}

    def test_the_last_slice_is_what_is_left(self, ask: Desk) -> None:
        ask.buy(9, 100)

        assert ask.depth()["asks"] == [(100, 1)]

    def test_as_a_taker_it_takes_with_all_its_lots(self, desk: Desk) -> None:
        desk.buy(7, 100)

        assert said(desk.sell(10, 100, display=3)) == [
            (ACCEPTED, NONE, 2, 10, 10),
            (TRADE, NONE, 2, 7, 3),
            (DISPLAYED, NONE, 2, 3, 3),
        ]

    def test_all_its_lots_count_for_fill_or_kill(self, ask: Desk) -> None:
        before = ask.state()

        assert said(ask.buy(11, 100, tif=TimeInForce.FOK)) == [(REJECTED, Reason.FOK_UNFILLABLE, 2, 11, 0)]
        assert ask.state() == before
        assert len(trades(ask.buy(10, 100, tif=TimeInForce.FOK))) == 4

    def test_fill_or_kill_counts_no_slice_that_would_come_after_its_own_order(self, ask: Desk) -> None:
        """Y would meet the slice of 3, and then itself."""
        ask.sell(5, 100, by="Y")
        before = ask.state()

        assert said(ask.buy(4, 100, by="Y", tif=TimeInForce.FOK)) == [
            (REJECTED, Reason.FOK_UNFILLABLE, 3, 4, 0)
        ]
        assert ask.state() == before
        assert trades(ask.buy(3, 100, by="Y", tif=TimeInForce.FOK)) == [(1, 3, 100)]

    def test_decrement_takes_no_more_than_the_slice_at_a_time(self, ask: Desk) -> None:
        assert said(ask.buy(5, 100, by="X", stp=StpMode.DECREMENT)) == [
            (ACCEPTED, NONE, 2, 5, 5),
            (REDUCED, STP, 1, 3, 7),
            (REDUCED, STP, 2, 3, 2),
            (DISPLAYED, NONE, 1, 3, 7),
            (REDUCED, STP, 1, 2, 5),
            (REDUCED, STP, 2, 2, 0),
            (CANCELLED, STP, 2, 0, 0),
        ]
        assert ask.depth()["asks"] == [(100, 1)]

    def test_the_next_slice_comes_after_the_cancellation_of_the_taker(self, ask: Desk) -> None:
        assert said(ask.buy(3, 100, by="X", stp=StpMode.DECREMENT))[1:] == [
            (REDUCED, STP, 1, 3, 7),
            (REDUCED, STP, 2, 3, 0),
            (CANCELLED, STP, 2, 0, 0),
            (DISPLAYED, NONE, 1, 3, 7),
        ]

    def test_a_cancelled_iceberg_gives_back_all_its_lots(self, ask: Desk) -> None:
        ask.buy(4, 100)

        assert said(ask.cancel(1)) == [(CANCELLED, NONE, 1, 6, 0)]
        assert ask.depth() == {"bids": [], "asks": []}


class TestHidden:
    """A display quantity of 0 hides the whole order."""

    def test_it_is_in_no_depth_and_says_nothing(self, desk: Desk) -> None:
        assert said(desk.sell(10, 100, display=0)) == [(ACCEPTED, NONE, 1, 10, 10)]
        assert desk.depth() == {"bids": [], "asks": []}
        assert (desk.open()[1].leaves, desk.open()[1].shown) == (10, 0)

    def test_at_its_price_it_comes_after_all_that_is_shown(self, desk: Desk) -> None:
        desk.sell(4, 100, display=0)
        desk.sell(4, 100, display=0)
        desk.sell(4, 100)
        desk.sell(6, 100, display=2)

        assert trades(desk.buy(15, 100)) == [
            (3, 4, 100), (4, 2, 100), (4, 2, 100), (4, 2, 100), (1, 4, 100), (2, 1, 100),
        ]  # fmt: skip

    def test_a_better_price_comes_first_even_if_hidden(self, desk: Desk) -> None:
        desk.sell(4, 100)
        desk.sell(4, 99, display=0)

        assert trades(desk.buy(5, 100)) == [(2, 4, 99), (1, 1, 100)]

    def test_a_post_only_order_may_not_run_into_it(self, desk: Desk) -> None:
        desk.sell(4, 100, display=0)
        before = desk.state()

        assert said(desk.buy(4, 100, flags=CommandFlag.POST_ONLY)) == [(REJECTED, Reason.WOULD_TAKE, 2, 4, 0)]
        assert desk.state() == before

    def test_a_side_with_hidden_orders_only_is_not_empty(self, desk: Desk) -> None:
        desk.sell(4, 100, display=0)

        assert said(desk.buy(4, 99, order_type=2, tif=TimeInForce.IOC))[-1] == (
            CANCELLED, Reason.PRICE_PROTECTION, 2, 4, 0,
        )  # fmt: skip

    def test_it_counts_for_fill_or_kill_and_minimum(self, desk: Desk) -> None:
        desk.sell(4, 100, display=0)

        assert len(trades(desk.buy(2, 100, tif=TimeInForce.FOK))) == 1
        assert len(trades(desk.buy(5, 100, min_quantity=2))) == 1


class TestAmend:
    """Less keeps the place and as much of the slice as there is; more is a new order with a new slice."""

    def test_less_keeps_the_slice_and_the_place(self, desk: Desk) -> None:
        desk.sell(10, 100, display=3)
        desk.buy(1, 100)

        (event,) = desk.amend(1, quantity=5)

        assert (event.kind, event.flags, event.leaves) == (AMENDED, EventFlag.KEPT_PLACE, 4)
        assert desk.depth()["asks"] == [(100, 2)]

    def test_less_than_the_slice_shrinks_it(self, desk: Desk) -> None:
        desk.sell(10, 100, display=3)

        assert said(desk.amend(1, quantity=2)) == [(AMENDED, NONE, 1, 2, 2)]
        assert desk.depth()["asks"] == [(100, 2)]

    def test_more_shows_a_new_slice_from_a_new_place(self, desk: Desk) -> None:
        desk.sell(10, 100, display=3)
        desk.sell(1, 100)
        desk.buy(1, 100)

        amended, displayed = desk.amend(1, quantity=12)

        assert (amended.leaves, displayed.kind, displayed.quantity) == (11, DISPLAYED, 3)
        assert displayed.priority == amended.priority == amended.seq
        assert desk.queue() == [(2, 1), (1, 11)]

    def test_no_more_than_a_thousand_slices(self, desk: Desk) -> None:
        desk.sell(3_000, 100, display=3)
        before = desk.state()

        assert said(desk.amend(1, quantity=3_001)) == [
            (EventKind.AMEND_REJECTED, Reason.INVALID, 1, 3_001, 3_000)
        ]
        assert desk.state() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"display": -1},
        {"display": -(2**63)},
        {"display": 1, "tif": TimeInForce.IOC},
        {"display": 0, "tif": TimeInForce.FOK},
        {"display": 1, "order_type": 2},
        {"display": 3, "quantity": 3_001},
        {"display": 1, "quantity": LARGEST},
    ],
)
def test_a_display_quantity_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    desk.buy(5, 100)
    before = desk.state()

    (event,) = desk.sell(**{"quantity": 10, "price": 100, **fields})

    assert (event.kind, event.reason) == (REJECTED, Reason.INVALID)
    assert desk.state() == before


def test_a_display_quantity_may_be_as_large_as_numbers_go(desk: Desk) -> None:
    assert said(desk.sell(LARGEST, 100, display=LARGEST))[1:] == [(DISPLAYED, NONE, 1, LARGEST, LARGEST)]


def test_where_nothing_is_matched_an_iceberg_shows_its_slice_too(desk: Desk) -> None:
    desk.phase(Phase.AUCTION)

    assert said(desk.sell(10, 100, display=3))[1:] == [(DISPLAYED, NONE, 1, 3, 10)]
    assert desk.depth()["asks"] == [(100, 3)]
