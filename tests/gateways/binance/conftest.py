"""A market, two traders and a client without a key."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from tests.factories import Market, make_market
from tests.gateways.binance.client import Venue


@pytest.fixture
def market(db: None) -> Market:
    """An instrument around 50000: tick 0.01, lot 0.0001."""
    return make_market()


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    """A trader with 100 of the base asset and 10,000,000 of the quote asset."""
    return market.trader()


@pytest.fixture
def bob(market: Market) -> TradingAccount:
    """Another one."""
    return market.trader()


@pytest.fixture
def venue() -> Venue:
    """A client without a key."""
    return Venue()
