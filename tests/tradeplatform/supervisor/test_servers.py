"""The embedded servers: private, behind passwords, shared by commands, and runnable by root and by anyone."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import psycopg.errors
import pytest
import redis

from tradeplatform.config import Config, ConfigurationError
from tradeplatform.supervisor.homes import runnable, server_home
from tradeplatform.supervisor.postgres import _system_folders, find_programs
from tradeplatform.supervisor.program import ProgramFailedError
from tradeplatform.supervisor.servers import (
    EmbeddedServers,
    borrowed_servers,
    launched,
    remember_servers,
    running_servers,
    stop_children,
)
from tradeplatform.supervisor.users import ServiceUser, service_user
from tradeplatform.supervisor.valkey import find_program

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A var folder that other accounts can reach, as pytest's own cannot be."""
    with tempfile.TemporaryDirectory(prefix="tradeplatform-servers-") as made:
        path = Path(made)
        path.chmod(0o755)
        yield path
        home = path / "servers"
        if home.is_symlink():
            shutil.rmtree(home.resolve())


def bare_config(folder: Path, **values: object) -> Config:
    """A configuration that names no servers, whatever the environment of the tests says."""
    return Config(var_dir=folder, database_url=None, redis_url=None, **values)  # type: ignore[arg-type]


def use_servers(config: Config) -> None:
    """Start both, check what they promise, stop them; raises what fails."""
    servers = EmbeddedServers(config, durable=False)
    with launched(config.var_dir, follow_parent=True) as (launch, children):
        servers.start(launch)
    try:
        environment = servers.environment()
        _check_postgres(environment["DATABASE_URL"], environment["TRADEPLATFORM_READONLY_DATABASE_URL"])
        _check_valkey(environment["REDIS_URL"])
    finally:
        stop_children(children)


def _check_postgres(url: str, readonly_url: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        row = owner.execute(
            "SELECT current_user, rolsuper, current_setting('password_encryption'), "
            "current_setting('listen_addresses') FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == ("tradeplatform", False, "scram-sha-256", "127.0.0.1")
        owner.execute("CREATE TABLE fact (id int)")
        owner.execute("INSERT INTO fact VALUES (1)")
    with psycopg.connect(readonly_url, autocommit=True) as reader:
        assert reader.execute("SELECT id FROM fact").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO fact VALUES (2)")
    wrong = url.replace("://tradeplatform:", "://tradeplatform:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def _check_valkey(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def in_account(account: ServiceUser, work: Callable[[], None]) -> None:
    """Do the work in a forked process that has become an ordinary account; fail with its traceback."""
    with tempfile.TemporaryFile() as report:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.setgroups([])
                os.setgid(account.gid)
                os.setuid(account.uid)
                work()
                code = 0
            except BaseException:  # noqa: BLE001 - this process ends here, whatever happened
                report.write(traceback.format_exc().encode())
                report.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        report.seek(0)
        assert os.waitstatus_to_exitcode(status) == 0, report.read().decode()


def ordinary_account() -> ServiceUser:
    """Somebody who is not root."""
    entry = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.getuid())
    return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def test_servers_run_under_the_account_of_the_tests(folder: Path) -> None:
    """As root this is the path with a service account, as anyone else the plain one."""
    use_servers(bare_config(folder))
    data = folder / "servers" / "pg"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert data.stat().st_uid != 0
    assert stat.S_IMODE((folder / "servers" / "passwords.json").stat().st_mode) == 0o600
    assert not (folder / "servers" / "initdb-password").exists()


def test_servers_run_for_an_ordinary_account(folder: Path) -> None:
    account = ordinary_account()
    if IS_ROOT:
        account.owns(folder)
    # The tests may lie where that account cannot read; whoever starts the platform can read his own.
    tools = folder.with_name(f"{folder.name}-programs")
    tools.mkdir(mode=0o755)
    user = account if IS_ROOT else None
    postgres = find_programs(home=tools, user=user, configured=None)
    valkey = find_program(home=tools, user=user, configured=None)
    try:
        config = bare_config(folder, postgres_bin=postgres, valkey_program=valkey)
        if IS_ROOT:
            in_account(account, lambda: use_servers(config))
        else:
            use_servers(config)
    finally:
        shutil.rmtree(tools)
    assert (folder / "servers" / "pg").stat().st_uid == account.uid


def test_root_with_a_closed_checkout_gets_a_home_that_the_service_account_can_reach(folder: Path) -> None:
    """/root is closed to everyone else; an ordinary account has no such problem with its own folder."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    user = service_user(None, data=closed / "servers" / "pg")
    home = server_home(closed, user)
    try:
        assert (home == closed / "servers") is (user is None)
        assert (closed / "servers").is_symlink() is IS_ROOT
        assert server_home(closed, user) == home, "the second start finds the same"
        if user:
            assert user.can_run(_copied_program(closed, home, user))
    finally:
        if home != closed / "servers":
            shutil.rmtree(home)


def _copied_program(closed: Path, home: Path, user: ServiceUser) -> Path:
    """A program that the account cannot start where it lies."""
    package = closed / "package"
    (package / "bin").mkdir(parents=True)
    program = package / "bin" / "tool"
    program.write_text("#!/bin/sh\necho tool 1.0\n")
    program.chmod(0o755)
    assert not user.can_run(program)
    found = runnable(program, package=[package], home=home, label="tool-1.0", user=user)
    assert found == home / "programs" / "tool-1.0" / "package" / "bin" / "tool"
    return found


def test_data_survives_a_restart_and_so_do_the_passwords(folder: Path) -> None:
    config = bare_config(folder)
    passwords = set()
    for start in range(2):
        with borrowed_servers(config) as environment, psycopg.connect(environment["DATABASE_URL"]) as owner:
            passwords.add(environment["DATABASE_URL"].rpartition("@")[0])
            if start == 0:
                owner.execute("CREATE TABLE kept (id int)")
            assert owner.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert len(passwords) == 1
    assert running_servers(folder) is None


def test_commands_share_servers_and_the_last_one_stops_them(folder: Path) -> None:
    config = bare_config(folder)
    with borrowed_servers(config) as first:
        with borrowed_servers(config) as second:
            assert second == first
        assert running_servers(folder) == first
    assert running_servers(folder) is None
    assert not (folder / "servers.json").exists()


def test_servers_of_a_killed_command_are_used_and_then_stopped_by_the_next(folder: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tradeplatform.config import Config\n"
        "from tradeplatform.supervisor.servers import borrowed_servers\n"
        "config = Config(var_dir=Path(sys.argv[1]), database_url=None, redis_url=None)\n"
        "with borrowed_servers(config):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == -9
    left_behind = running_servers(folder)
    assert left_behind is not None
    with borrowed_servers(bare_config(folder)) as environment:
        assert environment == left_behind
    assert running_servers(folder) is None


@contextmanager
def supervised(folder: Path) -> Iterator[None]:
    """As if `manage.py up` ran there."""
    with (folder / "up.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_command_does_without_the_platforms_valkey_when_that_hangs(folder: Path) -> None:
    """The kill switch is pressed then; that command used to end PostgreSQL under the running platform."""
    with borrowed_servers(bare_config(folder)) as environment, supervised(folder):
        processes = json.loads((folder / "servers.json").read_text())["processes"]
        (valkey,) = (pid for pid, _ in processes if "valkey" in psutil.Process(pid).name())
        os.kill(valkey, signal.SIGSTOP)
        try:
            assert running_servers(folder) == environment
        finally:
            os.kill(valkey, signal.SIGCONT)
        assert all(psutil.pid_exists(pid) for pid, _ in processes)
        psycopg.connect(environment["DATABASE_URL"]).close()


def test_a_command_does_not_end_the_platforms_servers_that_do_not_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeplatform.supervisor.servers._PATIENCE", 0.3)
    nobody = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        remember_servers(folder, nobody, [server.pid])
        with supervised(folder), pytest.raises(ProgramFailedError, match="has not answered for 0 s"):
            running_servers(folder)
        assert server.poll() is None
        assert (folder / "servers.json").is_file()
        # With nobody to look after them they are leftovers.
        assert running_servers(folder) is None
        assert not psutil.pid_exists(server.pid)


def test_a_start_cut_off_in_initdb_is_made_good(folder: Path) -> None:
    config = bare_config(folder)
    servers = EmbeddedServers(config)
    assert servers.postgres is not None
    half_made = servers.postgres.home / "pg.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    with borrowed_servers(config) as environment:
        psycopg.connect(environment["DATABASE_URL"]).close()
    assert not half_made.exists()


def test_data_of_another_major_version_is_refused_and_left_alone(folder: Path) -> None:
    data = folder / "servers" / "pg"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(ConfigurationError, match="made by PostgreSQL 9, the programs found are 18"),
        borrowed_servers(bare_config(folder)),
    ):
        pass
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_debians_postgresql_is_the_fallback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = folder / "system" / "bin"
    system.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (system / name).touch(mode=0o755)
    monkeypatch.setattr("tradeplatform.supervisor.postgres.find_spec", lambda _name: None)
    monkeypatch.setattr("tradeplatform.supervisor.postgres._system_folders", lambda: [system])
    assert find_programs(home=folder, user=None, configured=None) == system


def test_whatever_postgresql_this_machine_has_will_do(folder: Path) -> None:
    """None may be installed, as on a laptop; Debian's is on the machines that run these tests."""
    for number, programs in enumerate(_system_folders()):
        home = folder / str(number)
        home.mkdir(mode=0o755)
        use_servers(bare_config(home, postgres_bin=programs))


def test_no_postgresql_anywhere_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeplatform.supervisor.postgres.find_spec", lambda _name: None)
    monkeypatch.setattr("tradeplatform.supervisor.postgres._system_folders", list)
    with pytest.raises(ConfigurationError, match="set DATABASE_URL to one, or install"):
        find_programs(home=folder, user=None, configured=None)


def test_configured_addresses_are_used_and_nothing_is_started(folder: Path) -> None:
    config = Config(var_dir=folder, database_url="postgresql://a/b", redis_url="redis://c/0")
    servers = EmbeddedServers(config)
    assert servers.postgres is None
    assert servers.valkey is None
    assert servers.environment() == {}
