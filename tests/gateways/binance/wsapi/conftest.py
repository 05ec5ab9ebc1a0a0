"""A committed market, a real socket server, and clients that talk to it as Binance's do."""

from __future__ import annotations

import pytest

from tests.factories import Market, make_market
from tests.feed import conftest as feeds

_threads_leave_no_connection = feeds._threads_leave_no_connection
serve = feeds.serve
feed = feeds.feed


@pytest.fixture
def market(transactional_db: None) -> Market:
    """An instrument around 50000, committed: tick 0.01, lot 0.0001."""
    return make_market()
