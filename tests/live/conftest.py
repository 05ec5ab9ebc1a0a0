"""The desks at the running platform that most scenarios need."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.live.desk import Desk
from tests.servers import Platform


@pytest.fixture
def desk(platform: Platform) -> Iterator[Desk]:
    """An empty book around 50000; fees of 0.05 % (maker) and 0.10 % (taker) of what is traded, in quote."""
    with Desk(platform) as desk:
        yield desk


@pytest.fixture
def stock_desk(platform: Platform) -> Iterator[Desk]:
    """Prices around 150, whole pieces."""
    with Desk(
        platform,
        reference_price=Decimal(150),
        lot_size=Decimal(1),
        min_quantity=Decimal(1),
        max_quantity=Decimal(10_000),
    ) as desk:
        yield desk
