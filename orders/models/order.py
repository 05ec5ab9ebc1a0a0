"""An order and its forever identity."""

from __future__ import annotations

import re
from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q, QuerySet

from accounts.models import TradingAccount
from django_partition import PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument
from tradeplatform.common.fields import AccruedField, AmountField, PriceField, QuantityField, RateField


class Side(models.TextChoices):
    """Buy or sell the base asset."""

    BUY = "buy", "Buy"
    SELL = "sell", "Sell"


class OrderType(models.TextChoices):
    """Limit orders name their worst price; market orders take what is there within the price band."""

    LIMIT = "limit", "Limit"
    MARKET = "market", "Market"


class TimeInForce(models.TextChoices):
    """How long an order may wait."""

    GTC = "gtc", "Good till cancelled"
    IOC = "ioc", "Immediate or cancel"
    FOK = "fok", "Fill or kill"


class StpMode(models.TextChoices):
    """What happens when an order would trade with its own account or group; the taker's mode decides."""

    EXPIRE_TAKER = "expire_taker", "Expire taker"
    EXPIRE_MAKER = "expire_maker", "Expire maker"
    EXPIRE_BOTH = "expire_both", "Expire both"
    DECREMENT = "decrement", "Decrement and cancel"


class OrderStatus(models.TextChoices):
    """Where an order stands. `pending` is accepted and durable, but not yet seen by the book."""

    PENDING = "pending", "Pending"
    OPEN = "open", "Open"
    PARTIALLY_FILLED = "partially_filled", "Partially filled"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"


RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
LIVE = (OrderStatus.PENDING, *RESTING)
FINAL = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED)


class Source(models.TextChoices):
    """The door an order came through."""

    API = "api", "API"
    SOCKET = "socket", "WebSocket"
    ADMIN = "admin", "Admin"
    SIMULATION = "simulation", "Simulation"
    REPLAY = "replay", "Replay"


class OrderQuerySet(QuerySet["Order"]):
    """Spoken filters."""

    def live(self) -> OrderQuerySet:
        """Pending or resting: not final."""
        return self.filter(status__in=LIVE)

    def resting(self) -> OrderQuerySet:
        """In the book."""
        return self.filter(status__in=RESTING)

    def for_account(self, account_id: int) -> OrderQuerySet:
        """One account's."""
        return self.filter(account_id=account_id)


class Order(PartitionedModel):
    """A client's order. Inserted by intake; from then on its state is written by the drain alone.

    quantity = filled + leaves + prevented + (what was cancelled, once final). `held` is the part of the
    buyer's quote (seller's base) balance reserved for `leaves`; a final order holds nothing.
    `fee_accrued` is the exact fee so far; what has been charged is that, rounded up once.
    """

    partitioning = PartitionPolicy(key="created_at", period=Period.MONTH, ahead=3)

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+", db_index=False)
    client_order_id = models.CharField(max_length=36)
    side = models.CharField(max_length=4, choices=Side)
    type = models.CharField(max_length=8, choices=OrderType)
    time_in_force = models.CharField(max_length=4, choices=TimeInForce)
    post_only = models.BooleanField(default=False)
    stp_mode = models.CharField(max_length=12, choices=StpMode, default=StpMode.EXPIRE_TAKER)
    stp_group = models.BigIntegerField(default=0)
    price = PriceField(null=True, help_text="Limit price; empty for a market order.")
    protection_price = PriceField(null=True, help_text="Worst price a market order may trade at.")
    quantity = QuantityField()
    filled = QuantityField(default=Decimal(0))
    leaves = QuantityField()
    prevented = QuantityField(default=Decimal(0), help_text="Taken off by self-trade prevention.")
    filled_notional = AmountField(default=Decimal(0))
    maker_fee_rate = RateField()
    taker_fee_rate = RateField()
    fee_accrued = AccruedField(default=Decimal(0))
    held = AmountField()
    status = models.CharField(max_length=16, choices=OrderStatus, default=OrderStatus.PENDING)
    reason = models.CharField(max_length=32, default="", help_text="Why it ended, where it was not filled.")
    priority = models.BigIntegerField(default=0, help_text="Seq at which it got its place in the queue.")
    last_seq = models.BigIntegerField(default=0, help_text="Seq of the last event that touched it.")
    source = models.CharField(max_length=12, choices=Source)
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150, default="")
    correlation_id = models.CharField(max_length=64, default="")

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(
                condition=Q(filled__gte=0, leaves__gte=0, prevented__gte=0, held__gte=0),
                name="order_parts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("filled") + F("leaves") + F("prevented")),
                name="order_parts_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(status__in=LIVE, leaves__gt=0) | Q(status__in=FINAL, leaves=0, held=0),
                name="order_final_has_and_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(type=OrderType.LIMIT, price__isnull=False, price__gt=0)
                | Q(type=OrderType.MARKET, price__isnull=True),
                name="order_limit_has_price",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.FILLED) | Q(filled__gt=0), name="order_filled_has_fills"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="order_by_account"),
            models.Index(fields=["instrument", "-id"], name="order_by_instrument"),
            models.Index(fields=["id"], condition=Q(status__in=LIVE), name="order_live_by_id"),
            models.Index(
                fields=["instrument", "priority"],
                condition=Q(status__in=RESTING),
                name="order_resting",
            ),
            models.Index(
                fields=["account", "instrument"], condition=Q(status__in=LIVE), name="order_live_by_account"
            ),
        ]

    def __str__(self) -> str:
        return f"order {self.pk}"

    @property
    def average_price(self) -> Decimal | None:
        """Notional filled over quantity filled; None before the first fill."""
        return self.filled_notional / self.filled if self.filled else None

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in FINAL


# How a client may name an order.
CLIENT_ORDER_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)


class OrderIdentity(models.Model):
    """(account, client order id) names one order for ever, with a fingerprint of what was asked.

    Unpartitioned on purpose: PostgreSQL can only promise uniqueness across time in one table.
    """

    order_id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    client_order_id = models.CharField(max_length=36)
    order_created_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "client_order_id"], name="order_identity_forever")
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.client_order_id
