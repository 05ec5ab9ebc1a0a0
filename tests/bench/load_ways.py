"""What bench_load compares with: a transaction for each order, and bare COPY of the same rows."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from orders.services.drain import drain
from tests.bench import order_ways
from tests.load.flow import Flow
from tests.load.mix import EXCHANGE
from tests.load.producing import heard
from tests.load.service_door import ServiceDoor
from tests.load.world import make_world
from tradeplatform.common.db import fetch

_OWN_SHARD = 9
#: Of one caller, one after another, how many there are changes nothing.
_ACCOUNTS = 20
_FAR = 1 << 52
_COPIED = 20_000


def naive(count: int) -> float:
    """New orders a second of the plain Django way, which has neither cancels nor amends; see order_ways."""
    orders = order_ways.market(random.Random(1), count, _ACCOUNTS)
    begun = time.perf_counter()
    order_ways.naive(orders)
    return count / (time.perf_counter() - begun)


def single(count: int) -> float:
    """Actions a second of the mix by our own services, each in a transaction, each drained in one."""
    world = make_world(accounts=_ACCOUNTS, shard=_OWN_SHARD)
    flow = Flow(EXCHANGE, world.tickers, world.holders, seed=1, tag=f"{world.tag}s")
    door = ServiceDoor()
    stock = flow.stock(300, 90)
    heard(flow, stock, door.send(stock))
    while drain(shard_id=_OWN_SHARD, now=timezone.now()).commands:
        pass
    begun = time.perf_counter()
    for _ in range(count):
        action = flow.next()
        heard(flow, [action], door.send([action]))
        drain(shard_id=_OWN_SHARD, now=timezone.now(), batch=1)
    return count / (time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class _Copied:
    """How a table's newest rows are copied once more: what must differ in them, by column."""

    order: str
    changed: Mapping[str, str]


# Ids are put out of reach of the sequences; what the rows refer to stays what it is.
_TABLES = {
    "orders_order": _Copied("id", {"id": f"id + {_FAR}"}),
    "orders_orderidentity": _Copied(
        "order_id", {"order_id": f"order_id + {_FAR}", "client_order_id": "'~' || left(client_order_id, 35)"}
    ),
    "orders_command": _Copied("id", {"id": f"id + {_FAR}", "status": "'done'", "held": "0::numeric"}),
    "orders_event": _Copied("id", {"id": f"id + {_FAR}"}),
    "orders_trade": _Copied("id", {"id": f"id + {_FAR}"}),
    "orders_fill": _Copied("id", {"id": f"id + {_FAR}"}),
    "accounts_transfer": _Copied("id", {"id": f"id + {_FAR}", "entry_id": f"entry_id + {_FAR}"}),
}


def copy_floor(rows: Mapping[str, tuple[int, int, int]]) -> tuple[float, dict[str, float]]:
    """Rows a second that COPY alone writes, in the proportions of `rows`; and those of each table.

    The tables' newest rows once more into the same tables, through their indexes, constraints, partitions and
    triggers, by one connection, in one COPY and one commit for each table; in the server's own binary form.
    They stay: invariants are to be checked before.
    """
    rates = {name: _copy_again(name, copied) for name, copied in _TABLES.items()}
    written = {name: rows[name][0] for name in rates if rows.get(name, (0, 0, 0))[0]}
    return sum(written.values()) / sum(count / rates[name] for name, count in written.items()), rates


def _copy_again(table: str, copied: _Copied) -> float:
    columns = [
        name
        for (name,) in fetch(
            "SELECT attname FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            " ORDER BY attnum",
            [table],
        )
    ]
    chosen = ", ".join(copied.changed.get(name, name) for name in columns)
    names = ", ".join(columns)
    out = (
        f"COPY (SELECT {chosen} FROM {table} WHERE {copied.order} < {_FAR}"  # noqa: S608 - our own words
        f" ORDER BY {copied.order} DESC LIMIT {_COPIED}) TO STDOUT (FORMAT binary)"
    )
    with connection.cursor() as cursor:
        with cursor.copy(out) as copy:
            packed = [bytes(block) for block in copy]
        begun = time.perf_counter()
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"".join(packed))
        count = int(cursor.rowcount)
        return count / (time.perf_counter() - begun)
