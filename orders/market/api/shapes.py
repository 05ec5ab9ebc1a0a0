"""How the market doors answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orders.market.indicators import Indicator
from orders.market.intervals import Interval
from orders.market.models import AlertDirection, AlertState, AlertWatch
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull, IdText


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 2,
        "maxItems": 2,
        "examples": [["50000.00", "0.5000"]],
    }
)
class LevelField(serializers.ListField):
    """[price, quantity]."""


class DepthShape(serializers.Serializer[Any]):
    """The book at `seq`, best levels first; the feed's changes after `seq` fit onto it."""

    symbol = serializers.CharField()
    seq = serializers.IntegerField()
    bids = serializers.ListField(child=LevelField())
    asks = serializers.ListField(child=LevelField())
    checksum = serializers.IntegerField(help_text="CRC-32 of the ten best asks, then the ten best bids.")


class TickerShape(serializers.Serializer[Any]):
    """Where the market stands, and the last 24 hours: from `open` on, of the minutes that began in them."""

    symbol = serializers.CharField()
    last = DecimalTextOrNull(help_text="Price of the last trade, however old.")
    bid = DecimalTextOrNull()
    bid_quantity = DecimalTextOrNull()
    ask = DecimalTextOrNull()
    ask_quantity = DecimalTextOrNull()
    spread = DecimalTextOrNull(help_text="ask - bid.")
    mid = DecimalTextOrNull(help_text="(ask + bid) / 2.")
    open = DecimalTextOrNull()
    high = DecimalTextOrNull()
    low = DecimalTextOrNull()
    volume = DecimalText(help_text="Of the base asset.")
    quote_volume = DecimalText(help_text="Of the quote asset.")
    trades = serializers.IntegerField()
    change = DecimalTextOrNull(help_text="last - open.")
    change_percent = DecimalTextOrNull(help_text="change in percent of open.")
    average = DecimalTextOrNull(help_text="quote_volume / volume.")


class CandleShape(serializers.Serializer[Any]):
    """The trades of one interval; without any, the last price before it, and volumes of 0."""

    time = serializers.DateTimeField(help_text="When the interval began.")
    open = DecimalText()
    high = DecimalText()
    low = DecimalText()
    close = DecimalText()
    volume = DecimalText()
    quote_volume = DecimalText()
    taker_volume = DecimalText(help_text="What takers bought of it.")
    taker_quote_volume = DecimalText()
    trades = serializers.IntegerField()


class BestShape(serializers.Serializer[Any]):
    """Best bid and ask."""

    symbol = serializers.CharField()
    bid = DecimalTextOrNull()
    bid_quantity = DecimalTextOrNull()
    ask = DecimalTextOrNull()
    ask_quantity = DecimalTextOrNull()
    spread = DecimalTextOrNull(help_text="ask - bid.")
    mid = DecimalTextOrNull(help_text="(ask + bid) / 2.")


class AveragePriceShape(serializers.Serializer[Any]):
    """What one unit of base cost on average, by volume; without a trade in that time, the last price."""

    symbol = serializers.CharField()
    minutes = serializers.IntegerField(help_text="Of so long; they begin at a full second.")
    price = DecimalTextOrNull()
    volume = DecimalText()
    trades = serializers.IntegerField()


class IndicatorShape(serializers.Serializer[Any]):
    """An indicator: lines over the candles that began at `times`. Floating point: statistics, never money."""

    symbol = serializers.CharField()
    indicator = serializers.ChoiceField(choices=[(word.value, word.value) for word in Indicator])
    interval = serializers.ChoiceField(choices=[(word.value, word.value) for word in Interval])
    parameters = serializers.DictField(child=serializers.FloatField())
    times = serializers.ListField(child=serializers.DateTimeField())
    lines = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="By name, such as upper, middle and lower; null where there is no past yet.",
    )


class AlertShape(serializers.Serializer[Any]):
    """A price alert. `fired_price` is the price that reached it."""

    id = IdText()
    request_id = serializers.CharField()
    account = serializers.IntegerField()
    symbol = serializers.CharField()
    watches = serializers.ChoiceField(choices=AlertWatch.choices)
    direction = serializers.ChoiceField(choices=AlertDirection.choices)
    price = DecimalText()
    state = serializers.ChoiceField(choices=AlertState.choices)
    created_at = serializers.DateTimeField()
    fired_at = serializers.DateTimeField(allow_null=True, help_text="Time of the trade or quote.")
    fired_price = DecimalTextOrNull()
    trade_id = IdText(allow_null=True, help_text="The trade that fired it; null where a quote did.")
    cancelled_at = serializers.DateTimeField(allow_null=True)
