"""The call auction: how its price is found, who trades at it, and what is published before it."""

from __future__ import annotations

import pytest
from tradeengine.codec import EventFlag, EventKind, Phase, Reason, Side, StpMode, TriggerSource

from tests.engine.desk import BOOK, Desk, said, trades
from tests.engine.naive_orders import LARGEST

ACCEPTED, TRADE, CANCELLED, REDUCED, DISPLAYED, PHASE_CHANGED = (
    EventKind.ACCEPTED,
    EventKind.TRADE,
    EventKind.CANCELLED,
    EventKind.REDUCED,
    EventKind.DISPLAYED,
    EventKind.PHASE_CHANGED,
)
NONE, STP = Reason.NONE, Reason.SELF_TRADE_PREVENTION


@pytest.fixture
def auction(desk: Desk) -> Desk:
    """A desk whose book only gathers orders."""
    desk.phase(Phase.AUCTION)
    return desk


def enter(desk: Desk, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """(lots, price) of each."""
    for lots, price in bids:
        desk.buy(lots, price)
    for lots, price in asks:
        desk.sell(lots, price)


class TestPrice:
    """The most lots; then the least surplus; then near the reference; then the lower."""

    def test_the_most_lots_decide_first(self, auction: Desk) -> None:
        """At 101 there are 8 bid and 7 offered; at 100 and 102 only 4 and 5 would trade."""
        enter(auction, [(5, 102), (3, 101), (2, 100)], [(4, 100), (3, 101), (6, 103)])

        assert auction.engine.indicative(BOOK) == (101, 7, 1)
        opened, *_ = auction.resume()
        assert (opened.price, opened.quantity) == (101, 7)

    def test_then_the_least_surplus(self, auction: Desk) -> None:
        """5 lots trade at 100, 101 and 102; there are 10, 6 and 5 bid there, and 5, 5 and 8 offered."""
        enter(auction, [(5, 102), (4, 100)], [(5, 100), (3, 102)])
        auction.sell(1, 150)
        auction.buy(1, 101)

        assert auction.engine.indicative(BOOK) == (101, 5, 1)

    @pytest.mark.parametrize(
        ("last", "price"), [(99, 100), (100, 100), (101, 100), (102, 100), (103, 104), (200, 104)]
    )
    def test_then_the_last_trade_price(self, desk: Desk, last: int, price: int) -> None:
        """Both 100 and 104 trade 5 lots without a surplus; 102 is as near to one as to the other."""
        desk.trade_at(last)
        desk.phase(Phase.AUCTION)
        enter(desk, [(5, 104)], [(5, 100)])

        assert desk.engine.indicative(BOOK) == (price, 5, 0)

    @pytest.mark.parametrize(("reference", "price"), [(1, 100), (101, 100), (103, 104), (LARGEST, 104)])
    def test_a_reference_of_the_command_comes_before_the_last_price(
        self, desk: Desk, reference: int, price: int
    ) -> None:
        desk.trade_at(200)
        desk.phase(Phase.AUCTION)
        enter(desk, [(5, 104)], [(5, 100)])

        opened, trade = desk.resume(price=reference)

        assert (opened.price, trade.price) == (price, price)

    def test_without_any_reference_it_is_the_lower(self, auction: Desk) -> None:
        enter(auction, [(5, 104)], [(5, 100)])

        assert auction.engine.indicative(BOOK) == (100, 5, 0)

    def test_hidden_lots_and_those_behind_a_slice_count(self, auction: Desk) -> None:
        auction.buy(5, 102, display=0)
        auction.buy(9, 101, display=1)
        auction.sell(12, 101, display=2)

        assert auction.engine.indicative(BOOK) == (101, 12, 2)

    def test_parked_orders_do_not(self, auction: Desk) -> None:
        auction.stop(Side.BUY, 5, 110, 102)
        auction.sell(5, 101)

        assert auction.engine.indicative(BOOK) == (0, 0, 0)

    def test_the_widest_book(self, auction: Desk) -> None:
        auction.buy(LARGEST, LARGEST)
        auction.sell(LARGEST, 1)

        assert auction.engine.indicative(BOOK) == (1, LARGEST, 0)
        assert trades(auction.resume()) == [(1, LARGEST, 1)]


class TestIndicative:
    """What an uncross would bring now."""

    def test_it_has_a_sign(self, auction: Desk) -> None:
        enter(auction, [(3, 101)], [(8, 100)])

        assert auction.engine.indicative(BOOK) == (100, 3, -5)

    def test_a_book_that_is_not_crossed_has_none(self, auction: Desk) -> None:
        enter(auction, [(3, 100)], [(8, 101)])

        assert auction.engine.indicative(BOOK) == (0, 0, 0)

    @pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.HALTED, Phase.CANCEL_ONLY])
    def test_every_phase_that_does_not_match_has_one(self, auction: Desk, phase: Phase) -> None:
        enter(auction, [(3, 101)], [(8, 101)])
        auction.phase(phase)

        assert auction.engine.indicative(BOOK) == (101, 3, -5)

    def test_an_open_book_has_none(self, auction: Desk) -> None:
        enter(auction, [(3, 101)], [(8, 101)])
        auction.resume()

        assert auction.engine.indicative(BOOK) == (0, 0, 0)


class TestUncross:
    """All trade at one price, by price and then in turn; the later of two is the taker."""

    def test_who_has_the_better_price_comes_first_and_all_pay_the_same(self, auction: Desk) -> None:
        enter(auction, [(2, 100), (3, 102), (2, 101)], [(4, 100), (3, 99)])

        events = auction.resume()

        assert said(events)[0] == (PHASE_CHANGED, NONE, 0, 7, 0)
        assert [(e.order_id, e.maker_order_id, e.quantity, e.price, e.side) for e in events[1:]] == [
            (5, 2, 3, 100, Side.SELL),
            (4, 3, 2, 100, Side.SELL),
            (4, 1, 2, 100, Side.SELL),
        ]
        assert {event.flags for event in events[1:]} == {EventFlag.AUCTION}
        assert auction.depth() == {"bids": [], "asks": []}

    def test_the_earlier_of_two_is_the_maker_on_either_side(self, auction: Desk) -> None:
        auction.sell(2, 100)
        auction.buy(5, 100)
        auction.sell(2, 100)

        *_, first, second = auction.resume()

        assert (first.side, first.order_id, first.maker_order_id) == (Side.BUY, 2, 1)
        assert (first.leaves, first.maker_leaves) == (3, 0)
        assert (second.side, second.order_id, second.maker_order_id) == (Side.SELL, 3, 2)

    def test_what_is_not_crossed_stays(self, auction: Desk) -> None:
        enter(auction, [(5, 101), (5, 99)], [(3, 100), (5, 102)])

        auction.resume()

        assert auction.depth() == {"bids": [(101, 2), (99, 5)], "asks": [(102, 5)]}

    def test_the_shown_come_before_the_hidden(self, auction: Desk) -> None:
        auction.buy(2, 100, display=0)
        auction.buy(2, 100)
        auction.sell(3, 100)

        assert trades(auction.resume()) == [(2, 2, 100), (1, 1, 100)]

    def test_two_icebergs_meet_slice_by_slice_and_the_maker_shows_first(self, auction: Desk) -> None:
        auction.buy(5, 100, display=2)
        auction.sell(4, 100, display=2)

        assert said(auction.resume())[1:] == [
            (TRADE, NONE, 2, 2, 2),
            (DISPLAYED, NONE, 1, 2, 3),
            (DISPLAYED, NONE, 2, 2, 2),
            (TRADE, NONE, 2, 2, 0),
            (DISPLAYED, NONE, 1, 1, 1),
        ]

    def test_a_slice_limits_a_meeting_with_a_plain_order_too(self, auction: Desk) -> None:
        auction.buy(5, 100)
        auction.sell(5, 100, display=3)

        assert trades(auction.resume()) == [(1, 3, 100), (1, 2, 100)]

    def test_a_book_that_is_not_crossed_just_opens(self, auction: Desk) -> None:
        enter(auction, [(3, 100)], [(8, 101)])

        (event,) = auction.resume(price=100)

        assert (event.kind, event.price, event.quantity, event.flags) == (PHASE_CHANGED, 0, 0, Phase.OPEN)

    def test_the_price_is_the_last_trade_price(self, auction: Desk) -> None:
        enter(auction, [(3, 101)], [(8, 101)])
        auction.resume()

        assert auction.engine.last_price(BOOK) == 101

    def test_it_triggers_what_is_armed(self, auction: Desk) -> None:
        auction.stop(Side.SELL, 1, 101)
        auction.stop(Side.SELL, 1, 100, source=TriggerSource.QUOTE)
        enter(auction, [(3, 101), (2, 99)], [(3, 101)])

        assert said(auction.resume())[2:] == [
            (EventKind.TRIGGERED, NONE, 1, 0, 1),
            (TRADE, NONE, 1, 1, 0),
            (EventKind.TRIGGERED, NONE, 2, 0, 1),
            (TRADE, NONE, 2, 1, 0),
        ]

    def test_cancelling_everything_leaves_nothing_to_uncross(self, auction: Desk) -> None:
        enter(auction, [(3, 101)], [(8, 101)])

        opened, *cancelled = auction.phase(Phase.OPEN, cancel_resting=True)

        assert (opened.price, opened.quantity) == (0, 0)
        assert said(cancelled) == [
            (CANCELLED, Reason.HALT_CANCEL, 1, 3, 0),
            (CANCELLED, Reason.HALT_CANCEL, 2, 8, 0),
        ]

    def test_on_the_way_into_another_phase_nothing_is_uncrossed(self, auction: Desk) -> None:
        enter(auction, [(3, 101)], [(8, 101)])

        assert said(auction.halt()) == [(PHASE_CHANGED, Reason.OPERATOR, 0, 0, 0)]
        assert trades(auction.resume()) == [(1, 3, 101)]


class TestPrevention:
    """X stands on both sides; the mode of the later order decides."""

    def test_expire_taker_ends_the_later(self, auction: Desk) -> None:
        auction.buy(3, 101, by="X")
        auction.sell(8, 100, by="X", stp=StpMode.EXPIRE_TAKER)

        assert said(auction.resume()) == [(PHASE_CHANGED, NONE, 0, 3, 0), (CANCELLED, STP, 2, 8, 0)]
        assert auction.queue() == [(1, 3)]

    def test_expire_maker_ends_the_earlier(self, auction: Desk) -> None:
        auction.sell(8, 100, by="X")
        auction.buy(3, 101, by="X", stp=StpMode.EXPIRE_MAKER)

        assert said(auction.resume())[1:] == [(CANCELLED, STP, 1, 8, 0)]
        assert auction.queue() == [(2, 3)]

    def test_expire_both_ends_the_maker_and_then_the_taker(self, auction: Desk) -> None:
        auction.sell(8, 100, by="X")
        auction.buy(3, 101, by="X", stp=StpMode.EXPIRE_BOTH)

        assert said(auction.resume())[1:] == [(CANCELLED, STP, 1, 8, 0), (CANCELLED, STP, 2, 3, 0)]

    def test_decrement_takes_the_smaller_of_both_off(self, auction: Desk) -> None:
        auction.sell(8, 100, by="X")
        auction.buy(3, 101, by="X", stp=StpMode.DECREMENT)

        assert said(auction.resume())[1:] == [
            (REDUCED, STP, 1, 3, 5),
            (REDUCED, STP, 2, 3, 0),
            (CANCELLED, STP, 2, 0, 0),
        ]
        assert auction.queue() == [(1, 5)]

    def test_a_book_left_crossed_is_uncrossed_at_a_new_price(self, auction: Desk) -> None:
        """At 105 ten lots would trade, but X's bid of ten ends; what is left meets at 101."""
        auction.sell(10, 99, by="X")
        auction.sell(2, 104)
        auction.buy(10, 105, by="X")
        auction.buy(2, 101)

        events = auction.resume(price=105)

        assert [(e.kind, e.order_id, e.quantity, e.price) for e in events] == [
            (PHASE_CHANGED, 0, 10, 105),
            (CANCELLED, 3, 10, 105),
            (TRADE, 4, 2, 101),
        ]
        assert auction.depth() == {"bids": [], "asks": [(99, 8), (104, 2)]}


def test_an_auction_may_follow_on_trading(desk: Desk) -> None:
    """The book stays as it was, gathers, and is uncrossed when it opens again."""
    enter(desk, [(5, 100)], [(5, 102)])
    desk.phase(Phase.AUCTION)
    assert trades(desk.buy(3, 102)) == []
    assert desk.depth() == {"bids": [(102, 3), (100, 5)], "asks": [(102, 5)]}

    assert trades(desk.resume()) == [(2, 3, 102)]


def test_a_child_goes_live_when_an_auction_has_filled_its_parent(auction: Desk) -> None:
    auction.buy(5, 101, by="owner", parent=9)
    auction.sell(5, 101, order_id=9)
    auction.buy(5, 101)

    assert said(auction.resume())[1:] == [(TRADE, NONE, 3, 5, 0), (EventKind.ACTIVATED, NONE, 1, 5, 5)]
    assert auction.queue() == [(1, 5)]
