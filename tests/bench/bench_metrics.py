"""What counting costs: microseconds for each order on its way, and for each addition to Valkey.

Run by hand: `python -m tests.bench.bench_metrics`. The first figures are to be compared with the hundred or
so microseconds of processor time that an order takes from its door to its commit.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

ROUNDS = 200
BATCH = 100


def _each(count: Callable[[], object], *, of: int) -> float:
    """Microseconds of the fastest tenth of the rounds, for one of so many."""
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count()
        spent.append(time.perf_counter() - began)
    fastest = sorted(spent)[: ROUNDS // 10]
    return sum(fastest) / len(fastest) / of * 1e6


def main() -> None:
    """Print the costs."""
    from tradeplatform.config import load_config  # noqa: PLC0415
    from tradeplatform.supervisor.servers import EmbeddedServers, launched, stop_children  # noqa: PLC0415

    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        Path(folder).chmod(0o755)
        os.environ |= {"TRADEPLATFORM_VAR_DIR": folder, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        load_config.cache_clear()
        servers = EmbeddedServers(load_config(), durable=False)
        with launched(Path(folder), follow_parent=True) as (launch, children):
            servers.start(launch)
        stack.callback(stop_children, children)
        os.environ.update(servers.environment())
        load_config.cache_clear()
        _measure()


def _measure() -> None:
    import django  # noqa: PLC0415

    django.setup()
    from orders import metrics as orders  # noqa: PLC0415
    from orders.models import CommandKind, Source  # noqa: PLC0415
    from tradeplatform.common import metrics  # noqa: PLC0415
    from tradeplatform.system import requests  # noqa: PLC0415

    def intake() -> None:
        orders._add(orders.ACCEPTED, Counter(door.value for door in [Source.API] * BATCH))
        kinds = [CommandKind.NEW] * BATCH
        orders._add(orders.COMMANDS, Counter(kind.name.lower() for kind in kinds))
        orders.count_intake(BATCH, ())

    def one() -> None:
        orders._add(orders.ACCEPTED, Counter([Source.API.value]))
        orders._add(orders.COMMANDS, Counter([CommandKind.NEW.name.lower()]))
        orders.count_intake(1, ())

    def request() -> None:
        requests.REQUESTS.labels("api", "2xx").inc()
        requests.SECONDS.labels("api").observe(0.003)

    now_us = time.time_ns() // 1_000
    together = [now_us] * BATCH
    apart = [now_us - place for place in range(BATCH)]
    publisher = metrics.Publisher()
    publisher.publish()

    def publish() -> None:
        intake()
        orders.count_applied(apart)
        publisher.publish()

    costs = [
        (f"intake, of a batch of {BATCH}", _each(intake, of=BATCH)),
        ("intake, of a single order", _each(one, of=1)),
        ("its request over HTTP", _each(request, of=1)),
        ("drain, accepted together", _each(lambda: orders.count_applied(together), of=BATCH)),
        ("drain, each accepted alone", _each(lambda: orders.count_applied(apart), of=BATCH)),
        (f"an addition to Valkey, every {metrics.INTERVAL:g} s", _each(publish, of=1)),
        ("reading all of it", _each(metrics.read, of=1)),
    ]
    for name, microseconds in costs:
        print(f"{name:40} {microseconds:10.2f} us")


if __name__ == "__main__":
    main()
