"""A fast market: frames as the drain publishes them, at a rate no drain on a small machine could give."""

from __future__ import annotations

from typing import Any

import orjson

from orders.services.frames import market_channel
from tests.factories import Market
from tests.feed.book import ClientBook
from tests.feed.flow_of_orders import stored_book
from tradeplatform.common.valkey import client


class Stream:
    """Continues a market's committed book with frames of its own."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.book = ClientBook()
        self.book.seq, bids, asks = stored_book(market)
        self.book.bids = {level[0]: level[1] for level in bids}
        self.book.asks = {level[0]: level[1] for level in asks}

    def publish(self, frames: list[dict[str, Any]]) -> None:
        """Send them in one go."""
        pipe = client().pipeline(transaction=False)
        for frame in frames:
            pipe.publish(market_channel(self._market.symbol), orjson.dumps(frame))
        pipe.execute()

    def deltas(self, count: int, *, levels: int = 100) -> list[dict[str, Any]]:
        """Frames that each change `levels` bids; the quantity tells which frame it was."""
        return [self._frame(self._bids(levels)) for _ in range(count)]

    def trades(self, count: int, *, size: int = 20) -> list[dict[str, Any]]:
        """Frames of `size` trades each that leave the book as it is."""
        return [
            self._frame([]) | {"trades": [self._trade(n) for n in range(size)], "takers": list(range(size))}
            for _ in range(count)
        ]

    def _bids(self, levels: int) -> list[list[str]]:
        quantity = f"{self.book.seq + 1}.0000"
        return [[f"{40000 - number}.00", quantity] for number in range(levels)]

    def _trade(self, number: int) -> dict[str, Any]:
        return {
            "id": str(self.book.seq * 1000 + number),
            "symbol": self._market.symbol,
            "seq": self.book.seq,
            "price": "50000.00",
            "quantity": "1.0000",
            "taker_side": "buy",
            "time": "2026-03-02T12:00:00.000000Z",
        }

    def _frame(self, bids: list[list[str]]) -> dict[str, Any]:
        self.book.bids |= {level[0]: level[1] for level in bids}
        self.book.seq += 1
        return {
            "type": "market",
            "symbol": self._market.symbol,
            "first_seq": self.book.seq,
            "seq": self.book.seq,
            "time": 1_772_452_800_000_000,
            "checksum": self.book.checksum(),
            "bids": bids,
            "asks": [],
            "trades": [],
            "takers": [],
        }
