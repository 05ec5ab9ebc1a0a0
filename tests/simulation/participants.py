"""A platform of one's own with participants that trade on it: what every soak starts from and ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.running import Platform, start_platform, stop_platform
from tradeplatform.config import BASE_DIR

_SETTLE_SECONDS = 120.0


def say(text: str) -> None:
    """A line with the time before it, at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


@contextmanager
def own_platform(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """A platform in this folder, until the block ends; `settings` go into its environment."""
    process, platform = start_platform(folder, settings=settings)
    try:
        say("platform ready")
        yield platform
    finally:
        stop_platform(process)


def environment(platform: Platform) -> dict[str, str]:
    """What a command needs to find this platform, and no other."""
    return os.environ | platform.environment | {"TRADEPLATFORM_VAR_DIR": str(platform.var_dir)}


class Participants:
    """`manage.py simulate`, started again whenever a fault ended it: its clients would come back too."""

    def __init__(self, platform: Platform, rate: int, seed: int) -> None:
        """Start them: at most `rate` requests a second."""
        self._command = [
            *(sys.executable, "manage.py", "simulate", "--forever"),
            *(f"--rate={rate}", f"--seed={seed}"),
        ]
        self._env = environment(platform)
        self._log = platform.var_dir / "log" / "participants.log"
        self.restarts = -1
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.restarts += 1
        with self._log.open("ab") as output:
            return subprocess.Popen(
                self._command, cwd=BASE_DIR, env=self._env, stdout=output, stderr=subprocess.STDOUT
            )

    def keep_running(self) -> None:
        """Start them again if they have ended."""
        if self._process.poll() is not None:
            self._process = self._start()

    def stop(self) -> None:
        """Let them end."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(30)


@contextmanager
def trading(platform: Platform, rate: int, seed: int) -> Iterator[Participants]:
    """Participants until the block ends."""
    running = Participants(platform, rate, seed)
    try:
        yield running
    finally:
        running.stop()


def commands(platform: Platform) -> dict[str, int]:
    """How many commands have each status."""
    url = platform.environment["TRADEPLATFORM_READONLY_DATABASE_URL"]
    with psycopg.connect(url, connect_timeout=5) as reader:
        rows = reader.execute("SELECT status, count(*) FROM orders_command GROUP BY status").fetchall()
    return {"pending": 0, "done": 0} | dict(rows)


def settle(platform: Platform) -> dict[str, int]:
    """Wait until the platform, left in peace, has applied what was committed."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        with suppress(psycopg.OperationalError):
            found = commands(platform)
            if found["pending"] == 0 or time.monotonic() > deadline:
                return found
        time.sleep(0.5)


def broken_invariants(platform: Platform) -> list[dict[str, Any]]:
    """What the command of an operator finds of every invariant that does not hold."""
    answer = subprocess.run(
        [sys.executable, "manage.py", "invariants", "--json"],
        cwd=BASE_DIR,
        env=environment(platform),
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        findings: list[dict[str, Any]] = json.loads(answer.stdout)
    except ValueError:
        raise RuntimeError(f"The invariants were not checked:\n{answer.stderr[-4_000:]}") from None
    return [finding for finding in findings if not finding["holds"]]
