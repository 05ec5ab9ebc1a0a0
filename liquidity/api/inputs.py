"""What the dealing doors take."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from liquidity.services.dealing import DealSide
from tradeplatform.common.api_input import (
    DecimalField,
    FlagField,
    PageQuery,
    StrictSerializer,
    TextField,
    WholeNumberField,
    WordField,
)

_REQUEST_ID = "Your own id of the request, unique in the account for ever: it may be sent again with it."


class RequestInput(StrictSerializer):
    """What every act has: an id of its own, so that it may be sent again."""

    request_id = TextField(max_length=64, help_text=_REQUEST_ID)


class OpenInput(RequestInput):
    """Contracts to buy or sell at the price of now."""

    symbol = TextField(max_length=64)
    side = WordField(DealSide)
    volume = DecimalField(help_text="In contracts, a multiple of the instrument's lot_size.")
    stop_loss = DecimalField(required=False, allow_null=True)
    take_profit = DecimalField(required=False, allow_null=True)


class CloseInput(RequestInput):
    """How much of a position to close, or against which other."""

    volume = DecimalField(required=False, allow_null=True, help_text="Default: all of it.")
    by = WholeNumberField(
        min_value=1,
        required=False,
        allow_null=True,
        help_text="Id of an opposite position in the same instrument: both close each other, without spread.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A close by opposite takes the smaller of both volumes."""
        if attrs.get("volume") is not None and attrs.get("by") is not None:
            raise ValidationError({"volume": "Positions close each other by the smaller volume."})
        return attrs


class CloseAllInput(RequestInput):
    """Which positions to close."""

    symbol = TextField(
        required=False, allow_null=True, max_length=64, help_text="Those in one instrument. Default: all."
    )


class ResetInput(RequestInput):
    """To what a demo account is reset, and why."""

    balance = DecimalField(
        required=False,
        allow_null=True,
        help_text="Of the account's currency, and nothing else. Default: what the account was opened with.",
    )
    reason = TextField(required=False, max_length=200, default="reset by its owner")


class ExitsInput(RequestInput):
    """Where a position is to be closed by itself; what is left out stays, null takes it away."""

    stop_loss = DecimalField(required=False, allow_null=True)
    take_profit = DecimalField(required=False, allow_null=True)
    break_even = FlagField(
        default=False, help_text="Instead of both: move the stop loss to the average open price."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Either prices, or break-even."""
        prices = {"stop_loss", "take_profit"} & set(attrs)
        if attrs["break_even"] and prices:
            raise ValidationError({"break_even": "Give prices, or break_even alone."})
        if not attrs["break_even"] and not prices:
            raise ValidationError({"stop_loss": "Say what is to change."})
        return attrs


class PositionsQuery(PageQuery):
    """Which positions."""

    state = serializers.ChoiceField(
        choices=["open", "closed"], default="open", help_text="Open ones come whole, closed ones in pages."
    )
