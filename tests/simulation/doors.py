"""Doors and workers of our own, each a process as it runs: gunicorn for HTTP, Daphne for sockets, Celery.

Their connections to PostgreSQL and to Valkey may go over a wire that can be cut. They serve whatever database
this process uses, so that tests see what they do; they end with this process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote, urlsplit

import httpx
import psutil
from django.db import connection

from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.config import Config, load_config
from tradeplatform.supervisor.program import Program, last_words, spawn
from tradeplatform.supervisor.roles import Roles
from tradeplatform.supervisor.valkey import free_port

_PATIENCE = 300.0

#: Changes how a process is started.
Change = Callable[[Program], Program]


@dataclass(frozen=True, slots=True)
class Ways:
    """The ports on this machine by which a process reaches its servers; None = as this process does."""

    postgres: int | None = None
    #: For what only reads; by a way that counts messages it would be in the way.
    reading: int | None = None
    valkey: int | None = None


_STRAIGHT = Ways()


def _as_it_is(program: Program) -> Program:
    return program


class Door:
    """A running process that can be killed and started again."""

    def __init__(self, program: Program, log: Path) -> None:
        self._program, self._log = program, log
        self.process: Popen[bytes] = self._spawn()

    def _spawn(self) -> Popen[bytes]:
        return spawn(self._program, self._log, follow_parent=True)

    def strike(self) -> None:
        """SIGKILL for whoever does the work."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """As a supervisor does with one that has ended."""
        if self.process.poll() is not None:
            self.process = self._spawn()

    def stop(self) -> None:
        """For good, with all that it has started."""
        if self.process.poll() is not None:
            return
        children = self.children()
        # Before them, or it would start others in their place.
        self.process.kill()
        for child in children:
            _kill(child)
        self.process.wait()

    def children(self) -> list[psutil.Process]:
        """The processes it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def words(self) -> str:
        """The last it has said."""
        return str(last_words(self._log, 30))


class Web(Door):
    """Gunicorn with the API, on a port of its own."""

    def __init__(self, folder: Path, ways: Ways = _STRAIGHT, *, change: Change = _as_it_is) -> None:
        self.port = free_port()
        program = _roles(ways, http_port=self.port, http_workers=1).web()
        super().__init__(change(program), folder / f"web-{self.port}.txt")

    def strike(self) -> None:
        """Its worker, in whose place it starts another at once."""
        for child in self.children():
            _kill(child)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Until it answers."""

        def answers() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the door has ended:\n{self.words}")
            try:
                return httpx.get(f"{self.url}/health/live", timeout=10).is_success
            except httpx.HTTPError:
                return False

        wait_for(answers, "a web process", seconds=_PATIENCE)


class Worker(Door):
    """Celery's worker of one shard."""

    def __init__(
        self, folder: Path, shard_id: int, ways: Ways = _STRAIGHT, *, change: Change = _as_it_is
    ) -> None:
        self._ready = folder / f"shard-{shard_id}.ready"
        program = _roles(ways).shard(shard_id, self._ready)
        super().__init__(change(program), folder / f"shard-{shard_id}.txt")

    def wait(self) -> None:
        """Until it works."""
        wait_for(self._ready.exists, "a shard's worker", seconds=_PATIENCE)


class Sockets(Door):
    """Daphne with the feed, on a port of its own."""

    def __init__(self, folder: Path, ways: Ways = _STRAIGHT, *, change: Change = _as_it_is) -> None:
        self.port = free_port()
        program = _roles(ways, ws_port=self.port).sockets()
        super().__init__(change(program), folder / f"sockets-{self.port}.txt")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"ws://127.0.0.1:{self.port}/ws/v1"

    def wait(self) -> None:
        """Until it takes connections."""

        def answers() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the door has ended:\n{self.words}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            return False

        wait_for(answers, "a socket process", seconds=_PATIENCE)


@contextmanager
def ending(*doors: Door) -> Iterator[None]:
    """Wait until they are there; end them afterwards."""
    try:
        for door in doors:
            door.wait()  # type: ignore[attr-defined]
        yield
    finally:
        for door in doors:
            door.stop()


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _roles(ways: Ways, **changes: object) -> Roles:
    config: Config = load_config().model_copy(update=changes)
    return Roles(config, _environment(ways))


def _environment(ways: Ways) -> Mapping[str, str]:
    """This process's database and Valkey, by other ports where some are given."""
    found = connection.settings_dict
    name, password = quote(found["USER"]), quote(found["PASSWORD"])

    def database(port: int | None) -> str:
        where = f"127.0.0.1:{port or found['PORT']}/{quote(found['NAME'])}"
        return f"postgresql://{name}:{password}@{where}?sslmode=disable&gssencmode=disable"

    return {
        "DATABASE_URL": database(ways.postgres),
        # It needs no role of its own here.
        "TRADEPLATFORM_READONLY_DATABASE_URL": database(ways.reading),
        "REDIS_URL": _by_port(os.environ["REDIS_URL"], ways.valkey),
    }


def _by_port(url: str, port: int | None) -> str:
    parts = urlsplit(url)
    return url if port is None else url.replace(f":{parts.port}", f":{port}", 1)


def valkey_address() -> tuple[str, int]:
    """Where this process's Valkey is."""
    parts = urlsplit(os.environ["REDIS_URL"])
    return str(parts.hostname), int(parts.port or 6379)


def postgres_address() -> tuple[str, int]:
    """Where this process's PostgreSQL is."""
    found = connection.settings_dict
    return found["HOST"], int(found["PORT"] or 5432)
