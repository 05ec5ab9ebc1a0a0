"""Indicators equal published tables, and the textbook definitions computed by another route."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, pstdev

import numpy as np
import pytest
from django.utils import timezone

from instruments.selectors import require_rules
from orders.market.charting import chart
from orders.market.indicators import Bars, Series, atr, bollinger, compute, ema, macd, past_of, rsi, sma, vwap
from orders.market.indicators import Indicator as Named
from orders.market.intervals import Interval
from orders.market.services.following import follow
from tests.factories import Market
from tests.market.conftest import Trading

# Closing prices and the RSI of 14 days, as StockCharts' ChartSchool publishes them ("Relative Strength
# Index", sheet cs-rsi: QQQQ from 14 December 2009 on).
QQQQ = [
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931,
    46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521,
    45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
]  # fmt: skip
RSI_14 = [
    70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46, 41.87,
    45.46, 37.30, 33.08, 37.77,
]  # fmt: skip
# Closing prices with their averages of 10 days, of the same school ("Moving Averages", sheet cs-movavg:
# Intel from 24 March 2010 on).
INTEL = [
    22.2734, 22.1940, 22.0847, 22.1741, 22.1840, 22.1344, 22.2337, 22.4323, 22.2436, 22.2933, 22.1542,
    22.3926, 22.3816, 22.6109, 23.3558, 24.0519, 23.7530, 23.8324, 23.9516, 23.6338,
]  # fmt: skip
SMA_10 = [22.22, 22.21, 22.23, 22.26, 22.31, 22.42, 22.61, 22.77, 22.91, 23.08, 23.21]
EMA_10 = [22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97, 23.13, 23.28, 23.34]


def walk(count: int = 120) -> Bars:
    """A random walk of candles, a flat one now and then."""
    draw, price = random.Random(3), 100.0
    rows: list[tuple[float, ...]] = []
    for _ in range(count):
        opened, price = price, max(1.0, price + draw.choice([0.0, *(draw.gauss(0, 2) for _ in range(6))]))
        high, low = max(opened, price) + draw.random(), min(opened, price) - draw.random()
        volume = draw.choice([0.0, 1.5, 7.25])
        rows.append((high, low, price, volume, volume * (high + low) / 2))
    return Bars(*(np.array(column) for column in zip(*rows, strict=True)))


def known(values: Series) -> list[float]:
    return [value for value in values.tolist() if value == value]  # noqa: PLR0124 - NaN differs from itself


def series(values: list[float]) -> Series:
    return np.array(values)


class TestPublished:
    def test_rsi(self) -> None:
        assert [round(value, 2) for value in known(rsi(series(QQQQ), 14))] == pytest.approx(RSI_14, abs=0.011)

    def test_sma_and_ema(self) -> None:
        assert known(sma(series(INTEL), 10)) == pytest.approx(SMA_10, abs=0.0051)
        assert known(ema(series(INTEL), 10)) == pytest.approx(EMA_10, abs=0.0051)


class TestDefinitions:
    """Each by the formula of its definition, value by value."""

    def test_sma_is_the_mean_of_each_window(self) -> None:
        close = walk().close.tolist()

        assert known(sma(series(close), 7)) == pytest.approx(
            [fmean(close[end - 7 : end]) for end in range(7, len(close) + 1)]
        )

    def test_ema_is_the_weighted_sum_of_all_values(self) -> None:
        """Not step by step: weights a(1-a)^k on each value and what is left on the first average."""
        close = [Decimal(str(value)) for value in walk(60).close.tolist()]
        share = Decimal(2) / 10
        first = sum(close[:9], Decimal(0)) / 9

        def direct(place: int) -> Decimal:
            steps = place - 8
            left = 1 - share
            weighted = [share * left**age * close[place - age] for age in range(steps)]
            return sum(weighted, Decimal(0)) + left**steps * first

        expected = [float(direct(place)) for place in range(8, len(close))]
        assert known(ema(series([float(value) for value in close]), 9)) == pytest.approx(expected)

    def test_rsi_is_100_less_100_over_1_plus_rs(self) -> None:
        close = walk().close.tolist()
        changes = [after - before for before, after in pairwise(close)]
        gain = fmean([max(change, 0) for change in changes[:14]])
        loss = fmean([max(-change, 0) for change in changes[:14]])
        expected = [100 - 100 / (1 + gain / loss)]
        for change in changes[14:]:
            gain, loss = (13 * gain + max(change, 0)) / 14, (13 * loss + max(-change, 0)) / 14
            expected.append(100 - 100 / (1 + gain / loss))

        assert known(rsi(series(close), 14)) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("close", "expected"), [([1.0, 2, 3, 4], 100.0), ([4.0, 3, 2, 1], 0.0), ([5.0, 5, 5, 5], 50.0)]
    )
    def test_rsi_of_one_direction_and_of_none(self, close: list[float], expected: float) -> None:
        assert known(rsi(series(close), 3)) == [expected]

    def test_macd_is_the_difference_and_its_own_average(self) -> None:
        close = walk().close
        line, signal, histogram = macd(close, 12, 26, 9)
        expected = [
            fast - slow
            for fast, slow in zip(ema(close, 12)[25:].tolist(), known(ema(close, 26)), strict=True)
        ]

        assert known(line) == pytest.approx(expected)
        assert known(signal) == pytest.approx(known(ema(series(expected), 9)))
        assert np.allclose(histogram[33:], (line - signal)[33:])
        assert np.isnan(signal[:33]).all()

    def test_bollinger_is_so_many_deviations_of_the_population_away(self) -> None:
        close = walk().close.tolist()
        upper, middle, lower = bollinger(series(close), 20, 2)
        windows = [close[end - 20 : end] for end in range(20, len(close) + 1)]

        assert known(middle) == pytest.approx([fmean(window) for window in windows])
        assert known(upper) == pytest.approx([fmean(window) + 2 * pstdev(window) for window in windows])
        assert known(lower) == pytest.approx([fmean(window) - 2 * pstdev(window) for window in windows])

    def test_atr_smooths_the_greatest_of_three_ranges(self) -> None:
        bars = walk()
        rows = list(zip(bars.high.tolist(), bars.low.tolist(), bars.close.tolist(), strict=True))
        ranges = [
            max(high, before) - min(low, before) for (_h, _l, before), (high, low, _c) in pairwise(rows)
        ]
        expected = [fmean(ranges[:14])]
        for one in ranges[14:]:
            expected.append((13 * expected[-1] + one) / 14)

        assert known(atr(bars, 14)) == pytest.approx(expected)

    def test_vwap_is_what_was_paid_over_what_was_got(self) -> None:
        bars = walk()
        found = vwap(bars, 3).tolist()

        for end in range(3, len(found) + 1):
            volume = sum(bars.volume[end - 3 : end].tolist())
            paid = sum(bars.quote_volume[end - 3 : end].tolist())
            if volume:
                assert found[end - 1] == pytest.approx(paid / volume)
            else:
                assert np.isnan(found[end - 1])

    def test_too_few_candles_have_no_value(self) -> None:
        bars = walk(5)

        for line in (
            sma(bars.close, 6),
            ema(bars.close, 6),
            rsi(bars.close, 5),
            atr(bars, 5),
            vwap(bars, 6),
            *macd(bars.close, 2, 6, 3),
            *bollinger(bars.close, 6, 2),
        ):
            assert len(line) == 5
            assert np.isnan(line).all()

    @pytest.mark.parametrize("indicator", [Named.EMA, Named.RSI, Named.ATR])
    def test_far_enough_back_it_matters_little_where_they_begin(self, indicator: Named) -> None:
        bars, given = walk(700), {"period": 14.0}
        past = past_of(indicator, given)
        late = Bars(*(getattr(bars, name)[-past - 1 :] for name in Bars.__slots__))

        (whole,), (part,) = (compute(indicator, one, given).values() for one in (bars, late))

        assert part[-1] == pytest.approx(whole[-1], rel=1e-3)


@pytest.mark.django_db
def test_of_an_instrument_are_over_its_candles_flat_ones_too(market: Market, trade: Trading) -> None:
    now = timezone.now().replace(second=30, microsecond=0)
    for ago, price in ((5, 50000), (4, 50010), (1, 50040)):
        trade(price, at=now - timedelta(minutes=ago))
    follow(now=now)

    found = chart(
        require_rules(market.symbol),
        indicator=Named.SMA,
        given={"period": 2},
        interval=Interval.MINUTE,
        before=now,
        limit=5,
        now=now,
    )

    # Closes: 50000, 50010, 50010, 50010, 50040, 50040.
    assert found.lines == {"sma": [50005.0, 50010.0, 50010.0, 50025.0, 50040.0]}
    assert len(found.times) == 5
