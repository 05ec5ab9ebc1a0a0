"""Streams of a book: what changes, the best levels, the best of each side."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import structlog

from instruments.selectors import Rules
from orders.feed.market import Frame
from orders.feed.mirror import BookMirror, Level
from orders.feed.outlet import Outlet
from orders.feed.protocol import CloseCode, Closing
from tradeplatform.gateways.binance import shapes
from tradeplatform.gateways.binance.sockets import milliseconds_now
from tradeplatform.gateways.binance.streams.names import StreamName
from tradeplatform.gateways.binance.streams.stream import Stream, Throttle, encode

logger = structlog.get_logger(__name__)

BEGIN_AGAIN = Closing(CloseCode.RESTART, "begin_again", "Events were lost: connect again.")

#: How long after its first event a client may still be fetching the book that it starts from.
_BOOTSTRAP_SECONDS = 60.0

Levels = Iterable[Sequence[str]]
#: Printed quantity by printed price.
Side = dict[str, str]


class BookStream(Stream):
    """A stream made of a book's frames."""

    def __init__(self, name: StreamName, rules: Rules) -> None:
        super().__init__(name.text)
        self.symbol = rules.symbol
        self._pads = shapes.padding(rules.price_decimals), shapes.padding(rules.quantity_decimals)

    def begin(self, book: BookMirror) -> None:
        """The first reader is about to come; the book is this."""

    def moved(self, book: BookMirror, frame: Frame | None) -> None:
        """The book has moved on by a frame, or (None) was read again after a loss."""

    def levels(self, levels: Levels) -> list[list[str]]:
        """Levels as this dialect prints them; a level that is gone has the zero that clients look for."""
        return [
            [self.price(price), self.quantity(quantity) if quantity.strip("0.") else shapes.ZERO]
            for price, quantity in levels
        ]

    def price(self, printed: str) -> str:
        """A printed price as this dialect has it."""
        return printed + self._pads[0]

    def quantity(self, printed: str) -> str:
        """A printed quantity as this dialect has it."""
        return printed + self._pads[1]


class DiffDepth(BookStream):
    """`@depth`: all that has changed, `U` to `u` without a gap, whether it can be seen or not.

    When frames were lost the book is read again, and the difference to what was told closes the gap. That is
    right for who has what was told. A client that is fetching its first book may have fetched one from
    within the gap, and what changed there and changed back is not in the difference: it is closed, and
    begins again.
    """

    def __init__(self, name: StreamName, rules: Rules) -> None:
        super().__init__(name, rules)
        self._told = self._heard = 0
        self._sides: tuple[Side, Side] = ({}, {})
        self._pending: tuple[Side, Side] = ({}, {})
        #: Who may still be fetching, and when it was told its first event.
        self._fetching: dict[Outlet, float | None] = {}
        self._throttle = Throttle(name.seconds, self._tell)

    def begin(self, book: BookMirror) -> None:
        """Count from here."""
        self._told = self._heard = book.seq
        self._sides = (dict(book.bids()), dict(book.asks()))
        self._pending = ({}, {})

    def add(self, outlet: Outlet, *, combined: bool) -> None:
        """Send it to a socket, which fetches the book now."""
        super().add(outlet, combined=combined)
        self._fetching[outlet] = None

    def remove(self, outlet: Outlet) -> None:
        """Send it to a socket no more."""
        self._fetching.pop(outlet, None)
        super().remove(outlet)

    def rest(self) -> None:
        """Forget the book."""
        self._throttle.stop()
        self._sides = self._pending = ({}, {})

    def moved(self, book: BookMirror, frame: Frame | None) -> None:
        """Note what has changed, to be told in time."""
        if frame is not None:
            self._note(book.seq, (frame["bids"], frame["asks"]))
        elif book.seq > self._heard:
            self._close(self._fetching)
            bids, asks = self._sides
            self._note(book.seq, (_difference(bids, book.bids()), _difference(asks, book.asks())))
        elif book.seq < self._heard:
            # Only a database that was restored is older than what was published.
            self._close(self._readers)
            self.begin(book)

    def _note(self, seq: int, changes: tuple[Levels, Levels]) -> None:
        for side, pending, levels in zip(self._sides, self._pending, changes, strict=True):
            for price, quantity in levels:
                pending[price] = quantity
                if quantity.strip("0."):
                    side[price] = quantity
                else:
                    side.pop(price, None)
        self._heard = seq
        self._throttle.ask()

    def _tell(self) -> None:
        bids, asks = self._pending
        self._pending = ({}, {})
        event = {
            "e": "depthUpdate",
            "E": milliseconds_now(),
            "s": self.symbol,
            "U": self._told + 1,
            "u": self._heard,
            "b": self.levels(bids.items()),
            "a": self.levels(asks.items()),
        }
        self.tell(encode(event))
        self._told = self._heard
        if self._fetching:
            self._count_on(time.monotonic())

    def _count_on(self, now: float) -> None:
        """Whoever was told its first event long ago has its book by now."""
        for outlet, since in list(self._fetching.items()):
            if since is None:
                self._fetching[outlet] = now
            elif now - since > _BOOTSTRAP_SECONDS:
                del self._fetching[outlet]

    def _close(self, outlets: Iterable[Outlet]) -> None:
        closed = list(outlets)
        if closed:
            logger.info("depth_streams_closed", stream=self.name, sockets=len(closed))
        for outlet in closed:
            outlet.close(BEGIN_AGAIN)


class PartialDepth(BookStream):
    """`@depth5`, `@depth10`, `@depth20`: the best levels whenever they have changed."""

    def __init__(self, name: StreamName, rules: Rules) -> None:
        super().__init__(name, rules)
        self._depth = name.levels
        self._seq = 0
        self._best: tuple[list[Level], list[Level]] = ([], [])
        self._told: tuple[list[Level], list[Level]] | None = None
        self._throttle = Throttle(name.seconds, self._tell)

    def begin(self, book: BookMirror) -> None:
        """Look at it."""
        self._look(book)
        self._told = self._best

    def rest(self) -> None:
        """Say nothing more."""
        self._throttle.stop()

    def now(self) -> str:
        """The levels."""
        bids, asks = self._best
        return encode({"lastUpdateId": self._seq, "bids": self.levels(bids), "asks": self.levels(asks)})

    def moved(self, book: BookMirror, frame: Frame | None) -> None:
        """Look whether it can be seen."""
        self._look(book)
        if self._best != self._told:
            self._throttle.ask()

    def _look(self, book: BookMirror) -> None:
        self._seq = book.seq
        best = (book.best_bids(self._depth), book.best_asks(self._depth))
        self._best = (list(best[0].values()), list(best[1].values()))

    def _tell(self) -> None:
        if self._best != self._told:
            self._told = self._best
            self.tell_latest(self.now())


class BestPrices(BookStream):
    """`@bookTicker`: the best bid and ask, at once when one of them changes."""

    def __init__(self, name: StreamName, rules: Rules) -> None:
        super().__init__(name, rules)
        self._seq = 0
        self._best: tuple[Level | None, Level | None] = (None, None)

    def begin(self, book: BookMirror) -> None:
        """Look at it."""
        self._seq, self._best = book.seq, (book.best_bid(), book.best_ask())

    def now(self) -> str:
        """The best of each side; zeros where there is none."""
        (bid, bids), (ask, asks) = (
            (shapes.ZERO, shapes.ZERO) if level is None else (self.price(level[0]), self.quantity(level[1]))
            for level in self._best
        )
        return encode({"u": self._seq, "s": self.symbol, "b": bid, "B": bids, "a": ask, "A": asks})

    def moved(self, book: BookMirror, frame: Frame | None) -> None:
        """Tell it if it has changed."""
        before = self._best
        self.begin(book)
        if self._best != before:
            self.tell_latest(self.now())


def _difference(before: Side, now: Iterable[Level]) -> list[Level]:
    """What must change of a side for it to be what it is now."""
    after: Side = dict(now)
    gone = [(price, "0") for price in before if price not in after]
    return gone + [level for level in after.items() if before.get(level[0]) != level[1]]
