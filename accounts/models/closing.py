"""Closed months: what each ledger account held at their ends, written once and never changed."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models.ledger import LedgerAccount
from tradeplatform.common.fields import AmountField

_append_only = pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)


class ClosedMonth(models.Model):
    """A month (its first day, UTC) in which nothing can move any more. They are closed in order."""

    month = models.DateField(primary_key=True)
    closed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(month__day=1), name="closed_month_is_its_first_day"),
        ]
        triggers = [_append_only]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class ClosingBalance(models.Model):
    """What a ledger account that moved in a closed month held before it, got, gave, and held at its end.

    The opening is the closing of the last month before in which it moved, or nothing; an account that did
    not move in a month has no row for it.
    """

    ledger = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="closings", db_index=False
    )
    month = models.ForeignKey(
        ClosedMonth, on_delete=models.DO_NOTHING, db_column="month", related_name="balances"
    )
    opening = AmountField()
    credited = AmountField()
    debited = AmountField()
    closing = AmountField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ledger", "month"], name="closing_once_per_ledger_and_month"),
            models.CheckConstraint(
                condition=Q(
                    closing=F("opening") + F("credited") - F("debited"), credited__gte=0, debited__gte=0
                ),
                name="closing_adds_up",
            ),
        ]
        triggers = [_append_only]

    def __str__(self) -> str:
        return f"ledger account {self.ledger_id} at the end of {self.month_id:%Y-%m}"
