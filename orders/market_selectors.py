"""Reading the market from the book and the trades table: tickers and candles, each in one statement.

Times bound every query, so that PostgreSQL reads only the day partitions that can matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from instruments.selectors import Rules
from orders.selectors import VISIBLE
from tradeplatform.common.db import fetch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class Interval(StrEnum):
    """How long a candle is; all begin at whole multiples since 1970-01-01T00:00Z."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    QUARTER_HOUR = "15m"
    HOUR = "1h"
    FOUR_HOURS = "4h"
    DAY = "1d"

    @property
    def width(self) -> timedelta:
        """As a duration."""
        return _WIDTHS[self]


_WIDTHS = {
    Interval.MINUTE: timedelta(minutes=1),
    Interval.FIVE_MINUTES: timedelta(minutes=5),
    Interval.QUARTER_HOUR: timedelta(minutes=15),
    Interval.HOUR: timedelta(hours=1),
    Interval.FOUR_HOURS: timedelta(hours=4),
    Interval.DAY: _DAY,
}


@dataclass(frozen=True, slots=True)
class Ticker:
    """Where an instrument stands, and its last 24 hours; None where there is nothing to say."""

    rules: Rules
    last: Decimal | None
    bid: Decimal | None
    bid_quantity: Decimal | None
    ask: Decimal | None
    ask_quantity: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal
    quote_volume: Decimal
    trades: int


@dataclass(frozen=True, slots=True)
class Candle:
    """The trades of one interval that had any."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


def tickers(instruments: Sequence[Rules], *, now: datetime) -> list[Ticker]:
    """Tickers in the order given, all from one snapshot. Reads the last day's trades of each instrument."""
    rows = fetch(
        f"""
        SELECT book.last_price_ticks, bid.price, bid.quantity, ask.price, ask.quantity, day.*
        FROM unnest(%s::int[]) WITH ORDINALITY AS wanted(id, place)
        LEFT JOIN orders_book book ON book.instrument_id = wanted.id
        LEFT JOIN LATERAL (
            SELECT price, sum({VISIBLE}) AS quantity FROM orders_order
            WHERE instrument_id = wanted.id AND side = 'buy' AND status IN ('open', 'partially_filled')
            GROUP BY price HAVING sum({VISIBLE}) > 0 ORDER BY price DESC LIMIT 1
        ) bid ON true
        LEFT JOIN LATERAL (
            SELECT price, sum({VISIBLE}) AS quantity FROM orders_order
            WHERE instrument_id = wanted.id AND side = 'sell' AND status IN ('open', 'partially_filled')
            GROUP BY price HAVING sum({VISIBLE}) > 0 ORDER BY price LIMIT 1
        ) ask ON true
        CROSS JOIN LATERAL (
            SELECT (array_agg(price ORDER BY seq))[1], max(price), min(price), coalesce(sum(quantity), 0),
                   coalesce(sum(notional), 0), count(*)
            FROM orders_trade WHERE instrument_id = wanted.id AND at > %s
        ) day
        ORDER BY wanted.place
        """,  # noqa: S608 - our own words
        [[rules.id for rules in instruments], now - _DAY],
    )
    return [
        Ticker(rules, rules.price(last_ticks) if last_ticks else None, *rest)
        for rules, (last_ticks, *rest) in zip(instruments, rows, strict=True)
    ]


def candles(rules: Rules, *, interval: Interval, before: datetime, limit: int) -> list[Candle]:
    """The `limit` intervals up to the one `before` falls in, oldest first; those without a trade left out."""
    width = interval.width
    until = before - (before - _EPOCH) % width + width
    rows = fetch(
        """
        SELECT date_bin(%(width)s::interval, at, 'epoch'::timestamptz) AS opened_at,
               (array_agg(price ORDER BY seq))[1], max(price), min(price),
               (array_agg(price ORDER BY seq DESC))[1], sum(quantity), sum(notional), count(*)
        FROM orders_trade
        WHERE instrument_id = %(instrument)s AND at >= %(since)s AND at < %(until)s
        GROUP BY opened_at ORDER BY opened_at
        """,
        {"width": width, "instrument": rules.id, "since": until - limit * width, "until": until},
    )
    return [Candle(*row) for row in rows]
