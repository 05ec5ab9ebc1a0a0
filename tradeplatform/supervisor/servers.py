"""The embedded servers of a checkout: started by the first who needs them, stopped by the last."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import psycopg
import redis

from tradeplatform.config import Config, load_config
from tradeplatform.supervisor.homes import server_home
from tradeplatform.supervisor.postgres import Passwords, Postgres
from tradeplatform.supervisor.processes import end_processes
from tradeplatform.supervisor.program import Program, ProgramFailedError, log_path, spawn
from tradeplatform.supervisor.users import service_user
from tradeplatform.supervisor.valkey import Valkey, free_port

#: Seconds a command waits for PostgreSQL, and for Valkey alone, that `manage.py up` is bringing back.
#: Commands do without Valkey, and the kill switch may be pressed because it hangs.
_PATIENCE = 30.0
_PATIENCE_WITH_VALKEY = 2.0

#: Commands that need no database, so they must not wait for one to start.
_WITHOUT_SERVERS = frozenset(
    {"up", "help", "--help", "-h", "version", "--version", "collectstatic", "spectacular"}
)


Launch = Callable[[Program], "subprocess.Popen[bytes]"]


class EmbeddedServers:
    """PostgreSQL and Valkey of one var folder, those of the two that no configuration names."""

    def __init__(self, config: Config, *, durable: bool = True) -> None:
        """Nothing starts yet."""
        self.var_dir = config.var_dir.absolute()
        user = service_user(config.service_user, data=self.var_dir / "servers" / "pg")
        self.var_dir.mkdir(parents=True, exist_ok=True)
        home = server_home(self.var_dir, user)
        passwords = _passwords(home)
        self.postgres = (
            None
            if config.database_url
            else Postgres(
                home=home,
                port=config.postgres_port or free_port(),
                passwords=passwords,
                user=user,
                configured_bin=config.postgres_bin,
                durable=durable,
            )
        )
        self.valkey = (
            None
            if config.redis_url
            else Valkey(
                home=home,
                port=config.valkey_port or free_port(),
                password=passwords.valkey,
                user=user,
                configured=config.valkey_program,
            )
        )

    def start(self, launch: Launch) -> None:
        """Start both with `launch` and return when both answer. The caller stops what was launched."""
        valkey = launch(self.valkey.program()) if self.valkey else None
        if self.postgres:
            self.postgres.initialise()
            child = launch(self.postgres.program())
            self.postgres.wait_ready(child, log_path(self.var_dir, "postgres"))
            self.postgres.make_roles_and_database()
        if self.valkey and valkey:
            self.valkey.wait_ready(valkey, log_path(self.var_dir, "valkey"))

    def environment(self) -> dict[str, str]:
        """What a process needs to know to use them."""
        found: dict[str, str] = {}
        if self.postgres:
            found["DATABASE_URL"] = self.postgres.url
            found["TRADEPLATFORM_READONLY_DATABASE_URL"] = self.postgres.readonly_url
        if self.valkey:
            found["REDIS_URL"] = self.valkey.url
        return found


#: Servers we started that others still use: held so that Python does not take them for forgotten.
_left_to_others: list[subprocess.Popen[bytes]] = []


@contextmanager
def servers_for_command(argv: Sequence[str]) -> Iterator[None]:
    """For the length of a management command, have servers: configured, already running here, or our own."""
    config = load_config()
    named = bool(config.database_url and config.redis_url)
    if named or config.is_production or len(argv) < 2 or argv[1] in _WITHOUT_SERVERS:  # noqa: PLR2004
        yield
        return
    with borrowed_servers(config) as environment:
        os.environ.update(environment)
        load_config.cache_clear()
        yield


@contextmanager
def borrowed_servers(config: Config, *, durable: bool = True) -> Iterator[dict[str, str]]:
    """The environment of running servers; starts them if nobody has, stops them if nobody else is left.

    Who uses them holds a shared lock on var/servers.users, which the kernel drops however he ends.
    """
    var_dir = config.var_dir.absolute()
    var_dir.mkdir(parents=True, exist_ok=True)
    children: list[subprocess.Popen[bytes]] = []
    with (var_dir / "servers.users").open("a") as users:
        with one_at_a_time(var_dir):
            fcntl.flock(users, fcntl.LOCK_SH)
            environment = running_servers(var_dir)
            if environment is None:
                servers = EmbeddedServers(config, durable=durable)
                with launched(var_dir, follow_parent=False) as (launch, children):
                    servers.start(launch)
                environment = servers.environment()
                remember_servers(var_dir, environment, [child.pid for child in children])
        try:
            yield environment
        finally:
            with one_at_a_time(var_dir):
                if last_user(users):
                    forget_servers(var_dir)
                else:
                    _left_to_others.extend(children)
            for child in children:
                child.poll()


@contextmanager
def launched(var_dir: Path, *, follow_parent: bool) -> Iterator[tuple[Launch, list[subprocess.Popen[bytes]]]]:
    """A way to launch servers, and the list it fills; ends them again if the block fails."""
    children: list[subprocess.Popen[bytes]] = []

    def launch(program: Program) -> subprocess.Popen[bytes]:
        child = spawn(program, log_path(var_dir, program.name), follow_parent=follow_parent)
        children.append(child)
        return child

    try:
        yield launch, children
    except BaseException:
        stop_children(children)
        raise


def last_user(users: object) -> bool:
    """Whether nobody else holds the lock; takes it for us alone if so."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class RunningServers:
    """What var/servers.json says: addresses, and the processes with their start times."""

    environment: dict[str, str]
    processes: list[tuple[int, float]]


def remember_servers(var_dir: Path, environment: dict[str, str], pids: Sequence[int]) -> None:
    """Write var/servers.json, readable by us alone: it has passwords."""
    state = RunningServers(environment, [(pid, psutil.Process(pid).create_time()) for pid in pids])
    fresh = var_dir / f"servers.json.{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(state)))
    fresh.rename(var_dir / "servers.json")


def running_servers(var_dir: Path) -> dict[str, str] | None:
    """The environment of the servers that run now, or None; leftovers that do not answer are ended.

    While `manage.py up` runs here the servers are its business, and never ended, however long they say
    nothing: one that just died is about to be back. Raises ProgramFailedError when PostgreSQL does not come.
    """
    begun = time.monotonic()
    while True:
        state = _read_state(var_dir)
        silent = [name for name, url in state.environment.items() if not _answers(url)] if state else []
        if state and not silent:
            return state.environment
        if not is_locked(var_dir / "up.lock"):
            forget_servers(var_dir)
            return None
        waited = time.monotonic() - begun
        if state and silent == ["REDIS_URL"] and waited > _PATIENCE_WITH_VALKEY:
            return state.environment
        if waited > _PATIENCE:
            msg = (
                f"The PostgreSQL of the platform that runs here has not answered for {waited:.0f} s: look at "
                f"{log_path(var_dir, 'postgres')} and at `manage.py up --status`, or end the platform with "
                "`manage.py up --stop`."
            )
            raise ProgramFailedError(msg)
        time.sleep(0.1)


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock on a file."""
    with path.open("a") as lock:
        return not last_user(lock)


def forget_servers(var_dir: Path) -> None:
    """End the servers named in var/servers.json, if they are still the same processes, and remove it."""
    state = _read_state(var_dir)
    if state is not None:
        stop_servers([pid for pid, started in state.processes if _same_process(pid, started)])
    (var_dir / "servers.json").unlink(missing_ok=True)


def stop_children(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop servers that this process launched and has not given to anyone."""
    stop_servers([child.pid for child in children])
    for child in children:
        child.wait()


def stop_servers(pids: Sequence[int]) -> None:
    """SIGINT (PostgreSQL: fast shutdown; Valkey: exit), then SIGKILL for what is left after 30 s."""
    processes = []
    for pid in reversed(pids):
        with suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    end_processes(processes, signal.SIGINT, seconds=30)


def _read_state(var_dir: Path) -> RunningServers | None:
    path = var_dir / "servers.json"
    if not path.is_file():
        return None
    raw = json.loads(path.read_text())
    return RunningServers(raw["environment"], [(pid, started) for pid, started in raw["processes"]])


def _same_process(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _answers(url: str) -> bool:
    """Whether the server behind an address knows its password: another may have got the port since."""
    try:
        if url.startswith("redis"):
            with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
                client.ping()
        else:
            psycopg.connect(url, connect_timeout=2).close()
    except (redis.RedisError, psycopg.OperationalError):
        return False
    return True


@contextmanager
def one_at_a_time(var_dir: Path) -> Iterator[None]:
    """Hold the lock under which servers are started, found and stopped."""
    with (var_dir / "servers.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _passwords(home: Path) -> Passwords:
    """Read the generated passwords, which live and die with the data they open."""
    path = home / "passwords.json"
    if path.is_file():
        return Passwords(**json.loads(path.read_text()))
    passwords = Passwords.generate()
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(passwords)))
    return passwords
