"""The rules beyond price and time: amendments, owners, halts, protection prices, wide numbers."""

from __future__ import annotations

import pytest
from tradeengine.codec import CommandFlag, EventFlag, EventKind, Phase, Reason, Side, TimeInForce

from tests.engine.desk import BOOK, Desk, said, trades
from tests.engine.naive_orders import LARGEST

ACCEPTED, REJECTED, TRADE, CANCELLED, AMENDED = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.AMENDED,
)
NONE, STP = Reason.NONE, Reason.SELF_TRADE_PREVENTION


class TestAmend:
    """A bid of 10 at 100 with another of 10 behind it."""

    @pytest.fixture
    def two_bids(self, desk: Desk) -> Desk:
        desk.buy(10, 100, by="first")
        desk.buy(10, 100, by="second")
        return desk

    def test_less_keeps_the_place(self, two_bids: Desk) -> None:
        (event,) = two_bids.amend(1, by="first", quantity=4)

        assert (event.kind, event.quantity, event.leaves, event.price) == (AMENDED, 4, 4, 100)
        assert (event.flags, event.priority) == (EventFlag.KEPT_PLACE, 1)
        assert two_bids.queue() == [(1, 4), (2, 10)]

    @pytest.mark.parametrize("fields", [{"quantity": 11}, {"price": 99}, {"price": 99, "quantity": 4}])
    def test_more_or_another_price_loses_the_place(self, two_bids: Desk, fields: dict[str, int]) -> None:
        (event,) = two_bids.amend(1, by="first", **fields)

        assert (event.kind, event.flags, event.priority, event.seq) == (AMENDED, 0, 3, 3)
        assert (event.price, event.quantity) == (fields.get("price", 100), fields.get("quantity", 10))
        assert two_bids.queue() == [(2, 10), (1, fields.get("quantity", 10))]

    def test_the_total_includes_what_is_executed(self, two_bids: Desk) -> None:
        two_bids.sell(3, 100)

        (event,) = two_bids.amend(1, by="first", quantity=5)

        assert (event.quantity, event.leaves) == (5, 2)
        assert two_bids.queue() == [(1, 2), (2, 10)]

    def test_an_amended_price_may_trade(self, two_bids: Desk) -> None:
        two_bids.sell(6, 105)

        events = two_bids.amend(1, by="first", price=106, quantity=8)

        assert said(events) == [(AMENDED, NONE, 1, 8, 8), (TRADE, NONE, 1, 6, 2)]
        assert (events[1].price, events[1].maker_order_id, events[1].side) == (105, 3, Side.BUY)
        assert two_bids.depth() == {"bids": [(106, 2), (100, 10)], "asks": []}

    def test_an_amended_order_keeps_its_mode_of_prevention(self, two_bids: Desk) -> None:
        two_bids.sell(6, 105, by="first")

        assert said(two_bids.amend(1, by="first", price=105)) == [
            (AMENDED, NONE, 1, 10, 10),
            (CANCELLED, STP, 1, 10, 0),
        ]
        assert two_bids.queue() == [(2, 10), (3, 6)]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"quantity": 3}, Reason.BELOW_EXECUTED),
            ({"quantity": 2}, Reason.BELOW_EXECUTED),
            ({}, Reason.NO_CHANGE),
            ({"quantity": 10}, Reason.NO_CHANGE),
            ({"price": 100, "quantity": 10}, Reason.NO_CHANGE),
            ({"quantity": -1}, Reason.INVALID),
            ({"quantity": -(2**63)}, Reason.INVALID),
            ({"price": -1}, Reason.INVALID),
            ({"quantity": LARGEST}, Reason.INVALID),
        ],
    )
    def test_refusals_change_nothing(self, two_bids: Desk, fields: dict[str, int], reason: Reason) -> None:
        two_bids.sell(3, 100)
        before = two_bids.state()

        (event,) = two_bids.amend(1, by="first", **fields)

        assert (event.kind, event.reason) == (EventKind.AMEND_REJECTED, reason)
        assert (event.price, event.quantity) == (fields.get("price", 0), fields.get("quantity", 0))
        assert (event.side, event.leaves, event.flags) == (Side.BUY, 7, 0)
        assert two_bids.state() == before

    def test_a_post_only_order_may_not_be_amended_into_taking(self, desk: Desk) -> None:
        desk.sell(6, 105)
        desk.buy(4, 100, by="maker", flags=CommandFlag.POST_ONLY)
        before = desk.state()

        (event,) = desk.amend(2, by="maker", price=105)

        assert (event.kind, event.reason) == (EventKind.AMEND_REJECTED, Reason.WOULD_TAKE)
        assert desk.state() == before
        assert said(desk.amend(2, by="maker", price=104)) == [(AMENDED, NONE, 2, 4, 4)]


class TestRefused:
    """A new order or amendment that comes with a reason was refused before it came: the book says so."""

    KILLED = Reason.KILLED

    def test_a_new_order_neither_trades_nor_rests(self, desk: Desk) -> None:
        desk.sell(5, 100)
        before = desk.queue()

        assert said(desk.buy(5, 100, reason=self.KILLED)) == [(REJECTED, self.KILLED, 2, 5, 0)]
        assert desk.queue() == before

    def test_nor_is_one_with_terms_armed_and_its_partner_ends_with_it(self, desk: Desk) -> None:
        desk.sell(5, 110, by="owner", partner=2)

        events = desk.stop(Side.SELL, 5, 90, by="owner", partner=1, reason=self.KILLED)

        assert said(events) == [(REJECTED, self.KILLED, 2, 5, 0), (CANCELLED, Reason.LINKED, 1, 5, 0)]
        assert desk.queue() == []

    def test_an_id_that_is_open_stays_the_open_orders(self, desk: Desk) -> None:
        desk.buy(5, 100)
        desk.orders = 0

        assert said(desk.buy(5, 100, reason=self.KILLED)) == [(REJECTED, Reason.DUPLICATE_ORDER, 1, 5, 0)]
        assert desk.queue() == [(1, 5)]

    def test_an_amendment_leaves_the_order_as_it_is(self, desk: Desk) -> None:
        desk.buy(5, 100, by="first")
        desk.sell(5, 101)

        (event,) = desk.amend(1, by="first", price=101, reason=self.KILLED)

        assert (event.kind, event.reason, event.leaves) == (EventKind.AMEND_REJECTED, self.KILLED, 5)
        assert desk.queue() == [(1, 5), (2, 5)]


class TestOwner:
    """Only the owner or the operator (account 0) changes an order."""

    def test_a_stranger_may_not(self, desk: Desk) -> None:
        desk.buy(10, 100, by="owner")
        before = desk.state()

        refused = desk.cancel(1, by="stranger") + desk.amend(1, by="stranger", price=99)

        assert said(refused) == [
            (EventKind.CANCEL_REJECTED, Reason.NOT_OWNER, 1, 0, 10),
            (EventKind.AMEND_REJECTED, Reason.NOT_OWNER, 1, 0, 10),
        ]
        assert {event.account for event in refused} == {desk.account("stranger")}
        assert desk.state() == before

    def test_the_operator_may_amend_too(self, desk: Desk) -> None:
        desk.buy(10, 100, by="owner")

        (event,) = desk.amend(1, quantity=4)

        assert (event.kind, event.leaves, event.account) == (AMENDED, 4, desk.account("owner"))

    def test_the_operator_may_and_says_why(self, desk: Desk) -> None:
        desk.buy(10, 100, by="owner")

        (event,) = desk.cancel(1, reason=Reason.MASS_CANCEL)

        assert (event.kind, event.reason, event.account) == (
            CANCELLED,
            Reason.MASS_CANCEL,
            desk.account("owner"),
        )
        assert desk.queue() == []


class TestHalt:
    """A halted book keeps its orders, lets them be cancelled, and takes nothing new."""

    def test_a_halted_book_only_cancels(self, desk: Desk) -> None:
        desk.buy(10, 100, by="owner")
        assert said(desk.halt()) == [(EventKind.PHASE_CHANGED, Reason.OPERATOR, 0, 0, 0)]
        before = desk.state()

        assert said(desk.sell(5, 100)) == [(REJECTED, Reason.HALTED, 2, 5, 0)]
        assert said(desk.amend(1, quantity=4)) == [(EventKind.AMEND_REJECTED, Reason.HALTED, 1, 4, 10)]
        assert desk.state() == before

        assert said(desk.cancel(1, by="owner")) == [(CANCELLED, NONE, 1, 10, 0)]

    def test_resuming_lets_orders_in_again(self, desk: Desk) -> None:
        desk.buy(10, 100)
        desk.halt()

        assert said(desk.resume()) == [(EventKind.PHASE_CHANGED, NONE, 0, 0, 0)]
        assert trades(desk.sell(5, 100)) == [(1, 5, 100)]

    def test_resting_orders_are_cancelled_by_priority_if_asked(self, desk: Desk) -> None:
        desk.buy(1, 100)
        desk.sell(2, 110)
        desk.buy(3, 105)
        desk.amend(1, quantity=4)

        events = desk.halt(reason=Reason.DELISTED, cancel_resting=True)

        assert said(events) == [
            (EventKind.PHASE_CHANGED, Reason.DELISTED, 0, 0, 0),
            (CANCELLED, Reason.HALT_CANCEL, 2, 2, 0),
            (CANCELLED, Reason.HALT_CANCEL, 3, 3, 0),
            (CANCELLED, Reason.HALT_CANCEL, 1, 4, 0),
        ]
        assert desk.depth() == {"bids": [], "asks": []}

    def test_halting_again_takes_the_new_reason_and_may_empty_the_book(self, desk: Desk) -> None:
        desk.buy(10, 100)
        desk.halt()

        assert said(desk.halt(reason=NONE)) == [(EventKind.PHASE_CHANGED, Reason.ALREADY_IN_PHASE, 0, 0, 0)]
        assert said(desk.halt(reason=Reason.DELISTED, cancel_resting=True)) == [
            (EventKind.PHASE_CHANGED, Reason.DELISTED, 0, 0, 0),
            (CANCELLED, Reason.HALT_CANCEL, 1, 10, 0),
        ]
        assert desk.engine.phase(BOOK) == Phase.HALTED

    def test_resuming_a_running_book_says_so(self, desk: Desk) -> None:
        assert said(desk.resume()) == [(EventKind.PHASE_CHANGED, Reason.ALREADY_IN_PHASE, 0, 0, 0)]
        assert desk.engine.phase(BOOK) == Phase.OPEN


class TestNewOrders:
    """Ids, protection prices, the widest numbers, and time."""

    def test_a_resting_id_is_refused_and_its_order_stays(self, desk: Desk) -> None:
        desk.buy(10, 100, order_id=7)
        before = desk.state()

        (event,) = desk.sell(5, 100, order_id=7)

        assert (event.kind, event.reason, event.flags) == (REJECTED, Reason.DUPLICATE_ORDER, 0)
        assert desk.state() == before

    def test_an_id_that_has_left_the_book_may_return(self, desk: Desk) -> None:
        desk.buy(10, 100, order_id=7)
        desk.cancel(7)

        assert said(desk.buy(5, 99, order_id=7)) == [(ACCEPTED, NONE, 7, 5, 5)]

    @pytest.mark.parametrize(
        ("side", "protection", "traded"),
        [(Side.BUY, 101, [(1, 2, 100), (2, 2, 101)]), (Side.SELL, 98, [(4, 2, 99), (5, 2, 98)])],
    )
    def test_a_market_order_stops_at_its_protection_price(
        self, desk: Desk, side: Side, protection: int, traded: list[tuple[int, int, int]]
    ) -> None:
        for ask, bid in ((100, 99), (101, 98), (102, 97)):
            desk.sell(2, ask, order_id=ask - 99)
            desk.buy(2, bid, order_id=103 - bid)
        desk.orders = 100

        events = desk.new(side, 9, protection, order_type=2, tif=TimeInForce.IOC)

        assert trades(events) == traded
        assert said(events)[-1] == (CANCELLED, Reason.PRICE_PROTECTION, 101, 5, 0)

    def test_a_market_order_never_rests_even_without_ioc(self, desk: Desk) -> None:
        assert said(desk.buy(5, tif=TimeInForce.GTC))[-1] == (CANCELLED, Reason.NO_LIQUIDITY, 1, 5, 0)
        assert desk.queue() == []

    def test_the_widest_numbers_trade_exactly(self, desk: Desk) -> None:
        desk.sell(LARGEST, LARGEST, order_id=LARGEST, account=LARGEST, stp_group=LARGEST)

        _, trade = desk.buy(LARGEST, LARGEST)

        assert (trade.price, trade.quantity, trade.leaves, trade.maker_leaves) == (LARGEST, LARGEST, 0, 0)
        assert trade.maker_order_id == trade.maker_account == LARGEST

    def test_the_open_lots_of_a_side_fit_in_63_bits(self, desk: Desk) -> None:
        desk.sell(LARGEST - 5, 100)
        before = desk.state()

        assert said(desk.sell(6, 101)) == [(REJECTED, Reason.INVALID, 2, 6, 0)]
        assert desk.state() == before
        assert said(desk.sell(5, 101)) == [(ACCEPTED, NONE, 3, 5, 5)]

    def test_time_never_runs_backwards(self, desk: Desk) -> None:
        assert [desk.buy(1, 100, time=time)[0].time for time in (500, 400, 600)] == [500, 500, 600]
        assert desk.engine.last_time(BOOK) == 600
