"""How long a shard is away when its worker starts anew, and what a resting order takes in memory.

A book of so many resting orders is made at once; the engine that took them as commands gives the state hash
that the restored book must have. Then fresh processes take the shard, as a worker does that was killed:

- start:   from the start of the process until Django is set up;
- reading: the orders, from PostgreSQL to the engine's records;
- restore: records to a book, and its state hash compared with the stored one;
- applied: from the start of the process until the first command was applied and committed.

Memory is what the process has more after it than before it, in bytes for each order: first the engine alone,
then all of the process (what was read on the way stays with the allocator).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from tests.bench.platform import throwaway_platform

SHARD = 9
AIMS = {100_000: 5.0, 1_000_000: 40.0}


def main() -> None:
    """Make the book, take it in fresh processes, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with throwaway_platform():
        from tests.bench.resting import fill_book  # noqa: PLC0415 - models need a configured Django

        symbol = fill_book(options.orders, shard_id=SHARD)
        rounds = [_taken(symbol) for _ in range(options.rounds)]
    median = {name: sorted(one[name] for one in rounds)[len(rounds) // 2] for name in rounds[0]}
    median["bytes_each"] = (median["after"] - median["before"]) / options.orders
    median["engine_bytes_each"] = median["engine"] / options.orders
    if options.json:
        print(json.dumps({"orders": options.orders, **median}))
        return
    print(f"{options.orders:,} resting orders in one book; median of {options.rounds} fresh processes")
    for name in ("start", "reading", "restore", "applied"):
        print(f"{name:10} {median[name]:8.2f} s")
    aim = AIMS.get(options.orders)
    if aim:
        print(f"of the aim of {aim:.0f} s: {100 * median['applied'] / aim:.0f} %")
    print(f"memory: {median['engine_bytes_each']:.0f} bytes an order in the engine,")
    print(
        f"        {median['bytes_each']:.0f} in the process: {median['before'] / 1e6:.0f} MB before,"
        f" {median['after'] / 1e6:.0f} MB after"
    )


def _taken(symbol: str) -> dict[str, float]:
    """What a fresh process says of itself."""
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.cold_taker", symbol, str(SHARD), repr(started)],
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
