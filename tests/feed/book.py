"""A client's book, written from docs/feed.md alone: it shares no code with the server."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zlib import crc32


class ClientBook:
    """Keeps a book from the messages of the channel `book`, and complains as the guide tells it to."""

    def __init__(self) -> None:
        self.seq = 0
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.status = "active"
        self.snapshots = 0
        self.deltas = 0

    def take(self, message: dict[str, Any]) -> None:
        """Apply a message; fails on a gap, a wrong checksum, or a crossed book while the market trades."""
        if message["type"] == "status":
            self.status = message["status"]
            return
        if message["action"] == "snapshot":
            self.snapshots += 1
            self.status = message["status"]
            self.bids, self.asks = dict(message["bids"]), dict(message["asks"])
            assert message["bids"] == self.best_bids(), "bids are not best first"
            assert message["asks"] == self.best_asks(), "asks are not best first"
        else:
            self.deltas += 1
            assert message["first_seq"] == self.seq + 1, f"{message['first_seq']} does not follow {self.seq}"
            for side, levels in ((self.bids, message["bids"]), (self.asks, message["asks"])):
                for price, quantity in levels:
                    if Decimal(quantity):
                        side[price] = quantity
                    else:
                        side.pop(price, None)
        self.seq = message["seq"]
        assert message["checksum"] == self.checksum()
        if self.bids and self.asks and self.status == "active":
            assert Decimal(self.best_bids()[0][0]) < Decimal(self.best_asks()[0][0]), "crossed"

    def best_bids(self) -> list[list[str]]:
        """High to low."""
        return [list(level) for level in sorted(self.bids.items(), key=lambda x: Decimal(x[0]), reverse=True)]

    def best_asks(self) -> list[list[str]]:
        """Low to high."""
        return [list(level) for level in sorted(self.asks.items(), key=lambda x: Decimal(x[0]))]

    def checksum(self) -> int:
        """As the guide says it."""
        numbers = [
            number.replace(".", "").lstrip("0")
            for levels in (self.best_asks()[:10], self.best_bids()[:10])
            for level in levels
            for number in level
        ]
        return crc32("".join(numbers).encode())
