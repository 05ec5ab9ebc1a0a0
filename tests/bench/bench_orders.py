"""Orders a second from intake to settled ledger, as ratios in one run.

Traffic, in words: one instrument, 20 accounts, limit orders of 0.01 to 0.05 within ten ticks of a fixed
price, alternating sides at random, no cancels: about half of the orders trade. Seed fixed. Every way below
ends with the same rows: order, identity, command, events, trades, fills, transfers, balances.

- batch:  intake in lists of 500, drain in batches of 1,000 (how bulk, sockets and replay come in);
- together: single orders from 16 threads, which share transactions as those of sockets and HTTP do; drained
  when all are in;
- single: the same services, one order for each intake transaction and one for each drain transaction;
- naive:  what a plain Django view does: one transaction for each order, ORM reads, save() for each row
  (order, two fills, four transfers, four balances when it trades), matching by a query. It checks less.

With --updates `naive` is left out, and what is printed is how rows were updated, by table: a HOT update
stays on its page and touches no index.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.bench.platform import throwaway_platform
from tests.bench.updates import print_updates

ACCOUNTS = 20


def main() -> None:
    """Run all ways interleaved, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=4_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--updates", action="store_true", help="Print the share of HOT updates instead.")
    options = parser.parse_args()
    with throwaway_platform():
        from tests.bench import order_ways  # noqa: PLC0415 - models need a configured Django

        ways: dict[str, tuple[Callable[[list[Any]], None], int]] = {
            "batch": (order_ways.batch, options.orders),
            "together": (order_ways.together, options.orders),
            "single": (order_ways.single, max(100, options.orders // 10)),
        }
        if not options.updates:
            ways["naive"] = (order_ways.naive, max(100, options.orders // 10))
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for round_number in range(options.rounds):
            for name, (way, count) in ways.items():
                orders = order_ways.market(random.Random(round_number), count, ACCOUNTS)
                started = time.perf_counter()
                way(orders)
                rates[name].append(count / (time.perf_counter() - started))
        if options.updates:
            print_updates()
            return
        _print({name: statistics.median(found) for name, found in rates.items()}, as_json=options.json)


def _print(medians: dict[str, float], *, as_json: bool) -> None:
    ratios = {name: medians["batch"] / rate for name, rate in medians.items()}
    if as_json:
        print(json.dumps({"orders_per_second": medians, "batch_is_times": ratios}))
        return
    print(f"{'way':9} {'orders/s':>10} {'batch is x':>11}")
    for name, rate in medians.items():
        print(f"{name:9} {rate:10,.0f} {ratios[name]:11.1f}")


if __name__ == "__main__":
    main()
