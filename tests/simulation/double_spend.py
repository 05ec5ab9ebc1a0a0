"""Nobody spends the same money twice: rounds of 64 requests of 80 against 100, as a part of `make soak`.

Every path takes its turn, then all of them together. What is printed is what happened; the exit code is the
verdict: at most one success a round, nobody below zero at any look, every invariant of money.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING

from tests.bench.platform import throwaway_platform

if TYPE_CHECKING:
    from tests.simulation.spending import Result

_CHECKED = ["iM1", "iM2", "iM3", "iM4-balance", "iM4-chain", "iM4-held", "iM5", "iA2-money", "iA5", "iA6"]


def main() -> int:
    """Play the rounds on servers of their own; 0 when nothing was spent twice."""
    parser = argparse.ArgumentParser(
        prog="double_spend", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=500)
    rounds = parser.parse_args().rounds
    with throwaway_platform():
        from tests.simulation.spending import MIXED, PATHS, spend  # noqa: PLC0415 - needs the settings
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415

        started = time.monotonic()
        turns = islice(cycle([*PATHS, MIXED]), rounds)
        result = spend(turns, after_round=_progress)
        _print(result, time.monotonic() - started)
        broken = [finding.code for finding in check_all(only=_CHECKED) if not finding.holds]
        _say(f"invariants of money: {'all hold' if not broken else 'BROKEN ' + ', '.join(broken)}")
    return 0 if result.holds and not broken else 1


def _progress(result: Result) -> None:
    done = sum(result.rounds.values())
    if done % 50 == 0:
        _say(f"{done} rounds")


def _print(result: Result, seconds: float) -> None:
    rounds = sum(result.rounds.values())
    _say(f"{rounds} rounds of 64 requests of 80 against 100 in {seconds:.0f} s")
    for path, number in result.rounds.items():
        _say(f"  {path}: {number} rounds")
    _say(f"requests that succeeded in a round: {dict(sorted(result.successes.items()))}")
    _say(f"which: {dict(result.winners.most_common())}")
    _say(f"refused: {dict(result.refusals.most_common())}; failed: {len(result.failures)}")
    for failure in result.failures[:5]:
        _say(f"  {failure[:300]}")
    every = seconds / max(result.seen.samples, 1) * 1000
    _say(
        f"looked {result.seen.samples} times, every {every:.2f} ms, longest pause {result.seen.longest}:"
        f" least available {result.seen.least}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
