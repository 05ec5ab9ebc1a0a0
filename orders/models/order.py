"""An order and its forever identity."""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import Case, F, Q, QuerySet, Value, When

from accounts.models import TradingAccount
from django_partition import QUEUE, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Instrument
from orders.models.order_words import (
    DATED_TIMES,
    FINAL,
    LIMIT_PRICED,
    LIVE,
    LIVE_STAGES,
    PARKED,
    RESTING,
    TRAILING,
    TRIGGERED,
    WAITING_TIMES,
    Link,
    OrderStatus,
    OrderType,
    Side,
    Source,
    Stage,
    StpMode,
    TimeInForce,
    TriggerBy,
)
from tradeplatform.common.fields import AccruedField, AmountField, PriceField, QuantityField, RateField
from tradeplatform.common.references import Reference, references

# They are looked up when the order comes, and never again.
_OWNER_IS_FIXED = """
    RAISE EXCEPTION 'order % keeps its account and its instrument', OLD.id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'order_owner_is_fixed';
"""


class OrderQuerySet(QuerySet["Order"]):
    """Spoken filters."""

    def live(self) -> OrderQuerySet:
        """Pending, parked or resting: not final."""
        return self.filter(stage__in=LIVE_STAGES)

    def resting(self) -> OrderQuerySet:
        """In a queue of the book, where others can meet it."""
        return self.filter(stage=Stage.ACTIVE, status__in=RESTING)

    def parked(self) -> OrderQuerySet:
        """Waiting for their parent or their trigger."""
        return self.filter(stage=Stage.PARKED)

    def in_engine(self) -> OrderQuerySet:
        """Resting or parked: what a rebuilt book is made of. Either has an index of its own."""
        return self.filter(Q(stage=Stage.ACTIVE, status__in=RESTING) | Q(stage=Stage.PARKED))

    def for_account(self, account_id: int) -> OrderQuerySet:
        """One account's."""
        return self.filter(account_id=account_id)


# Orders whose leaves are 0 while they live: one for an amount, one attached to a parent without a fill.
_FOLLOWS = Q(quote_quantity__isnull=False) | Q(
    link=Link.ATTACHED, status__in=[OrderStatus.PENDING, OrderStatus.WAITING]
)


class Order(PartitionedModel):
    """A client's order. Inserted by intake; from then on its state is written by the drain alone.

    quantity = filled + leaves + prevented + (what was cancelled, once final), but for two kinds: the leaves
    of an attached order are what its parent has filled (0 before that), and an order for an amount
    (`quote_quantity`) has leaves 0 throughout and quantity = filled.

    `held` is the part of the buyer's quote (seller's base) balance reserved for the order, see
    orders/services/holding.py; a final order holds nothing. `fee_accrued` is the exact fee so far; what has
    been charged is that, rounded up once.
    """

    # Half of a page is left for what becomes of its orders: most change twice.
    partitioning = PartitionPolicy(
        key="created_at", period=Period.MONTH, ahead=3, storage=QUEUE | {"fillfactor": "50"}
    )

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    account = models.ForeignKey(
        TradingAccount,
        on_delete=models.PROTECT,
        related_name="orders",
        db_constraint=False,
        db_index=False,
    )
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    client_order_id = models.CharField(max_length=36)
    side = models.CharField(max_length=4, choices=Side)
    type = models.CharField(max_length=20, choices=OrderType)
    time_in_force = models.CharField(max_length=4, choices=TimeInForce)
    post_only = models.BooleanField(default=False)
    stp_mode = models.CharField(max_length=12, choices=StpMode, default=StpMode.EXPIRE_TAKER)
    stp_group = models.BigIntegerField(default=0)
    price = PriceField(null=True, help_text="Limit price; empty for a market order, triggered or not.")
    protection_price = PriceField(null=True, help_text="Worst price a market order may trade at.")
    quantity = QuantityField()
    filled = QuantityField(default=Decimal(0))
    leaves = QuantityField()
    prevented = QuantityField(
        default=Decimal(0), help_text="Taken off by self-trade prevention, or beyond the position."
    )
    filled_notional = AmountField(default=Decimal(0))
    maker_fee_rate = RateField()
    taker_fee_rate = RateField()
    fee_accrued = AccruedField(default=Decimal(0))
    held = AmountField()
    status = models.CharField(max_length=16, choices=OrderStatus, default=OrderStatus.PENDING)
    stage = models.GeneratedField(
        expression=Case(
            When(status__in=FINAL, then=Value(Stage.FINAL.value)),
            When(status__in=PARKED, then=Value(Stage.PARKED.value)),
            default=Value(Stage.ACTIVE.value),
        ),
        output_field=models.CharField(max_length=6, choices=Stage),
        db_persist=True,
        help_text="What the indexes know of the status.",
    )
    reason = models.CharField(max_length=32, default="", help_text="Why it ended, where it was not filled.")
    priority = models.BigIntegerField(default=0, help_text="Seq at which it got its place in the queue.")
    last_seq = models.BigIntegerField(default=0, help_text="Seq of the last event that touched it.")
    trigger_price = PriceField(null=True, help_text="Where it goes live; a trailing order's present one.")
    trigger_by = models.CharField(max_length=5, choices=TriggerBy, blank=True, default="")
    triggered_at = models.DateTimeField(null=True)
    trail_amount = PriceField(null=True, help_text="How far a trailing trigger stays behind the price.")
    trail_bps = models.PositiveSmallIntegerField(null=True, help_text="The same in 1/100 of a percent.")
    trail_step = PriceField(null=True, help_text="A trailing trigger moves by whole steps of this.")
    display_quantity = QuantityField(
        null=True, help_text="The slice it shows; 0 = hidden, empty = all of it."
    )
    shown = QuantityField(default=Decimal(0), help_text="Left of the slice that an iceberg shows now.")
    min_quantity = QuantityField(null=True, help_text="It ends unless so much trades when it goes live.")
    quote_quantity = AmountField(null=True, help_text="A market order for this amount of quote.")
    reduce_only = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    link = models.CharField(max_length=8, choices=Link, blank=True, default="")
    parent_id = models.BigIntegerField(default=0)
    partner_id = models.BigIntegerField(default=0, help_text="The order that ends with this one; 0 once cut.")
    list_id = models.BigIntegerField(default=0, help_text="First order of the list it came in; 0 = alone.")
    credential = models.CharField(max_length=64, default="", help_text="The key or session that placed it.")
    source = models.CharField(max_length=12, choices=Source)
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150, default="")
    correlation_id = models.CharField(max_length=64, default="")

    objects = OrderQuerySet.as_manager()

    class Meta:
        # A CHECK that is neither true nor false passes: what is compared must first be known not to be NULL.
        constraints = [
            models.CheckConstraint(
                condition=Q(quote_quantity__isnull=True, quantity__gt=0)
                | Q(
                    quote_quantity__isnull=False,
                    quote_quantity__gt=0,
                    type=OrderType.MARKET,
                    time_in_force=TimeInForce.IOC,
                    quantity=F("filled"),
                    min_quantity__isnull=True,
                    reduce_only=False,
                    link="",
                ),
                name="order_has_quantity_or_amount",
            ),
            models.CheckConstraint(
                condition=Q(filled__gte=0, leaves__gte=0, prevented__gte=0, held__gte=0),
                name="order_parts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("filled") + F("leaves") + F("prevented")),
                name="order_parts_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(status__in=FINAL, leaves=0, held=0)
                | Q(_FOLLOWS, status__in=LIVE, leaves=0)
                | Q(~_FOLLOWS, status__in=LIVE, leaves__gt=0),
                name="order_final_has_and_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(
                    type__in=sorted(LIMIT_PRICED),
                    price__isnull=False,
                    price__gt=0,
                    protection_price__isnull=True,
                )
                | Q(
                    ~Q(type__in=sorted(LIMIT_PRICED)),
                    price__isnull=True,
                    protection_price__isnull=False,
                    protection_price__gt=0,
                ),
                name="order_has_limit_or_protection",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.FILLED) | Q(filled__gt=0), name="order_filled_has_fills"
            ),
            models.CheckConstraint(
                condition=Q(
                    type__in=sorted(TRIGGERED),
                    trigger_price__isnull=False,
                    trigger_price__gt=0,
                    trigger_by__in=TriggerBy.values,
                )
                | Q(
                    ~Q(type__in=sorted(TRIGGERED)),
                    ~Q(status=OrderStatus.PENDING_TRIGGER),
                    trigger_price__isnull=True,
                    trigger_by="",
                    triggered_at__isnull=True,
                ),
                name="order_triggered_has_trigger",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=sorted(TRIGGERED))
                | Q(status__in=(*RESTING, OrderStatus.FILLED), triggered_at__isnull=False)
                | Q(status__in=(OrderStatus.PENDING, *PARKED), triggered_at__isnull=True)
                | Q(status__in=[OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED]),
                name="order_waits_for_its_trigger",
            ),
            models.CheckConstraint(
                condition=Q(
                    Q(trail_amount__isnull=False, trail_amount__gt=0, trail_bps__isnull=True)
                    | Q(
                        trail_amount__isnull=True,
                        trail_bps__isnull=False,
                        trail_bps__gte=1,
                        trail_bps__lt=10_000,
                    ),
                    type__in=sorted(TRAILING),
                    trail_step__isnull=False,
                    trail_step__gt=0,
                    trigger_by=TriggerBy.LAST,
                )
                | Q(
                    ~Q(type__in=sorted(TRAILING)),
                    trail_amount__isnull=True,
                    trail_bps__isnull=True,
                    trail_step__isnull=True,
                ),
                name="order_trailing_has_distance",
            ),
            models.CheckConstraint(
                condition=Q(post_only=False, display_quantity__isnull=True)
                | Q(
                    type__in=sorted(LIMIT_PRICED),
                    time_in_force__in=sorted(WAITING_TIMES),
                ),
                name="order_hides_or_waits_as_limit",
            ),
            models.CheckConstraint(
                condition=Q(shown=0)
                | Q(
                    display_quantity__isnull=False,
                    display_quantity__gt=0,
                    shown__gt=0,
                    shown__lte=F("leaves"),
                ),
                name="order_shows_within_leaves",
            ),
            models.CheckConstraint(
                condition=Q(display_quantity__isnull=True) | Q(display_quantity__gte=0),
                name="order_display_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(min_quantity__isnull=True) | Q(min_quantity__gt=0, post_only=False),
                name="order_min_quantity_positive",
            ),
            models.CheckConstraint(
                condition=Q(time_in_force__in=DATED_TIMES, expires_at__isnull=False)
                | Q(~Q(time_in_force__in=DATED_TIMES), expires_at__isnull=True)
                | Q(
                    Q(type__in=sorted(TRIGGERED)) | Q(parent_id__gt=0),
                    time_in_force__in=[TimeInForce.FOK, TimeInForce.IOC],
                ),
                name="order_expires_as_it_says",
            ),
            models.CheckConstraint(
                condition=Q(link="", parent_id=0, partner_id=0)
                | Q(link=Link.OCO, parent_id=0, partner_id__gte=0)
                | Q(link=Link.OTO, parent_id__gt=0, partner_id__gte=0)
                | Q(
                    link=Link.ATTACHED,
                    parent_id__gt=0,
                    partner_id__gte=0,
                    type__in=sorted(TRIGGERED),
                    display_quantity__isnull=True,
                    min_quantity__isnull=True,
                    reduce_only=False,
                ),
                name="order_link_names_its_orders",
            ),
            models.CheckConstraint(
                condition=~Q(parent_id=F("id")) & ~Q(partner_id=F("id")), name="order_not_linked_to_itself"
            ),
            models.CheckConstraint(
                condition=Q(list_id__gt=0) | Q(list_id=0, link=""), name="order_linked_is_in_a_list"
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.WAITING) | Q(parent_id__gt=0), name="order_waits_for_parent"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="order_by_account"),
            models.Index(fields=["instrument", "-id"], name="order_by_instrument"),
            models.Index(fields=["id"], condition=Q(stage__in=LIVE_STAGES), name="order_live_by_id"),
            # Best first from either end: what a book shows costs what is shown, whatever rests behind it.
            models.Index(
                fields=["instrument", "side", "price"],
                condition=Q(stage=Stage.ACTIVE),
                name="order_active",
            ),
            models.Index(fields=["instrument"], condition=Q(stage=Stage.PARKED), name="order_parked"),
            models.Index(
                fields=["account", "instrument"],
                condition=Q(stage__in=LIVE_STAGES),
                name="order_live_by_account",
            ),
            models.Index(fields=["list_id"], condition=Q(list_id__gt=0), name="order_of_list"),
            models.Index(
                fields=["expires_at"],
                condition=Q(stage__in=LIVE_STAGES, expires_at__isnull=False),
                name="order_expiring",
            ),
        ]
        triggers = [
            references(
                Reference("order_of_account", "accounts_tradingaccount", {"account_id": "id"}),
                Reference("order_of_instrument", "instruments_instrument", {"instrument_id": "id"}),
            ),
            pgtrigger.Trigger(
                name="owner_is_fixed",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("account", "instrument"),
                func=_OWNER_IS_FIXED,
            ),
        ]

    def __str__(self) -> str:
        return f"order {self.pk}"

    @property
    def average_price(self) -> Decimal | None:
        """Notional filled over quantity filled; None before the first fill."""
        return self.filled_notional / self.filled if self.filled else None

    @property
    def trail_percent(self) -> Decimal | None:
        """A trailing order's distance in percent, exactly; None where it is an amount."""
        return None if self.trail_bps is None else Decimal(self.trail_bps).scaleb(-2)

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in FINAL


class OrderIdentity(models.Model):
    """(account, client order id) names one order for ever, with a fingerprint of what was asked.

    Unpartitioned on purpose: PostgreSQL can only promise uniqueness across time in one table.
    """

    order_id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    client_order_id = models.CharField(max_length=36)
    order_created_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "client_order_id"], name="order_identity_forever")
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            references(Reference("identity_of_account", "accounts_tradingaccount", {"account_id": "id"})),
        ]

    def __str__(self) -> str:
        return self.client_order_id
