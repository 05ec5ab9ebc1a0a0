"""Starts a whole platform for whoever tests one: `manage.py up` in a private folder, on free ports."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.program import Program, last_words, spawn
from tradeplatform.supervisor.valkey import free_port

#: Seconds for a platform to come up on a machine that is busy with other tests.
_START_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform, as `manage.py up --json-ready` describes it."""

    base_url: str
    ws_url: str
    environment: dict[str, str]
    var_dir: Path
    pid: int
    pids: dict[str, int]


def private_environment() -> dict[str, str]:
    """Our environment without settings of the platform: what is tested must touch no server but its own."""
    addresses = {"DATABASE_URL", "REDIS_URL"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRADEPLATFORM_") and name not in addresses
    }


#: Commands may wait for workers that a test has stopped, and for those of a busy machine.
PATIENT = {"TRADEPLATFORM_SHARD_LAG_LIMIT_SECONDS": "600"}


def start_platform(
    folder: Path,
    *,
    http_port: int | None = None,
    ws_port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> tuple[Popen[bytes], Platform]:
    """Start without participants and return when it is ready; raises RuntimeError with its last words.

    `settings` go into its environment. It ends with this process, however this process ends.
    """
    ready = folder / "ready.json"
    program = Program(
        name="up",
        argv=[
            *(sys.executable, "manage.py", "up", "--no-demo", f"--var={folder}", f"--json-ready={ready}"),
            *(f"--http-port={http_port or free_port()}", f"--ws-port={ws_port or free_port()}"),
        ],
        env=private_environment() | PATIENT | dict(settings or {}),
        cwd=BASE_DIR,
    )
    log = folder / "up.txt"
    process = spawn(program, log, follow_parent=True)
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            stop_platform(process)
            raise RuntimeError(f"The platform did not start:\n{last_words(log, 40)}")
        time.sleep(0.05)
    facts = json.loads(ready.read_text())
    known = {name: facts[name] for name in Platform.__dataclass_fields__}
    return process, Platform(**known | {"var_dir": Path(facts["var_dir"])})


def stop_platform(process: Popen[bytes]) -> None:
    """Ask it to stop and wait until it has."""
    process.terminate()
    process.wait(60)
