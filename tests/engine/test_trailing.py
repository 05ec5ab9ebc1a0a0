"""Trailing stops: how the trigger follows, by steps, by ticks and by basis points, and when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import EngineEvent, EventKind, Phase, Reason, Side, TriggerKind, TriggerSource

from tests.engine.desk import Desk, said
from tests.engine.naive_orders import LARGEST

ACCEPTED, TRADE, TRAILED, TRIGGERED = (
    EventKind.ACCEPTED,
    EventKind.TRADE,
    EventKind.TRAILED,
    EventKind.TRIGGERED,
)
NONE = Reason.NONE
BUY, SELL = Side.BUY, Side.SELL
BPS = TriggerKind.TRAILING_BPS


def trailed(events: list[EngineEvent]) -> list[tuple[int, int]]:
    """(order id, new trigger) of each move."""
    return [(event.order_id, event.price) for event in events if event.kind == TRAILED]


class TestFollowing:
    """The trigger follows the price when that helps, and stands still when it does not."""

    def test_a_sell_trigger_rises_with_the_price(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 95, 10)

        assert trailed(desk.trade_at(105)) == []
        assert trailed(desk.trade_at(106)) == [(1, 96)]
        assert trailed(desk.trade_at(120)) == [(1, 110)]
        assert trailed(desk.trade_at(111)) == []
        assert [event.kind for event in desk.trade_at(110)][:3] == [ACCEPTED, TRADE, TRIGGERED]

    def test_a_buy_trigger_falls_with_the_price(self, desk: Desk) -> None:
        desk.trailing(BUY, 5, 115, 10)

        assert trailed(desk.trade_at(105)) == []
        assert trailed(desk.trade_at(104)) == [(1, 114)]
        assert trailed(desk.trade_at(90)) == [(1, 100)]
        assert trailed(desk.trade_at(99)) == []
        assert [event.kind for event in desk.trade_at(100)][:3] == [ACCEPTED, TRADE, TRIGGERED]

    def test_the_event_tells_the_trigger_and_what_is_open(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 95, 10)

        event = desk.trade_at(106)[-1]

        assert (event.kind, event.side, event.order_id, event.account) == (TRAILED, SELL, 1, 100)
        assert (event.price, event.quantity, event.leaves, event.priority) == (96, 0, 5, 0)
        assert desk.open()[1].terms.trigger_price == 96

    @pytest.mark.parametrize(
        ("price", "trigger_price"), [(107, 95), (108, 98), (110, 98), (111, 101), (112, 101), (114, 104)]
    )
    def test_it_moves_by_whole_steps(self, desk: Desk, price: int, trigger_price: int) -> None:
        desk.trailing(SELL, 5, 95, 10, step=3)

        desk.trade_at(price)

        assert desk.open()[1].terms.trigger_price == trigger_price

    def test_a_limit_moves_along_with_its_trigger(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 95, 10, price=90)

        desk.trade_at(112)

        assert (desk.open()[1].terms.trigger_price, desk.open()[1].price) == (102, 97)

    def test_a_market_order_without_protection_has_no_price_to_move(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 95, 10)

        desk.trade_at(112)

        assert desk.open()[1].price == 0

    def test_a_move_below_1_is_not_made(self, desk: Desk) -> None:
        """The trigger could go to 6, but the limit would go to -4."""
        desk.trailing(BUY, 5, 20, 5, price=10)

        assert trailed(desk.trade_at(1)) == []
        assert (desk.open()[1].terms.trigger_price, desk.open()[1].price) == (20, 10)
        assert trailed(desk.trade_at(7)) == [(1, 12)]
        assert desk.open()[1].price == 2

    def test_a_move_beyond_the_widest_number_is_not_made(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 1, 10, price=LARGEST - 5)

        assert trailed(desk.trade_at(17)) == []
        assert trailed(desk.trade_at(16)) == [(1, 6)]
        assert desk.open()[1].price == LARGEST

    def test_two_moves_in_one_sweep_are_one_event(self, desk: Desk) -> None:
        for ask in (106, 107, 109):
            desk.sell(1, ask)
        desk.trailing(SELL, 5, 95, 10)

        assert trailed(desk.buy(3)) == [(4, 99)]

    def test_a_price_moves_first_and_then_triggers(self, desk: Desk) -> None:
        """Bids at 112 and 101: the first lifts the trigger to 102, the second reaches it."""
        desk.buy(1, 112)
        desk.buy(1, 101)
        desk.trailing(SELL, 5, 95, 10)

        events = desk.sell(2)

        assert trailed(events) == []
        assert [event.kind for event in events][:4] == [ACCEPTED, TRADE, TRADE, TRIGGERED]

    def test_events_come_in_order_of_entry(self, desk: Desk) -> None:
        for distance in (5, 3, 4):
            desk.trailing(SELL, 1, 50, distance)

        assert trailed(desk.trade_at(100)) == [(1, 95), (2, 97), (3, 96)]


class TestBasisPoints:
    """The distance is a part of the price, rounded down."""

    @pytest.mark.parametrize(
        ("side", "at", "points", "price", "moved"),
        [
            (SELL, 900, 250, 1_000, 975),
            (SELL, 900, 250, 1_039, 1_014),  # 25.975 ticks are 25
            (BUY, 1_100, 250, 1_000, 1_025),
            (BUY, 1_100, 250, 1_039, 1_064),
            (SELL, 1, 9_999, 1_000, 1),  # 999.9 are 999: 1 is no gain
            (SELL, 1, 9_999, 30_000, 3),  # 29,997
        ],
    )
    def test_the_distance_follows_the_price(
        self, desk: Desk, side: Side, at: int, points: int, price: int, moved: int
    ) -> None:
        desk.trailing(side, 5, at, points, trigger=BPS)

        desk.trade_at(price)

        assert desk.open()[1].terms.trigger_price == moved

    def test_a_distance_below_a_tick_follows_onto_the_price_and_triggers(self, desk: Desk) -> None:
        """No word of the move: the order has been triggered meanwhile."""
        desk.trailing(BUY, 5, 200, 1, trigger=BPS)

        assert [event.kind for event in desk.trade_at(100)][2:3] == [TRIGGERED]

    def test_the_widest_price_does_not_overflow(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 1, 9_999, trigger=BPS)

        desk.trade_at(LARGEST)

        assert desk.open()[1].terms.trigger_price == LARGEST - LARGEST * 9_999 // 10_000


class TestArming:
    """A trailing order that is new looks at the last price as if it had been there."""

    def test_it_follows_the_last_price_at_once(self, desk: Desk) -> None:
        desk.trade_at(120)

        accepted, moved = desk.trailing(SELL, 5, 95, 10)

        assert (accepted.kind, moved.kind, moved.price) == (ACCEPTED, TRAILED, 110)

    def test_it_may_be_triggered_at_once(self, desk: Desk) -> None:
        desk.trade_at(120)

        assert [event.kind for event in desk.trailing(SELL, 5, 120, 10)][:2] == [ACCEPTED, TRIGGERED]

    def test_it_says_both_if_following_takes_it_onto_the_price(self, desk: Desk) -> None:
        desk.trade_at(100)

        kinds = [event.kind for event in desk.trailing(BUY, 5, 200, 1, trigger=BPS)]

        assert kinds[:3] == [ACCEPTED, TRAILED, TRIGGERED]

    def test_it_catches_up_when_the_book_opens(self, desk: Desk) -> None:
        desk.trade_at(120)
        desk.phase(Phase.PRE_OPEN)
        assert trailed(desk.trailing(SELL, 5, 95, 10)) == []

        assert trailed(desk.resume()) == [(1, 110)]


class TestAmending:
    """Its trigger and price are its own business; its quantity is not."""

    @pytest.mark.parametrize("fields", [{"trigger_price": 100}, {"price": 100}])
    def test_trigger_and_price_cannot_be_amended(self, desk: Desk, fields: dict[str, int]) -> None:
        desk.trailing(SELL, 5, 95, 10, price=90)
        before = desk.state()

        (event,) = desk.amend(1, **fields)

        assert (event.kind, event.reason) == (EventKind.AMEND_REJECTED, Reason.INVALID)
        assert desk.state() == before

    def test_the_quantity_can(self, desk: Desk) -> None:
        desk.trailing(SELL, 5, 95, 10)

        assert said(desk.amend(1, quantity=9)) == [(EventKind.AMENDED, NONE, 1, 9, 9)]


@pytest.mark.parametrize(
    "fields",
    [
        {"distance": 0},
        {"distance": -1},
        {"distance": 10_000, "trigger": BPS},
        {"distance": LARGEST, "trigger": BPS},
        {"step": 0},
        {"step": -1},
        {"source": TriggerSource.QUOTE},
        {"trigger_price": 0},
    ],
)
def test_a_trail_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    before = desk.state()

    events = desk.trailing(**{"side": SELL, "quantity": 5, "at": 95, "distance": 10, **fields})

    assert said(events) == [(EventKind.REJECTED, Reason.INVALID, 1, 5, 0)]
    assert desk.state() == before
