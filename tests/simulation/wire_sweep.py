"""Cut the wire to PostgreSQL at every message of a scenario, as a part of `make soak`.

    python -m tests.simulation.wire_sweep [--step 1] [--seed 0]

Before each message and after it, with and without a kill -9 of the process whose wire it is. What was
acknowledged must be there once, and all must be as if nothing had happened: orders, trades, money. At the end
every invariant must hold. The exit code is the verdict.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.bench.platform import throwaway_platform
from tests.simulation.wire import Moment

_SHOWN = 10


def main() -> int:
    """Sweep on servers of its own; 0 when nothing was lost or doubled and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="wire_sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step", type=int, default=1, help="every so many messages")
    parser.add_argument("--seed", type=int, default=0, help="which of them, with a step over 1")
    options = parser.parse_args()
    with throwaway_platform():
        from tests.simulation.cutting import Scene, Sweep  # noqa: PLC0415 - needs the settings
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415

        started, scene = time.monotonic(), Scene()
        sweep = Sweep(scene)
        _say(f"a run has {sweep.length} messages; seed {options.seed}, step {options.step}")
        first = 1 + random.Random(options.seed).randrange(options.step)
        for kill in (False, True):
            for moment in Moment:
                # Past the length too: a run that has to rebuild its book is longer.
                at = first
                while sweep.strike(at, moment, kill=kill):
                    at += options.step
                _say(f"{moment}, {'killed' if kill else 'cut'}: {sweep.result}")
        scene.close()
        for line in [*sweep.result.lost, *sweep.result.doubled, *sweep.result.different][:_SHOWN]:
            _say(line)
        broken = [finding.code for finding in check_all() if not finding.holds]
        _say(f"invariants: {'all hold' if not broken else 'BROKEN ' + ', '.join(broken)}")
        _say(f"{time.monotonic() - started:.0f} s")
    return 0 if sweep.result.holds and not broken else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
