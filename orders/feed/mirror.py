"""A copy of one book in memory, moved on frame by frame, that knows when it has missed one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from enum import Enum, auto

from instruments.scaling import book_checksum

# (price, quantity) as they are printed.
Level = tuple[str, str]

CHECKSUM_LEVELS = 10


class Applied(Enum):
    """What became of a frame."""

    APPLIED = auto()
    #: All of it was known already.
    STALE = auto()
    #: Something between the book and this frame is missing.
    GAP = auto()
    #: The frame fits, yet the book it gives is not the book it was sent with.
    CORRUPT = auto()


class _Side:
    """One side's levels. Prices are kept as whole numbers of the last printed digit, which sort."""

    def __init__(self) -> None:
        self.prices: list[int] = []
        self._levels: dict[int, tuple[int, Level]] = {}

    def set(self, price: str, quantity: str) -> None:
        """Give the level its new total quantity; zero takes it away."""
        key, units = _units(price), _units(quantity)
        if units:
            if key not in self._levels:
                insort(self.prices, key)
            self._levels[key] = (units, (price, quantity))
        elif self._levels.pop(key, None):
            del self.prices[bisect_left(self.prices, key)]

    def levels(self, prices: Iterable[int]) -> list[Level]:
        """The levels at these prices, as printed."""
        return [self._levels[price][1] for price in prices]

    def by_price(self, prices: Iterable[int]) -> dict[int, Level]:
        """The levels at these prices, as printed, by price."""
        return {price: self._levels[price][1] for price in prices}

    def numbers(self, prices: Iterable[int]) -> list[tuple[int, int]]:
        """The levels at these prices, as whole numbers."""
        return [(price, self._levels[price][0]) for price in prices]


class BookMirror:
    """The whole book as of `seq`: loaded from a snapshot, then changed by the frames after it.

    All numbers of a book have the same digits after the point, so what is printed can be compared.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._bids = _Side()
        self._asks = _Side()

    def load(self, *, seq: int, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        """Forget everything and be this book."""
        self.seq = seq
        self._bids, self._asks = _Side(), _Side()
        self._change(bids, asks)

    def apply(
        self,
        *,
        first_seq: int,
        seq: int,
        bids: Iterable[Sequence[str]],
        asks: Iterable[Sequence[str]],
        checksum: int,
    ) -> Applied:
        """Change the book by a frame. After GAP it is as before; after CORRUPT it is good for nothing."""
        if seq <= self.seq:
            return Applied.STALE
        if first_seq != self.seq + 1:
            return Applied.GAP
        self._change(bids, asks)
        self.seq = seq
        return Applied.APPLIED if self.checksum() == checksum else Applied.CORRUPT

    def checksum(self) -> int:
        """The CRC-32 of the ten best levels a side; see instruments.scaling.book_checksum."""
        return book_checksum(
            asks=self._asks.numbers(self._asks.prices[:CHECKSUM_LEVELS]),
            bids=self._bids.numbers(self._bids.prices[: -CHECKSUM_LEVELS - 1 : -1]),
        )

    def bids(self) -> list[Level]:
        """Every bid, best first."""
        return self._bids.levels(reversed(self._bids.prices))

    def asks(self) -> list[Level]:
        """Every ask, best first."""
        return self._asks.levels(self._asks.prices)

    def best_bids(self, depth: int) -> dict[int, Level]:
        """So many bids by price (in units of the last printed digit), best first."""
        return self._bids.by_price(self._bids.prices[: -depth - 1 : -1])

    def best_asks(self, depth: int) -> dict[int, Level]:
        """So many asks by price, best first."""
        return self._asks.by_price(self._asks.prices[:depth])

    def best_bid(self) -> Level | None:
        """The highest bid."""
        return next(iter(self._bids.levels(self._bids.prices[-1:])), None)

    def best_ask(self) -> Level | None:
        """The lowest ask."""
        return next(iter(self._asks.levels(self._asks.prices[:1])), None)

    def _change(self, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for price, quantity in levels:
                side.set(price, quantity)


def _units(printed: str) -> int:
    return int(printed.replace(".", "", 1))
