"""What a book shows costs what is shown: its best levels are found without reading what rests behind them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from instruments.selectors import rules_by_symbol
from orders.market.selectors import tickers
from orders.models import Order, Side
from orders.selectors import depth
from orders.services.quoting import quote_books
from tests.factories import Market, make_market
from tests.orders.reading import rows_read
from tradeplatform.common.db import execute

pytestmark = pytest.mark.django_db

RESTING = 1_000


@pytest.fixture
def full() -> Market:
    """A thousand orders a side, each at a price of its own."""
    market = make_market(max_open_orders=10_000)
    maker = market.trader(base=10**6, quote=10**9)
    for side, step in ((Side.BUY, -1), (Side.SELL, 1)):
        orders = [market.request(maker, side, 1, 50_000 + step * number) for number in range(1, RESTING + 1)]
        market.send_all(orders)
    market.drain()
    assert Order.objects.resting().count() == 2 * RESTING
    execute("ANALYZE orders_order")
    # As it is asked each second for days: by a plan that knows no instrument and no number of levels.
    execute("SET LOCAL plan_cache_mode = force_generic_plan")
    return market


def test_the_best_price_of_a_full_book_is_read_from_few_orders(full: Market) -> None:
    rules = rules_by_symbol([full.symbol])[full.symbol]
    before = rows_read("orders_order_")
    (ticker,) = tickers([rules], now=timezone.now())
    assert quote_books(now=timezone.now()) == 1
    assert (ticker.bid, ticker.ask) == (Decimal(49_999), Decimal(50_001))
    assert 0 < rows_read("orders_order_") - before <= 12


def test_levels_are_read_as_far_as_they_are_shown(full: Market) -> None:
    rules = rules_by_symbol([full.symbol])[full.symbol]
    before = rows_read("orders_order_")
    book = depth(rules, limit=20)
    assert [price for price, _ in book.bids] == [50_000 - number for number in range(1, 21)]
    assert [price for price, _ in book.asks] == [50_000 + number for number in range(1, 21)]
    assert 40 <= rows_read("orders_order_") - before <= 50
