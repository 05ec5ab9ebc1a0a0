"""One command that ends many orders."""

from __future__ import annotations

import pytest
from tradeengine.codec import EventKind, Reason, Side

from tests.engine.desk import Desk, said

CANCELLED, MASS_CANCELLED = EventKind.CANCELLED, EventKind.MASS_CANCELLED
MASS_CANCEL = Reason.MASS_CANCEL


@pytest.fixture
def book(desk: Desk) -> Desk:
    """X and Y on both sides, resting and parked; X's first bid has taken a new place."""
    desk.buy(1, 100, by="X")
    desk.buy(2, 100, by="Y")
    desk.sell(3, 110, by="X")
    desk.sell(4, 110, by="Y")
    desk.stop(Side.BUY, 5, 120, by="X")
    desk.sell(6, 130, by="X", parent=99)
    desk.amend(1, quantity=7)
    return desk


def test_of_an_account_by_priority(book: Desk) -> None:
    events = book.mass_cancel(by="X")

    assert said(events) == [
        (MASS_CANCELLED, MASS_CANCEL, 0, 4, 0),
        (CANCELLED, MASS_CANCEL, 3, 3, 0),
        (CANCELLED, MASS_CANCEL, 5, 5, 0),
        (CANCELLED, MASS_CANCEL, 6, 6, 0),
        (CANCELLED, MASS_CANCEL, 1, 7, 0),
    ]
    assert (events[0].account, events[0].side, events[0].price) == (book.account("X"), 0, 0)
    assert book.queue() == [(2, 2), (4, 4)]


@pytest.mark.parametrize(("side", "ended"), [(Side.BUY, [5, 1]), (Side.SELL, [3, 6])])
def test_of_an_account_and_a_side(book: Desk, side: Side, ended: list[int]) -> None:
    summary, *cancelled = book.mass_cancel(by="X", side=side)

    assert (summary.side, summary.quantity) == (side, 2)
    assert [event.order_id for event in cancelled] == ended


def test_of_everybody(book: Desk) -> None:
    summary, *cancelled = book.mass_cancel()

    assert (summary.account, summary.quantity) == (0, 6)
    assert [event.order_id for event in cancelled] == [2, 3, 4, 5, 6, 1]
    assert book.open() == {}


def test_of_everybody_on_a_side(book: Desk) -> None:
    assert [event.order_id for event in book.mass_cancel(side=Side.SELL)] == [0, 3, 4, 6]


def test_a_reason_of_its_own_goes_onto_every_event(book: Desk) -> None:
    events = book.mass_cancel(by="Y", reason=Reason.DELISTED)

    assert [event.reason for event in events] == [Reason.DELISTED] * 3


def test_of_nothing(book: Desk) -> None:
    before = book.state()

    assert said(book.mass_cancel(by="Z")) == [(MASS_CANCELLED, MASS_CANCEL, 0, 0, 0)]
    assert book.state() == before


def test_a_halted_book_cancels_too(book: Desk) -> None:
    book.halt()

    assert len(book.mass_cancel(by="X")) == 5


def test_partners_and_children_are_told_when_all_are_gone(desk: Desk) -> None:
    """Bids go: the first leg of a pair, and a parent. Its partner and child are asks."""
    desk.buy(1, 100, partner=2)
    desk.stop(Side.SELL, 1, 90, partner=1)
    desk.sell(1, 110, parent=4)
    desk.buy(1, 100)

    assert said(desk.mass_cancel(side=Side.BUY)) == [
        (MASS_CANCELLED, MASS_CANCEL, 0, 2, 0),
        (CANCELLED, MASS_CANCEL, 1, 1, 0),
        (CANCELLED, MASS_CANCEL, 4, 1, 0),
        (CANCELLED, Reason.LINKED, 2, 1, 0),
        (CANCELLED, Reason.PARENT_ENDED, 3, 1, 0),
    ]


def test_a_pair_that_goes_together_is_told_nothing_more(desk: Desk) -> None:
    desk.oco(
        {"side": Side.SELL, "quantity": 1, "price": 110}, {"side": Side.SELL, "quantity": 1, "price": 111}
    )

    assert len(desk.mass_cancel(by="owner")) == 3
