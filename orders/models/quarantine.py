"""What was set aside because it could not be applied."""

from __future__ import annotations

import pgtrigger
from django.db import models

from orders.models.command import CommandKind, Shard


class Quarantine(models.Model):
    """A command that no drain could apply, as it was, and why: a fact.

    The command itself has its place in the journal as something that does nothing but refuse: see
    orders/services/quarantining.py. `error` is what the last attempt ended with.
    """

    at = models.DateTimeField()
    command_id = models.BigIntegerField(unique=True)
    command_at = models.DateTimeField()
    shard = models.ForeignKey(Shard, on_delete=models.PROTECT, related_name="quarantines")
    instrument_id = models.IntegerField()
    order_id = models.BigIntegerField()
    kind = models.SmallIntegerField(choices=CommandKind)
    error = models.TextField()
    original = models.JSONField(help_text="The command's columns before they were replaced.")

    class Meta:
        verbose_name_plural = "quarantine"
        indexes = [models.Index(fields=["shard", "-at"], name="quarantine_of_shard")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"command {self.command_id}"
