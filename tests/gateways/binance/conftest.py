"""A market, two traders with keys, and a book that answers while they wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connections
from django.urls import get_resolver
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import Command, CommandStatus
from tests.factories import Market, make_market
from tests.gateways.binance.client import Signed, Venue, client_of


@pytest.fixture(autouse=True, scope="session")
def warm() -> None:
    """Load every page before the first request is on the clock, as the server does."""
    get_resolver().url_patterns  # noqa: B018 - the attribute does the work


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


@pytest.fixture
def client_a(alice: TradingAccount) -> Signed:
    """Alice's client, which may trade."""
    return client_of(alice)


@pytest.fixture
def client_b(bob: TradingAccount) -> Signed:
    """Bob's."""
    return client_of(bob)


@pytest.fixture
def book(transactional_db: None, market: Market) -> Iterator[None]:
    """The shard's worker, in a thread: it applies whatever waits for the market's book."""
    stop = threading.Event()
    pending = Command.objects.filter(shard_id=market.shard.id, status=CommandStatus.PENDING)

    def work() -> None:
        try:
            while not stop.wait(0.002):
                if pending.exists():
                    market.drain(now=timezone.now())
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    stop.set()
    worker.join(30)
