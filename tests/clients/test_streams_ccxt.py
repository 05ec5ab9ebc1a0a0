"""ccxt.pro, unmodified: its watch methods, and its book under trading while processes are killed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tests.clients.keepers import CcxtKeeper, ccxt_pro
from tests.clients.trading import PATIENCE, act, process_of, run, until
from tests.clients.watching import until_rest
from tests.live.desk import Desk, Trader
from tests.running import Platform

pytestmark = pytest.mark.live


@pytest.fixture
def symbol(desk: Desk) -> str:
    """As ccxt spells it."""
    return f"{desk.instrument.base.code}/{desk.instrument.quote.code}"


@pytest.fixture
def traders(desk: Desk) -> list[Trader]:
    """Two."""
    return [desk.trader() for _ in range(2)]


@asynccontextmanager
async def kept(keeper: CcxtKeeper) -> AsyncIterator[None]:
    """Let it keep its book, and end it."""
    keeping = asyncio.create_task(keeper.run())
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def trade(traders: list[Trader], *, steps: int, seed: int) -> None:
    """Both trade."""
    chance = random.Random(seed)
    for _ in range(steps):
        await asyncio.to_thread(act, chance.choice(traders), chance)


@pytest.mark.parametrize("victim", ["sockets", "valkey", "shard-"])
def test_the_book_is_rest_s_at_the_end_and_a_killed_process_is_recovered_from(
    platform: Platform, desk: Desk, symbol: str, traders: list[Trader], victim: str
) -> None:
    async def scenario() -> None:
        keeper = CcxtKeeper(platform, symbol)
        async with kept(keeper):
            await trade(traders, steps=15, seed=1)
            await until(lambda: keeper.updates > 3)
            process_of(platform, victim).send_signal(signal.SIGKILL)
            await trade(traders, steps=25, seed=2)
            await until_rest(desk, keeper.levels)
            assert keeper.checksum_errors == 0

    run(scenario())


def test_every_watch_method_hears_of_a_trade(
    platform: Platform, desk: Desk, symbol: str, traders: list[Trader]
) -> None:
    seller, buyer = traders

    def cross() -> None:
        seller.sell("0.5", "50000")
        buyer.buy("0.25", "50000")

    async def scenario() -> None:
        exchange = ccxt_pro(platform)
        try:
            await exchange.load_markets()
            await asyncio.to_thread(cross)
            watched: dict[str, Awaitable[Any]] = {
                "trades": exchange.watch_trades(symbol),
                "ticker": exchange.watch_ticker(symbol),
                "tickers": exchange.watch_tickers([symbol]),
                "candles": exchange.watch_ohlcv(symbol, "1m"),
                "best": exchange.watch_bids_asks([symbol]),
            }
            hearing = asyncio.gather(*watched.values())
            async with asyncio.timeout(PATIENCE):
                while not hearing.done():
                    # Of trades only those after the subscription are told.
                    await asyncio.to_thread(cross)
                    await asyncio.wait([hearing], timeout=0.5)
            trades, ticker, tickers, candles, best = await hearing
        finally:
            await exchange.close()
        assert (trades[0]["price"], trades[0]["amount"], trades[0]["side"]) == (50000.0, 0.25, "buy")
        assert (ticker["last"], tickers[symbol]["open"]) == (50000.0, 50000.0)
        assert candles[-1][1:5] == [50000.0] * 4
        assert best[symbol]["ask"] == 50000.0

    run(scenario())
