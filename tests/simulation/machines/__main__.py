"""Five machines in network namespaces: python -m tests.simulation.machines (root, Linux).

One host has PostgreSQL, Valkey and, with --rabbitmq, RabbitMQ; two have workers for both shards each; one has
web, sockets, the general worker and beat; one has the clients. Each runs its processes by the commands of
deploy/. Under load shards move between the hosts, hosts are killed, lost, frozen and cut off, links are lost
in one direction, and all of it heals. Clients keep a journal of what they were told. At the end no command
that was acknowledged may be lost or doubled, what was unknown must be known, no second writer may have got as
far as the tables, and every invariant must hold. What is printed is what happened; the exit code is the
verdict.

--control takes the fence down (no lock, no epoch) and must end in a red verdict; it then exits with 0.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rabbitmq import missing_rabbitmq
from tests.simulation.machines.network import Network, missing


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tradeplatform-machines-"))
    # The servers run as another account, which must reach its data.
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run it; 0 when the verdict is what it has to be."""
    parser = argparse.ArgumentParser(
        prog="machines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault strikes")
    parser.add_argument("--rabbitmq", action="store_true", help="RabbitMQ is the broker, instead of Valkey")
    parser.add_argument("--control", action="store_true", help="without the fence: has to fail")
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are")
    options = parser.parse_args()
    if absent := missing() or (missing_rabbitmq() if options.rabbitmq else ""):
        sys.stderr.write(absent + "\n")
        return 2
    os.environ |= {"DJANGO_SETTINGS_MODULE": "tradeplatform.settings", "TRADEPLATFORM_LOG_LEVEL": "ERROR"}
    with (
        _folder(keep=options.keep) as folder,
        Network("database", "worker-a", "worker-b", "api", "client") as network,
    ):
        from tests.simulation.machines.run import Run  # noqa: PLC0415 - what it imports needs the above

        with Run(network, folder, rabbitmq=options.rabbitmq, fenced=not options.control) as run:
            run.control() if options.control else run.play(options.rounds)
            red = run.verdict()
    return 0 if red == options.control else 1


if __name__ == "__main__":
    sys.exit(main())
