"""The disk of the data, then that of the log, is full under load, until room is made: a part of `make soak`.

    python -m tests.simulation.faults.disk_full [--rounds 2] [--clients 6] [--seed 1] [--control]

Both are small file systems in memory, which only root can mount: where we are not root it says so and does
nothing. While a disk is full clients hear a code; with room made all goes on by itself, although PostgreSQL
crashes where it cannot write its log. `--control` takes `synchronous_commit` away, and has the log written as
late as may be: then the run must fail.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.simulation.faults.own import (
    PATIENCE,
    conclude,
    own_folder,
    platform_with_django,
    say,
    trust_the_machine,
    wait_for,
)
from tests.simulation.faults.servers import own_servers
from tradeplatform.supervisor.servers import _passwords

if TYPE_CHECKING:
    from tests.running import Platform
    from tests.simulation.faults.clients import Load

_SLOWLY = 0.05
#: Whether no segment has been made beyond the one that is written.
_IS_LAST = """
    SELECT max(name) <= pg_walfile_name(pg_current_wal_insert_lsn()) FROM pg_ls_waldir()
    WHERE name ~ '^[0-9A-F]{24}$'
"""
_SIZES = {"data": "600m", "log": "400m"}


def main() -> int:
    """0 when nothing acknowledged was lost and all came back by itself."""
    parser = argparse.ArgumentParser(
        prog="disk_full", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="without synchronous_commit: must fail")
    options = parser.parse_args()
    if os.geteuid() != 0:
        say("NOT RUN: only root can mount the small disks that this fills")
        return 0
    with own_folder() as folder, _small_disks(folder) as disks:
        _move_to(disks, folder)
        with platform_with_django(folder) as platform:
            if options.control:
                trust_the_machine()
                _write_late(platform)
            return 0 if _trade(platform, disks, options) else 1


@contextmanager
def _small_disks(folder: Path) -> Iterator[dict[str, Path]]:
    disks = {name: folder / f"disk-{name}" for name in _SIZES}
    for name, disk in disks.items():
        disk.mkdir()
        subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={_SIZES[name]}", name, disk], check=True)
    try:
        yield disks
    finally:
        for disk in disks.values():
            subprocess.run(["/bin/umount", "--lazy", disk], check=True)


def _move_to(disks: dict[str, Path], folder: Path) -> None:
    """Have a cluster made, then lay its data and its log on the small disks, as an operator would."""
    with own_servers(folder) as servers:
        home = servers.postgres.home
    data, log = disks["data"] / "pg", disks["log"] / "pg_wal"
    subprocess.run(["/bin/mv", home / "pg", data], check=True)
    subprocess.run(["/bin/mv", data / "pg_wal", log], check=True)
    (home / "pg").symlink_to(data)
    (data / "pg_wal").symlink_to(log)


def _trade(platform: Platform, disks: dict[str, Path], options: argparse.Namespace) -> bool:
    from orders.models import Shard  # noqa: PLC0415 - needs the settings
    from tests.factories import make_market  # noqa: PLC0415
    from tests.simulation.faults.clients import Load  # noqa: PLC0415

    market = make_market(shard=Shard.objects.get(id=1))
    load = Load.of(market, platform.base_url, clients=options.clients, seed=options.seed)
    chance = random.Random(options.seed)
    faults = dict.fromkeys((f"disk of the {name} full" for name in disks), 0)
    heard = True
    load.start()
    try:
        for name, disk in [*disks.items()] * options.rounds:
            time.sleep(chance.uniform(2.0, 4.0))
            heard = _fill(name, disk, platform, load) and heard
            faults[f"disk of the {name} full"] += 1
    finally:
        for disk in disks.values():
            (disk / "ballast").unlink(missing_ok=True)
        load.rest()
    holds = conclude(platform, load, seed=options.seed, runs=1, faults=faults)
    load.close()
    return holds and heard


def _fill(name: str, disk: Path, platform: Platform, load: Load) -> bool:
    """Leave no room until clients hear of it, then make room; whether they did and all went on."""
    ballast, before = disk / "ballast", _unavailable(load)
    # Large pieces first, then what only small ones fit into.
    for piece in (1 << 20, 1 << 12):
        with ballast.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(piece)):
                pass
    say(f"disk of the {name} full: {shutil.disk_usage(disk).free} bytes are left")
    if name == "log":
        _use_up_the_log(platform)
    heard = wait_for(lambda: _unavailable(load) > before)
    # Long enough for a server that crashed to have tried to come back in vain.
    time.sleep(5.0)
    told = _unavailable(load) - before
    ballast.unlink()
    load.struck()
    everybody = wait_for(partial(load.all_told_since, load.strikes[-1]))
    waited = time.monotonic() - load.strikes[-1]
    say(
        f"clients heard 503 unavailable {told} times{'' if heard else ' NEVER'}; with room made"
        f" {'every' if everybody else 'NOT every'} client had an outcome {waited:.1f} s later"
    )
    return heard and everybody


def _unavailable(load: Load) -> int:
    return sum(client.journal.heard["503 unavailable"] for client in load.clients)


def _as_superuser(platform: Platform) -> psycopg.Connection[tuple[bool]]:
    password = _passwords((platform.var_dir / "servers").resolve()).superuser
    where = platform.environment["DATABASE_URL"].rpartition("@")[2]
    return psycopg.connect(f"postgresql://postgres:{password}@{where}", autocommit=True)


def _write_late(platform: Platform) -> None:
    """Let what is committed without waiting lie in memory until somebody needs the room."""
    with _as_superuser(platform) as superuser:
        superuser.execute("ALTER SYSTEM SET wal_writer_delay TO '10s'")
        superuser.execute("ALTER SYSTEM SET wal_writer_flush_after TO '1GB'")
        superuser.execute("SELECT pg_reload_conf()")


def _use_up_the_log(platform: Platform) -> None:
    """Fill the segments that are there already, until the server cannot make another one.

    The last of them slowly and without a flush, as trade would: who has not waited for the disk is found out.
    """
    deadline = time.monotonic() + PATIENCE
    with suppress(psycopg.OperationalError):
        with _as_superuser(platform) as superuser:
            while time.monotonic() < deadline:
                (is_last,) = superuser.execute(_IS_LAST).fetchone() or (True,)
                if is_last:
                    superuser.execute("SELECT pg_logical_emit_message(false, 'full', repeat('x', 100000))")
                    time.sleep(_SLOWLY)
                else:
                    superuser.execute("SELECT pg_switch_wal(), pg_logical_emit_message(false, 'full', '')")
        say("the server did not run out of its log")


if __name__ == "__main__":
    sys.exit(main())
