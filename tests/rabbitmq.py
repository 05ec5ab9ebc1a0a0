"""Debian's RabbitMQ for whoever tests with one: a node in a private folder, on free ports."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tradeplatform.supervisor.program import Program, last_words, spawn
from tradeplatform.supervisor.servers import stop_children
from tradeplatform.supervisor.users import ServiceUser, service_user
from tradeplatform.supervisor.valkey import free_port

#: Seconds: Erlang starts slowly beside other tests, and a node that was killed recovers its queues.
_START_SECONDS = 180.0
_FOLDERS = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))


def missing_rabbitmq() -> str:
    """What is missing on this machine, and how to get it; empty if nothing is."""
    if _FOLDERS and shutil.which("epmd") and shutil.which("erl"):
        return ""
    return "RabbitMQ is missing (Debian: apt-get install rabbitmq-server)."


class RabbitMQ:
    """One node; without its wrapper, which knows only the system's own folders and account."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1") -> None:
        """Nothing starts yet."""
        self.user: ServiceUser | None = service_user(None, data=folder)
        self.home, self.host, self.port = folder / "rabbitmq", host, free_port()
        self._password = secrets.token_urlsafe(16)
        self._epmd_port = free_port()
        self._log = folder / "log" / "rabbitmq.log"
        self._children: list[subprocess.Popen[bytes]] = []
        self.home.mkdir(mode=0o755)
        self._write("plugins", "[].\n")
        self._write("env.conf", "")
        self._write(
            "rabbitmq.conf",
            f"listeners.tcp.1 = {host}:{self.port}\n"
            f"default_user = tradeplatform\ndefault_pass = {self._password}\n"
            "log.console = true\nlog.console.level = info\nlog.file = false\n"
            # The machine's own disk and memory must not be what is tested.
            "disk_free_limit.absolute = 1MB\n",
        )
        if self.user:
            self.user.owns(self.home)

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        if self.user:
            self.user.owns(path)

    @property
    def url(self) -> str:
        """What TRADEPLATFORM_BROKER_URL is set to."""
        return f"amqp://tradeplatform:{self._password}@{self.host}:{self.port}//"

    def _environment(self) -> dict[str, str]:
        home = str(self.home)
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": home,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "tradeplatform@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port()),
            "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/env.conf",
            "RABBITMQ_SCHEMA_DIR": f"{home}/schema",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{home}/config",
            "RABBITMQ_PID_FILE": f"{home}/pid",
        }

    def _dist_port(self) -> int:
        path = self.home / "dist-port"
        if not path.exists():
            path.write_text(str(free_port()))
        return int(path.read_text())

    def start(self) -> None:
        """Start it, again after it was killed, and return when it takes connections."""
        if not self._children:
            self._launch("epmd", ["epmd", "-address", "127.0.0.1"])
        seen = self._said_ready()
        node = self._launch("rabbitmq", [_FOLDERS[-1] / "rabbitmq-server"])
        deadline = time.monotonic() + _START_SECONDS
        while self._said_ready() == seen:
            if node.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start:\n{last_words(self._log, 40)}")
            time.sleep(0.05)

    def _said_ready(self) -> int:
        return self._log.read_text().count("Server startup complete") if self._log.exists() else 0

    def _launch(self, name: str, argv: list[str | Path]) -> subprocess.Popen[bytes]:
        program = Program(name=name, argv=argv, env=self._environment(), user=self.user, cwd=self.home)
        child = spawn(program, self._log.with_name(f"{name}.log"), follow_parent=True)
        self._children.append(child)
        return child

    @property
    def node(self) -> subprocess.Popen[bytes]:
        """The process of the node that was started last."""
        return self._children[-1]

    def kill(self) -> None:
        """As a power cut does it."""
        self.signal(signal.SIGKILL)
        self.node.wait()

    def signal(self, what: signal.Signals) -> None:
        """To the node and all that it has started."""
        os.killpg(self.node.pid, what)

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` says."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [_FOLDERS[-1] / "rabbitmqctl", "--quiet", *arguments],
            env=self._environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            **(self.user.popen_arguments() if self.user else {}),
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """Stop all of it; nothing is left running."""
        stop_children(self._children)
        for child in self._children:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._children.clear()
