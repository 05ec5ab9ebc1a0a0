"""The auditor's book against the rules it stands for, where a run would seldom come to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.simulation.book import Book, Order

_NOW = datetime(2026, 3, 12, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def a_bid(expires: datetime) -> Order:
    return Order(
        id=1, account=1, group=0, buy=True, market=False, tif="gtd", post_only=False, stp="expire_taker",
        limit=Decimal(100), quantity=Decimal(5), maker_rate=Decimal(0), taker_rate=Decimal(0),
        expires=expires,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expires", "phase", "answer"),
    [
        (_NOW - _SECOND, "open", ("rejected", "expired")),
        (_NOW, "open", ("rejected", "expired")),
        (_NOW + _SECOND, "open", ("open", "")),
        (_NOW, "auction", ("rejected", "expired")),
        (_NOW, "halted", ("rejected", "halted")),
    ],
)
def test_an_order_whose_time_was_over_before_it_came_is_rejected(
    expires: datetime, phase: str, answer: tuple[str, str]
) -> None:
    """Whoever took it may have had a clock behind that of the book."""
    book, order = Book(), a_bid(expires)
    book.pass_time(_NOW)
    book.change_phase(phase)
    seq = book.seq

    book.new(order)
    book.pass_time(_NOW)

    assert (order.status, order.reason, book.seq) == (*answer, seq + 1)
