"""The shapes of what the order and market doors answer; orders/rendering.py makes the answers themselves."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orders.models import EventKind, Liquidity, OrderStatus, OrderType, Side, StpMode, TimeInForce
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull, IdText, ProblemShape

EVENT_KINDS = [(kind.name.lower(), kind.label) for kind in EventKind]


class OrderShape(serializers.Serializer[Any]):
    """An order: quantity = filled + leaves + prevented + what was cancelled."""

    id = IdText()
    client_order_id = serializers.CharField()
    account = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    type = serializers.ChoiceField(choices=OrderType.choices)
    time_in_force = serializers.ChoiceField(choices=TimeInForce.choices)
    post_only = serializers.BooleanField()
    stp_mode = serializers.ChoiceField(choices=StpMode.choices)
    price = DecimalTextOrNull(help_text="null for a market order.")
    protection_price = DecimalTextOrNull(help_text="The worst price a market order may trade at.")
    quantity = DecimalText()
    filled = DecimalText()
    leaves = DecimalText(help_text="Still open.")
    prevented = DecimalText(help_text="Taken off by self-trade prevention.")
    average_price = DecimalTextOrNull(help_text="null before the first fill.")
    filled_notional = DecimalText()
    held = DecimalText(
        help_text="Reserved for it: of the quote asset for a buy, of the base asset for a sell."
    )
    status = serializers.ChoiceField(
        choices=OrderStatus.choices, help_text="`pending`: accepted and stored, not yet seen by the book."
    )
    reason = serializers.CharField(help_text="Why it ended, where it was not filled; else empty.")
    seq = serializers.IntegerField(help_text="The book's seq at the last event that changed it.")
    created_at = serializers.DateTimeField()


class BatchItemShape(serializers.Serializer[Any]):
    """What became of one order of a batch: `order` where it was accepted, `error` where it was refused."""

    status = serializers.IntegerField(help_text="The status it would have been answered with alone.")
    order = OrderShape(required=False)
    error = ProblemShape(required=False)


class BatchShape(serializers.Serializer[Any]):
    """Outcomes in the order of the request."""

    accepted = serializers.IntegerField()
    denied = serializers.IntegerField()
    results = BatchItemShape(many=True)


class CancelledShape(serializers.Serializer[Any]):
    """An order that was asked to be cancelled, as it stands now."""

    id = IdText()
    client_order_id = serializers.CharField()
    symbol = serializers.CharField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)


class EventShape(serializers.Serializer[Any]):
    """One step in an order's life."""

    id = IdText()
    seq = serializers.IntegerField(help_text="Place in the book's history, without gaps over all its orders.")
    time = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=EVENT_KINDS)
    reason = serializers.CharField(allow_null=True)
    price = DecimalTextOrNull()
    quantity = DecimalText()
    leaves = DecimalText(help_text="Open after it.")
    liquidity = serializers.ChoiceField(choices=Liquidity.choices, allow_null=True, help_text="On a trade.")
    trade_id = IdText(allow_null=True)


class FillShape(serializers.Serializer[Any]):
    """Your side of a trade."""

    trade_id = IdText()
    order_id = IdText()
    account = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    liquidity = serializers.ChoiceField(choices=Liquidity.choices)
    price = DecimalText()
    quantity = DecimalText()
    fee = DecimalText()
    fee_asset = serializers.CharField()
    time = serializers.DateTimeField()


class TradeShape(serializers.Serializer[Any]):
    """A trade as everybody sees it."""

    id = IdText()
    symbol = serializers.CharField()
    seq = serializers.IntegerField()
    price = DecimalText()
    quantity = DecimalText()
    taker_side = serializers.ChoiceField(choices=Side.choices)
    time = serializers.DateTimeField()


@extend_schema_field(
    {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "string"}],
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
    """Where the market stands; open, high, low and volumes are of the last 24 hours."""

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


class CandleShape(serializers.Serializer[Any]):
    """The trades of one interval; intervals without trades are left out."""

    time = serializers.DateTimeField(help_text="When the interval began.")
    open = DecimalText()
    high = DecimalText()
    low = DecimalText()
    close = DecimalText()
    volume = DecimalText()
    quote_volume = DecimalText()
    trades = serializers.IntegerField()
