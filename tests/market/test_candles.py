"""Reading candles: the same whether or not a follower has seen the trades, and without holes."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_partition.services import apply_plan
from instruments.selectors import Rules, require_rules
from orders.market.intervals import Interval
from orders.market.models import Candle as StoredCandle
from orders.market.selectors import Candle, candles, traded_candles
from orders.market.services.following import follow
from orders.models import Side, Trade
from tests.factories import Market, short
from tests.market.conftest import Trading
from tradeplatform.common.db import fetch

HOUR = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = HOUR + timedelta(days=400)


def read(
    market: Market, interval: str, *, before: datetime, limit: int = 5, now: datetime = LATER
) -> list[Candle]:
    rules = require_rules(market.symbol)
    return candles(rules, interval=Interval(interval), before=before, limit=limit, now=now)


def shown(rows: list[Candle]) -> list[str]:
    """Time, open, high, low, close and volume, in short."""
    return [
        " ".join(
            [f"{row.opened_at:%H:%M:%S}", *map(short, (row.open, row.high, row.low, row.close, row.volume))]
        )
        for row in rows
    ]


class TestGaps:
    @pytest.mark.parametrize("followed", [False, True])
    def test_are_flat_at_the_close_before_with_volume_0(
        self, market: Market, trade: Trading, followed: bool
    ) -> None:
        trade(50000, at=HOUR)
        trade(50200, at=HOUR + timedelta(seconds=30))
        trade(50100, "0.5", at=HOUR + 3 * MINUTE)
        if followed:
            follow(now=LATER)

        rows = read(market, "1m", before=HOUR + 4 * MINUTE)

        assert shown(rows) == [
            "12:00:00 50000 50200 50000 50200 2",
            "12:01:00 50200 50200 50200 50200 0",
            "12:02:00 50200 50200 50200 50200 0",
            "12:03:00 50100 50100 50100 50100 0.5",
            "12:04:00 50100 50100 50100 50100 0",
        ]

    @pytest.mark.parametrize("followed", [False, True])
    def test_before_the_first_trade_there_is_nothing(
        self, market: Market, trade: Trading, followed: bool
    ) -> None:
        assert read(market, "1m", before=HOUR) == []
        trade(50000, at=HOUR)
        if followed:
            follow(now=LATER)

        assert shown(read(market, "1m", before=HOUR + MINUTE)) == [
            "12:00:00 50000 50000 50000 50000 1",
            "12:01:00 50000 50000 50000 50000 0",
        ]

    @pytest.mark.parametrize("interval", ["1s", "1m", "1h", "1d"])
    @pytest.mark.parametrize("followed", [False, True])
    def test_a_window_without_trades_is_flat_at_the_last_close_before_it(
        self, market: Market, trade: Trading, interval: str, followed: bool
    ) -> None:
        trade(50000, at=HOUR)
        trade(50300, at=HOUR + timedelta(seconds=3))
        if followed:
            follow(now=LATER)
        length = Interval(interval)
        begin = length.shift(length.floor(HOUR + timedelta(seconds=3)), 4)

        rows = read(market, interval, before=begin, limit=3, now=begin)

        assert [short(row.close) for row in rows] == ["50300"] * 3
        assert {row.volume for row in rows} == {Decimal(0)}

    def test_reach_no_further_than_now(self, market: Market, trade: Trading) -> None:
        trade(50000, at=HOUR)

        rows = read(market, "1m", before=HOUR + timedelta(days=9), now=HOUR + 2 * MINUTE)

        assert [row.opened_at for row in rows] == [HOUR, HOUR + MINUTE, HOUR + 2 * MINUTE]


def test_seconds_go_back_as_far_as_they_are_kept(market: Market, trade: Trading) -> None:
    trade(50000, at=HOUR)
    follow(now=HOUR)
    kept_until = HOUR + timedelta(days=7, hours=11)

    assert len(read(market, "1s", before=HOUR, limit=3, now=kept_until)) == 1
    assert read(market, "1s", before=HOUR, limit=3, now=kept_until + timedelta(days=1)) == []
    assert len(read(market, "1m", before=HOUR, limit=3, now=kept_until + timedelta(days=1))) == 1


def test_ac_41_five_minutes(market: Market, trade: Trading) -> None:
    for minute, size in ((1, "0.5"), (3, "0.3"), (6, "0.4"), (12, "0.6")):
        trade(50000, size, at=HOUR + minute * MINUTE)
        follow(now=LATER)

    rows = read(market, "5m", before=HOUR + 12 * MINUTE)

    assert [short(row.volume) for row in rows] == ["0.8", "0.4", "0.6"]
    assert sum(row.volume for row in rows) == Decimal("1.8")


class Naive:
    """Candles by looking at each trade, in the order of the book."""

    def __init__(self, rows: list[Trade]) -> None:
        self.rows = sorted(rows, key=lambda row: row.seq)

    def candles(self, interval: Interval, ahead: timedelta) -> dict[datetime, tuple[Decimal, ...]]:
        found: dict[datetime, list[Trade]] = {}
        for row in self.rows:
            found.setdefault(interval.floor(row.at, ahead=ahead), []).append(row)
        return {begin: self._one(rows) for begin, rows in found.items()}

    def _one(self, rows: list[Trade]) -> tuple[Decimal, ...]:
        prices = [row.price for row in rows]
        bought = [row for row in rows if row.taker_side == Side.BUY]
        return (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum((row.quantity for row in rows), Decimal(0)),
            sum((row.price * row.quantity for row in rows), Decimal(0)),
            sum((row.quantity for row in bought), Decimal(0)),
            sum((row.price * row.quantity for row in bought), Decimal(0)),
            Decimal(len(rows)),
        )


@pytest.mark.parametrize("half_followed", [False, True])
def test_every_interval_is_what_a_plain_count_gives(
    market: Market, trade: Trading, half_followed: bool
) -> None:
    draw, moment = random.Random(11), HOUR
    for number in range(40):
        moment += timedelta(seconds=draw.choice([0, 1, 30, 200, 4_000, 50_000, 900_000]))
        side = draw.choice([Side.BUY, Side.SELL])
        trade(50000 + draw.randrange(-90, 90), f"0.{draw.randrange(1, 99):02}", at=moment, taker=side)
        if half_followed and number == 25:
            follow(now=LATER)
    naive = Naive(list(Trade.objects.filter(instrument=market.instrument)))
    rules: Rules = require_rules(market.symbol)

    clocks = [timedelta(hours=hours) for hours in (0, 8, -5)]
    for interval, ahead in product(Interval, clocks):
        since = interval.floor(HOUR, ahead=ahead)
        until = interval.shift(interval.floor(moment, ahead=ahead), 1, ahead=ahead)
        if interval is Interval.SECOND and half_followed:
            follow(now=LATER)
        rows = traded_candles(rules, interval=interval, since=since, until=until, ahead=ahead)
        found = {
            row.opened_at: (
                row.open, row.high, row.low, row.close, row.volume, row.quote_volume,
                row.taker_volume, row.taker_quote_volume, Decimal(row.trades),
            )
            for row in rows
        }  # fmt: skip
        assert found == naive.candles(interval, ahead), (interval, ahead)


def test_read_only_the_partitions_of_their_time(
    market: Market, trade: Trading, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for model in (Trade, StoredCandle):
        apply_plan(model)
    now = timezone.now()
    trade(50000, at=now)
    follow(now=now)
    hour = Interval.HOUR.floor(now)

    with django_assert_num_queries(2) as queries:
        traded_candles(
            require_rules(market.symbol),
            interval=Interval.HOUR,
            since=hour,
            until=hour + timedelta(hours=1),
        )

    plan = [row[0] for row in fetch("EXPLAIN (ANALYZE) " + queries.captured_queries[-1]["sql"])]
    tables = [re.search(r" on ((?:orders_trade|marketdata_candle)_\w+)", line) for line in plan]
    assert len({found[1] for found in tables if found}) == 2
    for table in ("orders_trade", "marketdata_candle"):
        assert fetch("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [table])[0][0] > 3
