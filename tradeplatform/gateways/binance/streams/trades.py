"""The trades of an instrument as they happen, each once and in order, whatever was lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from instruments.scaling import text
from instruments.selectors import Rules
from orders.feed.market import Frame
from orders.feed.mirror import BookMirror
from orders.feed.reading import read_trades
from orders.feed.retrying import until_read
from orders.models import Side, Trade
from orders.rendering import trade_json
from orders.services.journal import microseconds
from orders.trade_selectors import taker_order_of
from tradeplatform.gateways.binance.sockets import milliseconds_now
from tradeplatform.gateways.binance.streams.depth import BookStream
from tradeplatform.gateways.binance.streams.stream import encode

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Traded:
    """A trade with its numbers as they are printed, and the order that came to the other."""

    id: int
    seq: int
    price: str
    quantity: str
    at: datetime
    taker_side: str
    taker: int

    @property
    def time(self) -> int:
        """When, in milliseconds."""
        return microseconds(self.at) // 1_000


class Tape:
    """Passes the trades of a book on. Those of frames that were lost are read from the database."""

    def __init__(self, rules: Rules, hear: Callable[[Sequence[Traded]], None]) -> None:
        self._rules = rules
        self._hear = hear
        self._seq = 0
        self._early: list[Frame] = []
        self._reader: asyncio.Task[None] | None = None

    def begin(self, seq: int) -> None:
        """Somebody is about to listen: trades up to `seq` are not news."""
        self._seq = seq

    def rest(self) -> None:
        """Nobody listens any more."""
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._early.clear()

    def moved(self, book: BookMirror, frame: Frame | None) -> None:
        """Pass the trades of a frame on; without one, those that were missed."""
        if frame is None:
            self.rest()
            if self._seq < book.seq:
                self._reader = asyncio.create_task(self._read(book.seq))
        elif self._reader is not None:
            self._early.append(frame)
        else:
            self._pass_on(frame)

    def _pass_on(self, frame: Frame) -> None:
        self._seq = frame["seq"]
        if frame["trades"]:
            self._hear([_of_json(*pair) for pair in zip(frame["trades"], frame["takers"], strict=True)])

    async def _read(self, until: int) -> None:
        while self._seq < until:
            found = await until_read(read_trades, self._rules, after=self._seq, limit=_PAGE)
            missed = [trade for trade in found if trade.seq <= until]
            self._seq = missed[-1].seq if len(missed) == _PAGE else until
            if missed:
                self._hear([_of_row(trade, self._rules) for trade in missed])
        self._reader = None
        early, self._early = self._early, []
        for frame in early:
            self._pass_on(frame)


class TradeStream(BookStream):
    """`@trade`: each."""

    def traded(self, trades: Iterable[Traded]) -> None:
        """Tell them."""
        for trade in trades:
            event = {
                "e": "trade",
                "E": milliseconds_now(),
                "s": self.symbol,
                "t": trade.id,
                "p": self.price(trade.price),
                "q": self.quantity(trade.quantity),
                "T": trade.time,
                "m": trade.taker_side == Side.SELL,
                "M": True,
            }
            self.tell(encode(event))


class AggregateStream(BookStream):
    """`@aggTrade`: what one order took at one price, as one."""

    def traded(self, trades: Iterable[Traded]) -> None:
        """Tell them."""
        for _key, group in groupby(trades, key=lambda trade: (trade.at, trade.price, trade.taker)):
            together = list(group)
            first, last = together[0], together[-1]
            digits = len(first.quantity.partition(".")[2])
            total = sum((Decimal(trade.quantity) for trade in together), Decimal(0))
            event = {
                "e": "aggTrade",
                "E": milliseconds_now(),
                "s": self.symbol,
                "a": first.id,
                "p": self.price(first.price),
                "q": self.quantity(text(total, digits)),
                "f": first.id,
                "l": last.id,
                "T": first.time,
                "m": first.taker_side == Side.SELL,
                "M": True,
            }
            self.tell(encode(event))


def _of_json(trade: Mapping[str, Any], taker: int) -> Traded:
    return Traded(
        id=int(trade["id"]),
        seq=trade["seq"],
        price=trade["price"],
        quantity=trade["quantity"],
        at=datetime.fromisoformat(trade["time"]),
        taker_side=trade["taker_side"],
        taker=taker,
    )


def _of_row(trade: Trade, rules: Rules) -> Traded:
    return _of_json(trade_json(trade, rules), taker_order_of(trade))
