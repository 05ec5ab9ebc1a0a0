"""python-binance, unmodified: its sockets, and its depth cache under trading while parts are killed."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import suppress
from typing import Any

import pytest
from binance.async_client import AsyncClient
from binance.ws.streams import BinanceSocketManager

from tests.clients.keepers import CacheKeeper, point_python_binance
from tests.clients.trading import PATIENCE, act, process_of, run, until
from tests.clients.watching import until_rest
from tests.live.desk import Desk, Trader
from tests.running import Platform

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def venue(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of its clients call."""
    point_python_binance(platform, monkeypatch.setattr)


@pytest.fixture
def traders(desk: Desk) -> list[Trader]:
    """Two."""
    return [desk.trader() for _ in range(2)]


@pytest.mark.parametrize("victim", ["sockets", "valkey", "shard-"])
def test_the_depth_cache_is_rest_s_at_the_end_and_a_killed_process_is_recovered_from(
    platform: Platform, desk: Desk, traders: list[Trader], victim: str
) -> None:
    async def scenario() -> None:
        chance, keeper = random.Random(3), CacheKeeper(desk.symbol)
        keeping = asyncio.create_task(keeper.run())
        try:
            for step in range(40):
                await asyncio.to_thread(act, chance.choice(traders), chance)
                if step == 15:
                    await until(lambda: keeper.updates > 3)
                    process_of(platform, victim).send_signal(signal.SIGKILL)
            # After a loss it fetches its book at the first event that it hears.
            await until_rest(desk, keeper.levels, stir=lambda: act(traders[0], chance))
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    run(scenario())


def test_sockets(desk: Desk, traders: list[Trader]) -> None:
    seller, buyer = traders
    lower = desk.symbol.lower()

    def cross() -> None:
        seller.sell("0.5", "50000")
        buyer.buy("0.25", "50000")

    async def scenario() -> None:
        client = await AsyncClient.create()
        manager = BinanceSocketManager(client)
        sockets = [
            manager.depth_socket(desk.symbol),
            manager.depth_socket(desk.symbol, depth="5"),
            manager.trade_socket(desk.symbol),
            manager.kline_socket(desk.symbol),
            manager.multiplex_socket([f"{lower}@aggTrade", f"{lower}@miniTicker"]),
        ]
        heard: list[Any] = []

        async def hear(socket: Any) -> Any:
            async with socket as stream:
                return await stream.recv()

        try:
            hearing = asyncio.gather(*(hear(socket) for socket in sockets))
            async with asyncio.timeout(PATIENCE):
                while not hearing.done():
                    await asyncio.to_thread(cross)
                    await asyncio.wait([hearing], timeout=0.5)
            heard = await hearing
        finally:
            await client.close_connection()
        diff, five, trade, kline, multiplex = heard
        assert (diff["e"], diff["s"]) == ("depthUpdate", desk.symbol)
        assert five.keys() == {"lastUpdateId", "bids", "asks"}
        assert (trade["e"], trade["p"], trade["q"]) == ("trade", "50000.00000000", "0.25000000")
        assert (kline["e"], kline["k"]["i"], kline["k"]["c"]) == ("kline", "1m", "50000.00000000")
        assert multiplex["stream"] in {f"{lower}@aggTrade", f"{lower}@miniTicker"}
        assert multiplex["data"]["s"] == desk.symbol

    run(scenario())
