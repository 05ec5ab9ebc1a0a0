"""python-binance, unmodified: its calls of the WebSocket API, and its user socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

from tests.clients.conftest import Person
from tests.live.desk import Desk
from tests.running import Platform

pytestmark = pytest.mark.live

_SECONDS = 60


@pytest.fixture(autouse=True)
def venue(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of its clients call."""
    sockets = f"ws://{urlsplit(platform.ws_url).netloc}"
    monkeypatch.setattr(AsyncClient, "API_URL", f"{platform.base_url}/api")
    monkeypatch.setattr(AsyncClient, "WS_API_URL", f"{sockets}/ws-api/v3")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{sockets}/")


@asynccontextmanager
async def client(person: Person) -> AsyncIterator[Any]:
    """A client; making it pings."""
    found = await AsyncClient.create(person.key, person.secret)
    try:
        async with asyncio.timeout(_SECONDS):
            yield found
    finally:
        await found.close_connection()


def limit(desk: Desk, side: str, quantity: str, price: str) -> dict[str, str]:
    """A limit order, good till cancelled."""
    words = {"symbol": desk.symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
    return words | {"quantity": quantity, "price": price}


async def test_requests(alice: Person, desk: Desk) -> None:
    async with client(alice) as a:
        assert await a.ws_ping() == {}
        assert (await a.ws_get_time())["serverTime"] > 0
        placed = await a.ws_create_order(**limit(desk, "BUY", "1", "49000"))
        found = await a.ws_get_order(symbol=desk.symbol, orderId=placed["orderId"])
        assert (found["status"], found["price"]) == ("NEW", "49000.00000000")
        assert [row["orderId"] for row in await a.ws_get_open_orders(symbol=desk.symbol)] == [
            placed["orderId"]
        ]
        assert (await a.ws_get_order_book(symbol=desk.symbol))["bids"] == [["49000.00000000", "1.00000000"]]
        assert (await a.ws_get_account())["canTrade"] is True

        gone = await a.ws_cancel_order(symbol=desk.symbol, orderId=placed["orderId"], newClientOrderId="end")
        assert (gone["status"], gone["clientOrderId"]) == ("CANCELED", "end")
        with pytest.raises(BinanceAPIException) as refused:
            await a.ws_cancel_order(symbol=desk.symbol, orderId=placed["orderId"])
        assert (refused.value.status_code, refused.value.code) == (400, -2011)


async def test_the_user_socket(alice: Person, bob: Person, desk: Desk) -> None:
    async with client(alice) as a, client(bob) as b:
        async with BinanceSocketManager(a).user_socket() as stream:
            placed = await a.ws_create_order(**limit(desk, "BUY", "1", "49000"))
            await b.create_order(**limit(desk, "SELL", "0.25", "49000"))
            await a.cancel_order(symbol=desk.symbol, orderId=placed["orderId"], newClientOrderId="end")

            heard: list[dict[str, Any]] = []
            while not (heard and heard[-1].get("X") == "CANCELED"):
                event = await stream.recv()
                if event["e"] == "executionReport":
                    heard.append(event)
        reports = [(one["x"], one["X"], one["c"], one["C"], one["z"]) for one in heard]
        name = placed["clientOrderId"]
        assert reports == [
            ("NEW", "NEW", name, "", "0.00000000"),
            ("TRADE", "PARTIALLY_FILLED", name, "", "0.25000000"),
            ("CANCELED", "CANCELED", "end", name, "0.25000000"),
        ]
