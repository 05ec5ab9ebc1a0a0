"""What happens when an order meets one of its own account or group."""

from __future__ import annotations

import pytest
from tradeengine.codec import EventKind, Reason, StpMode, TimeInForce

from tests.engine.desk import BOOK, Desk, said, trades

ACCEPTED, REJECTED, TRADE, CANCELLED, AMENDED, REDUCED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.AMENDED,
    EventKind.REDUCED,
)
NONE, STP = Reason.NONE, Reason.SELF_TRADE_PREVENTION


class TestSelfTradePrevention:
    """X's own ask stands between two of a stranger; then X buys through all of them."""

    @pytest.fixture
    def own_ask_behind_a_stranger(self, desk: Desk) -> Desk:
        desk.sell(2, 99, by="stranger")
        desk.sell(4, 100, by="X")
        desk.sell(3, 100, by="stranger")
        return desk

    def test_expire_taker_cancels_the_taker(self, own_ask_behind_a_stranger: Desk) -> None:
        desk = own_ask_behind_a_stranger

        assert said(desk.buy(10, 100, by="X", stp=StpMode.EXPIRE_TAKER)) == [
            (ACCEPTED, NONE, 4, 10, 10),
            (TRADE, NONE, 4, 2, 8),
            (CANCELLED, STP, 4, 8, 0),
        ]
        assert desk.queue() == [(2, 4), (3, 3)]

    def test_expire_maker_cancels_the_maker_and_goes_on(self, own_ask_behind_a_stranger: Desk) -> None:
        desk = own_ask_behind_a_stranger

        assert said(desk.buy(10, 100, by="X", stp=StpMode.EXPIRE_MAKER)) == [
            (ACCEPTED, NONE, 4, 10, 10),
            (TRADE, NONE, 4, 2, 8),
            (CANCELLED, STP, 2, 4, 0),
            (TRADE, NONE, 4, 3, 5),
        ]
        assert desk.queue() == [(4, 5)]

    def test_expire_both_cancels_maker_then_taker(self, own_ask_behind_a_stranger: Desk) -> None:
        desk = own_ask_behind_a_stranger

        assert said(desk.buy(10, 100, by="X", stp=StpMode.EXPIRE_BOTH)) == [
            (ACCEPTED, NONE, 4, 10, 10),
            (TRADE, NONE, 4, 2, 8),
            (CANCELLED, STP, 2, 4, 0),
            (CANCELLED, STP, 4, 8, 0),
        ]
        assert desk.queue() == [(3, 3)]

    def test_decrement_shrinks_both_and_ends_the_smaller(self, own_ask_behind_a_stranger: Desk) -> None:
        desk = own_ask_behind_a_stranger

        assert said(desk.buy(10, 100, by="X", stp=StpMode.DECREMENT)) == [
            (ACCEPTED, NONE, 4, 10, 10),
            (TRADE, NONE, 4, 2, 8),
            (REDUCED, STP, 2, 4, 0),
            (REDUCED, STP, 4, 4, 4),
            (CANCELLED, STP, 2, 0, 0),
            (TRADE, NONE, 4, 3, 1),
        ]
        assert desk.queue() == [(4, 1)]

    def test_decrement_of_a_smaller_taker_leaves_the_maker_in_its_place(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X")
        desk.sell(4, 100, by="stranger")

        events = desk.buy(3, 100, by="X", stp=StpMode.DECREMENT)

        assert said(events)[1:] == [
            (REDUCED, STP, 1, 3, 1),
            (REDUCED, STP, 3, 3, 0),
            (CANCELLED, STP, 3, 0, 0),
        ]
        assert desk.queue() == [(1, 1), (2, 4)]

    def test_decrement_of_equals_ends_both(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X")

        assert said(desk.buy(4, 100, by="X", stp=StpMode.DECREMENT))[3:] == [
            (CANCELLED, STP, 1, 0, 0),
            (CANCELLED, STP, 2, 0, 0),
        ]
        assert desk.queue() == []

    def test_prevented_lots_are_used_up_without_a_trade(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X")
        desk.buy(3, 100, by="X", stp=StpMode.DECREMENT)

        (order,) = desk.open().values()
        assert (order.leaves, order.executed, desk.engine.last_price(BOOK)) == (1, 3, 0)

    def test_a_taker_that_rests_has_used_up_its_prevented_lots_too(self, desk: Desk) -> None:
        desk.sell(3, 100, by="X")
        desk.buy(5, 100, by="X", stp=StpMode.DECREMENT)

        (order,) = desk.open().values()
        assert (order.order_id, order.leaves, order.executed) == (2, 2, 3)

    def test_prevented_lots_count_towards_the_total_of_an_amendment(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X")
        desk.buy(3, 100, by="X", stp=StpMode.DECREMENT)

        assert said(desk.amend(1, by="X", quantity=3)) == [
            (EventKind.AMEND_REJECTED, Reason.BELOW_EXECUTED, 1, 3, 1)
        ]
        assert said(desk.amend(1, by="X", quantity=5)) == [(AMENDED, NONE, 1, 5, 2)]
        assert desk.queue() == [(1, 2)]

    def test_members_of_a_group_are_one(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X", stp_group=5)

        assert said(desk.buy(4, 100, by="Y", stp_group=5))[1:] == [(CANCELLED, STP, 2, 4, 0)]

    def test_members_of_a_group_without_a_mode_trade(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X", stp_group=5)

        assert trades(desk.buy(4, 100, by="Y", stp_group=5, stp=StpMode.NONE)) == [(1, 4, 100)]

    def test_group_five_is_not_account_five(self, desk: Desk) -> None:
        desk.sell(4, 100, account=5)

        assert trades(desk.buy(4, 100, account=6, stp_group=5)) == [(1, 4, 100)]

    @pytest.mark.parametrize("group", [0, 5])
    def test_an_account_never_trades_with_itself(self, desk: Desk, group: int) -> None:
        desk.sell(4, 100, by="X")

        assert trades(desk.buy(4, 100, by="X", stp_group=group, stp=StpMode.NONE)) == []
        assert desk.queue() == [(1, 4)]

    def test_the_makers_mode_does_not_matter(self, desk: Desk) -> None:
        desk.sell(4, 100, by="X", stp=StpMode.EXPIRE_MAKER)

        desk.buy(4, 100, by="X", stp=StpMode.EXPIRE_TAKER)

        assert desk.queue() == [(1, 4)]

    def test_fok_passes_over_its_own_orders_if_it_expires_them(self, desk: Desk) -> None:
        desk.sell(4, 99, by="X")
        desk.sell(4, 100)
        fok = {"by": "X", "tif": TimeInForce.FOK, "stp": StpMode.EXPIRE_MAKER}
        before = desk.state()

        assert said(desk.buy(5, 100, **fok)) == [(REJECTED, Reason.FOK_UNFILLABLE, 3, 5, 0)]
        assert desk.state() == before

        assert said(desk.buy(4, 100, **fok))[1:] == [(CANCELLED, STP, 1, 4, 0), (TRADE, NONE, 4, 4, 0)]

    @pytest.mark.parametrize(
        "mode", [StpMode.NONE, StpMode.EXPIRE_TAKER, StpMode.EXPIRE_BOTH, StpMode.DECREMENT]
    )
    def test_fok_stops_at_its_own_order_otherwise(self, desk: Desk, mode: StpMode) -> None:
        desk.sell(4, 99)
        desk.sell(4, 100, by="X")
        desk.sell(4, 101)
        before = desk.state()

        assert said(desk.buy(5, 101, by="X", tif=TimeInForce.FOK, stp=mode)) == [
            (REJECTED, Reason.FOK_UNFILLABLE, 4, 5, 0)
        ]
        assert desk.state() == before
        assert trades(desk.buy(4, 101, by="X", tif=TimeInForce.FOK, stp=mode)) == [(1, 4, 99)]
