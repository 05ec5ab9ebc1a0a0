"""Fills a second from a matched batch into orders, trades, fills, ledger and holds, as ratios in one run.

Traffic, in words: one instrument, 20 accounts; ten of them rest sell orders of one size at one price, the
others send buy orders. Resting and intake are done before the clock starts: what is timed is the drain, from
the pending commands to the commit. A trade is two fills. Every way ends with the same rows.

- batch:  buy orders of one maker's size, drained 1,000 commands to a transaction;
- sweep:  buy orders of ten makers' size, drained alike: fewer orders to a fill;
- shards: as batch, half of it on each of two shards, drained by two processes at once;
- single: as batch, but one transaction for each order, which is one for each trade;
- naive:  a transaction for each trade, a read and a save() for each row, as a plain Django view does it.

With --updates only batch is run, and what is printed is how rows were updated, by table: a HOT update stays
on its page and touches no index. Give it --accounts enough to fill pages.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

from tests.bench.platform import throwaway_platform
from tests.bench.updates import print_updates


def main() -> None:
    """Run all ways interleaved, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--trades", type=int, default=4_000, help="Of batch and sweep; the others take a tenth."
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--updates", action="store_true", help="Print the share of HOT updates instead.")
    parser.add_argument("--accounts", type=int, help="20 unless told; half of them sell.")
    options = parser.parse_args()
    with throwaway_platform():
        from tests.bench import settlement_ways  # noqa: PLC0415 - models need a configured Django

        settlement_ways.ACCOUNTS = options.accounts or settlement_ways.ACCOUNTS
        if options.updates:
            for _ in range(options.rounds):
                settlement_ways.batch(options.trades)
            print_updates()
            return
        tenth = max(100, options.trades // 10)
        rates: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, way, trades in (
                ("batch", settlement_ways.batch, options.trades),
                ("sweep", settlement_ways.sweep, options.trades),
                ("shards", settlement_ways.shards, options.trades),
                ("single", settlement_ways.single, tenth),
                ("naive", settlement_ways.naive, tenth),
            ):
                rates.setdefault(name, []).append(2 * trades / way(trades))
    _print({name: statistics.median(found) for name, found in rates.items()}, as_json=options.json)


def _print(medians: dict[str, float], *, as_json: bool) -> None:
    result: dict[str, Any] = {
        name: {"fills_per_second": rate, "batch_is_times": medians["batch"] / rate}
        for name, rate in medians.items()
    }
    if as_json:
        print(json.dumps(result))
        return
    print(f"{'way':8} {'fills/s':>10} {'batch is x':>11}")
    for name, found in result.items():
        print(f"{name:8} {found['fills_per_second']:10,.0f} {found['batch_is_times']:11.1f}")


if __name__ == "__main__":
    main()
