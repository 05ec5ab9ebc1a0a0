"""What the doors to positions over time take, and the shapes of what they answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from accounts.api.serializers import StatementQuery
from orders.history.results import By
from tradeplatform.common.api_input import StrictSerializer, TextField, WordField
from tradeplatform.common.api_shapes import DecimalText, DecimalTextOrNull
from tradeplatform.common.times import parse_rfc3339


@extend_schema_field({"type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00.000001Z"]})
class MicrosecondField(TextField):
    """A moment with its zone, to the microsecond."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the moment."""
        try:
            return parse_rfc3339(super().to_internal_value(data))
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def run_validators(self, value: datetime) -> None:
        """Nothing more to ask of a moment."""


class HistoryQuery(StrictSerializer):
    """At a moment, or over windows."""

    instrument = TextField(max_length=20, help_text="Symbol, such as BTCUSDT.")
    at = MicrosecondField(required=False, help_text="The position then; left out: now.")
    bins = TextField(required=False, max_length=8, help_text="Width of windows: 30s, 15m, 1h, 1d.")
    start = MicrosecondField(required=False, help_text="Of the first window; needs `bins`.")
    end = MicrosecondField(required=False, help_text="The last window begins before it; needs `bins`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Windows have a start and an end, a moment has neither."""
        wanted = {"start", "end"} if "bins" in attrs else set()
        if {"start", "end"} & attrs.keys() != wanted or ("bins" in attrs and "at" in attrs):
            raise ValidationError({"bins": "Give bins with start and end, or at, or none of them."})
        return attrs


class ReportQuery(StatementQuery):  # type: ignore[misc]  # a class made from its names
    """Days, and what the rows are."""

    by = WordField(
        By, default=By.INSTRUMENT, help_text="What rows are; a book is exchange, external or dealing."
    )


class ReportShape(serializers.Serializer[Any]):
    """One instrument, book or day in one asset: amounts of different assets are never added."""

    name = serializers.CharField(help_text="The symbol, the book or the day.")
    asset = serializers.CharField()
    executions = serializers.IntegerField()
    volume = DecimalText(help_text="Price x quantity of all executions.")
    realised = DecimalText(help_text="Profit or loss of what was closed, before swap and fees.")
    swap = DecimalText(help_text="What the nights brought; below zero they cost.")
    fees = DecimalText(help_text="Fees and commission.")
    net = DecimalText(help_text="realised + swap - fees.")


class MomentQuery(StrictSerializer):
    """At a moment."""

    at = MicrosecondField(required=False, help_text="The positions then; left out: now.")


class StandingShape(serializers.Serializer[Any]):
    """A position and what it earned, in quote; cost - realised is what was paid in all."""

    time = serializers.DateTimeField(help_text="Of its last execution.")
    position = DecimalText(help_text="Units of base; negative = short.")
    average_price = DecimalTextOrNull(
        allow_null=True, help_text="Of the open part; null when nothing is open."
    )
    cost = DecimalText(help_text="Of the open part.")
    realised = DecimalText(help_text="Earned by closing, before fees.")
    fees = DecimalText()


class BinShape(serializers.Serializer[Any]):
    """A window [start, end); null: there was no position yet."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    open = DecimalTextOrNull(allow_null=True, help_text="The position just before it.")
    high = DecimalTextOrNull(allow_null=True)
    low = DecimalTextOrNull(allow_null=True)
    close = DecimalTextOrNull(allow_null=True, help_text="The position at its end.")
    volume = DecimalText(help_text="Bought and sold.")
    executions = serializers.IntegerField()


class HistoryShape(serializers.Serializer[Any]):
    """`position` at a moment (null: none yet), or `bins` (null: none were asked for)."""

    instrument = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    position = StandingShape(allow_null=True)
    bins = BinShape(many=True, allow_null=True)


class PortfolioShape(serializers.Serializer[Any]):
    """Accounts and instruments looked at as one."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    accounts = serializers.ListField(child=serializers.IntegerField())
    instruments = serializers.ListField(child=serializers.CharField(), help_text="Empty: all.")


class PortfolioPositionShape(StandingShape):
    """The sum of its accounts in one instrument."""

    instrument = serializers.CharField()
    accounts = serializers.IntegerField(help_text="How many have a position in it.")


class TotalShape(serializers.Serializer[Any]):
    """What the positions come to in one quote asset."""

    asset = serializers.CharField()
    cost = DecimalText()
    realised = DecimalText()
    fees = DecimalText()


class ContentShape(serializers.Serializer[Any]):
    """Positions by instrument, and their sums by quote asset; nothing is converted."""

    positions = PortfolioPositionShape(many=True)
    totals = TotalShape(many=True)
