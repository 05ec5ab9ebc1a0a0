"""Replay a recording while its matching worker is killed again and again, and PostgreSQL once.

    python -m tests.simulation.kill_replay --file recording.csv.xz

A private, durable platform is started as `make run` would. The worker of the replayed instrument's shard gets
SIGKILL each time so many commands have been applied, and half-way PostgreSQL gets SIGQUIT, which is what
`pg_ctl stop -m immediate` sends: no checkpoint, recovery from the log. A replay that does not survive is
started again under the same run id. At the end every order in the journal of acknowledgements must be stored
once, nothing else of the run may be, and every invariant must hold: among them iB5 (a fresh rebuild gives the
stored state hash) and iS4 (so does the journal of commands from zero). The exit code is the verdict.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from tests.running import Platform, start_platform, stop_platform
from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.processes import Record, read_records

_SYMBOL = "REPLAY-BTC"
_RUN = "kill"
_STARTS = 5
_PATIENCE_SECONDS = 120.0


def main() -> int:
    """0 when nothing acknowledged was lost or doubled and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="kill_replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--format", default="bitstamp", help="of the file, see manage.py replay")
    parser.add_argument("--kills", type=int, default=10, help="of the matching worker")
    parser.add_argument("--every", type=int, default=4_000, help="commands applied between two kills")
    parser.add_argument("--limit", type=int, help="stop after so many rows of the file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradeplatform-kill-") as made:
        folder = Path(made)
        # The servers may run as another account, which must reach its data.
        folder.chmod(0o755)
        process, platform = start_platform(folder)
        try:
            return _attempt(platform, options)
        finally:
            stop_platform(process)


def _attempt(platform: Platform, options: argparse.Namespace) -> int:
    journal = platform.var_dir / "acknowledged.csv"
    replay = _Replay(platform, options, journal)
    killed = _break_things(platform, replay, options)
    survived = replay.wait()
    _say(f"matching worker killed {killed} times; PostgreSQL stopped at once {int(killed > 0)} times")
    _say(f"the replay was started {replay.starts} times, its last exit code is {replay.code}")
    settled = _wait_for(lambda: _pending(platform) == 0)
    _say(f"commands still pending: {_pending(platform)}")
    kept = _compare(platform, journal)
    sound = _manage(platform, "invariants").wait() == 0
    return 0 if survived and killed == options.kills and settled and kept and sound else 1


class _Replay:
    """`manage.py replay`, started again under the same run id if a fault ends it."""

    def __init__(self, platform: Platform, options: argparse.Namespace, journal: Path) -> None:
        self._platform = platform
        self._arguments = [
            *("replay", str(options.file), f"--format={options.format}", f"--instrument={_SYMBOL}"),
            *("--create-instrument", "--speed=max", "--drain=worker", f"--run={_RUN}"),
            f"--journal={journal}",
            *([f"--limit={options.limit}"] if options.limit else []),
        ]
        self.starts = 0
        self._start()

    def _start(self) -> None:
        self.starts += 1
        self._process = _manage(self._platform, *self._arguments)

    @property
    def code(self) -> int | None:
        """How the last start ended; None while it runs."""
        return self._process.poll()

    def keep_running(self) -> bool:
        """Whether it still has something to do."""
        if self.code and self.starts < _STARTS:
            _say(f"the replay ended with code {self.code}: started again")
            self._start()
        return self.code is None

    def wait(self) -> bool:
        """Whether it came to its end."""
        while self.keep_running():
            time.sleep(0.1)
        return self.code == 0


def _break_things(platform: Platform, replay: _Replay, options: argparse.Namespace) -> int:
    """Strike each time the next commands have been applied; how often the worker was killed."""
    kills, target = 0, options.every
    while kills < options.kills and replay.keep_running():
        with suppress(psycopg.OperationalError):
            applied, shard = _applied(platform)
            if applied >= target:
                kills, target = kills + 1, applied + options.every
                name = f"shard-{shard}"
                _say(f"{applied} commands applied: kill -9 of {name}, the {kills}. time")
                _strike(platform, name, signal.SIGKILL)
                if kills == (options.kills + 1) // 2:
                    _say("PostgreSQL stopped as with pg_ctl stop -m immediate")
                    _strike(platform, "postgres", signal.SIGQUIT)
        time.sleep(0.02)
    return kills


def _strike(platform: Platform, name: str, what: signal.Signals) -> None:
    """Send a signal to a child of the supervisor and return when it has ended."""
    process = psutil.Process(_record(platform, name).pid)
    process.send_signal(what)
    process.wait(_PATIENCE_SECONDS)


def _record(platform: Platform, name: str) -> Record:
    return next(record for record in read_records(platform.var_dir) if record.name == name)


def _query(platform: Platform, sql: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    url = platform.environment["TRADEPLATFORM_READONLY_DATABASE_URL"]
    with psycopg.connect(url, connect_timeout=5) as reader:
        return reader.execute(sql, values).fetchall()


def _applied(platform: Platform) -> tuple[int, int]:
    """How far the replay's shard has come, and which it is; zeros before there is one."""
    rows = _query(
        platform,
        "SELECT position, s.id FROM orders_shard s JOIN orders_book b ON b.shard_id = s.id"
        " JOIN instruments_instrument i ON i.id = b.instrument_id WHERE i.symbol = %s",
        _SYMBOL,
    )
    return rows[0] if rows else (0, 0)


def _pending(platform: Platform) -> int | None:
    """Commands not yet applied; None while the database is away."""
    with suppress(psycopg.OperationalError):
        rows = _query(platform, "SELECT count(*) FROM orders_command WHERE status = 'pending'")
        return int(rows[0][0])
    return None


def _compare(platform: Platform, journal: Path) -> bool:
    """Whether what was acknowledged is what is stored, order by order."""
    acknowledged: set[tuple[int, str, int]] = set()
    denied: set[tuple[int, str]] = set()
    for line in journal.read_text().splitlines():
        answer, account, name, rest = line.split(",")
        if answer == "accepted":
            acknowledged.add((int(account), name, int(rest)))
        else:
            denied.add((int(account), name))
    identities = _query(
        platform,
        "SELECT account_id, client_order_id, order_id FROM orders_orderidentity"
        " WHERE client_order_id LIKE %s",
        f"%-{_RUN}-%",
    )
    orders = _query(
        platform,
        "SELECT account_id, client_order_id, id FROM orders_order WHERE client_order_id LIKE %s",
        f"%-{_RUN}-%",
    )
    names = {(account, name) for account, name, _ in identities}
    twice = len(identities) - len(names) + len(orders) - len({row[:2] for row in orders})
    lost, extra = acknowledged - set(orders), set(orders) - acknowledged
    _say(
        f"acknowledged: {len(acknowledged)}; stored: {len(orders)} orders, {len(identities)} identities; "
        f"lost: {len(lost)}, twice: {twice}, never acknowledged: {len(extra)}, "
        f"denied but stored: {len(denied & names)} of {len(denied)}"
    )
    return set(identities) == set(orders) == acknowledged != set() and not twice and not denied & names


def _manage(platform: Platform, *arguments: str) -> subprocess.Popen[bytes]:
    env = os.environ | platform.environment | {"TRADEPLATFORM_VAR_DIR": str(platform.var_dir)}
    return subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=env)


def _wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
