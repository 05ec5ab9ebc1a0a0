"""Which lines of theirs are which transfers of ours: facts, each side at most once."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.reconciliation.models.source import StatementSource
from accounts.reconciliation.models.statement import StatementLine
from tradeplatform.common.fields import AmountField


class Rule(models.TextChoices):
    """How it was found that two sides are one, in the order in which it is tried."""

    REFERENCE = "reference", "Reference and amount"
    CORRECTED = "corrected", "Corrected by ourselves"
    AMOUNT = "amount", "Amount within days"
    GROUP = "group", "Reference and sum"
    HAND = "hand", "By hand"
    WRITE_OFF = "write_off", "Written off"


class Match(models.Model):
    """Lines and transfers that are the same money: both sides come to the same, in one asset."""

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="+")
    rule = models.CharField(max_length=9, choices=Rule)
    at = models.DateTimeField()
    reason = models.TextField(default="")
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150)

    class Meta:
        verbose_name_plural = "matches"
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"match {self.pk}"


# All legs of a match are inserted by one statement, so it can be checked when that has ended.
_ADDS_UP = """
    IF EXISTS (
        SELECT 1 FROM reconciliation_matchleg g WHERE g.match_id IN (SELECT match_id FROM fresh)
        GROUP BY g.match_id HAVING sum(g.amount) <> 0 OR count(*) < 2
    ) THEN
        RAISE EXCEPTION 'the two sides of a match differ'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'match_adds_up';
    END IF;
    RETURN NULL;
"""


class MatchLeg(models.Model):
    """A line (its amount), or a transfer (its amount the other way round): the legs of a match sum to zero.

    `undone` turns once, with the match's Undoing: the line or transfer can then be matched again.
    """

    match = models.ForeignKey(Match, on_delete=models.PROTECT, related_name="legs")
    line = models.ForeignKey(
        StatementLine, on_delete=models.PROTECT, null=True, related_name="legs", db_index=False
    )
    transfer_id = models.BigIntegerField(null=True)
    amount = AmountField()
    undone = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(line__isnull=False, transfer_id__isnull=True)
                | Q(line__isnull=True, transfer_id__isnull=False),
                name="match_leg_is_one_side",
            ),
            models.UniqueConstraint(fields=["line"], condition=Q(undone=False), name="line_matched_once"),
            models.UniqueConstraint(
                fields=["transfer_id"], condition=Q(undone=False), name="transfer_matched_once"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="only_undone_changes", exclude=["undone"]),
            pgtrigger.Protect(
                name="undone_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__undone=True),
            ),
            pgtrigger.Trigger(
                name="adds_up",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="fresh"),  # type: ignore[no-untyped-call]
                func=_ADDS_UP,
            ),
        ]

    def __str__(self) -> str:
        return f"leg of match {self.match_id}"


class Undoing(models.Model):
    """A person took a match apart: its two sides are not the same after all."""

    match = models.OneToOneField(Match, on_delete=models.PROTECT, primary_key=True, related_name="undoing")
    at = models.DateTimeField()
    reason = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"undoing of match {self.pk}"
