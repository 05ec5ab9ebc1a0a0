"""`manage.py up`: the whole platform on one machine, from nothing to ready, and down again without a trace.

Runs without Django: it watches those that have it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import urlopen

from tradeplatform.config import Config, ConfigurationError, load_config
from tradeplatform.supervisor.console import Console
from tradeplatform.supervisor.ports import why_not
from tradeplatform.supervisor.processes import StopRequestedError, Supervisor, end_leftovers
from tradeplatform.supervisor.program import ProgramFailedError
from tradeplatform.supervisor.roles import Roles
from tradeplatform.supervisor.servers import (
    EmbeddedServers,
    forget_servers,
    last_user,
    one_at_a_time,
    remember_servers,
)
from tradeplatform.supervisor.status import print_status, stop_running

#: Seconds: the first start migrates and seeds, and may do so on a slow machine beside others.
_PREPARE_SECONDS = 300.0
_READY_SECONDS = 120.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `manage.py up`."""
    parser.add_argument("--no-demo", action="store_true", help="start no demo participants")
    parser.add_argument("--http-port", type=int, help="port of admin and API (8000)")
    parser.add_argument("--ws-port", type=int, help="port of the sockets (8001)")
    parser.add_argument("--var", type=Path, help="folder for data, logs and generated secrets (var)")
    parser.add_argument("--json-ready", type=Path, metavar="FILE", help="write addresses and pids here")
    parser.add_argument("--status", action="store_true", help="say what runs and how much memory it takes")
    parser.add_argument("--stop", action="store_true", help="stop the platform that runs here")


def main(argv: Sequence[str]) -> int:
    """Entry point of manage.py for `up`."""
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__)
    add_options(parser)
    return run(vars(parser.parse_args(argv)))


def run(options: dict[str, Any]) -> int:
    """Do what the options say; returns the exit code."""
    for name in ("http_port", "ws_port", "var"):
        if options[name]:
            variable = "TRADEPLATFORM_VAR_DIR" if name == "var" else f"TRADEPLATFORM_{name.upper()}"
            os.environ[variable] = str(options[name].absolute() if name == "var" else options[name])
    console = Console()
    try:
        load_config.cache_clear()
        config = load_config()
        if options["status"]:
            return print_status(config.var_dir, console)
        if options["stop"]:
            return stop_running(config.var_dir, console)
        with ExitStack() as stack:
            Platform(config, options, console, stack).run()
    except (ConfigurationError, ProgramFailedError) as error:
        console.fail(str(error))
        return 1
    return 0


class Platform:
    """One run of the platform."""

    def __init__(self, config: Config, options: dict[str, Any], console: Console, stack: ExitStack) -> None:
        """Take the locks, so that nobody else starts anything in the same var folder."""
        self._config = config
        self._options = options
        self._console = console
        self._var = config.var_dir.absolute()
        self._var.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        self._supervisor = Supervisor(self._var, console.line)
        self._run_folder = self._var / "run"
        self._lock = stack.enter_context(_up_lock(self._var))
        self._users = stack.enter_context((self._var / "servers.users").open("a"))

    def run(self) -> None:
        """Start, watch until asked to stop, stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._supervisor.request_stop())
        # Refused here, everything in the folder is another's.
        self._take_over()
        try:
            self._start()
            while True:
                self._supervisor.tick()
                time.sleep(0.2)
        except StopRequestedError:
            self._console.note("Stopping...")
        finally:
            self._supervisor.stop()
            self._clean()
        self._console.note("Stopped; nothing is left running.")

    def _start(self) -> None:
        for port in (self._config.http_port, self._config.ws_port):
            if message := why_not(self._config.bind_host, port):
                raise ConfigurationError(message)
        servers = EmbeddedServers(self._config)
        self._console.note("Starting the servers...")
        servers.start(self._supervisor.start)
        environment = servers.environment()
        remember_servers(self._var, environment, [child.popen.pid for child in self._supervisor.children])
        roles = Roles(self._config, environment)
        self._console.note("Preparing the database...")
        # These touch the database only when asked something, so they load while it is prepared.
        self._supervisor.start(roles.web())
        self._supervisor.start(roles.sockets())
        facts_file = self._run_folder / "prepared.json"
        prepare = roles.manage("prepare", "prepare", f"--json={facts_file}")
        self._supervisor.run_once(prepare, seconds=_PREPARE_SECONDS)
        facts = json.loads(facts_file.read_text())
        self._start_roles(roles, facts["shards"])
        report = self._report(environment, facts)
        if self._options["json_ready"]:
            _write_whole(self._options["json_ready"], json.dumps(report, indent=1))
        seconds = time.monotonic() - self._started
        self._console.ready(report, demo=not self._options["no_demo"], seconds=seconds)

    def _take_over(self) -> None:
        """Make the var folder ours: end what a killed predecessor left, refuse if it is in use."""
        for name in end_leftovers(self._var):
            self._console.note(f"Ended {name}, left over from a run that was killed.")
        with one_at_a_time(self._var):
            if not last_user(self._users):
                msg = "Another command is using the servers of this folder: start again when it has ended."
                raise ConfigurationError(msg)
            forget_servers(self._var)
            fcntl.flock(self._users, fcntl.LOCK_SH)
        shutil.rmtree(self._run_folder, ignore_errors=True)
        self._run_folder.mkdir()

    def _start_roles(self, roles: Roles, shards: list[int]) -> None:
        workers = {f"shard-{shard}": self._ready_file(f"shard-{shard}") for shard in shards}
        workers["worker"] = self._ready_file("worker")
        start = self._supervisor.start
        for shard in shards:
            start(roles.shard(shard, workers[f"shard-{shard}"]))
        start(roles.worker(workers["worker"]))
        http, ws = self._config.http_port, self._config.ws_port
        wait = self._supervisor.wait_until
        wait(lambda: _is_ok(f"http://127.0.0.1:{http}/health/ready"), "web", seconds=_READY_SECONDS)
        wait(lambda: _is_ok(f"http://127.0.0.1:{ws}/health/live"), "sockets", seconds=_READY_SECONDS)
        for name, file in workers.items():
            wait(file.exists, name, seconds=_READY_SECONDS)
        start(roles.beat())
        start(roles.ingest())
        if not self._options["no_demo"]:
            start(roles.participants())

    def _ready_file(self, name: str) -> Path:
        return self._run_folder / f"{name}.ready"

    def _report(self, environment: dict[str, str], facts: dict[str, Any]) -> dict[str, Any]:
        base = f"http://127.0.0.1:{self._config.http_port}"
        named = {
            "DATABASE_URL": self._config.database_url,
            "TRADEPLATFORM_READONLY_DATABASE_URL": self._config.readonly_database_url,
            "REDIS_URL": self._config.redis_url,
        }
        configured = {name: value.get_secret_value() for name, value in named.items() if value}
        return {
            "base_url": base,
            "ws_url": f"ws://127.0.0.1:{self._config.ws_port}/ws/v1",
            "environment": configured | environment,
            "var_dir": str(self._var),
            "operator_file": str(self._var / "operator.json"),
            "shards": facts["shards"],
            "pid": os.getpid(),
            "pids": {child.program.name: child.popen.pid for child in self._supervisor.children},
        }

    def _clean(self) -> None:
        """Remove what only made sense while we ran. The lock file stays: its lock is what counts."""
        (self._var / "servers.json").unlink(missing_ok=True)
        if self._options["json_ready"]:
            self._options["json_ready"].unlink(missing_ok=True)
        shutil.rmtree(self._run_folder, ignore_errors=True)
        self._lock.truncate(0)


def _up_lock(var_dir: Path) -> IO[str]:
    """Hold var/up.lock, with our pid inside, until it is closed; the kernel lets go when we die."""
    lock = (var_dir / "up.lock").open("a+")
    if not last_user(lock):
        lock.seek(0)
        pid = lock.read().strip()
        msg = f"The platform already runs here (process {pid}): `manage.py up --stop` stops it."
        lock.close()
        raise ConfigurationError(msg)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _is_ok(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False


def _write_whole(path: Path, text: str) -> None:
    """Write a file that has secrets so that a reader sees nothing or all of it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.rename(path)
