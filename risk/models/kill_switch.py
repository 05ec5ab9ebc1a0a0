"""The kill switch: one row for each scope that was ever stopped, and a fact for each press and release."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class KillScope(models.TextChoices):
    """What one press stops."""

    GLOBAL = "global", "Everything"
    INSTRUMENT = "instrument", "Instrument"
    ACCOUNT = "account", "Account"
    GROUP = "group", "Group"
    API_KEY = "api_key", "API key"


class KillStage(models.TextChoices):
    """How far a scope is open. Pressed it takes cancels alone; it is released one step at a time.

    Stopped, its orders are cancelled; of no new orders, those that rest and those that wait stay.
    """

    STOPPED = "stopped", "Stopped: only cancels are taken"
    NO_ORDERS = "no_orders", "No new orders: resting ones stay"
    LIMIT_ONLY = "limit_only", "Limit orders only"
    OPEN = "open", "Open"


#: Where one step of a release leads.
NEXT_STAGE = {
    KillStage.STOPPED: KillStage.LIMIT_ONLY,
    KillStage.LIMIT_ONLY: KillStage.OPEN,
    KillStage.NO_ORDERS: KillStage.OPEN,
}
#: What one person alone may do.
PRESSES = (KillStage.STOPPED, KillStage.NO_ORDERS)


class KillSwitch(models.Model):
    """The switch of one scope. The global one is always there: where its row is missing, all is stopped.

    `key` is the id of the instrument, account, group or API key; 0 for the global one. `members` are the
    accounts that were in a group when it was stopped: moving one out of it releases nothing.
    """

    scope = models.CharField(max_length=10, choices=KillScope)
    key = models.BigIntegerField(default=0)
    label = models.CharField(max_length=150, help_text="What the scope is called.")
    stage = models.CharField(max_length=10, choices=KillStage, default=KillStage.OPEN)
    members = ArrayField(models.BigIntegerField(), default=list, blank=True)
    changed_at = models.DateTimeField(null=True, help_text="Of its last press or release.")

    class Meta:
        verbose_name_plural = "kill switches"
        permissions = [
            ("stop_killswitch", "Can press the kill switch"),
            ("release_killswitch", "Can ask for a release of the kill switch"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="kill_switch_one_of_a_scope"),
            models.CheckConstraint(
                condition=Q(scope=KillScope.GLOBAL, key=0) | ~Q(scope=KillScope.GLOBAL) & Q(key__gt=0),
                name="kill_switch_key_names_the_scope",
            ),
            models.CheckConstraint(condition=Q(stage__in=KillStage.values), name="kill_switch_stage_known"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="its_scope_is_fixed", fields=["scope", "key"]),
        ]

    def __str__(self) -> str:
        return self.label if self.scope == KillScope.GLOBAL else f"{self.get_scope_display()} {self.label}"

    @property
    def is_open(self) -> bool:
        """Whether it stops nothing."""
        return self.stage == KillStage.OPEN


class KillAct(models.Model):
    """A press (`stage` is one of PRESSES) or one step of a release, as it was done: a fact.

    `pressed_at` is by the database's clock at the moment of the press, what its effects are measured from.
    """

    switch = models.ForeignKey(KillSwitch, on_delete=models.PROTECT, related_name="acts")
    before = models.CharField(max_length=10, choices=KillStage)
    stage = models.CharField(max_length=10, choices=KillStage)
    at = models.DateTimeField()
    pressed_at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    actor_label = models.CharField(max_length=150)
    reason = models.TextField()
    approval_id = models.BigIntegerField(null=True, help_text="Under which a release was agreed to.")
    members = ArrayField(
        models.BigIntegerField(), default=list, help_text="The accounts that were in the group, of a press."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="kill_act_has_a_reason"),
            models.CheckConstraint(
                condition=Q(stage__in=PRESSES) | Q(approval_id__isnull=False),
                name="kill_act_release_was_agreed",
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.switch}: {self.get_stage_display().lower()}"

    @property
    def is_press(self) -> bool:
        """Whether it stopped something."""
        return self.stage in PRESSES
