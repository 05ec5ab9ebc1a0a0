"""Proofs: what the invariants said at a moment, kept for ever."""

from __future__ import annotations

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models


class ProofRun(models.Model):
    """All invariants, checked in one snapshot, and the balances they were true of.

    `findings`: of each invariant code, title, examined, seconds, and the first rows that break it.
    `balances`: for each asset how many ledger accounts, the sum of their balances (0), and the SHA-256 of
    "id:balance" of all of them in the order of ids, joined by commas.
    """

    at = models.DateTimeField()
    seconds = models.DecimalField(max_digits=10, decimal_places=3)
    holds = models.BooleanField()
    actor_label = models.CharField(max_length=150)
    findings = models.JSONField(encoder=DjangoJSONEncoder)
    balances = models.JSONField(encoder=DjangoJSONEncoder)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"Proof {self.pk}"
