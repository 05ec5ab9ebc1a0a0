"""Load on a platform: an open loop of clients with a mix stated in words, and what came of it.

`python -m tests.load --mix exchange --rate 5000 --seconds 60 --door service` starts a platform of its own,
with both shard workers; `--rate max` sends as fast as a bounded backlog allows instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from tests.load.mix import MIXES
from tests.load.platform import environment_of, private_platform
from tests.load.report import as_json, as_table
from tests.running import Platform
from tradeplatform.config import BASE_DIR


def main() -> int:
    """Run one load; 0 when everything was sent, nothing waits and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mix", choices=sorted(MIXES), default="exchange")
    parser.add_argument("--door", choices=["service"], default="service")
    parser.add_argument("--rate", default="1000", help="actions a second, or max")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=500, help="actions to a call, at most")
    parser.add_argument("--producers", type=int, default=1, help="processes that send")
    parser.add_argument("--backlog", type=int, default=4_000, help="commands that may wait, with --rate max")
    parser.add_argument("--poisson", action="store_true", help="arrivals as independent clients come")
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--own-quotes", action="store_true", help="a quote asset for each instrument")
    parser.add_argument("--stock", type=int, nargs=2, default=(3_000, 900), metavar=("QUIET", "MAKERS"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-invariants", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with private_platform() as platform:
        from tests.load.loads import service_load  # noqa: PLC0415 - models need a configured Django

        result = service_load(platform, options, progress=_tell)
        broken = [] if options.no_invariants else _broken(platform)
    if options.json:
        print(json.dumps(as_json(result) | {"invariants_broken": broken}))
    else:
        print(as_table(MIXES[options.mix], options.door, result))
        print(f"\ninvariants broken: {', '.join(broken) or 'none'}")
    return 1 if broken or result.unsent else 0


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
