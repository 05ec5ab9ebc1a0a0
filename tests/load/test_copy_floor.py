"""The floor that a load is held against is of the same tables: COPY takes their newest rows once more."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orders.services.drain import drain_all
from tests.bench.load_ways import copy_floor
from tests.factories import make_shard
from tests.load.flow import Flow
from tests.load.mix import ORDERS
from tests.load.service_door import ServiceDoor
from tests.load.world import make_world
from tradeplatform.common.db import fetch

pytestmark = pytest.mark.django_db

TABLES = (
    "orders_order", "orders_orderidentity", "orders_command", "orders_event", "orders_trade", "orders_fill",
    "accounts_transfer",
)  # fmt: skip


def counts() -> dict[str, int]:
    counted = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in TABLES)  # noqa: S608
    return dict(fetch(counted))


def test_each_table_takes_as_many_rows_again() -> None:
    shard = make_shard().id
    world = make_world(accounts=4, shard=shard)
    flow = Flow(ORDERS, world.tickers, world.holders, seed=1, tag="t")
    ServiceDoor().send(flow.stock(quiet=0, makers=10))
    ServiceDoor().send([flow.next() for _ in range(40)])
    drain_all(shard_id=shard, clock=timezone.now)
    before = counts()

    floor, rates = copy_floor(dict.fromkeys(TABLES, (2, 0, 0)))

    assert counts() == {name: 2 * count for name, count in before.items()}
    assert min(before.values()) > 0
    # As many of each: between the slowest and the fastest table.
    assert set(rates) == set(TABLES)
    assert min(rates.values()) <= floor <= max(rates.values())
