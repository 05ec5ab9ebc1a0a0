"""The fresh process of bench_cold_start: takes a shard, applies one command, and says what that took."""

from __future__ import annotations

import json
import sys
import time

import django
import psutil

django.setup()

from django.utils import timezone  # noqa: E402
from tradeengine import Engine  # noqa: E402

from instruments.selectors import rules_by_symbol  # noqa: E402
from orders.models import OrderType, Side, Source  # noqa: E402
from orders.services import books  # noqa: E402
from orders.services.drain import drain_all  # noqa: E402
from orders.services.intake import submit_orders  # noqa: E402
from orders.services.loading import open_orders  # noqa: E402
from orders.services.requests import NewOrder  # noqa: E402
from tests.bench import order_ways  # noqa: E402


def main() -> None:
    """Take the shard, then, apart from that, time its parts."""
    symbol, shard_id, started = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    process, found = psutil.Process(), {"start": time.time() - started}
    found["before"] = float(process.memory_info().rss)
    order = NewOrder(
        account_id=order_ways.accounts_of(symbol)[0],
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=order_ways.LOT * 1_000,
        price=order_ways.PRICE - 100,
    )
    submit_orders(orders=[order], actor=order_ways.ACTOR, source=Source.API, now=timezone.now())
    drained = drain_all(shard_id=shard_id, clock=timezone.now)
    found["applied"] = time.time() - started
    assert drained.commands == 1
    found["after"] = float(process.memory_info().rss)
    books.forget(shard_id)
    found |= _parts(symbol, process)
    print(json.dumps(found))


def _parts(symbol: str, process: psutil.Process) -> dict[str, float]:
    rules = rules_by_symbol([symbol])[symbol]
    begun = time.perf_counter()
    records = open_orders(rules)
    read = time.perf_counter()
    before = process.memory_info().rss
    engine = Engine()
    engine.add_book(rules.id)
    engine.restore(rules.id, records, seq=1 << 39, last_time=0, last_price=0, phase=1)
    engine.state_hash(rules.id)
    restored = time.perf_counter()
    engine_bytes = process.memory_info().rss - before
    return {"reading": read - begun, "restore": restored - read, "engine": float(engine_bytes)}


if __name__ == "__main__":
    main()
