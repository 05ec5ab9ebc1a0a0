"""What one side has and the other has not: the queue that people work through, and each run's result."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import LedgerAccount
from accounts.reconciliation.models.source import StatementSource
from accounts.reconciliation.models.statement import StatementLine
from audit.models import ApprovalRequest
from tradeplatform.common.fields import AmountField


class BreakKind(models.TextChoices):
    """Who lacks what."""

    MISSING_WITH_US = "ours", "Missing with us"
    MISSING_WITH_THEM = "theirs", "Missing with them"
    DIFFERS = "differs", "Amount differs"


class BreakState(models.TextChoices):
    """Where it stands; all but the first are final."""

    OPEN = "open", "Open"
    MATCHED = "matched", "Matched"
    SUPERSEDED = "superseded", "Told by another break"
    WRITTEN_OFF = "written_off", "Written off"


_OPEN = Q(state=BreakState.OPEN)
_WRITTEN_OFF = Q(state=BreakState.WRITTEN_OFF)


class Break(models.Model):
    """A line, transfers of a covered period, or both, that do not come to the same.

    `amount` is theirs less ours, as a line counts. Only where it stands and who looks at it ever change, and
    the first only once. `write_off_id` is the transfer between the source's ledger account and suspense.
    """

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="+", db_index=False)
    ledger = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=7, choices=BreakKind)
    line = models.ForeignKey(
        StatementLine, on_delete=models.PROTECT, null=True, related_name="breaks", db_index=True
    )
    transfer_ids = ArrayField(models.BigIntegerField())
    amount = AmountField()
    happened_at = models.DateTimeField(help_text="When the line was booked, or the transfer made.")
    opened_at = models.DateTimeField()
    state = models.CharField(max_length=11, choices=BreakState, default=BreakState.OPEN)
    closed_at = models.DateTimeField(null=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    approval = models.OneToOneField(
        ApprovalRequest, on_delete=models.PROTECT, null=True, related_name="reconciliation_break"
    )
    write_off_id = models.BigIntegerField(null=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=BreakKind.MISSING_WITH_US, line__isnull=False, transfer_ids__len=0)
                | Q(kind=BreakKind.MISSING_WITH_THEM, line__isnull=True, transfer_ids__len=1)
                | Q(kind=BreakKind.DIFFERS, line__isnull=False, transfer_ids__len__gt=0),
                name="break_names_what_it_is_about",
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="break_has_a_size"),
            models.CheckConstraint(
                condition=_OPEN & Q(closed_at__isnull=True) | ~_OPEN & Q(closed_at__isnull=False),
                name="break_closed_with_its_state",
            ),
            models.CheckConstraint(
                condition=_WRITTEN_OFF & Q(approval__isnull=False, write_off_id__isnull=False)
                | ~_WRITTEN_OFF & Q(write_off_id__isnull=True),
                name="break_written_off_by_two",
            ),
            models.UniqueConstraint(fields=["line"], condition=_OPEN, name="break_open_once_for_a_line"),
            models.UniqueConstraint(
                fields=["transfer_ids"],
                condition=_OPEN & Q(kind=BreakKind.MISSING_WITH_THEM),
                name="break_open_once_for_a_transfer",
            ),
        ]
        indexes = [
            models.Index(fields=["source", "happened_at"], condition=_OPEN, name="break_open_by_age"),
            models.Index(fields=["state", "-id"], name="break_by_state"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="only_where_it_stands_changes",
                exclude=["state", "closed_at", "assignee", "approval", "write_off_id"],
            ),
            pgtrigger.Protect(
                name="closed_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__df=BreakState.OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"break {self.pk}"


class ReconciliationRun(models.Model):
    """A fact: all rules were tried for a source, and so many breaks were open after it."""

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="runs", db_index=False)
    at = models.DateTimeField()
    actor_label = models.CharField(max_length=150)
    matched = models.PositiveIntegerField()
    opened = models.PositiveIntegerField()
    closed = models.PositiveIntegerField()
    breaks = models.PositiveIntegerField(help_text="Open after it.")
    oldest = models.DateTimeField(null=True, help_text="When the oldest of them happened.")

    class Meta:
        indexes = [models.Index(fields=["source", "-id"], name="reconciliation_run_newest")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"run {self.pk}"
