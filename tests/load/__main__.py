"""Load on a platform: an open loop of clients with a mix stated in words, and what came of it.

`python -m tests.load --mix exchange --rate 5000 --seconds 60 --door service` starts a platform of its own,
with both shard workers; `--rate max` sends as fast as a bounded backlog allows instead.
`--url` and `--clients` load one that runs already, as its clients would, and tell what clients see of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.load.clients import read_clients
from tests.load.loads import Doors, Options, load, load_from_afar
from tests.load.mix import MIXES
from tests.load.platform import environment_of, private_platform
from tests.load.report import as_json, as_table
from tests.load.run import Result
from tests.running import Platform
from tradeplatform.config import BASE_DIR


def main() -> int:
    """Run one load; 0 when everything was sent, nothing waits and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mix", choices=sorted(MIXES), default="exchange")
    parser.add_argument("--door", choices=["service", "http", "socket"], default="service")
    parser.add_argument("--rate", type=_rate, default=1_000.0, help="actions a second, or max")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, help="service: actions to a call, at most; else callers")
    parser.add_argument("--connections", type=int, default=32, help="of the door http, for each producer")
    parser.add_argument("--producers", type=int, default=1, help="processes that send")
    parser.add_argument("--backlog", type=int, default=4_000, help="commands that may wait, with --rate max")
    parser.add_argument("--poisson", action="store_true", help="arrivals as independent clients come")
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--own-quotes", action="store_true", help="a quote asset for each instrument")
    stock = "orders that rest before the clock starts, far from the touch and near it"
    parser.add_argument(
        "--stock", type=int, nargs=2, default=(3_000, 900), metavar=("QUIET", "MAKERS"), help=stock
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-invariants", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--url", help="of a platform that runs already, with --clients")
    parser.add_argument("--ws-url", default="", help="of its sockets, for the door socket")
    parser.add_argument("--clients", type=Path, help="what `python -m tests.load.clients` wrote there")
    options = parser.parse_args()
    if options.url and (options.clients is None or options.door == "service"):
        parser.error("--url goes with --clients, and with the door http or socket.")
    if options.url and options.door == "socket" and not options.ws_url:
        parser.error("The door socket needs --ws-url as well, such as ws://127.0.0.1:8001/ws/v1.")
    if options.url and not options.clients.is_file():
        parser.error(
            f"No {options.clients}: `python -m tests.load.clients` makes it, on the platform's host."
        )
    options.batch = options.batch or (500 if options.door == "service" else 32)
    if options.door != "service":
        sys.stderr.write(f"First {sum(options.stock):,} orders are sent that rest (--stock), one by one.\n")
    result, broken = _from_afar(options) if options.url else _on_our_own(options)
    if options.json:
        print(json.dumps(as_json(result) | {"invariants_broken": broken}))
    else:
        print(as_table(MIXES[options.mix], options.door, result, afar=bool(options.url)))
        if not options.url:
            print(f"\ninvariants broken: {_spelled(broken)}")
    return 1 if broken or result.unsent else 0


def _on_our_own(options: argparse.Namespace) -> tuple[Result, list[str] | None]:
    with private_platform() as platform:
        result = load(platform, _wanted(options), progress=_tell)
        return result, None if options.no_invariants else _broken(platform)


def _from_afar(options: argparse.Namespace) -> tuple[Result, list[str] | None]:
    doors, world = Doors(options.url, options.ws_url), read_clients(options.clients)
    return load_from_afar(doors, _wanted(options), world, progress=_tell), None


def _wanted(options: argparse.Namespace) -> Options:
    given = vars(options)
    return Options(**{name: given[name] for name in Options.__slots__})


def _spelled(broken: list[str] | None) -> str:
    return "not looked at" if broken is None else ", ".join(broken) or "none"


def _rate(text: str) -> float:
    return 0.0 if text == "max" else float(text)


def _tell(second: float, due: int, accepted: int, applied: int, backlog: int) -> None:
    sys.stderr.write(
        f"{second:4.0f} s  due {due:9,}  accepted {accepted:9,}  applied {applied:9,}  waiting {backlog:7,}\n"
    )
    sys.stderr.flush()


def _broken(platform: Platform) -> list[str]:
    """Codes of the invariants that do not hold."""
    checked = subprocess.run(
        [sys.executable, "manage.py", "invariants", "--json"],
        cwd=BASE_DIR,
        env=os.environ | environment_of(platform),
        capture_output=True,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(checked.stdout)
    return [one["code"] for one in found if not one["holds"]]


if __name__ == "__main__":
    sys.exit(main())
