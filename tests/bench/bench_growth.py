"""Whether cost stays flat as tables grow: one load with nothing stored and with millions, in one run.

A platform with both shard workers takes the mix `exchange` as fast as it can (tests/load, a bounded backlog).
Then months of trading are stored (tests/bench/stored_history.py says what), and it takes the same mix again.
Last, the lists of the back office are opened by a super admin, through their views: the first page, the next
page, each some times, of which the median counts. `--orders 10000000` needs about 30 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from typing import Any

from tests.load.platform import private_platform

_LISTS = (
    "orders/order", "orders/trade", "orders/fill", "accounts/transfer", "orders/command", "orders/event",
    "audit/auditrecord",
)  # fmt: skip
_BYTES_EACH = 3_000
_TIMES = 5
_NEXT = re.compile(r'href="(\?[^"]*older=[^"]*)"')


def main() -> None:
    """Measure before, store, measure after, open the lists; print the ratio and the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < options.orders * _BYTES_EACH + (5 << 30):
        sys.exit(f"{free >> 30} GB are free, which is too little for {options.orders:,} orders: store fewer.")
    with private_platform() as platform:
        from tests.bench.stored_history import store  # noqa: PLC0415 - models need a configured Django
        from tests.load.loads import Options, load  # noqa: PLC0415

        wanted = Options(seconds=options.seconds)
        # What is loaded and planned for the first time is not what is measured.
        load(platform, Options(seconds=3))
        before = load(platform, wanted).throughput
        begun = time.monotonic()
        store(options.orders, told=lambda done: _tell(done, time.monotonic() - begun))
        after = load(platform, wanted).throughput
        lists = {name: _opened(name) for name in _LISTS}
    found: dict[str, Any] = {"stored": options.orders, "before": before, "after": after}
    found |= {"after_is": after / before, "lists_ms": lists}
    if options.json:
        print(json.dumps(found))
        return
    print(f"committed actions a second: {before:,.0f} with nothing stored,")
    print(f"    {after:,.0f} with {options.orders:,} orders and what came of them")
    print(f"ratio {after / before:.2f} (aim: 0.85 and more)")
    print(f"{'list, median of ' + str(_TIMES):24} {'first page':>12} {'next page':>12}   ms (aim: below 300)")
    for name, (first, following) in lists.items():
        print(f"{name:24} {first:12.0f} {following:12.0f}")


def _opened(name: str) -> tuple[float, float]:
    """Milliseconds of the first page and of the one after it, each the median of some."""
    from django.test import Client  # noqa: PLC0415 - models need a configured Django

    client = Client(headers={"host": "localhost"})
    client.force_login(_boss(), backend="accounts.backends.RoleBackend")
    address = f"/admin/{name}/"
    first, page = _times(client, address)
    found = _NEXT.search(page)
    if found is None:
        return first, 0.0
    return first, _times(client, address + found[1].replace("&amp;", "&"))[0]


def _times(client: Any, address: str) -> tuple[float, str]:
    took, page = [], ""
    for _ in range(_TIMES):
        begun = time.perf_counter()
        response = client.get(address)
        took.append(1_000 * (time.perf_counter() - begun))
        if response.status_code != 200:
            raise RuntimeError(f"{address}: {response.status_code}")
        page = response.content.decode()
    return statistics.median(took), page


def _boss() -> Any:
    from accounts.models import Role  # noqa: PLC0415 - models need a configured Django
    from accounts.services.roles import grant_role  # noqa: PLC0415
    from tests.factories import ACTOR, NOW, make_user  # noqa: PLC0415

    person = make_user()
    grant_role(user_id=person.pk, role=Role.SUPER_ADMIN, actor=ACTOR, now=NOW, reason="bench")
    person.refresh_from_db()
    return person


def _tell(done: int, seconds: float) -> None:
    sys.stderr.write(f"stored {done:12,} orders, {seconds:6.0f} s\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
