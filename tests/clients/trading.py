"""Random trading at the running platform, and what happens to it meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import psutil

from tests.live.desk import Trader
from tests.running import Platform
from tradeplatform.supervisor.processes import read_records

PATIENCE = 90


def act(trader: Trader, chance: random.Random) -> None:
    """A batch of orders around 50000: most wait, some trade; now and then all are cancelled."""
    orders = []
    for _ in range(chance.randint(1, 12)):
        side = chance.choice(["buy", "sell"])
        away = chance.randint(-6, 60)
        price = 50000 - away if side == "buy" else 50000 + away
        orders.append(trader.body(side, f"{chance.randint(1, 30000) / 10000:.4f}", str(price)))
    trader.http.post("orders/batch", json={"orders": orders}, params={"wait": 2000}).raise_for_status()
    if chance.random() < 0.05:
        trader.http.delete("orders", params={"account": trader.account}).raise_for_status()


async def until(condition: Callable[[], Any]) -> None:
    """Wait for it: the client tells nobody when it has applied something."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def run(scenario: Awaitable[None]) -> None:
    """Run it on a loop of its own: the ORM is used outside of it."""

    async def whole() -> None:
        await scenario

    asyncio.run(whole())


def process_of(platform: Platform, name: str) -> psutil.Process:
    """The process whose name begins so, as it is now."""
    records = read_records(platform.var_dir)
    return psutil.Process(next(found.pid for found in records if found.name.startswith(name)))
