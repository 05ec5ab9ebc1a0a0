"""Cancel timers: the dead man's switches of an account."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import TradingAccount
from instruments.models import Instrument


class TimerKind(models.TextChoices):
    """Who renews a timer: the client by calls, or the server of its sockets by its heartbeat."""

    CANCEL_AFTER = "cancel_after", "Cancel after"
    DISCONNECT = "disconnect", "Cancel on disconnect"


class CancelTimer(models.Model):
    """When all orders of an account (in one instrument) are cancelled, unless it is renewed before.

    `due_at` is by the database's clock; None = off. It fires once, and stays as a row that says when.
    """

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="+", db_index=False)
    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="+", null=True, db_index=False
    )
    kind = models.CharField(max_length=12, choices=TimerKind)
    seconds = models.IntegerField(help_text="From a renewal until it is due.")
    renewed_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True, help_text="When it last cancelled.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "instrument"],
                nulls_distinct=False,
                name="cancel_timer_one_of_a_kind",
            ),
            models.CheckConstraint(condition=Q(seconds__gt=0), name="cancel_timer_seconds_positive"),
            models.CheckConstraint(
                condition=~Q(kind=TimerKind.DISCONNECT) | Q(instrument__isnull=True),
                name="cancel_timer_disconnect_of_all",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="cancel_timer_due")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of account {self.account_id}"
