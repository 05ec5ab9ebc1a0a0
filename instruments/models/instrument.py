"""An instrument: what can be traded, in which steps, within which limits, at which fees, and whether now."""

from __future__ import annotations

from datetime import time
from decimal import Decimal

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from instruments.models.asset import Asset
from instruments.models.realm import Realm
from tradeplatform.common.fields import PriceField, QuantityField, RateField

# Half of what a 64-bit integer holds: the edge of the band above a price must still fit.
_MOST_STEPS = Decimal(2**62)
# Of a contract for a night; what NaN is above.
_MOST_SWAP = Decimal(10) ** 12


class InstrumentKind(models.TextChoices):
    """What the instrument is, for grouping, leverage rules and reports."""

    CRYPTO = "crypto", "Crypto"
    FOREX = "forex", "Forex"
    CFD = "cfd", "CFD"
    COMMODITY = "commodity", "Commodity"
    INDEX = "index", "Index"
    STOCK = "stock", "Stock"


class InstrumentStatus(models.TextChoices):
    """Whether orders are taken. Moved only by orders.services.phases."""

    ACTIVE = "active", "Active"
    PRE_OPEN = "pre_open", "Pre-open"
    AUCTION = "auction", "Auction"
    CANCEL_ONLY = "cancel_only", "Cancel only"
    CLOSED = "closed", "Closed"
    HALTED = "halted", "Halted"
    MAINTENANCE = "maintenance", "Maintenance"
    DELISTED = "delisted", "Delisted"


class Weekday(models.IntegerChoices):
    """Days as datetime.date.weekday counts them."""

    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"
    SATURDAY = 5, "Saturday"
    SUNDAY = 6, "Sunday"


class HaltPolicy(models.TextChoices):
    """What a halt does to the orders in the book, resting or parked."""

    FREEZE = "freeze", "Keep open orders"
    CANCEL = "cancel", "Cancel all open orders"


class Instrument(models.Model):
    """A market in `base` priced in `quote`.

    Prices are multiples of `tick_size`, quantities of `lot_size`; both are fixed for life because
    resting orders and the journal are counted in them. A limit of 0 means "no limit". Its book takes orders
    of accounts of its `realm` alone, for life.
    """

    id = models.AutoField(primary_key=True)
    symbol = models.CharField(max_length=20, unique=True)
    display_name = models.CharField(max_length=64)
    kind = models.CharField(max_length=12, choices=InstrumentKind)
    base = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    quote = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    realm = models.CharField(
        max_length=4,
        choices=Realm,
        default=Realm.LIVE,
        help_text="Whose orders its book takes: of demo accounts, or of all others. Cannot be changed later.",
    )
    status = models.CharField(
        max_length=12, choices=InstrumentStatus, default=InstrumentStatus.ACTIVE, editable=False
    )
    halt_policy = models.CharField(max_length=8, choices=HaltPolicy, default=HaltPolicy.FREEZE)

    tick_size = PriceField(help_text="Smallest price step. Cannot be changed later.")
    lot_size = QuantityField(help_text="Smallest quantity step. Cannot be changed later.")
    min_price = PriceField(default=Decimal(0))
    max_price = PriceField(default=Decimal(0))
    min_quantity = QuantityField()
    max_quantity = QuantityField()
    min_notional = QuantityField(default=Decimal(0), help_text="Least price x quantity of an order.")
    max_notional = QuantityField(default=Decimal(0), help_text="Greatest price x quantity of an order.")
    price_band = RateField(
        default=Decimal("0.10"),
        help_text="A limit price may be this far from the reference price (0.10 = 10 %). "
        "Market orders stop at the same distance.",
    )
    reference_price = PriceField(
        default=Decimal(0), help_text="Used for the price band until the first trade. 0 = none."
    )
    auction_seconds = models.PositiveIntegerField(
        default=0, help_text="Length of the call auction at the opening and after a halt; 0 = none."
    )
    auction_ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    day_ends_at = models.TimeField(default=time(0), help_text="UTC; when DAY orders end.")
    max_open_orders = models.PositiveIntegerField(default=200, help_text="For each account.")

    maker_fee = RateField(default=Decimal("0.0005"))
    taker_fee = RateField(default=Decimal("0.0010"))
    contract_size = QuantityField(default=Decimal(1))
    max_leverage = models.PositiveSmallIntegerField(default=1)
    daily_volatility = RateField(
        default=Decimal("0.02"), help_text="Standard deviation of a day's return: 0.02 = 2 %."
    )
    swap_long = PriceField(
        default=Decimal(0),
        help_text="Units of the quote asset for each contract held long over night; below zero is a charge.",
    )
    swap_short = PriceField(default=Decimal(0), help_text="The same for short.")
    swap_triple_day = models.PositiveSmallIntegerField(
        choices=Weekday, default=Weekday.WEDNESDAY, help_text="The night that counts for the weekend too."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id__gt=0, id__lt=8192), name="instrument_id_fits_event_id"),
            models.CheckConstraint(condition=Q(tick_size__gt=0), name="instrument_tick_positive"),
            models.CheckConstraint(condition=Q(lot_size__gt=0), name="instrument_lot_positive"),
            models.CheckConstraint(
                condition=Q(min_quantity__gte=F("lot_size"), max_quantity__gte=F("min_quantity")),
                name="instrument_quantity_range",
            ),
            models.CheckConstraint(
                condition=Q(min_price__gte=0) & (Q(max_price=0) | Q(max_price__gte=F("min_price"))),
                name="instrument_price_range",
            ),
            models.CheckConstraint(
                condition=Q(min_notional__gte=0)
                & (Q(max_notional=0) | Q(max_notional__gte=F("min_notional"))),
                name="instrument_notional_range",
            ),
            models.CheckConstraint(
                condition=Q(maker_fee__gte=0, maker_fee__lt=1, taker_fee__gte=0, taker_fee__lt=1),
                name="instrument_fee_range",
            ),
            models.CheckConstraint(
                condition=Q(price_band__gt=0, price_band__lt=1), name="instrument_band_range"
            ),
            models.CheckConstraint(condition=~Q(base=F("quote")), name="instrument_assets_differ"),
            models.CheckConstraint(
                condition=Q(
                    contract_size__gt=0,
                    max_leverage__gte=1,
                    daily_volatility__gte=0,
                    daily_volatility__lt=1,
                    swap_triple_day__in=Weekday.values,
                ),
                name="instrument_margin_terms",
            ),
            models.CheckConstraint(
                condition=Q(
                    swap_long__gt=-_MOST_SWAP,
                    swap_long__lt=_MOST_SWAP,
                    swap_short__gt=-_MOST_SWAP,
                    swap_short__lt=_MOST_SWAP,
                ),
                name="instrument_swap_range",
            ),
            models.CheckConstraint(
                condition=Q(reference_price__gte=0), name="instrument_reference_not_negative"
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="steps_are_fixed",
                fields=["symbol", "realm", "base", "quote", "tick_size", "lot_size"],
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.symbol

    def clean(self) -> None:
        """Refuse steps whose product is finer than the quote asset's unit: notional must be exact."""
        if self.tick_size and self.lot_size and self.quote_id:
            unit = Decimal(1).scaleb(-self.quote.decimals)
            if (self.tick_size * self.lot_size) % unit:
                raise ValidationError(
                    f"tick size x lot size = {self.tick_size * self.lot_size:f} is finer than the smallest "
                    f"unit of {self.quote.code} ({unit:f}): choose coarser steps."
                )
        for name in ("min_quantity", "max_quantity"):
            value = getattr(self, name)
            if value and self.lot_size and value % self.lot_size:
                raise ValidationError({name: f"must be a multiple of the lot size {self.lot_size:f}"})
        for name in ("reference_price", "min_price", "max_price"):
            value = getattr(self, name)
            if value and self.tick_size and value % self.tick_size:
                raise ValidationError({name: f"must be a multiple of the tick size {self.tick_size:f}"})
            if value and self.tick_size and value >= self.tick_size * _MOST_STEPS:
                raise ValidationError({name: "is more ticks than the engine can count"})


class MarginTier(models.Model):
    """From this notional of an account's positions on, each unit of it needs at least this rate of margin."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="margin_tiers")
    from_notional = QuantityField(help_text="Units of the quote asset.")
    rate = RateField(help_text="Share of the whole notional: 0.05 = 5 %.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "from_notional"], name="margin_tier_once"),
            models.CheckConstraint(
                condition=Q(
                    from_notional__gte=0, from_notional__lt=Decimal(10) ** 20, rate__gt=0, rate__lte=1
                ),
                name="margin_tier_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id}: from {self.from_notional:f} {self.rate:f}"
