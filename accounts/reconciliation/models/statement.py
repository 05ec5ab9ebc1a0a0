"""Statements as they were imported: facts. Their lines are each known once by the source's reference."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models import LedgerAccount
from accounts.models.ledger import TOO_MUCH
from accounts.reconciliation.models.source import StatementSource
from tradeplatform.common.fields import AmountField

_APPEND_ONLY = pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)


class ImportedStatement(models.Model):
    """A file that was taken whole: it speaks of all that happened from `since` up to `until` (exclusive).

    `fingerprint` is of the file, the period and the closing balances: the same again is the same statement.
    """

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="statements")
    file_name = models.CharField(max_length=150)
    sha256 = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    since = models.DateTimeField()
    until = models.DateTimeField()
    new = models.PositiveIntegerField(help_text="Lines that nobody had told before.")
    known = models.PositiveIntegerField(help_text="Lines that an earlier statement had told.")
    at = models.DateTimeField()
    reason = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "fingerprint"], name="statement_imported_once"),
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="statement_period_runs_forwards"),
        ]
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"statement {self.pk}"


class StatementBalance(models.Model):
    """What the statement says we had at its end, and what our ledger says: without demo money."""

    statement = models.ForeignKey(ImportedStatement, on_delete=models.PROTECT, related_name="balances")
    ledger = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    theirs = AmountField()
    ours = AmountField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["statement", "ledger"], name="statement_balance_once"),
            models.CheckConstraint(
                condition=Q(theirs__gt=-TOO_MUCH, theirs__lt=TOO_MUCH), name="statement_balance_is_a_number"
            ),
        ]
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"closing balance of {self.statement_id}"


class StatementLine(models.Model):
    """One movement as the source tells it. Above zero: money came to us, a debit of our ledger account."""

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="+", db_index=False)
    statement = models.ForeignKey(ImportedStatement, on_delete=models.PROTECT, related_name="lines")
    number = models.PositiveIntegerField(help_text="Its line in the file.")
    reference = models.CharField(max_length=64)
    booked_at = models.DateTimeField()
    ledger = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    amount = AmountField()
    our_reference = models.CharField(max_length=140, default="")
    text = models.CharField(max_length=500, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "reference"], name="statement_line_known_once"),
            models.CheckConstraint(
                condition=~Q(amount=0) & Q(amount__gt=-TOO_MUCH, amount__lt=TOO_MUCH),
                name="statement_line_moves_something",
            ),
        ]
        indexes = [models.Index(fields=["source", "booked_at"], name="statement_line_by_day")]
        triggers = [_APPEND_ONLY]

    def __str__(self) -> str:
        return f"line {self.reference}"


class StatementUpload(models.Model):
    """A file that was looked at and is not imported yet. No fact: gone once imported, or after a week."""

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=150)
    content = models.BinaryField()
    first = models.DateField(null=True)
    last = models.DateField(null=True)
    closing = models.JSONField(default=dict)
    preview = models.JSONField()
    reason = models.TextField()
    at = models.DateTimeField()
    actor_label = models.CharField(max_length=150)

    def __str__(self) -> str:
        return f"upload {self.pk}"
