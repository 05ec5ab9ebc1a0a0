"""A market with two traders in it, and the invariants of market data seen from the test's own transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from accounts.models import TradingAccount
from orders.models import Side
from tests.factories import NOW, Market, make_market
from tradeplatform.common.invariants import check_all

CODES = ("iD1-1s", "iD1-1m", "iD1-1h", "iD1-1d", "iD2-fired", "iD2-waiting")

# Trade at this price, so much, then: the taker buys where the quantity is positive, else sells.
Trading = Callable[..., None]


@pytest.fixture
def market(db: None) -> Market:
    """An instrument around 50000."""
    return make_market()


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    """A trader."""
    return market.trader()


@pytest.fixture
def bob(market: Market) -> TradingAccount:
    """Another one."""
    return market.trader()


@pytest.fixture
def trade(market: Market, alice: TradingAccount, bob: TradingAccount) -> Trading:
    """One trade between the two."""

    def deal(price: int | str, quantity: str = "1", *, at: datetime = NOW, taker: Side = Side.BUY) -> None:
        sides = [(bob, Side.SELL), (alice, Side.BUY)]
        for account, side in sides if taker == Side.BUY else reversed(sides):
            market.send(market.request(account, side, quantity, price), now=at)
        market.drain(now=at)

    return deal


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The codes of the market data's invariants that do not hold now."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")

    def codes() -> list[str]:
        return [found.code for found in check_all(only=CODES) if not found.holds]

    return codes
