"""Reading the market, each answer from one statement: stored candles, and the trades not in them yet.

How far a tape has come and what it has not seen are read in one snapshot, so every trade counts exactly
once, however far the follower is behind; without it the answers are the same and only take longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from instruments.selectors import Rules
from orders.market.intervals import UTC_CLOCK, Interval
from orders.market.models.candle import SECONDS_KEPT_DAYS
from orders.models import Side
from orders.selectors import levels
from tradeplatform.common.db import fetch

_DAY = timedelta(days=1)
_NOTHING = Decimal(0)
#: The average price is of this long.
AVERAGE_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Ticker:
    """Where an instrument stands, and its last 24 hours; None where there is nothing to say.

    The 24 hours begin at a full minute: they are the minutes that began less than 24 hours ago.
    """

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
    """The trades of one interval; one without trades stands at the close before it, and has no seqs."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    taker_volume: Decimal
    taker_quote_volume: Decimal
    trades: int
    first_seq: int | None = None
    last_seq: int | None = None


@dataclass(frozen=True, slots=True)
class AveragePrice:
    """What was paid for one unit of base over the last five minutes, by volume; else the last price."""

    price: Decimal | None
    volume: Decimal
    trades: int


def tickers(instruments: Sequence[Rules], *, now: datetime) -> list[Ticker]:
    """Tickers in the order given, all from one snapshot."""
    wanted = {"numbers": [rules.id for rules in instruments], "since": now - _DAY}
    rows = fetch(_TICKERS, wanted, prepared=True)
    return [
        Ticker(rules, rules.price(last_ticks) if last_ticks else None, *rest)
        for rules, (last_ticks, *rest) in zip(instruments, rows, strict=True)
    ]


def average_price(rules: Rules, *, now: datetime) -> AveragePrice:
    """The average of the last five minutes, which begin at a full second."""
    return average_prices([rules], now=now)[0]


def average_prices(instruments: Sequence[Rules], *, now: datetime) -> list[AveragePrice]:
    """The averages in the order given, all from one snapshot."""
    since = now.replace(microsecond=0) - AVERAGE_WINDOW
    rows = fetch(_AVERAGES, {"numbers": [rules.id for rules in instruments], "since": since})
    return [
        AveragePrice(quote_volume / volume, volume, trades)
        if trades
        else AveragePrice(rules.price(last_ticks) if last_ticks else None, _NOTHING, 0)
        for rules, (last_ticks, volume, quote_volume, trades) in zip(instruments, rows, strict=True)
    ]


def candles(
    rules: Rules,
    *,
    interval: Interval,
    before: datetime,
    limit: int,
    now: datetime,
    ahead: timedelta = UTC_CLOCK,
) -> list[Candle]:
    """The `limit` intervals up to the one `before` falls in, oldest first, none from the future.

    An interval without trades is a flat candle at the close before it, with volume 0; before the first trade
    there is none. Candles of a second go as far back as they are kept. All begin by a clock that is `ahead`
    of UTC by whole hours.
    """
    last = interval.floor(min(before, now), ahead=ahead)
    since, until = interval.shift(last, 1 - limit, ahead=ahead), interval.shift(last, 1, ahead=ahead)
    if interval is Interval.SECOND:
        since = max(since, Interval.DAY.floor(now) - SECONDS_KEPT_DAYS * _DAY)
    found = traded_candles(rules, interval=interval, since=since, until=until, ahead=ahead)
    begins = [since]
    while begins[-1] < until:
        begins.append(interval.shift(begins[-1], 1, ahead=ahead))
    close = None if found and found[0].opened_at == since else _close_before(rules, since)
    return _filled(found, begins, close)


def traded_candles(
    rules: Rules,
    *,
    interval: Interval,
    since: datetime,
    until: datetime,
    ahead: timedelta = UTC_CLOCK,
) -> list[Candle]:
    """The candles that began in [since, until) and had trades, oldest first."""
    base = interval.base(ahead=ahead)
    opened = (
        "date_trunc('month', at + %(ahead)s, 'UTC') - %(ahead)s"
        if interval is Interval.MONTH
        else "date_bin(%(width)s::interval, at, %(origin)s)"
    )
    rows = fetch(
        _CANDLES.format(opened=opened, stored=_SECONDS if base is Interval.SECOND else _LONGER),
        {
            "instrument": rules.id,
            "interval": base.value,
            "width": None if interval is Interval.MONTH else interval.width,
            "origin": interval.origin - ahead,
            "ahead": ahead,
            "since": since,
            "until": until,
        },
    )
    return [Candle(*row) for row in rows]


def _close_before(rules: Rules, moment: datetime) -> Decimal | None:
    """The price of the last trade before `moment`; None where there was none."""
    rows = fetch(_CLOSE_BEFORE, {"instrument": rules.id, "moment": moment})
    return rows[0][0] if rows else None


def _filled(found: Sequence[Candle], begins: Sequence[datetime], close: Decimal | None) -> list[Candle]:
    """A candle for each interval from the first price on."""
    by_begin = {candle.opened_at: candle for candle in found}
    filled = []
    for begin, _end in pairwise(begins):
        candle = by_begin.get(begin)
        if candle is None and close is not None:
            candle = _flat(begin, close)
        if candle is not None:
            filled.append(candle)
            close = candle.close
    return filled


def _flat(opened_at: datetime, close: Decimal) -> Candle:
    return Candle(
        opened_at,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=_NOTHING,
        quote_volume=_NOTHING,
        taker_volume=_NOTHING,
        taker_quote_volume=_NOTHING,
        trades=0,
    )


# The trades of an instrument that its tape has not seen. Subqueries, so that partitions are pruned by them.
_UNSEEN = """
    orders_trade WHERE instrument_id = {number}
        AND id > ({number}::bigint << 40)
            + coalesce((SELECT book_seq FROM marketdata_tape WHERE instrument_id = {number}), 0)
        AND at >=
            coalesce((SELECT book_at FROM marketdata_tape WHERE instrument_id = {number}), '-infinity')"""
_SECONDS = "marketdata_secondcandle WHERE instrument_id = %(instrument)s"
_LONGER = "marketdata_candle WHERE instrument_id = %(instrument)s AND interval = %(interval)s"
_MINE = _UNSEEN.format(number="%(instrument)s")
_CANDLES = f"""
    SELECT {{opened}} AS opened_at, (array_agg(open ORDER BY first_seq))[1], max(high), min(low),
           (array_agg(close ORDER BY last_seq DESC))[1], sum(volume), sum(quote_volume),
           sum(taker_volume), sum(taker_quote_volume), sum(trades)::bigint, min(first_seq), max(last_seq)
    FROM (
        SELECT opened_at AS at, open, high, low, close, volume, quote_volume, taker_volume,
               taker_quote_volume, trades, first_seq, last_seq
        FROM {{stored}} AND opened_at >= %(since)s AND opened_at < %(until)s
        UNION ALL
        SELECT at, price, price, price, price, quantity, notional,
               CASE taker_side WHEN 'buy' THEN quantity ELSE 0 END,
               CASE taker_side WHEN 'buy' THEN notional ELSE 0 END, 1, seq, seq
        FROM {_MINE} AND at >= %(since)s AND at < %(until)s
    ) AS piece GROUP BY 1 ORDER BY 1"""  # noqa: S608 - our own words

# `moment` begins a candle of a second at least, so a stored candle that began before it ended before it,
# except the running minute's, of which the seconds are asked.
_CLOSE_BEFORE = f"""
    SELECT close FROM (
        (SELECT close, last_seq FROM marketdata_candle
         WHERE instrument_id = %(instrument)s AND interval = '1m'
            AND opened_at < date_trunc('minute', %(moment)s::timestamptz)
         ORDER BY opened_at DESC LIMIT 1)
        UNION ALL
        (SELECT close, last_seq FROM marketdata_secondcandle WHERE instrument_id = %(instrument)s
            AND opened_at >= date_trunc('minute', %(moment)s::timestamptz) AND opened_at < %(moment)s
         ORDER BY opened_at DESC LIMIT 1)
        UNION ALL
        (SELECT price, seq FROM {_MINE} AND at < %(moment)s ORDER BY id DESC LIMIT 1)
    ) AS known ORDER BY last_seq DESC LIMIT 1"""  # noqa: S608 - our own words

_AVERAGES = f"""
    SELECT book.last_price_ticks, window_.*
    FROM unnest(%(numbers)s::int[]) WITH ORDINALITY AS wanted(id, place)
    LEFT JOIN orders_book book ON book.instrument_id = wanted.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(volume), 0), coalesce(sum(quote_volume), 0), coalesce(sum(trades), 0)::bigint
        FROM (
            SELECT volume, quote_volume, trades FROM marketdata_secondcandle
            WHERE instrument_id = wanted.id AND opened_at >= %(since)s
            UNION ALL
            SELECT quantity, notional, 1 FROM {_UNSEEN.format(number="wanted.id")} AND at >= %(since)s
        ) AS piece
    ) window_
    ORDER BY wanted.place"""  # noqa: S608 - our own words

_TICKERS = f"""
    SELECT book.last_price_ticks, bid.price, bid.quantity, ask.price, ask.quantity, day.*
    FROM unnest(%(numbers)s::int[]) WITH ORDINALITY AS wanted(id, place)
    LEFT JOIN orders_book book ON book.instrument_id = wanted.id
    LEFT JOIN LATERAL ({levels("wanted.id", Side.BUY)} LIMIT 1) bid ON true
    LEFT JOIN LATERAL ({levels("wanted.id", Side.SELL)} LIMIT 1) ask ON true
    CROSS JOIN LATERAL (
        SELECT (array_agg(open ORDER BY first_seq))[1], max(high), min(low), coalesce(sum(volume), 0),
               coalesce(sum(quote_volume), 0), coalesce(sum(trades), 0)::bigint
        FROM (
            SELECT open, high, low, volume, quote_volume, trades, first_seq FROM marketdata_candle
            WHERE instrument_id = wanted.id AND interval = '1m' AND opened_at > %(since)s::timestamptz
            UNION ALL
            SELECT price, price, price, quantity, notional, 1, seq FROM {_UNSEEN.format(number="wanted.id")}
                AND at >= date_trunc('minute', %(since)s::timestamptz) + interval '1 minute'
        ) AS piece
    ) day
    ORDER BY wanted.place"""  # noqa: S608 - our own words
