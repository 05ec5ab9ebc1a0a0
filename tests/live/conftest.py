"""The desks at the running platform that most scenarios need."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.utils import timezone

from orders.services.phases import halt_instrument
from tests.factories import ACTOR, make_instrument
from tests.live.desk import Desk
from tests.live.floor import UNPLAIN, Floor, Trader
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


@pytest.fixture(scope="module")
def floor(platform: Platform) -> Floor:
    """See there."""
    base = make_instrument()
    halted = make_instrument(base=base.base, quote=base.quote)
    halt_instrument(symbol=halted.symbol, actor=ACTOR, now=timezone.now(), reason="tests")
    made = Floor(platform, base, halted)
    maker = made.trader()
    assert made.ask(maker.place(side="sell", price="50000", quantity="1000")).status == 201
    return made


@pytest.fixture(scope="module")
def pair(floor: Floor) -> tuple[Trader, Trader]:
    """Two who have the same; the views answer the second."""
    return floor.trader(), floor.trader(UNPLAIN)
