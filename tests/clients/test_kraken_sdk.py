"""python-kraken-sdk, as it is published: it keeps our books under trading and checks each message itself."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.clients.keepers import Levels, Verifier, as_numbers, point_kraken
from tests.clients.trading import act, process_of, run, until
from tests.factories import make_asset
from tests.live.desk import Desk, Trader
from tests.servers import Platform

pytestmark = pytest.mark.live


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


@pytest.fixture
def floor(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Floor]:
    """The floor; the client's three addresses are this platform's."""
    point_kraken(platform, monkeypatch.setattr)
    base, quote = make_asset(decimals=8), make_asset(decimals=8)
    with Desk(platform, base=base, quote=quote, symbol=f"{base.code}{quote.code}") as desk:
        yield Floor(desk, [desk.trader() for _ in range(2)])


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


def test_a_book_that_was_empty_for_a_while_is_valid_after_it(floor: Floor) -> None:
    """The checksum of an empty book is 0, and a message with it is passed over by this client."""
    checksums: list[int] = []

    async def scenario() -> None:
        client = Verifier(10, lambda message: checksums.append(message["data"][0]["checksum"]))
        trader, _other = floor.traders
        async with verifying(floor.name, client):
            for price in ("49990", "49991", "49992"):
                placed = await asyncio.to_thread(trader.buy, "1", price)
                await until(partial(has, client, floor.name, await floor.book(10)))
                checksums.clear()
                await asyncio.to_thread(trader.cancel, placed["id"])
                await until(lambda: 0 in checksums)
            assert client.updates >= 2
            assert all(client.verdicts)

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
            process_of(platform, "sockets").send_signal(signal.SIGKILL)
            await floor.trade(steps=10, seed=6)
            await until(partial(has, client, floor.name, await floor.book(10)))
            assert all(client.verdicts)

    run(scenario())


def has(client: Verifier, pair: str, wanted: tuple[Levels, Levels]) -> bool:
    """Whether the client's book is this one."""
    return client.levels(pair) == wanted
