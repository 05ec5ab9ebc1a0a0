"""One audited act: who did what to which thing, when, from where, why, and what changed."""

from __future__ import annotations

import pgtrigger
from django.db import models

from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel


class AuditRecord(PartitionedModel):
    """A fact: written in the transaction of the act itself, never updated, never deleted.

    The actor is stored by value, without a foreign key: an audit trail must outlive the user row.
    """

    partitioning = PartitionPolicy(key="at", period=Period.MONTH, ahead=3, storage=APPEND_ONLY)

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150)
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=64, help_text="app.subject.verb, such as accounts.money.deposit")
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=150)
    reason = models.TextField(default="")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    correlation_id = models.CharField(max_length=64, default="")

    class Meta:
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_newest"),
            models.Index(fields=["target_type", "target_id", "-at"], name="audit_by_target"),
            models.Index(fields=["actor_id", "-at"], name="audit_by_actor"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.action} on {self.target_label} by {self.actor_label}"
