"""One stream connection: what it has subscribed to, and whether its events are wrapped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import structlog

from instruments.selectors import Rules, rules_by_symbol
from orders.feed.hub import Hub
from orders.feed.outlet import Outlet
from orders.feed.reading import DATABASE_AWAY, in_thread
from tradeplatform.gateways.binance.sockets import SocketSession
from tradeplatform.gateways.binance.streams import protocol
from tradeplatform.gateways.binance.streams.market import MarketStreams, market_streams
from tradeplatform.gateways.binance.streams.names import FOLLOWED, StreamName, parse
from tradeplatform.gateways.binance.streams.protocol import MAX_STREAMS, Method, Request, StreamError
from tradeplatform.gateways.binance.streams.stream import Stream
from tradeplatform.gateways.binance.streams.tickers import tickers_of

logger = structlog.get_logger(__name__)

#: How long a book may take to become known.
_READY_SECONDS = 10.0


class StreamSession(SocketSession):
    """Answers a connection's messages one after the other."""

    def __init__(self, hub: Hub, outlet: Outlet, *, combined: bool, names: Sequence[str]) -> None:
        super().__init__(hub, outlet)
        self._combined = combined
        self._names = names
        self._streams: dict[str, Stream] = {}

    async def begin(self) -> None:
        """Subscribe to what the address names. What has no @ is no stream: clients number connections."""
        names = [name for name in dict.fromkeys(self._names) if "@" in name]
        if names and self.outlet.closing is None:
            try:
                await self._subscribe(names)
            except StreamError as error:
                self.outlet.send(protocol.refusal(error))

    def end(self) -> None:
        """The socket is gone."""
        self._leave(list(self._streams))
        super().end()

    async def answer(self, text: str) -> None:
        """Answer a message. Never raises for what a client sent."""
        request = None
        try:
            request = protocol.parse(text)
            await self._do(request)
        except StreamError as error:
            if request is not None:
                error.request = request.id
            self.outlet.send(protocol.refusal(error))

    async def _do(self, request: Request) -> None:
        method = request.method
        result: Any = None
        if method is Method.SUBSCRIBE:
            await self._subscribe(request.streams, answer=protocol.answer(request.id))
            return
        if method is Method.UNSUBSCRIBE:
            self._leave(request.streams)
        elif method is Method.LIST_SUBSCRIPTIONS:
            result = list(self._streams)
        elif method is Method.GET_PROPERTY:
            result = self._combined
        else:
            self._combined = request.combined
            for stream in self._streams.values():
                stream.turn(self.outlet, combined=self._combined)
        self.outlet.send(protocol.answer(request.id, result))

    async def _subscribe(self, texts: Sequence[str], *, answer: str | None = None) -> None:
        """All of them, or none: then the answer, if there is one, then events.

        The answer waits until every book is known: a client fetches the book when it has the answer, and that
        book must not be older than the first event.
        """
        names = [_named(text) for text in texts]
        if len(self._streams.keys() | set(texts)) > MAX_STREAMS:
            raise protocol.too_many_streams()
        rules = await _rules_of(names)
        followed = {name.symbol for name in names if name.kind in FOLLOWED and name.symbol}
        markets = {symbol: market_streams(self.hub, rules[symbol]) for symbol in followed}
        with ExitStack() as held:
            for market in markets.values():
                held.enter_context(market.held())
            await _until_known(markets.values())
            if self.outlet.closing is not None:
                return
            if answer is not None:
                self.outlet.send(answer)
            for name in names:
                self._add(name, markets)

    def _add(self, name: StreamName, markets: dict[str, MarketStreams]) -> None:
        if name.kind in FOLLOWED and name.symbol:
            found: Stream = markets[name.symbol].add(name, self.outlet, combined=self._combined)
        else:
            found = tickers_of(self.hub).stream(name)
            found.add(self.outlet, combined=self._combined)
        self._streams[name.text] = found

    def _leave(self, names: Iterable[str]) -> None:
        for name in names:
            if stream := self._streams.pop(name, None):
                stream.remove(self.outlet)


def _named(text: str) -> StreamName:
    try:
        return parse(text)
    except ValueError:
        raise protocol.unknown_stream(text) from None


async def _rules_of(names: Sequence[StreamName]) -> dict[str, Rules]:
    """The rules of the instruments that are named. Raises StreamError."""
    symbols = {name.symbol for name in names if name.symbol}
    try:
        found = await in_thread(rules_by_symbol, symbols)
    except DATABASE_AWAY as error:
        logger.warning("feed_request_failed", error=str(error).strip())
        raise protocol.unavailable() from None
    for name in names:
        if name.symbol and name.symbol not in found:
            raise protocol.unknown_stream(name.text)
    return found


async def _until_known(markets: Iterable[MarketStreams]) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            for market in markets:
                await market.until_known()
    except TimeoutError:
        raise protocol.unavailable() from None
