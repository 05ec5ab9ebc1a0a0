"""The whole platform behind PgBouncer in transaction mode with two sessions: a part of `make soak`.

    python -m tests.simulation.faults.pooled [--rounds 2] [--clients 6] [--seed 1] [--size 2] [--control]

Trades, while in each round PgBouncer is killed, PostgreSQL is stopped at once and a matching worker is
killed. PgBouncer is Debian's package (1.18, which knows no prepared statements); without it this fails.
`--control` leaves statements prepared: then the run must fail.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from tests.simulation.faults.own import conclude, own_folder, platform_with_django, record, say, wait_for
from tests.simulation.faults.servers import Servers, own_servers
from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.program import Program, plain_environment
from tradeplatform.supervisor.users import service_user
from tradeplatform.supervisor.valkey import free_port

if TYPE_CHECKING:
    from tests.running import Platform

_ADDRESSES = ("DATABASE_URL", "TRADEPLATFORM_READONLY_DATABASE_URL")


def main() -> int:
    """0 when all traded, nothing acknowledged was lost and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="pooled", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=2, help="sessions of the pool, for each role")
    parser.add_argument("--control", action="store_true", help="with prepared statements: must fail")
    options = parser.parse_args()
    if shutil.which("pgbouncer") is None:
        say("PgBouncer is missing: apt-get install pgbouncer")
        return 1
    with own_folder() as folder, own_servers(folder) as servers:
        direct = servers.embedded.environment()
        pooler = _pooler(folder, servers, options.size)
        servers.launch(pooler)
        behind = {name: _behind(direct[name], pooler) for name in _ADDRESSES}
        settings = direct | behind | {"TRADEPLATFORM_TRANSACTION_POOLER": "true"}
        settings["TRADEPLATFORM_PREPARED_STATEMENTS"] = str(options.control)
        with platform_with_django(folder, settings=settings, ours=direct) as platform:
            return 0 if _run(platform, servers, pooler, options) else 1


def configured(*, server: int, port: int, users: Path, size: int) -> str:
    """PgBouncer's configuration as the runbook prints it, with the places of this run."""
    (text,) = re.findall(r"```ini\n(.*?)```", (BASE_DIR / "docs" / "runbook.md").read_text(), re.DOTALL)
    for printed, here in (
        ("host=10.0.0.5 port=5432", f"host=127.0.0.1 port={server}"),
        ("listen_addr = 0.0.0.0", "listen_addr = 127.0.0.1\nunix_socket_dir ="),
        ("listen_port = 6432", f"listen_port = {port}"),
        ("auth_file = /etc/pgbouncer/userlist.txt", f"auth_file = {users}"),
        ("default_pool_size = 2", f"default_pool_size = {size}"),
    ):
        before, found, after = text.partition(printed)
        if not found:
            raise ValueError(f"The runbook's configuration has no {printed!r}.")
        text = before + here + after
    return str(text)


def _pooler(folder: Path, servers: Servers, size: int) -> Program:
    """How to start it; who it lets in is in a file."""
    user = service_user(None, data=servers.postgres.data)
    users, configuration = folder / "users.txt", folder / "pgbouncer.ini"
    for path in (users, configuration):
        path.touch(mode=0o600)
        if user:
            user.owns(path)
    logins = [urlsplit(servers.embedded.environment()[name]) for name in _ADDRESSES]
    users.write_text("".join(f'"{login.username}" "{login.password}"\n' for login in logins))
    port = free_port()
    configuration.write_text(configured(server=servers.postgres.port, port=port, users=users, size=size))
    return Program(
        name=f"pgbouncer-{port}",
        argv=[str(shutil.which("pgbouncer")), configuration],
        env=plain_environment(),
        user=user,
    )


def _behind(address: str, pooler: Program) -> str:
    return address.replace(f":{urlsplit(address).port}/", f":{pooler.name.removeprefix('pgbouncer-')}/")


def _run(platform: Platform, servers: Servers, pooler: Program, options: argparse.Namespace) -> bool:
    from orders.models import Shard  # noqa: PLC0415 - needs the settings
    from tests.factories import make_market  # noqa: PLC0415
    from tests.simulation.faults.clients import Load  # noqa: PLC0415

    load = Load.of(
        make_market(shard=Shard.objects.get(id=1)),
        platform.base_url,
        clients=options.clients,
        seed=options.seed,
    )
    chance = random.Random(options.seed)
    faults = dict.fromkeys(("PgBouncer killed", "PostgreSQL stopped at once", "matching worker killed"), 0)
    load.start()
    try:
        for name in [*faults] * options.rounds:
            time.sleep(chance.uniform(1.0, 3.0))
            _strike(name, platform, servers, pooler)
            faults[name] += 1
            load.struck()
            everybody = wait_for(partial(load.all_told_since, load.strikes[-1]))
            waited = time.monotonic() - load.strikes[-1]
            say(f"{name}; {waited:.1f} s later {'every' if everybody else 'NOT every'} client had an outcome")
    finally:
        load.rest()
    holds = conclude(platform, load, seed=options.seed, runs=1, faults=faults)
    load.close()
    return holds


def _strike(name: str, platform: Platform, servers: Servers, pooler: Program) -> None:
    if name == "PgBouncer killed":
        servers.strike(pooler.name, signal.SIGKILL)
        servers.launch(pooler)
    elif name == "PostgreSQL stopped at once":
        servers.strike("postgres", signal.SIGQUIT)
        servers.start_postgres()
    else:
        psutil.Process(record(platform, "shard-1").pid).send_signal(signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
