"""Strangers' clients that keep a book for as long as they are let, and count what they complain of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
from binance.async_client import AsyncClient
from binance.ws.depthcache import DepthCacheManager
from binance.ws.streams import BinanceSocketManager
from kraken.spot import Market, SpotOrderBookClient

from tests.running import Platform

Levels = list[tuple[Decimal, Decimal]]

#: Of a depth cache: the whole book, exact numbers, ten events a second.
_HOW = {"limit": 5000, "conv_type": Decimal, "ws_interval": 100}
#: A client that hears nothing for so long is made anew, as its user would.
_SILENT_SECONDS = 60
_LEAVING_SECONDS = 5
#: What python-binance says after five attempts to connect again, in some fifteen seconds.
_GAVE_UP = "BinanceWebsocketUnableToConnect"


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


class CcxtKeeper:
    """ccxt.pro's watch_order_book, called again whatever it raised."""

    def __init__(self, platform: Platform, symbol: str) -> None:
        self.exchange = ccxt_pro(platform)
        self.symbol = symbol
        self.updates = self.checksum_errors = self.resyncs = 0

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self.exchange.watch_order_book(self.symbol)
                    self.updates += 1
                except ccxt.ChecksumError:
                    self.checksum_errors += 1
                except ccxt.NetworkError:
                    self.resyncs += 1
                    await asyncio.sleep(0.5)
        finally:
            await self.exchange.close()

    def levels(self) -> tuple[Levels, Levels]:
        """(bids, asks), best first."""
        book = self.exchange.orderbooks.get(self.symbol) or {"bids": [], "asks": []}
        return _as_printed(book["bids"]), _as_printed(book["asks"])


class CacheKeeper:
    """python-binance's DepthCacheManager, made anew when it has given up."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.updates = self.errors = self.made = 0
        self._manager: Any = None

    @property
    def resyncs(self) -> int:
        """How often it was set back."""
        return self.errors + self.made - 1

    async def run(self) -> None:
        """Until cancelled."""
        client = await AsyncClient.create()
        try:
            while True:
                self.made += 1
                try:
                    await self._keep(DepthCacheManager(client, self.symbol, **_HOW))
                except (TimeoutError, OSError):
                    await asyncio.sleep(0.5)
        finally:
            await client.close_connection()

    async def _keep(self, manager: Any) -> None:
        self._manager = await asyncio.wait_for(manager.__aenter__(), _SILENT_SECONDS)
        try:
            while True:
                heard = await asyncio.wait_for(manager.recv(), _SILENT_SECONDS)
                if not isinstance(heard, dict):
                    self.updates += 1
                    continue
                self.errors += 1
                if heard.get("type") == _GAVE_UP:
                    raise ConnectionError(_GAVE_UP)
        finally:
            # One that has given up waits for its socket for ever.
            with suppress(TimeoutError):
                await asyncio.wait_for(manager.__aexit__(None, None, None), _LEAVING_SECONDS)

    def levels(self) -> tuple[Levels, Levels]:
        """(bids, asks), best first."""
        cache = self._manager.get_depth_cache() if self._manager else None
        return (as_numbers(cache.get_bids()), as_numbers(cache.get_asks())) if cache else ([], [])


def ccxt_pro(platform: Platform) -> Any:
    """A client as a bot makes one; nothing of it is changed but where it calls."""
    base, sockets = platform.base_url, platform.ws_url.removesuffix("/ws/v1")
    api = {"public": f"{base}/api/v3", "private": f"{base}/api/v3", "sapi": f"{base}/sapi/v1"}
    return ccxt.pro.binance(
        {
            "urls": {"api": api | {"ws": {"spot": f"{sockets}/ws"}}},
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "enableRateLimit": False,
        }
    )


def point_kraken(platform: Platform, put: Callable[[object, str, str], None]) -> None:
    """Point python-kraken-sdk at the platform by its class attributes; `put` is as setattr."""
    sockets = platform.ws_url.removesuffix("/ws/v1")
    put(SpotOrderBookClient, "WS_URL", sockets)
    put(SpotOrderBookClient, "AUTH_WS_URL", sockets)
    put(Market, "URL", platform.base_url)


def point_python_binance(platform: Platform, put: Callable[[object, str, str], None]) -> None:
    """Point python-binance at the platform by its class attributes; `put` is as setattr."""
    put(AsyncClient, "API_URL", f"{platform.base_url}/api")
    put(BinanceSocketManager, "STREAM_URL", platform.ws_url.removesuffix("ws/v1"))


def as_numbers(levels: Any) -> Levels:
    """Levels as (price, quantity)."""
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]


def _as_printed(levels: Iterable[Any]) -> Levels:
    """Ccxt's floats, as the decimals that they were read from."""
    return [(Decimal(repr(level[0])), Decimal(repr(level[1]))) for level in levels]
