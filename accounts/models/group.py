"""Trading groups: the terms that many accounts share, and the exceptions a group makes for an instrument."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from instruments.models import Asset, Instrument
from tradeplatform.common.fields import AmountField, QuantityField, RateField

#: No account's leverage is above it.
MOST_LEVERAGE = 1000


class Execution(models.TextChoices):
    """Who takes the other side of the group's orders, where no routing rule says otherwise."""

    A_BOOK = "a_book", "A-book: hedged with a provider"
    B_BOOK = "b_book", "B-book: the house deals"
    HYBRID = "hybrid", "Hybrid: split by rules"


class MarginMethod(models.TextChoices):
    """How much margin positions need; the formulas are in docs/money.md."""

    RETAIL = "retail", "Retail: each position by itself"
    PORTFOLIO = "portfolio", "Portfolio: opposite positions offset"
    SCENARIO = "scenario", "Scenario: the worst of sixteen moves"


class PositionMode(models.TextChoices):
    """What a second deal in the same instrument does."""

    NETTING = "netting", "Netting: one position for each instrument"
    HEDGING = "hedging", "Hedging: each deal is a position"


class LeverageRegime(models.TextChoices):
    """Whose caps on leverage by class of instrument apply; risk.services.leverage has the tables."""

    NONE = "none", "None: as the group and the instrument say"
    ESMA = "esma", "ESMA: retail clients in the EU"


class TradingGroup(models.Model):
    """What accounts of the group trade on. Its defaults are the terms of an account without a group."""

    name = models.CharField(max_length=32, unique=True)
    execution = models.CharField(max_length=8, choices=Execution, default=Execution.B_BOOK)
    markup_steps = models.PositiveIntegerField(
        default=0, help_text="Price steps added to the ask and taken from the bid; 5 = half a pip of EURUSD."
    )
    commission_asset = models.ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What commission by contract and the minimum are stated in; needed where they are not 0.",
    )
    commission_per_contract = AmountField(default=Decimal(0))
    commission_rate = RateField(default=Decimal(0), help_text="Share of the notional: 0.0001 = 1 bp.")
    commission_minimum = AmountField(default=Decimal(0), help_text="Least commission of a deal.")
    max_leverage = models.PositiveSmallIntegerField(default=MOST_LEVERAGE)
    margin_method = models.CharField(max_length=10, choices=MarginMethod, default=MarginMethod.RETAIL)
    leverage_regime = models.CharField(max_length=8, choices=LeverageRegime, default=LeverageRegime.NONE)
    position_mode = models.CharField(
        max_length=8,
        choices=PositionMode,
        default=PositionMode.NETTING,
        help_text="Of accounts opened in it.",
    )
    call_level = RateField(default=Decimal(100), help_text="Margin level in percent that warns.")
    stop_out_level = RateField(
        default=Decimal(50), help_text="Margin level in percent that closes positions."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    commission_per_contract__gte=0,
                    commission_per_contract__lt=Decimal(10) ** 15,
                    commission_minimum__gte=0,
                    commission_minimum__lt=Decimal(10) ** 15,
                    commission_rate__gte=0,
                    commission_rate__lt=1,
                ),
                name="group_commission_range",
            ),
            models.CheckConstraint(
                condition=Q(commission_asset__isnull=False)
                | Q(commission_per_contract=0, commission_minimum=0),
                name="group_commission_has_asset",
            ),
            models.CheckConstraint(
                condition=Q(max_leverage__gte=1, max_leverage__lte=MOST_LEVERAGE), name="group_leverage_range"
            ),
            models.CheckConstraint(
                condition=Q(stop_out_level__gt=0, call_level__gte=F("stop_out_level"), call_level__lte=1000),
                name="group_levels_in_order",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupInstrument(models.Model):
    """What is different for one instrument in a group. What is left empty is as the group says."""

    group = models.ForeignKey(TradingGroup, on_delete=models.CASCADE, related_name="instruments")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    is_enabled = models.BooleanField(default=True, help_text="Whether positions may be opened in it.")
    markup_steps = models.PositiveIntegerField(null=True, blank=True)
    commission_per_contract = AmountField(null=True, blank=True)
    commission_rate = RateField(null=True, blank=True)
    commission_minimum = AmountField(null=True, blank=True)
    max_leverage = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Instead of the group's and the instrument's, up or down."
    )
    margin_rate = RateField(
        null=True, blank=True, help_text="Share of the notional, whatever the leverage: 0.05 = 5 %."
    )
    min_volume = QuantityField(null=True, blank=True)
    max_volume = QuantityField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "instrument"], name="group_instrument_once"),
            models.CheckConstraint(
                condition=Q(
                    Q(commission_per_contract__isnull=True)
                    | Q(commission_per_contract__gte=0, commission_per_contract__lt=Decimal(10) ** 15),
                    Q(commission_minimum__isnull=True)
                    | Q(commission_minimum__gte=0, commission_minimum__lt=Decimal(10) ** 15),
                    Q(commission_rate__isnull=True) | Q(commission_rate__gte=0, commission_rate__lt=1),
                ),
                name="group_instrument_commission_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    Q(max_leverage__isnull=True) | Q(max_leverage__gte=1, max_leverage__lte=MOST_LEVERAGE),
                    Q(margin_rate__isnull=True) | Q(margin_rate__gt=0, margin_rate__lte=1),
                ),
                name="group_instrument_margin_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    Q(min_volume__isnull=True) | Q(min_volume__gt=0),
                    Q(max_volume__isnull=True) | Q(max_volume__gt=0),
                    Q(min_volume__isnull=True)
                    | Q(max_volume__isnull=True)
                    | Q(max_volume__gte=F("min_volume")),
                ),
                name="group_instrument_volume_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} / {self.instrument}"
