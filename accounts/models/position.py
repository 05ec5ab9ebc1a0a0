"""Leveraged positions: what an account holds on margin, and the deals that made it so (docs/money.md)."""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.models.account import TradingAccount
from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument
from tradeplatform.common.fields import AccruedField, AmountField, PriceField, QuantityField

_TOO_MUCH = Decimal(10) ** 20


class Direction(models.TextChoices):
    """Which way the price must go for a position to gain."""

    LONG = "long", "Long"
    SHORT = "short", "Short"

    @property
    def opposite(self) -> Direction:
        """The other way."""
        return Direction.SHORT if self == Direction.LONG else Direction.LONG


class Position(models.Model):
    """What an account holds of an instrument on margin: the fold of its deals, moved by dealing alone.

    `volume` is in contracts of `contract_size` units of base, which is the instrument's of the day it was
    opened. `cost` is the sum of volume x price of what is held: an average price may have no last digit, a
    cost has. `pnl`, `swap` and `commission` are sums over all its deals, in the account's currency. A closed
    position holds nothing and never changes again.
    """

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="positions")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+", db_index=False)
    direction = models.CharField(max_length=5, choices=Direction)
    netting = models.BooleanField(help_text="The only one of its account and instrument while it is open.")
    volume = QuantityField()
    contract_size = QuantityField()
    cost = AmountField(help_text="Volume x price of what is held, in the quote asset.")
    pnl = AmountField(default=Decimal(0), help_text="Realised, in the account's currency.")
    swap = AmountField(default=Decimal(0))
    commission = AmountField(default=Decimal(0))
    stop_loss = PriceField(null=True)
    take_profit = PriceField(null=True)
    exits_at = models.DateTimeField(null=True, help_text="Since when quotes may touch its exits.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "leveraged position"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument"],
                condition=Q(netting=True, closed_at__isnull=True),
                name="position_netting_one_open",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, volume__gt=0, cost__gt=0)
                | Q(closed_at__isnull=False, volume=0, cost=0),
                name="position_closed_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(volume__lt=_TOO_MUCH, cost__lt=_TOO_MUCH, contract_size__gt=0, commission__gte=0),
                name="position_holds_numbers",
            ),
            models.CheckConstraint(
                condition=(Q(stop_loss__isnull=True) | Q(stop_loss__gt=0, stop_loss__lt=_TOO_MUCH))
                & (Q(take_profit__isnull=True) | Q(take_profit__gt=0, take_profit__lt=_TOO_MUCH)),
                name="position_exits_are_prices",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="position_by_account"),
            models.Index(
                fields=["account"], condition=Q(closed_at__isnull=True), name="position_open_by_account"
            ),
            models.Index(
                fields=["instrument"], condition=Q(closed_at__isnull=True), name="position_open_by_instrument"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="closed_is_final",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__closed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"position {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether it holds anything."""
        return self.closed_at is None


class DealKind(models.TextChoices):
    """Why a position changed. A reversal, like a flip through zero, is a close and an open of one request."""

    OPEN = "open", "Opened"
    CLOSE = "close", "Closed"
    CLOSE_BY = "close_by", "Closed by its opposite"
    STOP_LOSS = "stop_loss", "Stop loss"
    TAKE_PROFIT = "take_profit", "Take profit"
    STOP_OUT = "stop_out", "Stop-out"
    RESET = "reset", "Demo reset"
    SWAP = "swap", "Swap"


class Deal(PartitionedModel):
    """A fact: a change of a position, with all that it moved.

    `volume` contracts were bought or sold at `price`; `cost` is what the position's cost grew (opening) or
    shrank (below zero) by. `profit` is realised in the quote asset and became `pnl` of the account's currency
    at `rate`. `entry_id` is the ledger entry of the money, if any moved.
    """

    partitioning = PartitionPolicy(key="at", period=Period.MONTH, ahead=3, storage=APPEND_ONLY)

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="deals", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=11, choices=DealKind)
    buys = models.BooleanField(help_text="Bought, or sold.")
    volume = QuantityField()
    contract_size = QuantityField()
    price = PriceField(null=True)
    cost = AmountField(default=Decimal(0))
    profit = AmountField(default=Decimal(0))
    rate = AccruedField(null=True)
    pnl = AmountField(default=Decimal(0))
    commission = AmountField(default=Decimal(0))
    swap = AmountField(default=Decimal(0))
    entry_id = models.BigIntegerField(null=True)
    request_id = models.CharField(max_length=64, default="")
    reason = models.TextField(default="")
    actor_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=DealKind.SWAP, volume=0, price__isnull=True, cost=0, pnl=0, commission=0)
                | Q(
                    Q(kind=DealKind.OPEN, cost__gt=0, pnl=0) | (~Q(kind=DealKind.OPEN) & Q(cost__lt=0)),
                    ~Q(kind=DealKind.SWAP),
                    volume__gt=0,
                    volume__lt=_TOO_MUCH,
                    price__gt=0,
                    price__lt=_TOO_MUCH,
                    swap=0,
                    commission__gte=0,
                ),
                name="deal_is_of_its_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="deal_by_account"),
            models.Index(fields=["position", "id"], name="deal_by_position"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"deal {self.pk}"


class DealRequest(models.Model):
    """The forever identity of a request to deal: one id of an account has one effect, whoever repeats it.

    Its deals are those of the account at `at` with this id. Unpartitioned: it must hold across months.
    """

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    request_id = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    at = models.DateTimeField()
    deals = models.PositiveIntegerField()
    first_deal_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "request_id"], name="deal_request_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.request_id


class SwapCharge(models.Model):
    """The forever identity of a night's swap: once for each position and date, whatever the deal's amount."""

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="+", db_index=False)
    date = models.DateField()
    deal_id = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["position", "date"], name="swap_once_a_night")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"swap of position {self.position_id} for {self.date}"
