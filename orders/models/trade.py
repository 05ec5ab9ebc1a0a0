"""Trades, and the two fills of each: facts, never changed."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import TradingAccount
from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Asset, Instrument
from orders.models.order_words import Side
from tradeplatform.common.fields import AmountField, PriceField, QuantityField, RateField
from tradeplatform.common.references import Reference, references


class Liquidity(models.TextChoices):
    """Whether an order was waiting (maker) or arriving (taker)."""

    MAKER = "maker", "Maker"
    TAKER = "taker", "Taker"


class Trade(PartitionedModel):
    """Two orders met at the maker's price. Its id is the id of its event."""

    partitioning = PartitionPolicy(key="at", period=Period.DAY, ahead=7, storage=APPEND_ONLY)

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    seq = models.BigIntegerField()
    price = PriceField()
    quantity = QuantityField()
    notional = AmountField()
    taker_side = models.CharField(max_length=4, choices=Side)
    buy_order_id = models.BigIntegerField()
    sell_order_id = models.BigIntegerField()
    buyer = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    seller = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(price__gt=0, quantity__gt=0), name="trade_positive"),
            models.CheckConstraint(condition=~Q(buyer=F("seller")), name="trade_buyer_is_not_seller"),
            models.CheckConstraint(
                condition=Q(notional=F("price") * F("quantity")), name="trade_notional_is_exact"
            ),
        ]
        indexes = [
            models.Index(fields=["instrument", "-id"], name="trade_by_instrument"),
            models.Index(fields=["instrument", "at"], name="trade_by_instrument_time"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            references(
                Reference("trade_of_instrument", "instruments_instrument", {"instrument_id": "id"}),
                Reference("trade_of_buyer", "accounts_tradingaccount", {"buyer_id": "id"}),
                Reference("trade_of_seller", "accounts_tradingaccount", {"seller_id": "id"}),
            ),
        ]

    def __str__(self) -> str:
        return f"trade {self.pk}"


class Fill(PartitionedModel):
    """One order's side of a trade, with the fee it was charged."""

    partitioning = PartitionPolicy(key="at", period=Period.DAY, ahead=7, storage=APPEND_ONLY)

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    trade_id = models.BigIntegerField()
    order_id = models.BigIntegerField()
    account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    side = models.CharField(max_length=4, choices=Side)
    liquidity = models.CharField(max_length=5, choices=Liquidity)
    price = PriceField()
    quantity = QuantityField()
    fee_rate = RateField()
    fee = AmountField()
    fee_asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(price__gt=0, quantity__gt=0, fee__gte=0), name="fill_positive")
        ]
        indexes = [
            models.Index(fields=["order_id", "id"], name="fill_by_order"),
            models.Index(fields=["account", "-id"], name="fill_by_account"),
            models.Index(fields=["trade_id"], name="fill_by_trade"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            references(
                Reference("fill_of_account", "accounts_tradingaccount", {"account_id": "id"}),
                Reference("fill_of_instrument", "instruments_instrument", {"instrument_id": "id"}),
                Reference("fill_of_fee_asset", "instruments_asset", {"fee_asset_id": "id"}),
            ),
        ]

    def __str__(self) -> str:
        return f"fill {self.pk}"
