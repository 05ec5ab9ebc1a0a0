"""A committed market, traders in it, and one real socket server that has little patience."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from accounts.models import TradingAccount
from orders.services import frames
from orders.services.frames import Frame, market_channel
from tests.factories import Market, make_market
from tests.feed import conftest as feeds
from tests.feed.talk import Feed

_threads_leave_no_connection = feeds._threads_leave_no_connection
serve = feeds.serve


@pytest.fixture(scope="package")
def server(serve: Callable[..., Feed]) -> Feed:
    """Pings every second; clients have their book half a second after their first event."""
    return serve(application="tests.gateways.binance.streams.impatient:application")


@pytest.fixture
def market(transactional_db: None) -> Market:
    """An instrument around 50000, committed: tick 0.01, lot 0.0001."""
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
def losing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Market], Callable[[], None]]:
    """Lose the next frame of a market."""
    publish = frames.publish
    lost: set[str] = set()

    def publish_some(sent: Sequence[Frame]) -> None:
        kept = [frame for frame in sent if frame.channel not in lost]
        if len(kept) < len(sent):
            lost.clear()
        publish(kept)

    monkeypatch.setattr(frames, "publish", publish_some)
    return lambda market: lambda: lost.add(market_channel(market.symbol))
