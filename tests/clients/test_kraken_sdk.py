"""python-kraken-sdk, as it is published: it keeps our books under trading and checks each message itself."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import psutil
import pytest
from kraken.spot import Market as MarketClient
from kraken.spot import SpotOrderBookClient

from tests.factories import make_asset
from tests.live.desk import Desk, Trader
from tests.servers import Platform
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live

PATIENCE = 90
Levels = list[tuple[Decimal, Decimal]]


class Verifier(SpotOrderBookClient):
    """The client with an ear of its own; `spoil` may change a message on its way in."""

    def __init__(self, depth: int, spoil: Callable[[dict[str, Any]], None] | None = None) -> None:
        super().__init__(depth=depth)
        self.verdicts: list[bool] = []
        self.updates = 0
        self._spoil = spoil

    async def on_message(self, message: Any) -> None:
        """What the wire brings."""
        if self._spoil is not None and message.get("channel") == "book":
            self._spoil(message)
        await super().on_message(message)

    async def on_book_update(self, pair: str, message: dict[str, Any]) -> None:
        """The client has applied a message and checked the book."""
        self.updates += message.get("type") == "update"
        self.verdicts.append(self.kept(pair)["valid"])

    def kept(self, pair: str) -> dict[str, Any]:
        """The book as the client has it."""
        return self.get(pair=pair) or {"bid": {}, "ask": {}, "valid": True}

    def levels(self, pair: str) -> tuple[Levels, Levels]:
        """(bids, asks), best first."""
        book = self.kept(pair)
        bids, asks = ([(price, level[0]) for price, level in book[side].items()] for side in ("bid", "ask"))
        return as_numbers(bids), as_numbers(asks)


@dataclass(frozen=True, slots=True)
class Floor:
    """A desk whose instrument is called BASE/QUOTE, and two traders."""

    desk: Desk
    traders: list[Trader]

    @property
    def name(self) -> str:
        """Of the pair."""
        return f"{self.desk.instrument.base.code}/{self.desk.instrument.quote.code}"

    async def trade(self, *, steps: int, seed: int) -> None:
        """Both trade."""
        chance = random.Random(seed)
        for _ in range(steps):
            await asyncio.to_thread(act, chance.choice(self.traders), chance)

    async def book(self, depth: int) -> tuple[Levels, Levels]:
        """(bids, asks) by REST."""
        url = f"instruments/{self.desk.symbol}/depth"
        answer = await asyncio.to_thread(self.desk.public.get, url, params={"limit": depth})
        found = answer.raise_for_status().json()
        return as_numbers(found["bids"]), as_numbers(found["asks"])


def as_numbers(levels: Any) -> Levels:
    """Levels as (price, quantity)."""
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]


@pytest.fixture
def floor(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Floor]:
    """The floor; the client's three addresses are this platform's."""
    monkeypatch.setattr(SpotOrderBookClient, "WS_URL", platform.ws_url.removesuffix("/ws/v1"))
    monkeypatch.setattr(SpotOrderBookClient, "AUTH_WS_URL", platform.ws_url.removesuffix("/ws/v1"))
    monkeypatch.setattr(MarketClient, "URL", platform.base_url)
    base, quote = make_asset(decimals=8), make_asset(decimals=8)
    with Desk(platform, base=base, quote=quote, symbol=f"{base.code}{quote.code}") as desk:
        yield Floor(desk, [desk.trader() for _ in range(2)])


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


@asynccontextmanager
async def verifying(pair: str, *clients: Verifier) -> AsyncIterator[None]:
    """Run the clients with a book each, and close them."""
    for client in clients:
        await client.start()
        await client.add_book(pairs=[pair])
    try:
        yield
    finally:
        for client in clients:
            await client.close()


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


def test_every_book_is_valid_under_trading_and_equal_to_rest_at_the_end(floor: Floor) -> None:
    async def scenario() -> None:
        ten, hundred, late = clients = (Verifier(10), Verifier(100), Verifier(25))
        async with verifying(floor.name, ten, hundred):
            await floor.trade(steps=40, seed=1)
            async with verifying(floor.name, late):
                await floor.trade(steps=40, seed=2)
                for client in clients:
                    wanted = await floor.book(client.depth)
                    await until(partial(has, client, floor.name, wanted))
                    assert all(client.verdicts)
                    assert client.updates > 20

    run(scenario())


def test_a_corrupted_message_is_noticed_and_the_book_asked_for_anew(floor: Floor) -> None:
    updates = 0

    def spoil(message: dict[str, Any]) -> None:
        nonlocal updates
        updates += message["type"] == "update"
        if updates == 10 and message["type"] == "update":
            message["data"][0]["checksum"] ^= 1

    async def scenario() -> None:
        client = Verifier(10, spoil)
        async with verifying(floor.name, client):
            await floor.trade(steps=15, seed=3)
            await until(lambda: False in client.verdicts)
            # It leaves, waits three seconds, and comes back.
            await until(lambda: client.verdicts[-1:] == [True])
            await floor.trade(steps=5, seed=4)
            await until(partial(has, client, floor.name, await floor.book(10)))
            assert client.verdicts.count(False) == 2, "the message, and the client's word about it"

    run(scenario())


def test_when_the_socket_process_is_killed_the_client_recovers_by_itself(
    floor: Floor, platform: Platform
) -> None:
    async def scenario() -> None:
        client = Verifier(10)
        async with verifying(floor.name, client):
            await floor.trade(steps=10, seed=5)
            socket_process(platform).send_signal(signal.SIGKILL)
            await floor.trade(steps=10, seed=6)
            await until(partial(has, client, floor.name, await floor.book(10)))
            assert all(client.verdicts)

    run(scenario())


def has(client: Verifier, pair: str, wanted: tuple[Levels, Levels]) -> bool:
    """Whether the client's book is this one."""
    return client.levels(pair) == wanted


def socket_process(platform: Platform) -> psutil.Process:
    """The process that serves sockets now."""
    records = read_records(platform.var_dir)
    return psutil.Process(next(found.pid for found in records if found.name == "sockets"))
