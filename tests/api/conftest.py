"""A market, two traders and their clients."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, signed_in
from tests.factories import Market, make_market


@pytest.fixture
def market(db: None) -> Market:
    """An instrument around 50000."""
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
def api(alice: TradingAccount) -> Api:
    """Alice's client."""
    return signed_in(alice)


@pytest.fixture
def anonymous() -> Api:
    """A client without a token."""
    return Api()
