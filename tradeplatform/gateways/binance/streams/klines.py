"""Candles as they grow: read once, then moved on by each trade, and closed by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from instruments.scaling import product
from instruments.selectors import Rules
from orders.feed.mirror import BookMirror
from orders.feed.reading import CandlesRead, now, read_candles, trade_id
from orders.feed.retrying import until_read
from orders.market.intervals import Interval
from orders.market.selectors import Candle
from orders.models import Side
from orders.services.journal import microseconds
from tradeplatform.gateways.binance import shapes
from tradeplatform.gateways.binance.sockets import milliseconds_now
from tradeplatform.gateways.binance.streams.depth import BookStream
from tradeplatform.gateways.binance.streams.names import StreamName
from tradeplatform.gateways.binance.streams.stream import Throttle, encode
from tradeplatform.gateways.binance.streams.trades import Traded

#: A trade of the last moment is heard a little later.
_GRACE = timedelta(milliseconds=250)
#: How long a timer may sleep: a clock that is set would not wake it.
_LONGEST_SLEEP = 60.0
_SLOW, _FAST = 2.0, 1.0
#: The running one, and the one that a late trade may still belong to.
_READ = 2
_NO_TRADE = -1


class KlineStream(BookStream):
    """`@kline_<interval>`: the running candle when it has changed; each once more when it is closed.

    A trade that is heard after its candle was closed corrects it: the closed candle is told again.
    """

    def __init__(self, name: StreamName, rules: Rules) -> None:
        super().__init__(name, rules)
        self._rules = rules
        self._interval = name.interval
        self._throttle = Throttle(_FAST if name.interval is Interval.SECOND else _SLOW, self._tell_running)
        self._candle: Candle | None = None
        self._closed: Candle | None = None
        self._seq = 0
        self._unread: list[Traded] = []
        self._reader: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, book: BookMirror) -> None:
        """Read the running candle."""
        self._reader = asyncio.create_task(self._read())

    def rest(self) -> None:
        """Forget it."""
        self._throttle.stop()
        for running in (self._reader, self._timer):
            if running is not None:
                running.cancel()
        self._reader = self._timer = self._candle = self._closed = None
        self._unread.clear()

    def now(self) -> str | None:
        """The running candle, if it has been read and there is one."""
        return None if self._candle is None else self._event(self._candle, closed=False)

    def traded(self, trades: Iterable[Traded]) -> None:
        """Count them."""
        if self._reader is not None:
            self._unread.extend(trades)
            return
        for trade in trades:
            if trade.seq > self._seq:
                self._count(trade)

    async def _read(self) -> None:
        read = await until_read(read_candles, self._rules, self._interval, now=now(), limit=_READ)
        self._reader = None
        self.load(read)
        unread, self._unread = self._unread, []
        self.traded(unread)
        if self._candle is not None:
            self._throttle.ask()
            self._set_timer()

    def load(self, read: CandlesRead) -> None:
        """Go on from what was read."""
        self._seq = read.seq
        found: Sequence[Candle | None] = (None, None, *read.candles)
        self._closed, self._candle = found[-2], found[-1]

    def _count(self, trade: Traded) -> None:
        self._seq = trade.seq
        opened_at = self._interval.floor(trade.at)
        price = Decimal(trade.price)
        if self._candle is None:
            self._candle = _flat(opened_at, price)
            self._set_timer()
        while self._candle.opened_at < opened_at:
            self._turn(self._candle)
        if self._candle.opened_at == opened_at:
            self._candle = _with(self._candle, trade)
            self._throttle.ask()
        elif self._closed is not None and self._closed.opened_at == opened_at:
            self._closed = _with(self._closed, trade)
            self.tell(self._event(self._closed, closed=True))
            if not self._candle.trades:
                self._candle = _flat(self._candle.opened_at, self._closed.close)

    def _turn(self, candle: Candle) -> None:
        """Close the candle; the next begins where it ended."""
        self._closed = candle
        self.tell(self._event(candle, closed=True))
        self._candle = _flat(self._interval.shift(candle.opened_at, 1), candle.close)

    def _set_timer(self) -> None:
        if self._candle is not None:
            ends = self._interval.shift(self._candle.opened_at, 1) + _GRACE
            wait = min(max(0.0, (ends - now()).total_seconds()), _LONGEST_SLEEP)
            self._timer = asyncio.get_running_loop().call_later(wait, self._clock)

    def _clock(self) -> None:
        """Close what has ended."""
        at = now() - _GRACE
        while self._candle is not None and self._interval.shift(self._candle.opened_at, 1) <= at:
            self._turn(self._candle)
            self._throttle.ask()
        self._set_timer()

    def _tell_running(self) -> None:
        if self._candle is not None:
            self.tell_latest(self._event(self._candle, closed=False))

    def _event(self, candle: Candle, *, closed: bool) -> str:
        rules, opened_at = self._rules, candle.opened_at
        first, last = (
            _NO_TRADE if seq is None else trade_id(rules, seq) for seq in (candle.first_seq, candle.last_seq)
        )
        kline = {
            "t": microseconds(opened_at) // 1_000,
            "T": microseconds(self._interval.shift(opened_at, 1)) // 1_000 - 1,
            "s": self.symbol,
            "i": self._interval.value,
            "f": first,
            "L": last,
            "o": shapes.price(candle.open, rules),
            "c": shapes.price(candle.close, rules),
            "h": shapes.price(candle.high, rules),
            "l": shapes.price(candle.low, rules),
            "v": shapes.quantity(candle.volume, rules),
            "n": candle.trades,
            "x": closed,
            "q": shapes.quote(candle.quote_volume, rules),
            "V": shapes.quantity(candle.taker_volume, rules),
            "Q": shapes.quote(candle.taker_quote_volume, rules),
            "B": "0",
        }
        return encode({"e": "kline", "E": milliseconds_now(), "s": self.symbol, "k": kline})


def _flat(opened_at: datetime, price: Decimal) -> Candle:
    """A candle without trades."""
    nothing = Decimal(0)
    return Candle(opened_at, price, price, price, price, nothing, nothing, nothing, nothing, 0)


def _with(candle: Candle, trade: Traded) -> Candle:
    """The candle with one more trade, the last of its book so far."""
    price, quantity = Decimal(trade.price), Decimal(trade.quantity)
    notional = product(price, quantity)
    buys = trade.taker_side == Side.BUY
    empty = not candle.trades
    return replace(
        candle,
        open=price if empty else candle.open,
        high=price if empty else max(candle.high, price),
        low=price if empty else min(candle.low, price),
        close=price,
        volume=candle.volume + quantity,
        quote_volume=candle.quote_volume + notional,
        taker_volume=candle.taker_volume + (quantity if buys else 0),
        taker_quote_volume=candle.taker_quote_volume + (notional if buys else 0),
        trades=candle.trades + 1,
        first_seq=trade.seq if candle.first_seq is None else candle.first_seq,
        last_seq=trade.seq,
    )
