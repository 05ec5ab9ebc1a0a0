"""Books make quotes: of what rests on both sides of a book that matches, when it moved or stood for long."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from instruments.models import DatedQuote, InstrumentStatus, Quote
from orders.services.quoting import quote_books
from tests.factories import NOW, Market, make_market, short

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def market() -> Market:
    """Bids of 49000 and 48000, asks of 50000 and 51000."""
    market = make_market()
    trader = market.trader()
    for price in (48000, 49000):
        market.buy(trader, 1, price)
    for price in (51000, 50000):
        market.sell(trader, 1, price)
    market.drain()
    return market


def quoted(market: Market) -> tuple[str, str, datetime, str]:
    row = Quote.objects.get(instrument=market.instrument)
    return short(row.bid), short(row.ask), row.at, row.source


def test_best_bid_and_ask(market: Market) -> None:
    assert quote_books(now=NOW) == 1
    assert quoted(market) == ("49000", "50000", NOW, "book")


def test_a_book_that_stands_still_is_quoted_again_after_half_a_minute(market: Market) -> None:
    quote_books(now=NOW)

    assert quote_books(now=NOW + 29 * SECOND) == 0
    assert quote_books(now=NOW + 30 * SECOND) == 1
    assert DatedQuote.objects.count() == 2


def test_a_book_that_moved_is_quoted_at_once_though_its_command_is_older(market: Market) -> None:
    quote_books(now=NOW)
    market.buy(market.trader(), 1, 49500)  # accepted at the moment of the quote, drained after it
    market.drain()

    assert quote_books(now=NOW + SECOND) == 1
    assert quoted(market) == ("49500", "50000", NOW + SECOND, "book")


def test_what_is_hidden_is_not_told(market: Market) -> None:
    market.buy(market.trader(), 1, 49500, display=0)
    market.drain()

    quote_books(now=NOW)

    assert quoted(market)[:2] == ("49000", "50000")


def test_one_side_is_no_price() -> None:
    market = make_market()
    market.buy(market.trader(), 1, 49000)
    market.drain()

    assert quote_books(now=NOW) == 0


@pytest.mark.parametrize("status", [InstrumentStatus.PRE_OPEN, InstrumentStatus.HALTED])
def test_a_book_that_does_not_match_is_not_quoted(market: Market, status: InstrumentStatus) -> None:
    market.phase(InstrumentStatus.HALTED)
    if status != InstrumentStatus.HALTED:
        market.phase(status)
    market.drain()

    assert quote_books(now=NOW) == 0
