"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest
from tradeengine import Engine
from tradeengine.codec import Side

from tests.engine.desk import BOOK, Desk
from tests.engine.records import OTHER, limit


@pytest.fixture
def engine() -> Engine:
    """Hold two bids and an ask in the first book, an ask in the other."""
    engine = Engine()
    engine.add_book(BOOK)
    engine.add_book(OTHER)
    engine.apply(
        limit(1, Side.BUY, 10, 100)
        + limit(2, Side.BUY, 20, 100)
        + limit(3, Side.SELL, 30, 105)
        + limit(4, Side.SELL, 40, 90, instrument=OTHER)
    )
    engine.level_changes()
    return engine


@pytest.fixture
def desk() -> Desk:
    """A desk with an empty book."""
    return Desk()
