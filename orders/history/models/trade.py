"""Trades made elsewhere, as we were told of them: facts, each known once by its source and its id there."""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.models import TradingAccount
from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument
from tradeplatform.common.fields import AmountField, PriceField, QuantityField

# What no NUMERIC(38, 18) reaches, except NaN.
TOO_MUCH = Decimal(10) ** 20


class ExternalTrade(PartitionedModel):
    """One side of a trade that our books did not make: `quantity` of base (negative: sold) at `price`.

    `at` is when it happened, `received_at` when we heard of it. It changes positions over time, no balance.
    """

    partitioning = PartitionPolicy(key="at", period=Period.MONTH, ahead=3, storage=APPEND_ONLY)

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+", db_index=False)
    quantity = QuantityField(help_text="Units of base; negative = sold.")
    price = PriceField()
    fee = AmountField(null=True, help_text="In quote; empty = not told.")
    source = models.CharField(max_length=32, help_text="Who told us, such as the name of a venue.")
    external_id = models.CharField(max_length=64, help_text="What it is called there.")
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            # NUMERIC knows NaN, which is greater than every number.
            models.CheckConstraint(
                condition=~Q(quantity=0) & Q(quantity__lt=TOO_MUCH, price__gt=0, price__lt=TOO_MUCH),
                name="external_trade_is_a_trade",
            ),
            models.CheckConstraint(
                condition=Q(fee__isnull=True) | Q(fee__lt=TOO_MUCH), name="external_trade_fee_is_a_number"
            ),
        ]
        indexes = [
            models.Index(fields=["instrument", "account", "at", "id"], name="external_trade_in_order"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}"


class ExternalTradeIdentity(models.Model):
    """The forever identity of an external trade: the same trade told again is the same row.

    Unpartitioned on purpose: uniqueness must hold across months. `fingerprint` is of the whole trade.
    """

    trade_id = models.BigIntegerField(primary_key=True)
    trade_at = models.DateTimeField()
    source = models.CharField(max_length=32)
    external_id = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="external_trade_known_once")
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}"


class RefusedTrade(models.Model):
    """An entry of the stream that is no trade of ours, kept with the reason: for people to look at.

    `entry` is its id in the stream: however often it is delivered, it is kept once.
    """

    entry = models.CharField(max_length=64, unique=True)
    payload = models.JSONField()
    code = models.CharField(max_length=32)
    message = models.TextField()
    at = models.DateTimeField()

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.entry}: {self.code}"
