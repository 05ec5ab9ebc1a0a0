"""Orders over HTTP on the whole running platform, as ratios in one run: this is what a client has of it.

Traffic, in words: one instrument, 20 accounts of one person, limit orders of 0.01 to 0.05 within ten ticks of
a fixed price, sides at random: about half of them trade. Two web processes, one matching worker, PostgreSQL
that syncs, the caller, all on this machine. One by one, over 16 connections and over 256:

- single: POST /api/v1/orders, answered when the order is committed; matched and settled behind it;
- save:   a plain REST framework view: serializer, one row saved; nothing held, matched or settled;
- settle: the same, which also matches and settles in its transaction, as bench_orders' naive way (over 16).

Then POST /api/v1/orders/batch, 500 orders each: so many accepted, and so many accepted, matched and settled a
second. Last, batches of 50 at half of that rate, each of one account, as a program with its key sends them:
how long until they are acknowledged (open loop: late from when it was due, though no connection was free).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from tests.bench.http_load import ask, post, web
from tests.running import start_platform, stop_platform

CONNECTIONS, MANY, BATCH, SMALL_BATCH = 16, 256, 500, 50
_SETTINGS = {"TRADEPLATFORM_HTTP_WORKERS": "2", "TRADEPLATFORM_ADDRESS_CALLS_1M": "100000000"}


def main() -> None:
    """Measure all ways interleaved, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=1_000, help="one by one; batches: 20 times as many")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with _platform() as port:
        bench = _Bench(port)
        found: dict[str, list[float]] = {}
        for _round in range(options.rounds):
            for name, figure in bench.measure(options.orders):
                found.setdefault(name, []).append(figure)
    _print({name: statistics.median(figures) for name, figures in found.items()}, as_json=options.json)


@contextmanager
def _platform() -> Iterator[int]:
    """A platform as `make run` starts it, without participants; this process sees its database."""
    with tempfile.TemporaryDirectory(prefix="tradeplatform-bench-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        process, platform = start_platform(folder, settings=_SETTINGS)
        try:
            os.environ |= platform.environment | _SETTINGS
            os.environ |= {"TRADEPLATFORM_VAR_DIR": made, "DJANGO_SETTINGS_MODULE": "tradeplatform.settings"}
            os.environ["TRADEPLATFORM_LOG_LEVEL"] = "ERROR"
            import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

            django.setup()
            yield int(platform.base_url.rpartition(":")[2])
        finally:
            stop_platform(process)


class _Bench:
    def __init__(self, port: int) -> None:
        self._port = port

    def measure(self, count: int) -> Iterator[tuple[str, float]]:
        """Name and figure of each thing measured."""
        for connections, name, times in ((CONNECTIONS, "single", 1), (MANY, f"single of {MANY}", 4)):
            bodies = self._singles(times * count)
            took, seconds = self._settled(self._port, "/api/v1/orders?wait=0", bodies, connections)
            yield name, len(bodies) / seconds
            yield f"{name}: p50 ms", statistics.median(took) * 1_000
        with web("tests.bench.naive_http:application", _SETTINGS) as naive:
            for way, connections, share in (
                ("save", CONNECTIONS, 1),
                (f"save of {MANY}", MANY, 1),
                ("settle", CONNECTIONS, 5),
            ):
                bodies = self._singles(count // share)
                path = f"/naive/{way.partition(' ')[0]}"
                _took, seconds = self._asked(naive, path, bodies, connections=connections)
                yield way, len(bodies) / seconds
        orders = 20 * count
        bodies = self._batches(orders, BATCH)
        started = time.perf_counter()
        _took, accepting = self._asked(self._port, "/api/v1/orders/batch?wait=0", bodies, connections=4)
        self._wait_until_settled()
        settling = time.perf_counter() - started
        yield "batch accepted", orders / accepting
        yield "batch settled", orders / settling
        bodies = self._batches(orders, SMALL_BATCH, of_one=True)
        every = SMALL_BATCH * settling / (orders / 2)
        took, _seconds = self._asked(self._port, "/api/v1/orders/batch?wait=0", bodies, every=every)
        self._wait_until_settled()
        ordered = sorted(took)
        yield "at half of that: p50 ms", statistics.median(ordered) * 1_000
        yield "at half of that: p99 ms", ordered[int(len(ordered) * 0.99)] * 1_000

    def _settled(
        self, port: int, path: str, bodies: list[bytes], connections: int
    ) -> tuple[list[float], float]:
        started = time.perf_counter()
        took, _seconds = self._asked(port, path, bodies, connections=connections)
        self._wait_until_settled()
        return took, time.perf_counter() - started

    def _asked(
        self, port: int, path: str, bodies: list[bytes], *, connections: int = CONNECTIONS, every: float = 0.0
    ) -> tuple[list[float], float]:
        """Seconds of each, and of all together."""
        requests = [post(path, body, self._token) for body in bodies]
        started = time.perf_counter()
        took = ask(port, requests, connections=connections, every=every)
        return took, time.perf_counter() - started

    def _singles(self, count: int) -> list[bytes]:
        return [orjson.dumps(order) for order in self._orders(count)]

    def _batches(self, count: int, size: int, *, of_one: bool = False) -> list[bytes]:
        """Lists of orders; `of_one`: each of one account, as a program with its key sends them."""
        orders = self._orders(count)
        lists = [orders[at : at + size] for at in range(0, count, size)]
        if of_one:
            lists = [[order | {"account": listed[0]["account"]} for order in listed] for listed in lists]
        return [orjson.dumps({"orders": listed}) for listed in lists]

    def _orders(self, count: int) -> list[dict[str, Any]]:
        """Orders to a fresh market, whose owner the following calls are of."""
        from accounts.models import RateTier, User  # noqa: PLC0415 - models need a configured Django
        from tests.bench.order_ways import market  # noqa: PLC0415
        from tests.factories import tokens_of  # noqa: PLC0415

        orders = market(random.Random(1), count, 20)
        user = User.objects.get(username=orders[0].symbol)
        many = {"calls_1m": 2_000_000_000, "orders_10s": 2_000_000_000, "orders_1d": 2_000_000_000}
        user.rate_tier, _made = RateTier.objects.get_or_create(name="bench", defaults=many)
        user.save()
        self._token = tokens_of(user).access
        return [
            {
                "account": order.account_id,
                "symbol": order.symbol,
                "side": order.side,
                "type": order.type,
                "quantity": str(order.quantity),
                "price": str(order.price),
                "client_order_id": uuid.uuid4().hex,
            }
            for order in orders
        ]

    def _wait_until_settled(self) -> None:
        from tradeplatform.common.db import fetch  # noqa: PLC0415 - the database is known now

        while fetch("SELECT EXISTS (SELECT FROM orders_command WHERE status = 'pending')") == [(True,)]:
            time.sleep(0.005)


def _print(medians: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(medians))
        return
    print(f"{'what':26} {'figure':>10} {'single is x':>12}")
    for name, figure in medians.items():
        beside = "single of" + name.partition(" of")[2] if " of " in name else "single"
        is_way = name.startswith(("save", "settle"))
        ratio = f"{medians[beside] / figure:12.1f}" if is_way else ""
        print(f"{name:26} {figure:10,.1f} {ratio}")


if __name__ == "__main__":
    main()
