"""PostgreSQL is stopped as with `pg_ctl stop -m immediate` under load, again and again, in `make soak`.

    python -m tests.simulation.faults.database_stops [--times 10] [--clients 8] [--seed 1] [--control]

The stop is SIGQUIT to the postmaster, which is what that command sends: sessions die, nothing is written, and
recovery from the log follows when the supervisor starts the server again. Whoever was told that an order is
taken must find it. `--control` takes `synchronous_commit` away: then the run must fail.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import psutil

from tests.simulation.faults.own import (
    PATIENCE,
    conclude,
    own_folder,
    platform_with_django,
    record,
    say,
    trust_the_machine,
    wait_for,
)

if TYPE_CHECKING:
    from tests.running import Platform
    from tests.simulation.faults.clients import Load


def main() -> int:
    """0 when nothing acknowledged was lost or doubled, all is back and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="database_stops", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="without synchronous_commit: must fail")
    options = parser.parse_args()
    with own_folder() as folder, platform_with_django(folder) as platform:
        from orders.models import Shard  # noqa: PLC0415 - needs the settings
        from tests.factories import make_market  # noqa: PLC0415
        from tests.simulation.faults.clients import Load  # noqa: PLC0415

        if options.control:
            trust_the_machine()
        market = make_market(shard=Shard.objects.get(id=1))
        load = Load.of(market, platform.base_url, clients=options.clients, seed=options.seed)
        load.start()
        try:
            stop_again_and_again(platform, load, times=options.times, seed=options.seed)
        finally:
            load.rest()
        holds = conclude(
            platform, load, seed=options.seed, runs=1, faults={"stop -m immediate": options.times}
        )
        load.close()
    return 0 if holds else 1


def stop_again_and_again(platform: Platform, load: Load, *, times: int, seed: int) -> None:
    """Stop the server at random moments, each time when every client has had an outcome again."""
    chance = random.Random(seed)
    for number in range(1, times + 1):
        time.sleep(chance.uniform(0.5, 2.0))
        postgres = psutil.Process(record(platform, "postgres").pid)
        postgres.send_signal(signal.SIGQUIT)
        postgres.wait(PATIENCE)
        load.struck()
        struck = load.strikes[-1]
        everybody = wait_for(partial(load.all_told_since, struck))
        say(
            f"PostgreSQL stopped at once, the {number}. time; {time.monotonic() - struck:.1f} s later"
            f" {'every client' if everybody else 'NOT every client'} had an outcome again"
        )


if __name__ == "__main__":
    sys.exit(main())
