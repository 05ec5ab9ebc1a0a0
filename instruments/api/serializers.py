"""The shape of an instrument in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from instruments.models import InstrumentKind, InstrumentStatus, Realm
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull


class InstrumentShape(serializers.Serializer[Any]):
    """A market: in which steps, within which limits, at which fees, and whether it takes orders now."""

    symbol = serializers.CharField()
    display_name = serializers.CharField()
    kind = serializers.ChoiceField(choices=InstrumentKind.choices)
    realm = serializers.ChoiceField(
        choices=Realm.choices, help_text="`demo` takes orders of demo accounts only, `live` of all others."
    )
    base = serializers.CharField(help_text="Code of the asset that is bought and sold.")
    quote = serializers.CharField(help_text="Code of the asset that prices and fees are in.")
    status = serializers.ChoiceField(
        choices=InstrumentStatus.choices,
        help_text="`active` takes all orders, `pre_open` and `auction` those that can wait; the others take "
        "cancels only.",
    )
    tick_size = DecimalText(help_text="Prices are multiples of it.")
    lot_size = DecimalText(help_text="Quantities are multiples of it.")
    price_decimals = serializers.IntegerField()
    quantity_decimals = serializers.IntegerField()
    min_price = DecimalTextOrNull(help_text="null: no limit.")
    max_price = DecimalTextOrNull(help_text="null: no limit.")
    min_quantity = DecimalText()
    max_quantity = DecimalText()
    min_notional = DecimalTextOrNull(help_text="Least price x quantity; null: no limit.")
    max_notional = DecimalTextOrNull(help_text="Greatest price x quantity; null: no limit.")
    price_band = DecimalText(
        help_text="How far from the reference price (the last trade) a limit price may be, as a ratio."
    )
    max_open_orders = serializers.IntegerField(help_text="For each account.")
    maker_fee = DecimalText(help_text="A ratio of price x quantity.")
    taker_fee = DecimalText(help_text="A ratio of price x quantity.")
