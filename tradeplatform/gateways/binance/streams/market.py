"""All followed streams of one instrument, for all sockets of the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from instruments.selectors import Rules
from orders.feed.hub import Hub
from orders.feed.market import Frame, MarketFeed
from orders.feed.mirror import BookMirror
from orders.feed.outlet import Outlet
from tradeplatform.gateways.binance.streams.depth import BestPrices, BookStream, DiffDepth, PartialDepth
from tradeplatform.gateways.binance.streams.klines import KlineStream
from tradeplatform.gateways.binance.streams.names import Kind, StreamName
from tradeplatform.gateways.binance.streams.trades import AggregateStream, Tape, Traded, TradeStream

_MADE: dict[Kind, type[BookStream]] = {
    Kind.DIFF: DiffDepth,
    Kind.PARTIAL: PartialDepth,
    Kind.BEST: BestPrices,
    Kind.TRADE: TradeStream,
    Kind.AGGREGATE: AggregateStream,
    Kind.KLINE: KlineStream,
}


class MarketStreams:
    """Follows a market; `held` while a socket waits for it to be known."""

    def __init__(self, feed: MarketFeed, rules: Rules) -> None:
        self._feed = feed
        self._rules = rules
        self._streams: dict[str, BookStream] = {}
        self._tape = Tape(rules, self._traded)
        self._book = BookMirror()
        self._holding = 0

    @property
    def is_watched(self) -> bool:
        """Whether any socket reads or waits."""
        return self._holding > 0 or any(stream.is_watched for stream in self._streams.values())

    async def until_known(self) -> None:
        """Return once the book is known."""
        while not self._feed.ready:
            await self._feed.until_ready()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the market followed."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1

    def add(self, name: StreamName, outlet: Outlet, *, combined: bool) -> BookStream:
        """Send a stream to a socket. The market must be known."""
        stream = self._streams.get(name.text)
        if stream is None or not stream.is_watched:
            if not self._listeners():
                self._tape.begin(self._book.seq)
            stream = self._streams[name.text] = _MADE[name.kind](name, self._rules)
            stream.begin(self._book)
        stream.add(outlet, combined=combined)
        return stream

    def moved(self, book: BookMirror, _at: str, frame: Frame | None) -> None:
        """The book has moved on by a frame, or was read again."""
        self._book = book
        self._streams = {name: stream for name, stream in self._streams.items() if stream.is_watched}
        for stream in self._streams.values():
            stream.moved(book, frame)
        if self._listeners():
            self._tape.moved(book, frame)
        else:
            self._tape.rest()

    def _listeners(self) -> Sequence[TradeStream | AggregateStream | KlineStream]:
        return [
            stream
            for stream in self._streams.values()
            if isinstance(stream, TradeStream | AggregateStream | KlineStream) and stream.is_watched
        ]

    def _traded(self, trades: Sequence[Traded]) -> None:
        for stream in self._listeners():
            stream.traded(trades)


def market_streams(hub: Hub, rules: Rules) -> MarketStreams:
    """Those of the instrument in the hub's process."""
    feed = hub.market(rules)
    return feed.follower("binance", partial(MarketStreams, feed, rules))
