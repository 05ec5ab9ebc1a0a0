"""The shapes of what the dealing doors answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import DealKind, Direction, ResetState
from liquidity.services.dealing import DealSide
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull, IdText


class LeveragedPositionShape(serializers.Serializer[Any]):
    """A position on margin. Money is in the account's currency, prices are in the quote asset."""

    id = IdText()
    symbol = serializers.CharField()
    direction = serializers.ChoiceField(choices=Direction.choices)
    volume = DecimalText(help_text="Contracts held now.")
    contract_size = DecimalText(help_text="Units of the base asset in a contract.")
    average_price = DecimalTextOrNull(help_text="Rounded to 18 digits; null once nothing is held.")
    stop_loss = DecimalTextOrNull()
    take_profit = DecimalTextOrNull()
    pnl = DecimalText(help_text="Realised so far.")
    swap = DecimalText()
    commission = DecimalText()
    price = DecimalTextOrNull(help_text="What it could be closed at by the last quote; null when closed.")
    unrealised = DecimalTextOrNull(help_text="What that would gain or lose; null where no rate tells.")
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class ResetShape(serializers.Serializer[Any]):
    """A reset of a demo account: `requested` while its orders are being cancelled, then `done`."""

    request_id = serializers.CharField()
    state = serializers.ChoiceField(choices=ResetState.choices)
    balance = DecimalTextOrNull(help_text="As asked for; null: what the account was opened with.")
    requested_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)


class DealShape(serializers.Serializer[Any]):
    """A change of a position, and what it moved in the account's currency."""

    id = IdText()
    time = serializers.DateTimeField()
    position_id = IdText()
    kind = serializers.ChoiceField(choices=DealKind.choices)
    side = serializers.ChoiceField(choices=DealSide.choices)
    volume = DecimalText()
    price = DecimalTextOrNull(help_text="null for swap.")
    pnl = DecimalText()
    rate = DecimalTextOrNull(help_text="From the quote asset to the account's currency.")
    commission = DecimalText()
    swap = DecimalText()
    request_id = serializers.CharField()


class DealsShape(serializers.Serializer[Any]):
    """The deals of one request, in order; those of the first time when it was sent before."""

    deals = DealShape(many=True)


class PositionDetailShape(LeveragedPositionShape):
    """A position with its life."""

    deals = DealShape(many=True)


class MarginShape(serializers.Serializer[Any]):
    """How an account stands, in its currency."""

    currency = serializers.CharField()
    balance = DecimalText()
    credit = DecimalText(help_text="Lent by the house: counts as equity, cannot be withdrawn.")
    unrealised = DecimalText(help_text="What closing every position now would gain or lose.")
    equity = DecimalText(help_text="balance + credit + unrealised")
    margin = DecimalText(help_text="What the open positions need.")
    maintenance = DecimalText()
    held = DecimalText(help_text="Promised by open orders and requests.")
    free = DecimalText(help_text="equity - held - margin; below zero nothing can be opened.")
    level = DecimalTextOrNull(help_text="equity in percent of margin; null without positions.")
    call_level = DecimalText(help_text="Below it you are warned.")
    stop_out_level = DecimalText(help_text="Below it positions are closed.")
    rated_at = serializers.DateTimeField(allow_null=True, help_text="Time of the oldest quote used.")
