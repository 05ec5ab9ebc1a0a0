"""ccxt.pro, unmodified: orders over the WebSocket API, and what it hears of them on the user data stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro
import pytest

from tests.clients.conftest import Person
from tests.live.desk import Desk
from tests.running import Platform

pytestmark = pytest.mark.live

_SECONDS = 60


@asynccontextmanager
async def exchange(platform: Platform, person: Person) -> AsyncIterator[Any]:
    """A client as a bot makes one; nothing of it is changed but where it calls."""
    base, sockets = platform.base_url, f"ws://{urlsplit(platform.ws_url).netloc}"
    urls = {
        "public": f"{base}/api/v3",
        "private": f"{base}/api/v3",
        "sapi": f"{base}/sapi/v1",
        "ws": {"spot": f"{sockets}/ws", "ws-api": {"spot": f"{sockets}/ws-api/v3"}},
    }
    found = ccxt.pro.binance(
        {
            "urls": {"api": urls},
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "enableRateLimit": False,
            "apiKey": person.key,
            "secret": person.secret,
        }
    )
    try:
        async with asyncio.timeout(_SECONDS):
            yield found
    finally:
        await found.close()


@pytest.fixture
def symbol(desk: Desk) -> str:
    """As ccxt spells it."""
    return f"{desk.instrument.base.code}/{desk.instrument.quote.code}"


async def listening(client: Any) -> None:
    """Once the client's user data stream is acknowledged, as each of its `watch` does first of all."""
    await client.load_markets()
    await client.authenticate({"type": "spot"})


async def until(watch: Any, wanted: Any) -> Any:
    """What is watched, once it is as it should be."""
    while True:
        found = await watch()
        if wanted(found):
            return found


class TestRequests:
    async def test_an_order_from_beginning_to_end(
        self, platform: Platform, alice: Person, symbol: str
    ) -> None:
        async with exchange(platform, alice) as a:
            order = await a.create_order_ws(symbol, "limit", "buy", 1, 49000)
            assert (order["status"], order["filled"], order["clientOrderId"][:10]) == (
                "open",
                0.0,
                "x-TKT5PX2F",
            )
            assert [row["id"] for row in await a.fetch_open_orders_ws(symbol)] == [order["id"]]
            assert (await a.fetch_order_ws(order["id"], symbol))["id"] == order["id"]

            edited = await a.edit_order_ws(order["id"], symbol, "limit", "buy", 0.5, 48000)
            assert (edited["price"], edited["amount"], edited["status"]) == (48000.0, 0.5, "open")

            cancelled = await a.cancel_order_ws(edited["id"], symbol)
            assert cancelled["status"] == "canceled"
            assert await a.fetch_open_orders_ws(symbol) == []
            assert {row["id"] for row in await a.fetch_orders_ws(symbol)} == {order["id"], edited["id"]}

    async def test_what_may_be_looked_up(
        self, platform: Platform, alice: Person, bob: Person, symbol: str, desk: Desk
    ) -> None:
        async with exchange(platform, alice) as a, exchange(platform, bob) as b:
            await b.create_order_ws(symbol, "limit", "sell", 1, 50000)
            bought = await a.create_order_ws(symbol, "market", "buy", 0.25)
            assert (bought["status"], bought["average"]) == ("closed", 50000.0)

            (mine,) = await a.fetch_my_trades_ws(symbol)
            assert (mine["order"], mine["takerOrMaker"]) == (bought["id"], "taker")
            # It does not take the spot account's answer apart: what it was told is in `info`.
            told = {row["asset"]: row["free"] for row in (await a.fetch_balance_ws())["info"]["balances"]}
            assert told[desk.instrument.base.code] == "100.25000000"
            (trade,) = await a.fetch_trades_ws(symbol)
            assert (trade["price"], trade["amount"]) == (50000.0, 0.25)
            assert (await a.fetch_ohlcv_ws(symbol, "1m"))[-1][1:] == [50000.0] * 4 + [0.25]
            assert [row["id"] for row in await a.fetch_closed_orders_ws(symbol)] == [bought["id"]]

    async def test_its_exceptions_for_our_refusals(
        self, platform: Platform, alice: Person, symbol: str
    ) -> None:
        async with exchange(platform, alice) as a:
            with pytest.raises(ccxt.InsufficientFunds):
                await a.create_order_ws(symbol, "limit", "buy", 1000, 49000)
            with pytest.raises(ccxt.OrderNotFound):
                await a.cancel_order_ws("1", symbol)
            a.secret = "x" * 64
            with pytest.raises(ccxt.AuthenticationError):
                await a.create_order_ws(symbol, "limit", "buy", 1, 49000)


class TestStreams:
    async def test_watch_orders_and_my_trades(
        self, platform: Platform, alice: Person, bob: Person, symbol: str
    ) -> None:
        async with exchange(platform, alice) as a, exchange(platform, bob) as b:
            await listening(a)
            watching = asyncio.create_task(a.watch_orders(symbol))
            trading = asyncio.create_task(a.watch_my_trades(symbol))
            order = await a.create_order(symbol, "limit", "buy", 1, 49000)
            (heard,) = await watching
            assert (heard["id"], heard["status"], heard["clientOrderId"]) == (
                order["id"],
                "open",
                order["clientOrderId"],
            )

            await b.create_order(symbol, "limit", "sell", 0.25, 49000)
            (trade,) = await trading
            assert (trade["order"], trade["amount"], trade["takerOrMaker"], trade["fee"]["cost"]) == (
                order["id"],
                0.25,
                "maker",
                6.125,
            )

            # It hears of a cancel only who listens already: the event may overtake the answer.
            ending = asyncio.create_task(
                until(lambda: a.watch_orders(symbol), lambda found: found[-1]["status"] == "canceled")
            )
            await a.cancel_order(order["id"], symbol)
            (last,) = await ending
            assert (last["id"], last["filled"], last["clientOrderId"]) == (
                order["id"],
                0.25,
                order["clientOrderId"],
            )

    async def test_watch_balance(self, platform: Platform, alice: Person, symbol: str, desk: Desk) -> None:
        async with exchange(platform, alice) as a:
            base = desk.instrument.base.code
            await listening(a)
            watching = asyncio.create_task(until(a.watch_balance, lambda found: base in found))
            await a.create_order_ws(symbol, "limit", "sell", 40, 50000)
            balance = await watching
            assert balance[base] == {"free": 60.0, "used": 40.0, "total": 100.0}
