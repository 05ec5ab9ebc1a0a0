"""A market and those who trade in it; a file whose tests need others has its own."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from tests.factories import Market, make_market


@pytest.fixture
def market(db: None) -> Market:
    """An instrument around 50000."""
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    """Somebody with some of both assets."""
    return market.trader(base=10, quote=100_000)


@pytest.fixture
def seller(market: Market) -> TradingAccount:
    """Somebody with nothing but 10 to sell."""
    return market.trader(base=10, quote=0)


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    """Somebody with nothing but what two at 50000 and their fee cost."""
    return market.trader(base=0, quote=100_100)
