"""What a press or release of the kill switch has done, or is still to do, on each shard."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.command import Shard
from risk.models import KillAct


class KillEffect(models.Model):
    """One act on one shard: asked for when pressed, given its place by the drain before anything that waits.

    `position` is P: the shard's next position when it took effect. From there on nothing of the scope trades,
    until the position of the release. `commands` of the journal from P on are the effect itself: they end
    the scope's orders and leave an event in each book concerned. Times are by the database's clock.
    """

    act = models.ForeignKey(KillAct, on_delete=models.PROTECT, related_name="effects")
    shard = models.ForeignKey(Shard, on_delete=models.PROTECT, related_name="kill_effects")
    position = models.BigIntegerField(null=True)
    in_effect_at = models.DateTimeField(null=True)
    commands = models.IntegerField(default=0)
    cancelled = models.IntegerField(default=0, help_text="Orders that it ended.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["act", "shard"], name="kill_effect_once_a_shard"),
            models.CheckConstraint(
                condition=Q(position__isnull=True, in_effect_at__isnull=True)
                | Q(position__gt=0, in_effect_at__isnull=False),
                name="kill_effect_has_place_and_time",
            ),
            models.CheckConstraint(
                condition=Q(commands__gte=0, cancelled__gte=0), name="kill_effect_counts_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["shard", "act"], condition=Q(position__isnull=True), name="kill_effect_due")
        ]

    def __str__(self) -> str:
        return f"{self.act} on {self.shard}"
