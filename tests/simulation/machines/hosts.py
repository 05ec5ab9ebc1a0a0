"""What runs on which host: servers on one, the roles of deploy/ on the others, each host on its own."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.rabbitmq import RabbitMQ
from tests.running import PATIENT, private_environment
from tests.simulation.machines.network import Host
from tradeplatform.config import Config, new_vault_key
from tradeplatform.supervisor.processes import Supervisor
from tradeplatform.supervisor.program import Program, log_path
from tradeplatform.supervisor.roles import Roles
from tradeplatform.supervisor.servers import EmbeddedServers

_HTTP, _WS = 8000, 8001
_PREPARE_SECONDS = 600.0


class Machine:
    """A host and its process manager, which does what systemd's Restart=always does."""

    def __init__(self, host: Host, folder: Path, environment: Mapping[str, str]) -> None:
        """Nothing runs yet."""
        self.host = host
        self.var_dir = folder / host.name
        self.var_dir.mkdir(mode=0o755)
        self._supervisor = Supervisor(self.var_dir, lambda _name, _line: None)
        self._programs: list[Program] = []
        config = Config(
            var_dir=self.var_dir,
            bind_host=host.address,
            http_port=_HTTP,
            ws_port=_WS,
            http_threads=16,
        )
        self.roles = Roles(config, PATIENT | dict(environment))
        self.off = False

    def ready(self, name: str) -> Path:
        """The file that a worker makes when it listens."""
        return self.var_dir / f"{name}.ready"

    def run(self, *programs: Program) -> None:
        """Start programs and keep them running."""
        with self.host.inside():
            for program in programs:
                self._programs.append(program)
                self._supervisor.start(program)

    def run_once(self, program: Program) -> None:
        """Run one to its end."""
        with self.host.inside():
            self._supervisor.run_once(program, seconds=_PREPARE_SECONDS)

    def tick(self) -> None:
        """Start again what has ended, unless the host is off."""
        if not self.off:
            with self.host.inside():
                self._supervisor.tick()

    def signal(self, what: signal.Signals) -> None:
        """To every process of the host at once."""
        for child in self._supervisor.children:
            try:
                os.killpg(child.popen.pid, what)
            except ProcessLookupError:
                continue

    def power_off(self) -> None:
        """Everything ends at once, and nothing is started again until power is back."""
        self.off = True
        self.signal(signal.SIGKILL)
        for child in self._supervisor.children:
            child.popen.wait()

    def power_on(self) -> None:
        """What ran starts again."""
        self._supervisor.children.clear()
        programs, self._programs = self._programs, []
        for program in programs:
            self.ready(program.name).unlink(missing_ok=True)
        self.off = False
        self.run(*programs)

    def restart(self, name: str) -> None:
        """`systemctl restart` of one role: asked to end, waited for, started again."""
        (child,) = (child for child in self._supervisor.children if child.program.name == name)
        self.ready(name).unlink(missing_ok=True)
        child.popen.send_signal(signal.SIGTERM)
        child.popen.wait(60)
        self._supervisor.children.remove(child)
        with self.host.inside():
            self._supervisor.start(child.program)

    def stop(self) -> None:
        """End what runs."""
        self.signal(signal.SIGCONT)
        self._supervisor.stop()

    def logs(self) -> str:
        """All that its processes have said."""
        files = (self.var_dir / "log").glob("*.log")
        return "".join(path.read_text(errors="replace") for path in files)


class DatabaseHost:
    """PostgreSQL, Valkey and, when wanted, RabbitMQ, reachable from the network."""

    def __init__(self, host: Host, folder: Path, subnet: str, *, rabbitmq: bool) -> None:
        """Nothing runs yet."""
        self.host, self._subnet = host, subnet
        self.var_dir = folder / host.name
        self.var_dir.mkdir(mode=0o755)
        self._supervisor = Supervisor(self.var_dir, lambda _name, _line: None)
        self._servers = EmbeddedServers(Config(var_dir=self.var_dir, database_url=None, redis_url=None))
        self.rabbitmq = RabbitMQ(self.var_dir, host=host.address) if rabbitmq else None

    def start(self) -> None:
        """As a checkout starts them, on the host's address as well as on loopback."""
        postgres, valkey = self._servers.postgres, self._servers.valkey
        assert postgres
        assert valkey
        with self.host.inside():
            postgres.initialise()
            with (postgres.data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {self._subnet} scram-sha-256\n")
            both = f"127.0.0.1,{self.host.address}"
            program = postgres.program()
            argv = [
                str(part).replace("listen_addresses=127.0.0.1", f"listen_addresses={both}")
                for part in program.argv
            ]
            child = self._supervisor.start(replace(program, argv=argv))
            postgres.wait_ready(child, log_path(self.var_dir, "postgres"))
            postgres.make_roles_and_database()
            program = valkey.program()
            told = (program.stdin or b"").replace(
                b"bind 127.0.0.1", f"bind 127.0.0.1 {self.host.address}".encode()
            )
            child = self._supervisor.start(replace(program, stdin=told))
            valkey.wait_ready(child, log_path(self.var_dir, "valkey"))
            if self.rabbitmq:
                self.rabbitmq.start()

    def environment(self, *, local: bool = False) -> dict[str, str]:
        """The addresses, for the other hosts or for who is on this one."""
        found = self._servers.environment()
        if not local:
            found = {name: url.replace("127.0.0.1", self.host.address) for name, url in found.items()}
        if self.rabbitmq:
            found["TRADEPLATFORM_BROKER_URL"] = self.rabbitmq.url
        return found

    def stop(self) -> None:
        """End them."""
        if self.rabbitmq:
            self.rabbitmq.stop()
        self._supervisor.stop()


def common_settings() -> dict[str, str]:
    """What all hosts of one platform have in common."""
    return private_environment() | {
        "TRADEPLATFORM_ENVIRONMENT": "test",
        "TRADEPLATFORM_SECRET_KEY": secrets.token_urlsafe(64),
        "TRADEPLATFORM_VAULT_KEYS": new_vault_key(),
        "TRADEPLATFORM_ALLOWED_HOSTS": "*",
        "TRADEPLATFORM_LOG_LEVEL": "INFO",
    }


def without_fence(program: Program) -> Program:
    """The same worker with its fence taken down."""
    argv = ["tests.simulation.machines.unfenced" if part == "celery" else part for part in program.argv]
    return replace(program, argv=argv)


Tick = Callable[[], None]
