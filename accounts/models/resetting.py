"""Bringing a demo account back to where it began."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.models.account import TradingAccount
from accounts.models.ledger import TOO_MUCH, FundingRequest
from tradeplatform.common.fields import AmountField


class ResetState(models.TextChoices):
    """Where a reset stands."""

    REQUESTED = "requested", "Waits for its orders to be cancelled"
    DONE = "done", "Done"


class DemoReset(models.Model):
    """One reset of a demo account, known for ever by its request id. It waits while orders of it are open.

    `balance` is what was asked for in the account's currency; None is what the account was opened with.
    `entry_id` is the ledger entry that brought the balances back, if any had to move. Who asked is stored by
    value, as in the audit trail.
    """

    identity = models.OneToOneField(FundingRequest, on_delete=models.PROTECT, related_name="demo_reset")
    account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="resets", db_index=False
    )
    balance = AmountField(null=True)
    reason = models.TextField()
    maker_id = models.BigIntegerField(null=True)
    maker_label = models.CharField(max_length=150)
    at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=ResetState, default=ResetState.REQUESTED)
    entry_id = models.BigIntegerField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(state=ResetState.REQUESTED), name="reset_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(balance__isnull=True) | Q(balance__gte=0, balance__lt=TOO_MUCH),
                name="reset_balance_is_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(state=ResetState.REQUESTED, closed_at__isnull=True, entry_id__isnull=True)
                | Q(state=ResetState.DONE, closed_at__isnull=False),
                name="reset_state_says_what_came_of_it",
            ),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="reset_by_account")]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="only_where_it_stands_changes", exclude=["state", "entry_id", "closed_at"]
            ),
            pgtrigger.Protect(
                name="done_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__df=ResetState.REQUESTED),
            ),
        ]

    def __str__(self) -> str:
        return f"reset {self.pk}"
