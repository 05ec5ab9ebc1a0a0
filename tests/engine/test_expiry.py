"""Orders that end at a time of their own, before all else that is done with the command that brings it."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import EventKind, Link, Phase, Reason, Side, TimeInForce, TriggerSource

from tests.engine.desk import BOOK, Desk, said, trades
from tests.engine.naive_orders import NOTHING

ACCEPTED, REJECTED, TRADE, CANCELLED, TIME = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.TIME,
)
NONE, EXPIRED = Reason.NONE, Reason.EXPIRED
# Far beyond the desk's own clock, which moves by a thousand.
LATER = 10**9


class TestTime:
    """A command that only brings the time."""

    def test_time_alone_says_so(self, desk: Desk) -> None:
        (event,) = desk.tick(LATER)

        assert event == NOTHING._replace(kind=TIME, instrument=BOOK, seq=1, command_id=1, time=LATER)
        assert desk.engine.last_time(BOOK) == LATER

    def test_it_never_runs_backwards(self, desk: Desk) -> None:
        desk.tick(LATER)

        assert [event.time for event in desk.tick(LATER - 1)] == [LATER]


class TestExpiry:
    """Orders live until just before their time."""

    def test_an_order_ends_at_its_time_and_not_before(self, desk: Desk) -> None:
        desk.buy(5, 100, expires=LATER)

        assert said(desk.tick(LATER - 1)) == [(TIME, NONE, 0, 0, 0)]
        assert said(desk.tick(LATER)) == [(CANCELLED, EXPIRED, 1, 5, 0), (TIME, NONE, 0, 0, 0)]
        assert desk.open() == {}

    def test_it_ends_before_the_command_that_brings_the_time(self, desk: Desk) -> None:
        desk.buy(5, 100, expires=LATER)

        assert said(desk.sell(5, 100, time=LATER)) == [
            (CANCELLED, EXPIRED, 1, 5, 0),
            (ACCEPTED, NONE, 2, 5, 5),
        ]
        assert desk.depth() == {"bids": [], "asks": [(100, 5)]}

    def test_its_events_are_those_of_the_command(self, desk: Desk) -> None:
        desk.buy(5, 100, expires=LATER)

        cancelled, refused = desk.cancel(1, time=LATER + 5)

        assert (cancelled.command_id, cancelled.time, cancelled.seq) == (2, LATER + 5, 2)
        assert (cancelled.side, cancelled.account, cancelled.price) == (Side.BUY, 100, 100)
        assert (refused.kind, refused.reason) == (EventKind.CANCEL_REJECTED, Reason.UNKNOWN_ORDER)

    def test_its_id_is_free_for_the_command_that_brings_the_time(self, desk: Desk) -> None:
        desk.buy(5, 100, expires=LATER)

        assert said(desk.buy(6, 100, order_id=1, time=LATER)) == [
            (CANCELLED, EXPIRED, 1, 5, 0),
            (ACCEPTED, NONE, 1, 6, 6),
        ]

    def test_the_earliest_ends_first_and_then_the_lowest_id(self, desk: Desk) -> None:
        for order_id, expires in ((4, LATER + 1), (3, LATER), (2, LATER + 1), (1, LATER + 2)):
            desk.buy(5, 100, order_id=order_id, expires=expires)

        assert [event.order_id for event in desk.tick(LATER + 2)] == [3, 2, 4, 1, 0]

    @pytest.mark.parametrize("phase", list(Phase))
    def test_time_passes_in_every_phase(self, desk: Desk, phase: Phase) -> None:
        desk.buy(5, 100, expires=LATER)
        desk.phase(phase)

        assert said(desk.tick(LATER))[0] == (CANCELLED, EXPIRED, 1, 5, 0)

    def test_parked_orders_expire_too(self, desk: Desk) -> None:
        desk.stop(Side.BUY, 5, 110, expires=LATER)
        desk.sell(6, 110, parent=9, expires=LATER)
        desk.take_profit(Side.SELL, 7, 120, parent=9, link=Link.ATTACHED, expires=LATER)

        assert said(desk.tick(LATER))[:-1] == [
            (CANCELLED, EXPIRED, 1, 5, 0),
            (CANCELLED, EXPIRED, 2, 6, 0),
            (CANCELLED, EXPIRED, 3, 0, 0),
        ]

    def test_a_stop_keeps_its_time_after_it_has_gone_live(self, desk: Desk) -> None:
        desk.stop(Side.BUY, 5, 100, 99, expires=LATER)
        desk.trade_at(100)

        assert said(desk.tick(LATER))[0] == (CANCELLED, EXPIRED, 1, 5, 0)

    def test_an_amended_order_keeps_its_time(self, desk: Desk) -> None:
        desk.buy(5, 100, expires=LATER)
        desk.amend(1, price=101, quantity=7)

        assert said(desk.tick(LATER))[0] == (CANCELLED, EXPIRED, 1, 7, 0)

    def test_a_stop_that_expires_with_the_trade_that_would_trigger_it_does_not_trigger(
        self, desk: Desk
    ) -> None:
        desk.sell(1, 100)
        desk.stop(Side.BUY, 5, 100, expires=LATER)

        assert said(desk.buy(1, 100, time=LATER)) == [
            (CANCELLED, EXPIRED, 2, 5, 0),
            (ACCEPTED, NONE, 3, 1, 1),
            (TRADE, NONE, 3, 1, 0),
        ]


class TestConsequences:
    """An end by time is an end like any other."""

    def test_partners_and_children_are_told(self, desk: Desk) -> None:
        desk.sell(1, 110, partner=2, expires=LATER)
        desk.stop(Side.SELL, 1, 90, partner=1)
        desk.sell(1, 110, parent=4)
        desk.buy(1, 100, expires=LATER)

        assert said(desk.tick(LATER)) == [
            (CANCELLED, EXPIRED, 1, 1, 0),
            (CANCELLED, EXPIRED, 4, 1, 0),
            (CANCELLED, Reason.LINKED, 2, 1, 0),
            (CANCELLED, Reason.PARENT_ENDED, 3, 1, 0),
            (TIME, NONE, 0, 0, 0),
        ]

    def test_a_quote_that_ends_may_trigger_before_the_command_is_looked_at(self, desk: Desk) -> None:
        """The best ask goes, the next one reaches the stop, and the stop takes it before the buyer comes."""
        desk.sell(1, 100, expires=LATER)
        desk.sell(2, 105)
        desk.stop(Side.BUY, 2, 105, source=TriggerSource.QUOTE)

        events = desk.buy(2, 105, time=LATER)

        assert said(events) == [
            (CANCELLED, EXPIRED, 1, 1, 0),
            (EventKind.TRIGGERED, NONE, 3, 0, 2),
            (TRADE, NONE, 3, 2, 0),
            (ACCEPTED, NONE, 4, 2, 2),
        ]
        assert trades(events) == [(2, 2, 105)]


class TestRefusals:
    """A time that has passed, or on an order that it cannot concern."""

    @pytest.mark.parametrize("expires", [1, LATER - 1, LATER])
    def test_a_time_that_has_come_is_too_late(self, desk: Desk, expires: int) -> None:
        desk.tick(LATER)
        before = desk.state()

        assert said(desk.buy(5, 100, expires=expires)) == [(REJECTED, EXPIRED, 1, 5, 0)]
        assert desk.state() == before
        assert said(desk.buy(5, 100, expires=LATER + 1)) == [(ACCEPTED, NONE, 2, 5, 5)]

    @pytest.mark.parametrize(
        "fields",
        [
            {"expires": -1},
            {"expires": LATER, "tif": TimeInForce.IOC},
            {"expires": LATER, "tif": TimeInForce.FOK},
            {"expires": LATER, "order_type": 2},
            {"expires": LATER, "order_type": 2, "tif": TimeInForce.IOC, "partner": 2},
        ],
    )
    def test_an_order_that_neither_rests_nor_waits_has_no_time(
        self, desk: Desk, fields: dict[str, Any]
    ) -> None:
        before = desk.state()

        assert said(desk.buy(5, 100, **fields)) == [(REJECTED, Reason.INVALID, 1, 5, 0)]
        assert desk.state() == before
