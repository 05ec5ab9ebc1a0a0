"""How much the whole platform takes, and how soon it answers, as ratios in one run.

Traffic is the mix `exchange` (tests/load/mix.py has it in words) by 200 accounts in three instruments on two
shards, matched by the two real workers; PostgreSQL syncs; the clients run on the same machine.

- most:      lists of 1,000 from two processes, as fast as a bounded backlog allows, to find the rate;
- sustained: open loop at 95 % of that, in lists of what is due: everything accepted, matched, settled and
             committed within the time;
- naive:     new orders, each in one transaction by reads and save() as a plain Django view does it, which
             checks less; half of them trade (tests/bench/order_ways.py);
- single:    the mix by our own services, one transaction for each action and one for its outcome;
- floor:     COPY of the same rows into the same tables, with their indexes, constraints and triggers, by one
             connection, a commit for each table (tests/bench/load_ways.py). Updates are no part of it;
- ack:       at half of the sustained rate, in lists of at most 100 by two processes, single requests over
             HTTP and over sockets, as Poisson arrivals: from when each was due until its answer, which says
             that it is committed;
- kill:      at the same load, from the press of the global kill switch to its last effect on either shard.
"""

from __future__ import annotations

import argparse
import json

from tests.load.platform import private_platform


def main() -> None:
    """Run all ways on one platform, and print them with their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="sustained; others take a third")
    parser.add_argument("--producers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1_000, help="actions in a list, at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with private_platform() as platform:
        from tests.bench.load_figures import Measured, measure  # noqa: PLC0415 - needs a configured Django

        found: Measured = measure(
            platform, seconds=options.seconds, producers=options.producers, batch=options.batch
        )
    print(json.dumps(found.as_json()) if options.json else found.as_table())


if __name__ == "__main__":
    main()
