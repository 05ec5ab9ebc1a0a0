"""The follower makes candles of trades: each trade once, however the trades are cut and whoever follows."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orders.market.intervals import Interval
from orders.market.models import Candle, SecondCandle, Tape
from orders.market.services import tapes
from orders.market.services.following import follow
from orders.models import Side, Trade
from tests.factories import NOW, Market, short
from tests.market.conftest import Trading
from tests.threads import all_at_once
from tradeplatform.common.db import execute

HOUR = datetime(2026, 3, 2, 12, tzinfo=UTC)


def stored(market: Market, interval: str) -> list[tuple[str, ...]]:
    """Opening time and prices, volume and count of the stored candles, as short text."""
    rows = Candle.objects.filter(instrument=market.instrument, interval=interval).order_by("opened_at")
    return [shown(row) for row in rows]


def shown(row: Candle | SecondCandle) -> tuple[str, ...]:
    numbers = (row.open, row.high, row.low, row.close, row.volume)
    return (f"{row.opened_at:%H:%M:%S}", *map(short, numbers), str(row.trades))


def everything() -> list[tuple[object, ...]]:
    """All candles there are, without their ids."""
    names = [field.name for field in SecondCandle._meta.fields if field.name not in {"id", "instrument"}]
    rows: list[tuple[object, ...]] = []
    for model, more in ((SecondCandle, []), (Candle, ["interval"])):
        rows += model.objects.order_by("instrument_id", *more, "opened_at").values_list(
            "instrument_id", *more, *names
        )
    return rows


def test_ac_40_one_hour(market: Market, trade: Trading, broken: Callable[[], list[str]]) -> None:
    for minute, price in ((5, 50000), (20, 50500), (35, 49800), (59, 50200)):
        trade(price, at=HOUR + timedelta(minutes=minute))
        follow(now=NOW)

    assert stored(market, "1h") == [("12:00:00", "50000", "50500", "49800", "50200", "4", "4")]
    assert len(stored(market, "1m")) == 4
    assert broken() == []


def test_a_late_trade_corrects_its_candle(market: Market, trade: Trading) -> None:
    trade(50000, at=HOUR + timedelta(seconds=10))
    trade(50100, at=HOUR + timedelta(seconds=70))
    follow(now=NOW + timedelta(days=1))
    first = stored(market, "1m")[0]

    # Its command was accepted within the minute that was looked at, and drained after the look.
    trade(50900, "2", at=HOUR + timedelta(seconds=70))
    follow(now=NOW + timedelta(days=1))

    assert stored(market, "1m") == [
        first,
        ("12:01:00", "50100", "50900", "50100", "50900", "3", "2"),
    ]


def test_what_takers_bought_is_told_apart(market: Market, trade: Trading) -> None:
    trade(50000, "0.5")
    trade(50000, "0.2", taker=Side.SELL)
    follow(now=NOW)

    row = Candle.objects.get(instrument=market.instrument, interval="1d")

    assert (short(row.volume), short(row.taker_volume)) == ("0.7", "0.5")
    assert (short(row.quote_volume), short(row.taker_quote_volume)) == ("35000", "25000")


def test_following_again_changes_nothing(market: Market, trade: Trading) -> None:
    trade(50000)
    assert follow(now=NOW).candles == 4
    before = everything()

    assert follow(now=NOW).candles == 0
    assert everything() == before
    assert Tape.objects.get().book_seq == market.book().seq


@pytest.mark.parametrize("step", [1, 3, 7, 50_000])
def test_candles_do_not_depend_on_how_trades_are_cut(
    step: int,
    market: Market,
    trade: Trading,
    broken: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw, moment = random.Random(7), HOUR - timedelta(seconds=40)
    for _ in range(25):
        moment += timedelta(milliseconds=draw.choice([0, 0, 200, 5_000, 61_000, 3_601_000]))
        side = draw.choice([Side.BUY, Side.SELL])
        trade(50000 + draw.randrange(-50, 50), f"0.{draw.randrange(1, 99):02}", at=moment, taker=side)
    monkeypatch.setattr(tapes, "STEP", step)

    follow(now=NOW)

    assert broken() == []
    traded = Trade.objects.filter(instrument=market.instrument)
    total = sum((row.volume for row in Candle.objects.filter(interval="1h")), Decimal(0))
    assert total == sum((row.quantity for row in traded), Decimal(0))


@pytest.mark.django_db(transaction=True)
def test_several_followers_count_each_trade_once(
    transactional_db: None, market: Market, trade: Trading, broken: Callable[[], list[str]]
) -> None:
    for step in range(20):
        trade(50000 + step, "0.1", at=HOUR + timedelta(seconds=step))

    results = all_at_once([lambda: follow(now=NOW)] * 8, threads=4)

    assert [result for result in results if isinstance(result, Exception)] == []
    assert stored(market, "1d") == [("00:00:00", "50000", "50019", "50000", "50019", "2", "20")]
    assert broken() == []


def test_a_wrong_candle_is_noticed(market: Market, trade: Trading, broken: Callable[[], list[str]]) -> None:
    trade(50000)
    follow(now=NOW)
    execute("UPDATE marketdata_candle SET volume = volume + 1 WHERE interval = '1h'")
    execute("UPDATE marketdata_secondcandle SET close = close + 1")

    assert broken() == ["iD1-1h", "iD1-1s"]


class TestIntervals:
    @pytest.mark.parametrize(
        ("interval", "begins"),
        [
            ("1s", "2026-03-04T17:47:31"),
            ("3m", "2026-03-04T17:45:00"),
            ("30m", "2026-03-04T17:30:00"),
            ("2h", "2026-03-04T16:00:00"),
            ("6h", "2026-03-04T12:00:00"),
            ("8h", "2026-03-04T16:00:00"),
            ("12h", "2026-03-04T12:00:00"),
            ("1d", "2026-03-04T00:00:00"),
            ("3d", "2026-03-02T00:00:00"),
            ("1w", "2026-03-02T00:00:00"),
            ("1M", "2026-03-01T00:00:00"),
        ],
    )
    def test_begin_where_the_calendar_says(self, interval: str, begins: str) -> None:
        moment = datetime(2026, 3, 4, 17, 47, 31, 5, tzinfo=UTC)

        length = Interval(interval)
        found = length.floor(moment)

        assert f"{found:%Y-%m-%dT%H:%M:%S}" == begins
        assert length.floor(found) == found
        assert length.floor(length.shift(found, 1) - timedelta(microseconds=1)) == found
        assert length.shift(length.shift(found, 5), -5) == found

    @pytest.mark.parametrize(
        ("interval", "hours", "begins"),
        [
            ("1m", 8, "2026-03-31T17:47:00"),
            ("1h", 8, "2026-03-31T17:00:00"),
            ("4h", 8, "2026-03-31T16:00:00"),
            ("4h", -5, "2026-03-31T17:00:00"),
            ("1d", 8, "2026-03-31T16:00:00"),
            ("1d", -5, "2026-03-31T05:00:00"),
            ("1w", 8, "2026-03-29T16:00:00"),
            ("1M", 8, "2026-03-31T16:00:00"),
            ("1M", -5, "2026-03-01T05:00:00"),
        ],
    )
    def test_begin_by_another_clock(self, interval: str, hours: int, begins: str) -> None:
        moment, ahead = datetime(2026, 3, 31, 17, 47, 31, 5, tzinfo=UTC), timedelta(hours=hours)

        length = Interval(interval)
        found = length.floor(moment, ahead=ahead)

        assert f"{found:%Y-%m-%dT%H:%M:%S}" == begins
        last = length.shift(found, 1, ahead=ahead) - timedelta(microseconds=1)
        assert length.floor(last, ahead=ahead) == found
        assert length.shift(length.shift(found, 5, ahead=ahead), -5, ahead=ahead) == found
