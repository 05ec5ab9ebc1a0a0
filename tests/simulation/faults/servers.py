"""Servers of a fault run's own, beside the platform and not under its supervisor."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tradeplatform.config import load_config
from tradeplatform.supervisor.postgres import Postgres
from tradeplatform.supervisor.program import Program, log_path, spawn
from tradeplatform.supervisor.servers import EmbeddedServers, stop_children

_PATIENCE = 60.0


@dataclass(slots=True)
class Servers:
    """PostgreSQL and Valkey as an operator has them, and what else a run starts."""

    folder: Path
    embedded: EmbeddedServers
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def postgres(self) -> Postgres:
        """The embedded one."""
        assert self.embedded.postgres is not None
        return self.embedded.postgres

    def launch(self, program: Program) -> subprocess.Popen[bytes]:
        """Start it; it is stopped with the run."""
        child = spawn(program, log_path(self.folder, program.name), follow_parent=True)
        self.running[program.name] = child
        return child

    def strike(self, name: str, what: signal.Signals) -> None:
        """Send a signal to one and return when it has ended."""
        child = self.running.pop(name)
        child.send_signal(what)
        child.wait(_PATIENCE)

    def start_postgres(self) -> None:
        """Again, after it was struck; returns when it answers."""
        child = self.launch(self.postgres.program())
        self.postgres.wait_ready(child, log_path(self.folder, "postgres"))

    def last_words(self, name: str) -> str:
        """The end of a server's log."""
        return log_path(self.folder, name).read_text(errors="replace")[-2_000:]


@contextmanager
def own_servers(folder: Path) -> Iterator[Servers]:
    """Durable ones in a folder."""
    load_config.cache_clear()
    servers = Servers(folder, EmbeddedServers(load_config()))
    try:
        servers.embedded.start(servers.launch)
        yield servers
    finally:
        stop_children(list(servers.running.values()))
