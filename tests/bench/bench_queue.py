"""How far a shard's worker wades through what was applied before, to find what is pending.

A command that was applied has left the partial index of pending commands; its entry there is dead, and stays
until a vacuum takes it. Read after so many commands, in batches of 1,000 on one shard, without a vacuum;
after one that spares indexes, as PostgreSQL does where less than 2 % of the pages have something dead; after
one by the policy of the table (`vacuum_index_cleanup`).
"""

from __future__ import annotations

import argparse

from tests.bench.platform import throwaway_platform

BATCH = 1_000


def main() -> None:
    """Apply commands, and print what reading costs before and after each kind of vacuum."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commands", type=int, default=200_000)
    options = parser.parse_args()
    with throwaway_platform(durable=False):
        from tests.bench import queue_ways  # noqa: PLC0415 - models need a configured Django

        queue_ways.without_autovacuum()
        print(f"{'commands applied':44} {'pages read':>10}")
        for part in range(1, 5):
            queue_ways.apply(options.commands // 4 // BATCH, batch=BATCH)
            _print(f"{part * options.commands // 4:,}, none vacuumed", queue_ways.pages_read(BATCH))
        queue_ways.vacuum("ON")
        _print("vacuumed", queue_ways.pages_read(BATCH))
        queue_ways.apply(options.commands // 100 // BATCH, batch=BATCH)
        _print("1 % more", queue_ways.pages_read(BATCH))
        queue_ways.vacuum("AUTO")
        _print("vacuumed, indexes spared", queue_ways.pages_read(BATCH))
        queue_ways.vacuum("ON")
        _print("vacuumed by the policy", queue_ways.pages_read(BATCH))


def _print(what: str, pages: int) -> None:
    print(f"{what:44} {pages:>10,}")


if __name__ == "__main__":
    main()
