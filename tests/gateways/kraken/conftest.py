"""A committed market with a pair's name, traders in it, and real sockets to its book."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from tests.factories import Market, make_asset, make_market
from tests.feed import conftest as feeds

_threads_leave_no_connection = feeds._threads_leave_no_connection
serve = feeds.serve
feed = feeds.feed
market = feeds.market
alice = feeds.alice
bob = feeds.bob


@pytest.fixture
def pair(transactional_db: None) -> Market:
    """An instrument around 50000, called BASE/QUOTE: tick 0.01, lot 0.0001."""
    base, quote = make_asset(decimals=8), make_asset(decimals=8)
    return make_market(base=base, quote=quote, symbol=f"{base.code}{quote.code}")


@pytest.fixture
def trader(pair: Market) -> TradingAccount:
    """A trader with 100 of the base asset and 10,000,000 of the quote asset."""
    return pair.trader()
