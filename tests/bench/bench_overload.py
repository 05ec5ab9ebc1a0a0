"""One caller floods a web process: what the others feel, what memory it takes, whether promises are kept.

Ten polite callers, a connection each, send an order when the one before is answered; first alone, then beside
one who does the same over a hundred connections, so that ten times more is asked than there are threads. One
web process, 8 threads, room for 32; PostgreSQL that syncs, the callers, all on this machine. Nothing matches:
it is the door that is measured. Printed are how long polite orders take, alone and in the flood, how many of
whose were refused and how soon, the resident memory of the process, and whether each acknowledged order, and
no other, is in the database once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tests.bench.platform import throwaway_platform

_SETTINGS = {
    "TRADEPLATFORM_HTTP_QUEUE": "32",
    "TRADEPLATFORM_ADDRESS_CALLS_1M": "100000000",
    "TRADEPLATFORM_SHARD_LAG_LIMIT_SECONDS": "0",
}
POLITE, CONNECTIONS = 10, 100


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=50, help="of each polite caller, in each part")
    options = parser.parse_args()
    with throwaway_platform():
        print(json.dumps(measure(options.orders), indent=2))


def measure(orders: int, environment: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Needs a configured Django and its servers; `environment` is for the web process."""
    from orders.models import Order  # noqa: PLC0415
    from tests.bench.flood import call, caller  # noqa: PLC0415
    from tests.bench.http_load import web  # noqa: PLC0415
    from tests.factories import make_market  # noqa: PLC0415

    market = make_market(max_open_orders=10_000_000)
    polite = [caller(market, f"polite{number}") for number in range(POLITE)]
    flooding = caller(market, "flood", connections=CONNECTIONS)
    with web("tradeplatform.wsgi:application", {**_SETTINGS, **environment}, processes=1) as port:
        call(port, market.symbol, polite, polite=5)
        alone = _cleared(polite)
        before = call(port, market.symbol, polite, polite=orders)
        quiet = [seconds for one in polite for seconds in one.took]
        alone += _cleared(polite)
        during = call(port, market.symbol, [*polite, flooding], polite=orders)
    told = [*alone, *(number for one in (*polite, flooding) for number in one.accepted)]
    stored = [str(number) for number in Order.objects.values_list("id", flat=True)]
    crowded = [seconds for one in polite for seconds in one.took]
    megabyte = 1 << 20
    return {
        "polite_p50_ms": [_ms(quiet, 0.5), _ms(crowded, 0.5)],
        "polite_p99_ms": [_ms(quiet, 0.99), _ms(crowded, 0.99)],
        "polite_p99_times": round(_ms(crowded, 0.99) / _ms(quiet, 0.99), 1),
        "polite_refused": sum(one.refused for one in polite),
        "flood_sent": flooding.sent,
        "flood_accepted": len(flooding.accepted),
        "flood_refused": flooding.refused,
        "flood_refused_after_ms_p50": _ms(flooding.refused_after, 0.5) if flooding.refused_after else None,
        "other_answers": [str(one) for caller_ in (*polite, flooding) for one in caller_.other][:3],
        "memory_mb": {
            "before": before[-1] // megabyte, "begin": during[0] // megabyte, "most": max(during) // megabyte,
            "end": during[-1] // megabyte,
        },
        "acknowledged": len(told),
        "stored": len(stored),
        "each_once": sorted(told) == sorted(stored),
    }  # fmt: skip


def _cleared(callers: list[Any]) -> list[str]:
    """Forget how long it took; what was accepted so far."""
    found = [number for one in callers for number in one.accepted]
    for one in callers:
        one.accepted, one.took = [], []
    return found


def _ms(seconds: list[float], share: float) -> float:
    return round(sorted(seconds)[int(share * (len(seconds) - 1))] * 1_000, 1)


if __name__ == "__main__":
    main()
