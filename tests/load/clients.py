"""Clients for a load on a platform that runs already: `python -m tests.load.clients clients.json`.

Run it where the platform runs, with its environment, as `manage.py` is: it makes instruments, accounts
with money, and a key for each, and writes what their clients need. Not for a platform with real money.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import orjson

from tests.load.actions import Holder, Ticker, World
from tradeplatform.supervisor.servers import servers_for_command


def main() -> None:
    """Make the clients and write the file, which only its owner reads: it has the keys' secrets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--accounts", type=int, default=200)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")
    with servers_for_command(sys.argv):
        import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

        django.setup()
        from tests.load.world import make_world  # noqa: PLC0415 - models need a configured Django

        write_clients(make_world(accounts=options.accounts, keys=True), options.file)


def write_clients(world: World, file: Path) -> None:
    """As JSON."""
    file.touch(mode=0o600)
    file.write_bytes(orjson.dumps(asdict(world), default=str))


def read_clients(file: Path) -> World:
    """As they were written."""
    found = orjson.loads(file.read_bytes())
    exact = ("mid", "tick", "lot")
    return World(
        found["tag"],
        tuple(Ticker(**one | {name: Decimal(one[name]) for name in exact}) for one in found["tickers"]),
        tuple(Holder(**one) for one in found["holders"]),
    )


if __name__ == "__main__":
    main()
