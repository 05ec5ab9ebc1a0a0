"""Streams of the last 24 hours and of average prices: once a second, what has changed of what is watched.

They are asked of the database, where REST asks too: in one go for all sockets of the process, and in full
only of books that have moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from instruments.selectors import rules_by_id, rules_by_symbol
from orders.feed.hub import Hub
from orders.feed.reading import DATABASE_AWAY, in_thread, now
from orders.market.selectors import average_prices, tickers
from orders.market.services import warm
from orders.services.journal import microseconds
from orders.trade_selectors import Ends, trade_ends
from tradeplatform.gateways.binance import shapes
from tradeplatform.gateways.binance.sockets import milliseconds_now
from tradeplatform.gateways.binance.streams.names import Kind, StreamName
from tradeplatform.gateways.binance.streams.stream import Stream, encode
from tradeplatform.gateways.binance.tickers import day_before, mini, more

logger = structlog.get_logger(__name__)

_SECONDS = 1.0
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

#: The words of REST by the letters that they have in events.
_MINI = {
    "c": "lastPrice",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
}
_FULL = {
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "x": "prevClosePrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}


@dataclass(frozen=True, slots=True)
class _Day:
    """A ticker, in REST's words, at a state of its book."""

    symbol: str
    state: str
    body: Mapping[str, Any]


class TickerStream(Stream):
    """`@ticker` or `@miniTicker`, of one symbol or of all: then an array of those that have changed."""

    def __init__(self, name: StreamName) -> None:
        super().__init__(name.text)
        self.symbol = name.symbol
        self._letters = _MINI if name.kind is Kind.MINI else _MINI | _FULL
        self._word = "24hrMiniTicker" if name.kind is Kind.MINI else "24hrTicker"
        self._events: dict[str, str] = {}
        self._said: dict[str, dict[str, Any]] = {}

    def rest(self) -> None:
        """Forget what was said."""
        self._events.clear()
        self._said.clear()

    def now(self) -> str | None:
        """All that was said last."""
        return self._joined(self._events.values()) if self._events else None

    def hear(self, days: Sequence[_Day]) -> None:
        """Tell what has changed."""
        changed = []
        for day in days:
            if self.symbol not in {None, day.symbol}:
                continue
            numbers = {letter: day.body[word] for letter, word in self._letters.items()}
            # The closing time is always another.
            lasting = {letter: value for letter, value in numbers.items() if letter not in "OC"}
            if self._said.get(day.symbol) != lasting:
                self._said[day.symbol] = lasting
                head = {"e": self._word, "E": milliseconds_now(), "s": day.symbol}
                self._events[day.symbol] = encode(head | numbers)
                changed.append(self._events[day.symbol])
        if changed and self.symbol:
            self.tell_latest(changed[0])
        elif changed:
            # What the next array does not repeat must not be lost with this one.
            self.tell(self._joined(changed))

    def _joined(self, events: Iterable[str]) -> str:
        return ",".join(events) if self.symbol else f"[{','.join(events)}]"


class AverageStream(Stream):
    """`@avgPrice`: of the last five minutes."""

    def __init__(self, name: StreamName) -> None:
        super().__init__(name.text)
        self.symbol = name.symbol or ""
        self._said: tuple[str, int] | None = None

    def rest(self) -> None:
        """Forget what was said."""
        self._said = None

    def now(self) -> str | None:
        """What was said last."""
        return None if self._said is None else self._event(*self._said)

    def hear(self, price: str, traded_at: int) -> None:
        """Tell it if it has changed."""
        if self._said != (price, traded_at):
            self._said = (price, traded_at)
            self.tell_latest(self._event(price, traded_at))

    def _event(self, price: str, traded_at: int) -> str:
        head = {"e": "avgPrice", "E": milliseconds_now(), "s": self.symbol}
        return encode(head | {"i": "5m", "w": price, "T": traded_at})


class Tickers:
    """All such streams of a process; asks while any is watched."""

    def __init__(self) -> None:
        self._days: dict[str, TickerStream] = {}
        self._averages: dict[str, AverageStream] = {}
        #: Of the books, as all streams have heard them; but for new streams of these symbols (None: of all).
        self._states: dict[str, str] = {}
        self._unheard: set[str | None] = set()
        self._task: asyncio.Task[None] | None = None

    def stream(self, name: StreamName) -> Stream:
        """The stream of this name, for whoever adds a reader to it at once."""
        if self._task is None:
            # In a context of its own: what it logs is not about the socket that happened to come first.
            self._task = asyncio.create_task(self._run(), context=Context())
        if name.kind is Kind.AVERAGE:
            return self._averages.setdefault(name.text, AverageStream(name))
        found = self._days.setdefault(name.text, TickerStream(name))
        if not found.is_watched:
            self._unheard.add(name.symbol)
        return found

    async def _run(self) -> None:
        while self._drop_unwatched():
            try:
                await self._ask()
            except DATABASE_AWAY as error:
                logger.warning("tickers_not_read", error=str(error).strip())
            except Exception:
                logger.exception("tickers_broken")
            await asyncio.sleep(_SECONDS)
        self._task = None

    def _drop_unwatched(self) -> bool:
        """Whether any is left."""
        self._days = {name: one for name, one in self._days.items() if one.is_watched}
        self._averages = {name: one for name, one in self._averages.items() if one.is_watched}
        return bool(self._days or self._averages)

    async def _ask(self) -> None:
        if streams := list(self._days.values()):
            names = {one.symbol for one in streams}
            symbols = None if None in names else sorted(name for name in names if name)
            days = await in_thread(_read_days, symbols, self._known(), now=now())
            for one in streams:
                one.hear(days)
            self._states |= {day.symbol: day.state for day in days}
        if averages := list(self._averages.values()):
            found = await in_thread(_read_averages, [one.symbol for one in averages], now=now())
            for stream in averages:
                stream.hear(*found[stream.symbol])

    def _known(self) -> dict[str, str]:
        """The states of which nobody needs to hear."""
        unheard, self._unheard = self._unheard, set()
        if None in unheard:
            self._states.clear()
        return {symbol: state for symbol, state in self._states.items() if symbol not in unheard}


def _read_days(symbols: Sequence[str] | None, known: Mapping[str, str], *, now: datetime) -> list[_Day]:
    """The tickers of books whose state is not the known one."""
    minute = now.strftime("%j%H%M")
    found = [market.at(minute) for market in warm.markets(symbols)]
    moved = {market.id: market for market in found if known.get(market.symbol) != market.state}
    if not moved:
        return []
    rules = rules_by_id(moved)
    since = day_before(now)
    opened, closed = (microseconds(moment) // 1_000 for moment in (since, now))
    ends = trade_ends(moved, since=since)
    days = []
    for one in tickers([rules[number] for number in moved], now=now):
        its_ends = ends.get(one.rules.id, Ends())
        body = mini(one, its_ends, opened=opened, closed=closed) | more(one, its_ends)
        days.append(_Day(one.rules.symbol, moved[one.rules.id].state, body))
    return days


def _read_averages(symbols: Sequence[str], *, now: datetime) -> dict[str, tuple[str, int]]:
    """(average price, time of the last trade) by symbol."""
    rules = list(rules_by_symbol(symbols).values())
    ends = trade_ends([one.id for one in rules], since=_ALWAYS)
    found = {}
    for one, average in zip(rules, average_prices(rules, now=now), strict=True):
        last_at = ends.get(one.id, Ends()).last_at
        at = 0 if last_at is None else microseconds(last_at) // 1_000
        found[one.symbol] = (shapes.price(average.price, one), at)
    return found


_tickers: WeakKeyDictionary[Hub, Tickers] = WeakKeyDictionary()


def tickers_of(hub: Hub) -> Tickers:
    """Those of the hub's process."""
    return _tickers.setdefault(hub, Tickers())
