"""Price alerts: tell me once when this price is reached."""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.models import TradingAccount
from instruments.models import Instrument
from tradeplatform.common.fields import PriceField

# What no NUMERIC(38, 18) reaches, except NaN.
_TOO_MUCH = Decimal(10) ** 20


class AlertDirection(models.TextChoices):
    """From which price on an alert fires; the price itself is enough."""

    ABOVE = "above", "At or above"
    BELOW = "below", "At or below"


class AlertWatch(models.TextChoices):
    """Which price an alert watches."""

    LAST = "last", "Last trade"
    BID = "bid", "Bid"
    ASK = "ask", "Ask"


class AlertState(models.TextChoices):
    """Active until it fires or is cancelled, each for ever."""

    ACTIVE = "active", "Active"
    FIRED = "fired", "Fired"
    CANCELLED = "cancelled", "Cancelled"


class PriceAlert(models.Model):
    """One price that an account's owner waits for.

    It sees the trades after `after_seq` and the quotes after `created_at`. The database lets an alert leave
    `active` once and never come back, whoever tries: so it fires once. Since `told_at` its owner was told.
    """

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+", db_index=False)
    request_id = models.CharField(max_length=36, help_text="The client's own id of it.")
    watches = models.CharField(max_length=4, choices=AlertWatch)
    direction = models.CharField(max_length=5, choices=AlertDirection)
    price = PriceField()
    after_seq = models.BigIntegerField()
    created_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=AlertState, default=AlertState.ACTIVE)
    fired_at = models.DateTimeField(null=True, help_text="Time of the trade or quote.")
    fired_price = PriceField(null=True)
    trade_id = models.BigIntegerField(null=True, help_text="The trade that fired it; of quotes none.")
    cancelled_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "request_id"], name="alert_request_once"),
            # NUMERIC knows NaN, which is greater than every number.
            models.CheckConstraint(condition=Q(price__gt=0, price__lt=_TOO_MUCH), name="alert_price_range"),
            models.CheckConstraint(
                condition=Q(
                    state=AlertState.FIRED,
                    fired_at__isnull=False,
                    fired_price__isnull=False,
                    cancelled_at__isnull=True,
                )
                | Q(
                    ~Q(state=AlertState.FIRED),
                    fired_at__isnull=True,
                    fired_price__isnull=True,
                    trade_id__isnull=True,
                    told_at__isnull=True,
                ),
                name="alert_fired_says_by_what",
            ),
            models.CheckConstraint(
                condition=Q(state=AlertState.CANCELLED, cancelled_at__isnull=False)
                | Q(~Q(state=AlertState.CANCELLED), cancelled_at__isnull=True),
                name="alert_cancelled_says_when",
            ),
            models.CheckConstraint(
                condition=Q(fired_price__isnull=True)
                | Q(direction=AlertDirection.ABOVE, fired_price__gte=models.F("price"))
                | Q(direction=AlertDirection.BELOW, fired_price__lte=models.F("price")),
                name="alert_fired_where_it_said",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="alert_by_account"),
            models.Index(
                fields=["instrument", "watches", "direction", "price"],
                condition=Q(state=AlertState.ACTIVE),
                name="alert_active",
            ),
            models.Index(
                fields=["id"], condition=Q(state=AlertState.FIRED, told_at__isnull=True), name="alert_untold"
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="fires_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.state <> 'active' AND (to_jsonb(OLD) - 'told_at') <> (to_jsonb(NEW) - 'told_at')"
                ),
            ),
            pgtrigger.ReadOnly(
                name="terms_are_fixed",
                fields=[
                    "account",
                    "instrument",
                    "request_id",
                    "watches",
                    "direction",
                    "price",
                    "after_seq",
                    "created_at",
                ],
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"alert {self.pk}"
