"""Trade for hours in peace; each minute: do the invariants hold, does a process grow? A part of `make soak`.

Memory is what a process holds for itself and its share of what it has in common with others (PSS), of a
program with all that it started. A process may grow until it is warm; from then on it must stay what it is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.running import Platform
from tests.simulation.participants import (
    Participants,
    broken_invariants,
    commands,
    own_platform,
    say,
    settle,
    trading,
)
from tradeplatform.supervisor.processes import read_records

_MINUTE = 60.0
#: The share of the whole time in which caches fill, and what a warm program may add to itself.
_WARM_UP = 0.1
_MAY_GROW, _MAY_GROW_MB = 1.25, 25.0
# PostgreSQL and Valkey keep what they are given to keep: their memory is told, not judged.
_KEEP_DATA = ("postgres", "valkey")


def main() -> int:
    """Run; 0 when every invariant held every minute, nothing is pending and no program of ours grew."""
    parser = argparse.ArgumentParser(
        prog="endurance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=int, default=40, help="requests a second, at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradeplatform-soak-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        with (
            own_platform(folder) as platform,
            trading(platform, options.rate, options.seed) as participants,
        ):
            checks, broken, memory = _watch(folder, platform, participants, options.minutes)
            participants.stop()
            left = settle(platform)
            broken += bool(broken_invariants(platform))
    say(f"minutes checked: {checks}, with a broken invariant: {broken}")
    say(f"commands applied: {left['done']}, still pending: {left['pending']}")
    grown = _print(memory)
    return 0 if not broken and not grown and left["pending"] == 0 and left["done"] > 0 else 1


def _watch(
    folder: Path, platform: Platform, participants: Participants, minutes: float
) -> tuple[int, int, dict[str, list[float]]]:
    """How many looks there were, how many found a breach, and the megabytes of each program at each."""
    memory: dict[str, list[float]] = defaultdict(list)
    checks = broken = 0
    started = time.monotonic()
    while time.monotonic() - started < minutes * _MINUTE:
        time.sleep(max(0.0, started + (checks + 1) * _MINUTE - time.monotonic()))
        participants.keep_running()
        for name, megabytes in _megabytes(folder).items():
            memory[name].append(megabytes)
        asked = time.monotonic()
        breaches = broken_invariants(platform)
        checks, broken = checks + 1, broken + bool(breaches)
        found = commands(platform)
        ours = sum(sizes[-1] for name, sizes in memory.items() if not name.startswith(_KEEP_DATA))
        say(
            f"minute {checks}: {found['done']} commands applied, {found['pending']} waiting;"
            f" invariants {breaches or 'hold'} ({time.monotonic() - asked:.1f} s); programs {ours:.0f} MB"
        )
    return checks, broken, memory


def _megabytes(folder: Path) -> dict[str, float]:
    """The memory of each program that the supervisor started, its children with it."""
    found = {}
    for record in read_records(folder):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(record.pid)
            family = [process, *process.children(recursive=True)]
            found[record.name] = sum(_pss(one) for one in family) / 1e6
    return found


def _pss(process: psutil.Process) -> int:
    try:
        size: int = process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return 0
    return size


def _print(memory: Mapping[str, list[float]]) -> list[str]:
    """Each program's memory cold, warm and at the end; the names of those that grew when warm."""
    grown = []
    sys.stdout.write(f"{'program':14} {'start':>9} {'warm':>9} {'end':>9} {'most':>9}  MB\n")
    for name, sizes in sorted(memory.items()):
        warm = sizes[min(len(sizes) - 1, round(len(sizes) * _WARM_UP))]
        judged = not name.startswith(_KEEP_DATA)
        grew = judged and sizes[-1] > max(warm * _MAY_GROW, warm + _MAY_GROW_MB)
        grown += [name] if grew else []
        mark = "  grew" if grew else ""
        sys.stdout.write(f"{name:14} {sizes[0]:9.1f} {warm:9.1f} {sizes[-1]:9.1f} {max(sizes):9.1f}{mark}\n")
    sys.stdout.flush()
    return grown


if __name__ == "__main__":
    sys.exit(main())
