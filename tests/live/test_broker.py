"""With the broker gone, orders are taken and matched all the same, some seconds later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from django.utils import timezone

from orders.models import OrderStatus, Shard, Side
from tests.factories import fund, make_account, make_market, stored
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.invariants import check_all
from tradeplatform.supervisor.processes import read_records
from tradeplatform.supervisor.program import log_path

pytestmark = pytest.mark.live

PATIENCE = 60.0
ROUNDS = 3


@contextmanager
def silenced(platform: Platform, *names: str) -> Iterator[None]:
    """These processes are there and answer nobody: worse than dead, which is noticed at once."""
    processes = [psutil.Process(found.pid) for found in read_records(platform.var_dir) if found.name in names]
    assert len(processes) == len(names)
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            process.resume()


def test_matching_goes_on_by_polling_while_valkey_and_the_sweep_are_gone(platform: Platform) -> None:
    market = make_market(shard=Shard.objects.get(id=1))
    seller, buyer = (make_account(currency=market.instrument.quote) for _ in range(2))
    fund(seller, market.instrument.base, 100, now=timezone.now())
    fund(buyer, market.instrument.quote, 10_000_000, now=timezone.now())
    took = []

    with silenced(platform, "valkey", "beat", "worker"):
        for _ in range(ROUNDS):
            asked, bid = (
                market.send(market.request(account, side, 1, 50_000), now=timezone.now()).order_id
                for account, side in ((seller, Side.SELL), (buyer, Side.BUY))
            )
            wait_for(
                lambda bid=bid: stored(bid).status == OrderStatus.FILLED,  # type: ignore[misc]
                "the bid to be filled",
                seconds=PATIENCE,
            )
            drained = Shard.objects.values_list("drained_at", flat=True).get(id=1)
            assert drained is not None
            took.append((drained - stored(bid).created_at).total_seconds())
            assert stored(asked).status == OrderStatus.FILLED

    print(f"without a broker, commit to outcome: {', '.join(f'{t:.1f}' for t in took)} s")  # noqa: T201 - a figure of the run
    assert market.trades() == [("1", "50000")] * ROUNDS
    assert [finding for finding in check_all() if not finding.holds] == []


def test_a_shard_whose_broker_is_away_says_so_and_nothing_each_second(platform: Platform) -> None:
    log = log_path(platform.var_dir, "shard-1")
    seen = log.stat().st_size

    def said() -> str:
        return log.read_bytes()[seen:].decode()

    with silenced(platform, "valkey"):
        # Between its second attempt and its third it has looked for what waits several times.
        wait_for(lambda: said().count("Cannot connect") > 2, "three attempts to connect", seconds=PATIENCE)
    wait_for(lambda: "Connected to" in said(), "the broker", seconds=PATIENCE)

    assert "shard_listening" not in said()
    lines = said().splitlines()
    assert [line for line in lines if not line.startswith(("20", "{"))] == []
