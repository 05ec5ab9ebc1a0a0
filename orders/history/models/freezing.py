"""Periods whose positions change no more, and the executions that came too late for them: facts."""

from __future__ import annotations

import pgtrigger
from django.db import models

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.history.models.position import Origin
from tradeplatform.common.fields import QuantityField


class FrozenPeriod(models.Model):
    """Everything before `until` (exclusive) is final, of one instrument, or of all where none is named.

    `points` and `fingerprint` are of the points before `until` when it was frozen: proof that they stayed.
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, null=True, related_name="+")
    until = models.DateTimeField()
    at = models.DateTimeField()
    reason = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150)
    points = models.BigIntegerField()
    fingerprint = models.CharField(max_length=64)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"frozen until {self.until.isoformat()}"


class Correction(models.Model):
    """An execution of `true_at`, inside a frozen period, that counts from its end on, `booked_at`."""

    origin = models.SmallIntegerField(choices=Origin)
    execution_id = models.BigIntegerField()
    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    true_at = models.DateTimeField()
    booked_at = models.DateTimeField()
    quantity = QuantityField()
    at = models.DateTimeField(help_text="When it became known.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["origin", "execution_id"], name="correction_once"),
            models.CheckConstraint(
                condition=models.Q(booked_at__gt=models.F("true_at")), name="correction_is_booked_later"
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"correction {self.pk}"
