"""Depth and ticker a second, warm answers against SQL for each caller, as ratios in one run.

A book of one instrument after random orders around one price: some hundred levels, some thousand trades of
the last day. Every call goes through the whole WSGI application (middleware, throttle), in this process, one
after the other:

- door: as anonymous callers are answered: one statement for the state of the book, encoded bytes;
- view: the same bytes through the view, as callers with a login are answered;
- sql:  the same answers in a view, summed by SQL and rendered for each caller.

"a CPU second" counts this process alone: PostgreSQL's work is on top of it, much for sql, else little. Then
the door over HTTP: two web processes as they are in production, sixteen connections, 2,000 addresses, the
caller on the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.bench.http_load import over_http
from tests.bench.platform import throwaway_platform

ACCOUNTS = 20
WAYS = ("depth/door", "depth/view", "depth/sql", "ticker/door", "ticker/view", "ticker/sql")


def main() -> None:
    """Measure all ways interleaved, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--orders", type=int, default=6_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # As a web process: its connections come from a pool.
    os.environ["TRADEPLATFORM_ROLE"] = "web"
    with throwaway_platform():
        from django.conf import settings  # noqa: PLC0415 - it is configured now

        settings.ROOT_URLCONF = "tests.bench.market_ways"
        from tests.bench import market_ways  # noqa: PLC0415

        market_ways.lift_the_limits()
        symbol = _lived(options.orders)
        call = _caller()
        figures: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _round in range(options.rounds):
            for way in WAYS:
                figures[way].append(_measure(partial(call, _address(way, symbol)), options.calls))
        served = {
            what: [
                over_http(_address(f"{what}/door", symbol), calls=4 * options.calls)
                for _round in range(options.rounds)
            ]
            for what in ("depth", "ticker")
        }
    _print(figures, served, as_json=options.json)


def _address(way: str, symbol: str) -> str:
    what, how = way.split("/")
    return f"/api/v1/instruments/{symbol}/{what}" if how == "door" else f"/api/v1/{way}/{symbol}"


def _lived(orders: int) -> str:
    """A market after so many orders; the follower has seen them."""
    from django.utils import timezone  # noqa: PLC0415

    from orders.market.services.following import follow  # noqa: PLC0415
    from tests.bench import order_ways  # noqa: PLC0415

    wanted = order_ways.market(random.Random(1), orders, ACCOUNTS)
    order_ways.batch(wanted)
    follow(now=timezone.now())
    return wanted[0].symbol


def _caller() -> Callable[[str], None]:
    """Calls an address of the application and fails unless it is answered."""
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415
    from django.test import RequestFactory  # noqa: PLC0415

    application: Any = get_wsgi_application()
    factory: Any = RequestFactory()

    def call(address: str) -> None:
        found: list[str] = []
        environ = factory.get(address, headers={"host": "localhost"}).environ
        answer = application(environ, lambda status, _headers: found.append(status))
        body = b"".join(answer)
        answer.close()
        if not found[0].startswith("200") or not body:
            raise RuntimeError(f"{address}: {found[0]} {body[:200]!r}")

    return call


def _measure(call: Callable[[], None], calls: int) -> tuple[float, float]:
    """Calls a CPU second of this process, and a second of the clock."""
    call()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return calls / (time.process_time() - cpu), calls / (time.perf_counter() - wall)


def _print(
    figures: dict[str, list[tuple[float, float]]], served: dict[str, list[float]], *, as_json: bool
) -> None:
    medians = {
        way: [statistics.median(column) for column in zip(*found, strict=True)]
        for way, found in figures.items()
    }
    http = {what: statistics.median(found) for what, found in served.items()}
    if as_json:
        ways = {way: {"cpu": cpu, "wall": wall} for way, (cpu, wall) in medians.items()}
        print(json.dumps({**ways, "http": http}))
        return
    print(f"{'way':12} {'a CPU second':>13} {'a second':>9} {'door is x (CPU)':>16} {'(clock)':>8}")
    for way, (cpu, wall) in medians.items():
        best_cpu, best_wall = medians[f"{way.split('/', maxsplit=1)[0]}/door"]
        print(f"{way:12} {cpu:13,.0f} {wall:9,.0f} {best_cpu / cpu:16.1f} {best_wall / wall:8.1f}")
    for what, rate in http.items():
        print(f"{what} over HTTP, two processes: {rate:,.0f} a second")


if __name__ == "__main__":
    main()
