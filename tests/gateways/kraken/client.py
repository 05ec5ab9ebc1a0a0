"""A client's book, written from the protocol's own words: it shares no code with the server."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from zlib import crc32

Message = dict[str, Any]


class CorruptError(Exception):
    """The book that the message gave is not the book that its checksum is of."""


def read(text: str) -> Message:
    """A message with its numbers as they were written."""
    message: Message = json.loads(text, parse_float=Decimal)
    return message


class KrakenBook:
    """Applies messages, truncates, checks.

    `at_once`: it truncates after each level instead. `needs_checksum`: it passes over a message whose
    checksum is 0, as python-kraken-sdk does.
    """

    def __init__(
        self,
        *,
        depth: int,
        prices: int,
        quantities: int,
        at_once: bool = False,
        needs_checksum: bool = False,
    ) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.snapshots = self.updates = 0
        self._depth = depth
        self._digits = (prices, quantities)
        self._at_once, self._needs_checksum = at_once, needs_checksum

    def take(self, message: Message) -> None:
        """Apply a message of the channel. Raises CorruptError."""
        (data,) = message["data"]
        if self._needs_checksum and not data["checksum"]:
            return
        if message["type"] == "snapshot":
            self.snapshots += 1
            self.bids, self.asks = {}, {}
        else:
            self.updates += 1
        for side, levels, downwards in ((self.bids, data["bids"], True), (self.asks, data["asks"], False)):
            for level in levels:
                if level["qty"]:
                    side[Decimal(level["price"])] = Decimal(level["qty"])
                else:
                    side.pop(Decimal(level["price"]), None)
                if self._at_once:
                    self._truncate(side, downwards=downwards)
            self._truncate(side, downwards=downwards)
        if data["checksum"] != self.checksum():
            raise CorruptError

    def checksum(self) -> int:
        """As the venue's guide tells it."""
        text = ""
        for side in (sorted(self.asks.items()), sorted(self.bids.items(), reverse=True)):
            for level in side[:10]:
                for number, digits in zip(level, self._digits, strict=True):
                    text += f"{number:.{digits}f}".replace(".", "").lstrip("0")
        return crc32(text.encode())

    def _truncate(self, side: dict[Decimal, Decimal], *, downwards: bool) -> None:
        for price in sorted(side, reverse=downwards)[self._depth :]:
            del side[price]
