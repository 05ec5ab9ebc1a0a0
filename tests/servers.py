"""Pytest plugin: gives a test run servers of its own before Django reads its settings.

An ordinary run gets a private PostgreSQL and Valkey on free ports in a folder of its own, unless
DATABASE_URL and REDIS_URL already name some. `pytest -m live` gets a whole running platform instead,
without participants, and its tests use that platform's database. Workers of pytest-xdist inherit the
addresses.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tradeplatform.config import BASE_DIR, load_config
from tradeplatform.supervisor.program import last_words
from tradeplatform.supervisor.servers import EmbeddedServers, launched, stop_children
from tradeplatform.supervisor.valkey import free_port

#: Seconds for a platform to come up on a machine that is busy with other tests.
_START_SECONDS = 180

_cleanup = ExitStack()


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform, as `manage.py up --json-ready` describes it."""

    base_url: str
    ws_url: str
    environment: dict[str, str]
    var_dir: Path
    pid: int
    pids: dict[str, int]


platform_key = pytest.StashKey[Platform]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Run before pytest-django looks at the settings."""
    os.environ.setdefault("TRADEPLATFORM_ENVIRONMENT", "test")
    if wants_platform(early_config):
        early_config.stash[platform_key] = _start_platform(_private_folder())
    elif not ("DATABASE_URL" in os.environ and "REDIS_URL" in os.environ):
        _start_servers(_private_folder())
    load_config.cache_clear()
    return (yield)


def wants_platform(config: pytest.Config) -> bool:
    """Whether this is the run of the live tests."""
    return str(config.known_args_namespace.markexpr) == "live"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what this process started and remove its folder."""
    _cleanup.close()


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tradeplatform-tests-"))
    # The servers may run as another account, which must reach its data.
    folder.chmod(0o755)
    _cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TRADEPLATFORM_VAR_DIR"] = str(folder)
    load_config.cache_clear()
    return folder


def _start_servers(folder: Path) -> None:
    servers = EmbeddedServers(load_config(), durable=False)
    with launched(folder, follow_parent=True) as (launch, children):
        servers.start(launch)
    _cleanup.callback(stop_children, children)
    os.environ.update(servers.environment())


def _start_platform(folder: Path) -> Platform:
    ready, log = folder / "ready.json", folder / "up.log"
    ports = [f"--http-port={free_port()}", f"--ws-port={free_port()}"]
    command = [sys.executable, "manage.py", "up", "--no-demo", f"--json-ready={ready}", *ports]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=BASE_DIR, stdout=output, stderr=subprocess.STDOUT)
    _cleanup.callback(_stop_platform, process)
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.exit(
                f"The platform for the live tests did not start:\n{last_words(log, 40)}", returncode=3
            )
        time.sleep(0.1)
    facts = json.loads(ready.read_text())
    os.environ.update(facts["environment"])
    names = Platform.__dataclass_fields__.keys()
    return Platform(**{name: facts[name] for name in names} | {"var_dir": Path(facts["var_dir"])})


def _stop_platform(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)
