"""A seeded flow of commands for a few books: readable numbers, no hash order, the same everywhere.

Per 100 commands about 60 new orders (of them 4 in 10 immediate, fill-or-kill or market), 20 amendments and
20 cancellations of recent orders, over prices near a slowly moving middle; twenty accounts, some in groups.
"""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any

from tradeengine import Engine
from tradeengine.codec import CommandFlag, CommandKind, OrderType, Side, StpMode, TimeInForce, encode_command

BOOKS = (1, 2, 77)


def engine() -> Engine:
    """An engine with the workload's books."""
    engine = Engine()
    for book in BOOKS:
        engine.add_book(book)
    return engine


def commands(count: int, *, seed: int, first: int = 1) -> list[bytes]:
    """Records with command ids from `first` on; a new order has its command's id."""
    random = Random(seed)
    middle = 1_000
    records = []
    for number in range(first, first + count):
        middle += random.choice((-1, 0, 0, 1))
        book = random.choice(BOOKS)
        recent = random.randint(max(1, number - 150), number)
        kind = random.choices((CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL), (60, 20, 20))[0]
        price = middle + random.randint(-12, 12)
        common: dict[str, Any] = {
            "kind": kind,
            "instrument": book,
            "command_id": number,
            "time": 1_000 * number,
        }
        if kind == CommandKind.NEW:
            tif = random.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC,) * 2 + (TimeInForce.FOK,))
            market = random.random() < 0.1
            passive = tif == TimeInForce.GTC and not market and random.random() < 0.1
            record = encode_command(
                **common,
                order_id=number,
                account=random.randint(1, 20),
                stp_group=random.choice((0, 0, 0, 1, 2)),
                side=random.choice((Side.BUY, Side.SELL)),
                order_type=OrderType.MARKET if market else OrderType.LIMIT,
                tif=tif,
                flags=CommandFlag.POST_ONLY if passive else 0,
                stp=random.choice(tuple(StpMode)),
                price=random.choice((0, price)) if market else price,
                quantity=random.randint(1, 50),
            )
        elif kind == CommandKind.AMEND:
            record = encode_command(
                **common,
                order_id=recent,
                price=random.choice((0, price)),
                quantity=random.choice((0, 20, 60)),
            )
        else:
            record = encode_command(**common, order_id=recent)
        records.append(record)
    return records


def fingerprint(count: int, *, seed: int) -> None:
    """Print a digest of all events and the final states; run in another process by a test."""
    running = engine()
    events = running.apply(b"".join(commands(count, seed=seed)))
    states = [running.state_hash(book) for book in BOOKS]
    print(json.dumps({"events": hashlib.sha256(events).hexdigest(), "states": states}))  # noqa: T201
