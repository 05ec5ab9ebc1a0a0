"""What the market doors take."""

from __future__ import annotations

from accounts.api.money_shapes import RequestIdField
from orders.api.inputs import MomentField
from orders.market.indicators import Indicator
from orders.market.intervals import Interval
from orders.market.models import AlertDirection, AlertState, AlertWatch
from tradeplatform.common.api_input import (
    DecimalField,
    PageQuery,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
)

_ACCOUNT = "Id of one of your accounts, as GET /accounts lists them."


def _period(usual: str) -> WholeNumberField:
    return WholeNumberField(min_value=1, max_value=200, required=False, help_text=usual)


class DepthQuery(StrictSerializer):
    """How much of the book."""

    limit = WholeNumberField(min_value=1, max_value=5_000, default=100, help_text="Levels a side.")


class SymbolsQuery(StrictSerializer):
    """Of which instruments."""

    symbols = TextField(
        required=False, max_length=1_000, help_text="Symbols with commas between; leave it out for all."
    )


class CandlesQuery(StrictSerializer):
    """Which candles."""

    interval = WordField(Interval)
    limit = WholeNumberField(
        min_value=1,
        max_value=1_000,
        default=100,
        help_text="Intervals to look back, those without trades included.",
    )
    before = MomentField(
        required=False, help_text="The last candle is the one this moment falls in. Default: now."
    )


class IndicatorQuery(StrictSerializer):
    """Which indicator, over which candles. Each takes the parameters that go with it."""

    indicator = WordField(Indicator)
    interval = WordField(Interval)
    period = _period("Of sma, ema, bollinger and vwap: 20; of rsi and atr: 14.")
    fast = _period("Of macd: 12. Less than slow.")
    slow = _period("Of macd: 26.")
    signal = _period("Of macd: 9.")
    deviations = WholeNumberField(
        min_value=1, max_value=10, required=False, help_text="Standard deviations of bollinger: 2."
    )
    limit = WholeNumberField(min_value=1, max_value=500, default=100, help_text="Candles to look back.")
    before = MomentField(required=False, help_text="The last candle holds this moment. Default: now.")


class AlertInput(StrictSerializer):
    """A price to wait for."""

    account = WholeNumberField(min_value=1, help_text=_ACCOUNT + " Its feed is told.")
    symbol = TextField(max_length=64, help_text="As GET /instruments lists them.")
    direction = WordField(AlertDirection, help_text="above: at this price or more; below: at it or less.")
    price = DecimalField(help_text="A multiple of tick_size.")
    watches = WordField(AlertWatch, default=AlertWatch.LAST, help_text="last: trades; bid, ask: quotes.")
    request_id = RequestIdField()


class AlertsQuery(PageQuery):
    """Which alerts to list."""

    account = WholeNumberField(min_value=1, required=False, help_text=_ACCOUNT + " Default: all of them.")
    symbol = TextField(required=False, max_length=64)
    state = WordField(AlertState, required=False)
