"""The last 24 hours of trades of one instrument, kept by the minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from instruments.scaling import product
from orders.market.selectors import Candle

_DAY = timedelta(hours=24)


@dataclass(slots=True)
class _Minute:
    begin: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class DayStats:
    """Open, high, low, volumes and count of the minutes that began in the last 24 hours."""

    def __init__(self, minutes: Iterable[Candle]) -> None:
        self._minutes = deque(
            _Minute(m.opened_at, m.open, m.high, m.low, m.volume, m.quote_volume, m.trades) for m in minutes
        )
        self.volume = sum((m.volume for m in self._minutes), Decimal(0))
        self.quote_volume = sum((m.quote_volume for m in self._minutes), Decimal(0))
        self.trades = sum(m.trades for m in self._minutes)

    def add(self, *, at: datetime, price: Decimal, quantity: Decimal) -> None:
        """Count a trade. Trades come in order of time, as a book's events do."""
        begin = at.replace(second=0, microsecond=0)
        notional = product(price, quantity)
        if not self._minutes or self._minutes[-1].begin < begin:
            self._minutes.append(_Minute(begin, price, price, price, Decimal(0), Decimal(0), 0))
        minute = self._minutes[-1]
        minute.high, minute.low = max(minute.high, price), min(minute.low, price)
        minute.volume += quantity
        minute.quote_volume += notional
        minute.trades += 1
        self.volume += quantity
        self.quote_volume += notional
        self.trades += 1

    def forget_before(self, now: datetime) -> None:
        """Drop the minutes that began more than 24 hours before `now`."""
        while self._minutes and self._minutes[0].begin <= now - _DAY:
            minute = self._minutes.popleft()
            self.volume -= minute.volume
            self.quote_volume -= minute.quote_volume
            self.trades -= minute.trades

    @property
    def open(self) -> Decimal | None:
        """The first price."""
        return self._minutes[0].open if self._minutes else None

    @property
    def high(self) -> Decimal | None:
        """The highest price."""
        return max((minute.high for minute in self._minutes), default=None)

    @property
    def low(self) -> Decimal | None:
        """The lowest price."""
        return min((minute.low for minute in self._minutes), default=None)
