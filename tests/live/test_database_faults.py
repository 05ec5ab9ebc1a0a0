"""The short form of `tests.simulation.faults.database_stops`: two stops in a row, and all is back."""

from __future__ import annotations

import pytest

from orders.models import Shard
from tests.factories import make_market
from tests.running import Platform
from tests.simulation.faults.clients import Load
from tests.simulation.faults.database_stops import stop_again_and_again
from tests.simulation.faults.own import conclude

pytestmark = pytest.mark.live


def test_after_each_of_two_stops_at_once_all_is_back_by_itself_and_nothing_was_lost(
    platform: Platform,
) -> None:
    load = Load.of(make_market(shard=Shard.objects.get(id=1)), platform.base_url, clients=4, seed=1)
    load.start()
    try:
        stop_again_and_again(platform, load, times=2, seed=1)
    finally:
        load.rest()

    assert conclude(platform, load, seed=1, runs=1, faults={"stop -m immediate": 2})
    load.close()
