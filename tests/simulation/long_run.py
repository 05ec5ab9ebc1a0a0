"""The deterministic simulation for as long as wanted, as a part of `make soak`.

    python -m tests.simulation.long_run --seconds 60 --seed 1 [--turns N] [--break NAME]

Real services and the real engine, driven from one seed by many clients, with faults from the same seed, on
servers of its own that sync nothing to disk (durability is shown elsewhere). An auditor keeps its own idea
of the right answer. The exit code is the verdict. The same seed and number of turns give the same hash.
"""

from __future__ import annotations

import argparse
import logging
import sys

from tests.bench.platform import throwaway_platform


def main() -> int:
    """Simulate; 0 when the auditor found nothing and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="long_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--turns", type=int, default=0, help="instead of seconds")
    parser.add_argument("--break", dest="break_name", default="", help="one wrong thing, to be found")
    options = parser.parse_args()
    with throwaway_platform(durable=False):
        # What is broken on purpose says so at length.
        logging.disable(logging.CRITICAL)
        from tests.simulation.simulating import simulate  # noqa: PLC0415 - needs the settings

        report = simulate(
            options.seed, turns=options.turns, seconds=options.seconds, break_name=options.break_name
        )
    for line in report.lines():
        sys.stdout.write(f"{line}\n")
    return 0 if report.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
