"""A synchronous standby is promoted when its primary is killed under load: a part of `make soak`.

    python -m tests.simulation.faults.standby [--clients 8] [--seed 1] [--control]

As the runbook's page "A standby" has it, with the programs of the embedded PostgreSQL: `pg_basebackup`, a
standby that streams, `pg_ctl promote`. The link between the two is slow before the primary dies, so that what
it had told nobody but itself is lost with it. `--control` does not wait for the standby: then it must fail.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg

from tests.simulation.faults.link import Link, Way
from tests.simulation.faults.own import conclude, own_folder, platform_with_django, say, wait_for
from tests.simulation.faults.servers import Servers, own_servers
from tradeplatform.supervisor.postgres import Postgres, find_programs
from tradeplatform.supervisor.program import Program, log_path, plain_environment
from tradeplatform.supervisor.servers import _passwords
from tradeplatform.supervisor.users import service_user
from tradeplatform.supervisor.valkey import free_port

if TYPE_CHECKING:
    from tests.running import Platform

_ADDRESSES = ("DATABASE_URL", "TRADEPLATFORM_READONLY_DATABASE_URL")
_SLOW_SECONDS = 2.0


@dataclass(slots=True)
class Pair:
    """A primary and its standby, the link between them, and the address that the platform knows."""

    servers: Servers
    standby: Postgres
    programs: Path
    between: Link
    address: Link

    def fail_over(self) -> None:
        """Kill the primary's whole session with the standby behind, promote, and point the address there."""
        self.between.hold(Way.TO_CLIENT)
        time.sleep(_SLOW_SECONDS)
        primary = self.servers.running.pop("postgres")
        os.killpg(primary.pid, signal.SIGKILL)
        primary.wait()
        say("primary killed")
        _run(self, ["pg_ctl", "promote", "--wait", f"--pgdata={self.standby.data}"])
        self.address.server = ("127.0.0.1", self.standby.port)
        self.address.tear()
        say("standby promoted")


def main() -> int:
    """0 when nothing acknowledged was lost and every invariant holds on the promoted server."""
    parser = argparse.ArgumentParser(
        prog="standby", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="an asynchronous standby: must fail")
    options = parser.parse_args()
    with own_folder() as folder, own_servers(folder) as servers:
        pair = _make_standby(folder, servers, synchronous=not options.control)
        direct = servers.embedded.environment()
        old = f":{servers.postgres.port}/"
        settings = direct | {name: direct[name].replace(old, f":{pair.address.port}/") for name in _ADDRESSES}
        with platform_with_django(folder, settings=settings) as platform:
            return 0 if _trade(platform, pair, options) else 1


def _make_standby(folder: Path, servers: Servers, *, synchronous: bool) -> Pair:
    """Copy the primary, stream from it, and let its commits wait for the copy."""
    home = folder / "standby"
    home.mkdir(mode=0o755)
    user = service_user(None, data=servers.postgres.data)
    if user:
        user.owns(home)
    programs = find_programs(home=servers.postgres.home, user=user, configured=None)
    passwords = _passwords(servers.postgres.home)
    standby = Postgres(home=home, port=free_port(), passwords=passwords, user=user, configured_bin=programs)
    primary = ("127.0.0.1", servers.postgres.port)
    pair = Pair(servers, standby, programs, between=Link(primary), address=Link(primary))
    _ask(servers.postgres, passwords.superuser, "CREATE ROLE standby LOGIN REPLICATION PASSWORD 'standby'")
    source = f"host=127.0.0.1 port={pair.between.port} user=standby application_name=standby"
    _run(
        pair,
        [
            *("pg_basebackup", f"--dbname={source}", f"--pgdata={standby.data}", "--write-recovery-conf"),
            *("--wal-method=stream", "--create-slot", "--slot=standby", "--checkpoint=fast"),
        ],
        PGPASSWORD="standby",
    )
    program = standby.program()
    servers.launch(
        Program(
            name="standby",
            argv=program.argv,
            env=program.env,
            user=program.user,
            stop_signal=program.stop_signal,
            is_server=True,
        )
    )
    if synchronous:
        _ask(servers.postgres, passwords.superuser, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        _ask(servers.postgres, passwords.superuser, "SELECT pg_reload_conf()")
    streams = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
    wanted = "sync" if synchronous else "async"
    if not wait_for(lambda: _ask(servers.postgres, passwords.superuser, streams) == [(wanted,)]):
        raise RuntimeError(log_path(folder, "standby").read_text()[-2_000:])
    say(f"a standby streams: {wanted}")
    return pair


def _ask(server: Postgres, password: str, question: LiteralString) -> list[tuple[object, ...]]:
    where = {"host": "127.0.0.1", "port": server.port, "dbname": "postgres", "user": "postgres"}
    with psycopg.connect(**where, password=password, autocommit=True) as found:  # type: ignore[arg-type]
        answer = found.execute(question)
        return answer.fetchall() if answer.description else []


def _run(pair: Pair, command: list[str], **environment: str) -> None:
    """One of PostgreSQL's programs, as the account that runs the servers."""
    user = service_user(None, data=pair.servers.postgres.data)
    say(" ".join(command))
    subprocess.run(
        [str(pair.programs / command[0]), *command[1:]],
        check=True,
        env=plain_environment() | environment,
        cwd="/",
        stdout=subprocess.DEVNULL,
        **(user.popen_arguments() if user else {}),
    )


def _trade(platform: Platform, pair: Pair, options: argparse.Namespace) -> bool:
    from orders.models import Shard  # noqa: PLC0415 - needs the settings
    from tests.factories import make_market  # noqa: PLC0415
    from tests.simulation.faults.clients import Load  # noqa: PLC0415

    market = make_market(shard=Shard.objects.get(id=1))
    load = Load.of(market, platform.base_url, clients=options.clients, seed=options.seed)
    load.start()
    try:
        time.sleep(random.Random(options.seed).uniform(5.0, 10.0))
        load.struck()
        pair.fail_over()
        everybody = wait_for(partial(load.all_told_since, load.strikes[-1]))
        say(f"{'every' if everybody else 'NOT every'} client had an outcome again")
        time.sleep(5.0)
    finally:
        load.rest()
    holds = conclude(platform, load, seed=options.seed, runs=1, faults={"primary killed": 1})
    load.close()
    return holds


if __name__ == "__main__":
    sys.exit(main())
