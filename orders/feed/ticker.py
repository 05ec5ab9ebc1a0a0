"""One instrument's ticker: best prices from the mirror, the last day from the database, then from frames."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from instruments.selectors import Rules
from orders.feed import reading
from orders.feed.day import DayStats
from orders.feed.mirror import BookMirror, Level
from orders.feed.outlet import Outlet
from orders.feed.protocol import encode, now_text
from orders.feed.retrying import until_read
from orders.market.rendering import ticker_json
from orders.market.selectors import Ticker

# However fast the market moves, eyes do not.
_SECONDS_BETWEEN = 0.25


class TickerFeed:
    """Reads the day when the first socket wants it, and keeps it from then on."""

    def __init__(self, rules: Rules, mirror: BookMirror) -> None:
        self.watchers: set[Outlet] = set()
        self.last: str | None = None
        self._rules = rules
        self._mirror = mirror
        self._day: DayStats | None = None
        self._reader: asyncio.Task[None] | None = None
        self._unread: list[Mapping[str, Any]] = []
        self._timer: asyncio.TimerHandle | None = None

    def greet(self, outlets: Iterable[Outlet]) -> None:
        """Send the ticker as it is now, or as soon as the day has been read."""
        if self._day is not None:
            text = self._text(self._day)
            for outlet in outlets:
                outlet.send_latest(self._key, text)
        elif self._reader is None and self.watchers:
            self._reader = asyncio.create_task(self._read())

    def moved(self, trades: Iterable[Mapping[str, Any]]) -> None:
        """The book has moved on, with these trades."""
        for trade in trades:
            self.last = trade["price"]
            if self._day is not None:
                _count(self._day, trade)
            elif self._reader is not None:
                self._unread.append(trade)
        if self.watchers and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS_BETWEEN, self._send)

    def lost(self) -> None:
        """Trades may have been missed: forget the day."""
        self._day = None
        self._unread.clear()
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def close(self) -> None:
        """Stop for good."""
        self.lost()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def _key(self) -> str:
        return f"ticker:{self._rules.symbol}"

    async def _read(self) -> None:
        read = await until_read(reading.read_day, self._rules, now=reading.now())
        self._day = DayStats(read.minutes)
        for trade in self._unread:
            if trade["seq"] > read.seq:
                _count(self._day, trade)
        self._unread.clear()
        self._reader = None
        self.greet(self.watchers)

    def _send(self) -> None:
        self._timer = None
        if self._day is not None:
            self.greet(self.watchers)

    def _text(self, day: DayStats) -> str:
        day.forget_before(reading.now())
        bid, ask = self._mirror.best_bid(), self._mirror.best_ask()
        ticker = Ticker(
            rules=self._rules,
            last=None if self.last is None else Decimal(self.last),
            bid=_price(bid),
            bid_quantity=_quantity(bid),
            ask=_price(ask),
            ask_quantity=_quantity(ask),
            open=day.open,
            high=day.high,
            low=day.low,
            volume=day.volume,
            quote_volume=day.quote_volume,
            trades=day.trades,
        )
        return encode({"type": "ticker", "seq": self._mirror.seq, "time": now_text(), **ticker_json(ticker)})


def _count(day: DayStats, trade: Mapping[str, Any]) -> None:
    day.add(
        at=datetime.fromisoformat(trade["time"]),
        price=Decimal(trade["price"]),
        quantity=Decimal(trade["quantity"]),
    )


def _price(level: Level | None) -> Decimal | None:
    return None if level is None else Decimal(level[0])


def _quantity(level: Level | None) -> Decimal | None:
    return None if level is None else Decimal(level[1])
