"""Indicators over candles, as charts show them.

These are floats: derived statistics for the eye, never money, and nothing that moves money reads them.
A value that has no past yet is NaN. Conventions are those of J. Welles Wilder, "New Concepts in Technical
Trading Systems" (1978) for RSI and ATR, of Gerald Appel for MACD and of John Bollinger for the bands; an
exponential average begins with the plain average of its first values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Series = NDArray[np.float64]

# After ten times its period what an exponential average began with weighs e^-10 (of Wilder's, with twice as
# slow a decay) or less.
_MEMORY = 10


class Indicator(StrEnum):
    """What can be computed."""

    SMA = "sma"
    EMA = "ema"
    RSI = "rsi"
    MACD = "macd"
    BOLLINGER = "bollinger"
    ATR = "atr"
    VWAP = "vwap"


@dataclass(frozen=True, slots=True)
class Bars:
    """Candles by column, oldest first."""

    high: Series
    low: Series
    close: Series
    volume: Series
    quote_volume: Series


Parameters = Mapping[str, float]
Lines = dict[str, Series]


def sma(values: Series, period: int) -> Series:
    """The plain average of the last `period` values."""
    return _padded(_windows(values, period).mean(axis=-1), values)


def ema(values: Series, period: int) -> Series:
    """The exponential average: each value counts 2 / (period + 1)."""
    return _smoothed(values, period, 2 / (period + 1))


def rsi(close: Series, period: int) -> Series:
    """100 x average gain / (average gain + average loss), smoothed by 1 / period; 50 where nothing moves."""
    change = np.diff(close)
    gain = _smoothed(np.maximum(change, 0), period, 1 / period)
    loss = _smoothed(np.maximum(-change, 0), period, 1 / period)
    moved = gain + loss
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(moved == 0, 50.0, 100 * gain / moved)
    return _padded(found, close)


def macd(close: Series, fast: int, slow: int, signal: int) -> tuple[Series, Series, Series]:
    """Fast less slow exponential average; its own exponential average; and the difference of the two."""
    line = ema(close, fast) - ema(close, slow)
    known = line[slow - 1 :]
    smoothed = _padded(ema(known, signal), close)
    return line, smoothed, line - smoothed


def bollinger(close: Series, period: int, deviations: float) -> tuple[Series, Series, Series]:
    """The plain average, and so many standard deviations (of the whole window) above and below it."""
    middle = sma(close, period)
    width = deviations * _padded(_windows(close, period).std(axis=-1), close)
    return middle + width, middle, middle - width


def atr(bars: Bars, period: int) -> Series:
    """The true range, which includes the gap to the close before, smoothed by 1 / period."""
    before = bars.close[:-1]
    ranges = np.maximum.reduce(
        [bars.high[1:] - bars.low[1:], np.abs(bars.high[1:] - before), np.abs(bars.low[1:] - before)]
    )
    return _padded(_smoothed(ranges, period, 1 / period), bars.close)


def vwap(bars: Bars, period: int) -> Series:
    """What was paid for a unit in the last `period` candles, of the trades themselves, not typical prices."""
    volume = _windows(bars.volume, period).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        paid = np.where(volume > 0, _windows(bars.quote_volume, period).sum(axis=-1) / volume, np.nan)
    return _padded(paid, bars.close)


def _one(name: str, compute: Callable[[Bars, int], Series]) -> Callable[[Bars, Parameters], Lines]:
    return lambda bars, given: {name: compute(bars, int(given["period"]))}


def _macd(bars: Bars, given: Parameters) -> Lines:
    found = macd(bars.close, int(given["fast"]), int(given["slow"]), int(given["signal"]))
    return dict(zip(("macd", "signal", "histogram"), found, strict=True))


def _bollinger(bars: Bars, given: Parameters) -> Lines:
    found = bollinger(bars.close, int(given["period"]), given["deviations"])
    return dict(zip(("upper", "middle", "lower"), found, strict=True))


_COMPUTE: dict[Indicator, Callable[[Bars, Parameters], Lines]] = {
    Indicator.SMA: _one("sma", lambda bars, period: sma(bars.close, period)),
    Indicator.EMA: _one("ema", lambda bars, period: ema(bars.close, period)),
    Indicator.RSI: _one("rsi", lambda bars, period: rsi(bars.close, period)),
    Indicator.MACD: _macd,
    Indicator.BOLLINGER: _bollinger,
    Indicator.ATR: _one("atr", atr),
    Indicator.VWAP: _one("vwap", vwap),
}

#: What each takes, with the values it usually has.
DEFAULTS: dict[Indicator, dict[str, float]] = {
    Indicator.SMA: {"period": 20},
    Indicator.EMA: {"period": 20},
    Indicator.RSI: {"period": 14},
    Indicator.MACD: {"fast": 12, "slow": 26, "signal": 9},
    Indicator.BOLLINGER: {"period": 20, "deviations": 2},
    Indicator.ATR: {"period": 14},
    Indicator.VWAP: {"period": 20},
}
_FORGETS = frozenset({Indicator.SMA, Indicator.BOLLINGER, Indicator.VWAP})


def compute(indicator: Indicator, bars: Bars, given: Parameters) -> Lines:
    """The indicator's lines by name, each as long as the bars."""
    return _COMPUTE[indicator](bars, given)


def past_of(indicator: Indicator, given: Parameters) -> int:
    """How many candles to read before the first that is shown, so that it hardly matters where they begin."""
    if indicator in _FORGETS:
        return int(given["period"])
    periods = (value for name, value in given.items() if name != "fast")
    return _MEMORY * int(sum(periods))


def _windows(values: Series, period: int) -> Series:
    """Every run of `period` values; none where there are fewer."""
    if len(values) < period:
        return np.empty((0, period))
    return sliding_window_view(values, period)


def _smoothed(values: Series, period: int, share: float) -> Series:
    """The plain average of the first `period` values, which then moves by `share` towards each next one."""
    found = np.full(len(values), np.nan)
    if len(values) >= period:
        average = float(values[:period].mean())
        found[period - 1] = average
        # Each value needs the one before: the one loop here, over a few thousand candles at most.
        for place in range(period, len(values)):
            average += share * (float(values[place]) - average)
            found[place] = average
    return found


def _padded(found: Series, values: Series) -> Series:
    """With NaN in front, where there is no past yet."""
    return np.concatenate([np.full(len(values) - len(found), np.nan), found])
