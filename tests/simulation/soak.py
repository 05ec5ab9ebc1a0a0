"""Trade for a while, break a part every few seconds, and check that nothing was lost: `make soak`.

A private platform is started as `make run` would, participants trade on it through the public intake, and a
seeded choice of faults hits one process after another. At the end every command must have been applied and
every invariant must hold. What is printed is what happened; the exit code is the verdict.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

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
from tradeplatform.supervisor.processes import Record, read_records

_FROZEN_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break one kind of process."""

    name: str
    target: str
    signal: signal.Signals


FAULTS = [
    Fault("matching worker killed", "shard-", signal.SIGKILL),
    Fault("matching worker frozen", "shard-", signal.SIGSTOP),
    Fault("general worker killed", "worker", signal.SIGKILL),
    Fault("web killed", "web", signal.SIGKILL),
    Fault("sockets killed", "sockets", signal.SIGKILL),
    Fault("beat killed", "beat", signal.SIGKILL),
    Fault("Valkey killed", "valkey", signal.SIGKILL),
    # What `pg_ctl stop -m immediate` does: as a crash, with recovery from the log.
    Fault("PostgreSQL stopped at once", "postgres", signal.SIGQUIT),
]


def main() -> int:
    """Run the soak; 0 when every command was applied and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="make soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rate", type=int, default=40, help="requests a second, at most")
    parser.add_argument("--seed", type=int, default=1, help="chooses the faults and their times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradeplatform-soak-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        with (
            own_platform(folder) as platform,
            trading(platform, options.rate, options.seed) as participants,
        ):
            counts = _break_things(folder, platform, participants, options)
            participants.stop()
            left = settle(platform)
            broken = broken_invariants(platform)
        say(f"faults: {json.dumps(counts)}; participants restarted {participants.restarts} times")
        say(
            f"commands applied: {left['done']}, still pending: {left['pending']}; broken invariants: {broken}"
        )
    return 0 if left["pending"] == 0 and left["done"] > 0 and not broken else 1


def _break_things(
    folder: Path, platform: Platform, participants: Participants, options: argparse.Namespace
) -> dict[str, int]:
    """Faults at random times until the time is up; how often each happened."""
    chance = random.Random(options.seed)
    counts = {fault.name: 0 for fault in FAULTS}
    deadline = time.monotonic() + options.seconds
    while (now := time.monotonic()) < deadline:
        fault_at = now + chance.uniform(3, 8)
        while time.monotonic() < min(fault_at, deadline):
            participants.keep_running()
            time.sleep(0.2)
        # Every kind once, then any.
        unseen = [fault for fault in FAULTS if counts[fault.name] == 0]
        fault = chance.choice(unseen or FAULTS)
        victim = chance.choice(
            [record for record in read_records(folder) if record.name.startswith(fault.target)]
        )
        say(f"{fault.name} ({victim.name}, process {victim.pid}); {_progress(platform)}")
        _strike(victim, fault.signal)
        counts[fault.name] += 1
    return counts


def _strike(victim: Record, what: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(victim.pid)
        if process.create_time() != victim.created:
            return
        process.send_signal(what)
        if what is signal.SIGSTOP:
            # The fault is the time itself: long enough for another worker, or the database, to act.
            time.sleep(_FROZEN_SECONDS)
            process.send_signal(signal.SIGCONT)


def _progress(platform: Platform) -> str:
    try:
        found = commands(platform)
    except psycopg.OperationalError:
        return "the database is on its way back"
    return f"{found['done']} commands applied, {found['pending']} waiting"


if __name__ == "__main__":
    sys.exit(main())
