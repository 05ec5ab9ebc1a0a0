"""`manage.py up` as a person uses it: start, a process dies, the supervisor dies, start again, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from websockets.sync.client import connect

from tests.feed.talk import Socket
from tests.running import private_environment, start_platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.processes import read_records, session_of
from tradeplatform.supervisor.valkey import free_port


class Run:
    """A var folder of its own, and what has been started in it."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet."""
        self.folder = folder
        self.ready = folder / "ready.json"
        self.log = folder / "up.txt"
        self.http, self.ws = free_port(), free_port()
        self.environment = private_environment()

    def manage(self, *arguments: str) -> list[str]:
        """The command line of a management command in this folder."""
        return [sys.executable, "manage.py", *arguments, f"--var={self.folder}"]

    def start(self) -> subprocess.Popen[bytes]:
        """Start the platform and wait until it says that it is ready."""
        process, _ = start_platform(self.folder, http_port=self.http, ws_port=self.ws)
        return process

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py up` with an option that ends at once."""
        return subprocess.run(
            self.manage("up", *arguments),
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def facts(self) -> dict[str, Any]:
        """What the platform says of itself."""
        found: dict[str, Any] = json.loads(self.ready.read_text())
        return found

    def answers(self) -> bool:
        """Whether the HTTP side is ready."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.http}/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Every process that names this folder or its ports or writes into a log of it, or is below one.

        Of all that Valkey shows only its log tells whose it is.
        """
        marks = (str(self.folder), f":{self.http}", f" {self.ws} ")
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            with suppress(OSError):
                line += f" {Path(f'/proc/{process.pid}/fd/1').readlink()}"
            if any(mark in f"{line} " for mark in marks):
                with suppress(psutil.NoSuchProcess):
                    found += [process, *process.children(recursive=True)]
        return found


@pytest.fixture
def run() -> Iterator[Run]:
    """A run whose processes are ended whatever happened."""
    with tempfile.TemporaryDirectory(prefix="tradeplatform-up-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        made_run = Run(folder)
        yield made_run
        for process in made_run.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.mark.timeout(600)
def test_a_life_of_the_platform(run: Run) -> None:
    """One test, because each start costs seconds: every step stands on the one before."""
    first = run.start()
    facts = run.facts()
    assert run.answers()
    assert httpx.get(f"http://127.0.0.1:{run.ws}/health/live").json() == {"status": "ok"}
    assert (run.ready.stat().st_mode & 0o777, first.pid) == (0o600, facts["pid"])
    login = json.loads((run.folder / "operator.json").read_text())
    assert login["password"] in run.log.read_text(), "the operator is told how to get in"
    assert login["password"] not in "".join(file.read_text() for file in (run.folder / "log").iterdir())

    _check_status_and_second_start(run, first)
    _check_restart_of_a_child(run, facts)
    _check_restart_of_postgres(run, facts)

    # The supervisor is killed: the kernel ends its children, and the next start cleans up and runs.
    first.kill()
    first.wait()
    run.ready.unlink()
    second = run.start()
    assert run.answers()
    assert json.loads((run.folder / "operator.json").read_text()) == login, "the same data as before"

    # Ctrl-C reaches the supervisor alone, which stops the rest in order; who listens is told.
    with connect(f"ws://127.0.0.1:{run.ws}/ws/v1") as listener:
        assert json.loads(listener.recv(timeout=10))["type"] == "welcome"
        second.send_signal(signal.SIGINT)
        assert Socket(listener).hear_close() == (1012, "server_stopping")
    assert second.wait(60) == 0
    assert "Stopped; nothing is left running." in run.log.read_text()
    _check_that_nothing_is_left(run)


def _check_status_and_second_start(run: Run, first: subprocess.Popen[bytes]) -> None:
    status = run.ask("--status")
    assert status.returncode == 0
    for name in ("supervisor", "valkey", "postgres", "web", "sockets", "shard-1", "worker", "beat"):
        assert name in status.stdout
    total = float(next(line for line in status.stdout.splitlines() if "total" in line).split("│")[-3])
    assert 100 < total < 1500, "the whole platform idles under 1.5 GB"
    again = run.ask()
    assert again.returncode == 1
    assert f"The platform already runs here (process {first.pid})" in again.stdout


def _check_restart_of_a_child(run: Run, facts: dict[str, Any]) -> None:
    os.kill(facts["pids"]["web"], signal.SIGKILL)
    wait_for(lambda: _record(run, "web").restarts == 1, "the restart of web")
    wait_for(run.answers, "the new web", seconds=60)
    assert _record(run, "web").pid != facts["pids"]["web"]


def _check_restart_of_postgres(run: Run, facts: dict[str, Any]) -> None:
    """SIGQUIT is what `pg_ctl stop -m immediate` sends: a crash, as far as the data is concerned."""
    url = facts["environment"]["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(facts["pids"]["postgres"], signal.SIGQUIT)
    wait_for(lambda: _record(run, "postgres").restarts == 1, "the restart of PostgreSQL")
    wait_for(run.answers, "the platform on the new PostgreSQL", seconds=60)
    with psycopg.connect(url) as owner:
        assert owner.execute("SELECT n FROM kept").fetchone() == (7,)


def _record(run: Run, name: str) -> Any:
    return next(record for record in read_records(run.folder) if record.name == name)


def _check_that_nothing_is_left(run: Run) -> None:
    assert run.processes() == []
    assert [record for record in read_records(run.folder) if session_of(record)] == []
    for port in (run.http, run.ws):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    left = {path.name for path in run.folder.iterdir()}
    assert not left & {"ready.json", "servers.json", "processes.json", "run"}
    assert list((run.folder / "servers").rglob("postmaster.pid")) == []
    assert run.ask("--status").returncode == 3
    assert run.ask("--stop").returncode == 0


def test_a_taken_port_is_refused_with_a_sentence(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", run.http))
        taken.listen()
        refused = run.ask(f"--http-port={run.http}", f"--ws-port={run.ws}")
    assert refused.returncode == 1
    assert f"Port {run.http} on 127.0.0.1 cannot be had" in refused.stdout
    assert "TRADEPLATFORM_HTTP_PORT" in refused.stdout
    assert run.processes() == []


def test_a_taken_port_is_known_before_anything_is_installed(run: Run, tmp_path: Path) -> None:
    program = BASE_DIR / "tradeplatform" / "supervisor" / "ports.py"

    def look() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", program],
            cwd=tmp_path,
            env={"TRADEPLATFORM_HTTP_PORT": str(run.http), "TRADEPLATFORM_WS_PORT": str(run.ws)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert look().returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", run.ws))
        taken.listen()
        refused = look()
    assert (refused.returncode, f"Port {run.ws} on 127.0.0.1 cannot be had" in refused.stderr) == (1, True)


def test_the_platform_will_not_start_while_a_command_uses_its_servers(run: Run) -> None:
    shell = [sys.executable, "manage.py", "shell", "-c", "print('in', flush=True); input()"]
    environment = run.environment | {"TRADEPLATFORM_VAR_DIR": str(run.folder)}
    with subprocess.Popen(
        shell, cwd=BASE_DIR, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdin is not None
        while command.stdout.readline() != "in\n":
            assert command.poll() is None
        refused = run.ask()
        assert refused.returncode == 1
        assert "Another command is using the servers of this folder" in refused.stdout
        command.stdin.write("\n")
        command.stdin.close()
        assert command.wait(60) == 0
    assert not (run.folder / "servers.json").exists()
    assert run.processes() == []
