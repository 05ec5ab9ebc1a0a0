"""Maker and checker: which acts need more than one person, the acts that wait, and who said yes or no."""

from __future__ import annotations

from datetime import datetime, timedelta

import pgtrigger
from django.db import models
from django.db.models import F, Q

from tradeplatform.common.fields import AmountField


class ApprovalPolicy(models.Model):
    """For this action, above this amount, so many approvers of this role, within so long.

    Without `above` it is about every such act. An act in another asset is measured by its worth in this
    one; where that is unknown it counts as above. Of several policies that apply, the one that asks for the
    most approvers counts, then the one with the highest threshold.
    """

    action = models.CharField(max_length=64)
    above = AmountField(null=True, blank=True)
    asset = models.CharField(max_length=16, blank=True, help_text="Code of the asset `above` is in.")
    approvers = models.PositiveSmallIntegerField(default=1)
    role = models.CharField(max_length=20, help_text="What an approver must be when deciding.")
    expires_after = models.DurationField(default=timedelta(days=3))
    active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "approval policies"
        constraints = [
            models.UniqueConstraint(
                fields=["action", "asset", "above"],
                nulls_distinct=False,
                name="approval_policy_once_for_a_threshold",
                violation_error_message="There is a policy for this action and threshold: change that one.",
            ),
            models.CheckConstraint(
                condition=Q(above__isnull=True, asset="")
                | Q(above__isnull=False, above__gte=0, above__lt=10**20) & ~Q(asset=""),
                name="approval_policy_threshold_has_asset",
                violation_error_message="A threshold is an amount, 0 or more, and the asset it is in.",
            ),
            models.CheckConstraint(
                condition=Q(approvers__gte=1, approvers__lte=9),
                name="approval_policy_approvers_1_to_9",
                violation_error_message="One to nine approvers.",
            ),
            models.CheckConstraint(
                condition=Q(expires_after__gte=timedelta(minutes=1), expires_after__lte=timedelta(days=366)),
                name="approval_policy_expiry_sensible",
                violation_error_message="Between a minute and a year.",
            ),
        ]
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        above = "" if self.above is None else f" above {self.above.normalize():f} {self.asset}"
        return f"{self.action}{above}"


class ApprovalState(models.TextChoices):
    """Where an act that needs approval stands; all but the first are final."""

    PENDING = "pending", "Pending"
    DONE = "done", "Done"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"


class ApprovalRequest(models.Model):
    """An act that waits for other people, with its exact effect: only its state ever changes, and only once.

    The maker is stored by value, without a foreign key, as in the audit trail. `effects` are rows of
    (what, now, then) for people, as they were when it was asked; `payload` is what the act is done from.
    """

    action = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, help_text="The asker's own: one request for each, for ever.")
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=150)
    origin_type = models.CharField(max_length=64, default="", help_text="The row that waits for it, if one.")
    origin_id = models.CharField(max_length=64, default="")
    payload = models.JSONField()
    effects = models.JSONField(default=list)
    amount = AmountField(null=True)
    asset = models.CharField(max_length=16, default="")
    reason = models.TextField()
    maker_id = models.BigIntegerField()
    maker_label = models.CharField(max_length=150)
    needed = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=20)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=ApprovalState, default=ApprovalState.PENDING)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["action", "request_id"], name="approval_request_once"),
            # The target of the decisions' foreign key, which carries the maker.
            models.UniqueConstraint(fields=["id", "maker_id"], name="approval_request_and_maker"),
            models.CheckConstraint(condition=Q(needed__gte=1), name="approval_request_needs_somebody"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="approval_request_expires_later"
            ),
            models.CheckConstraint(
                condition=Q(state=ApprovalState.PENDING, closed_at__isnull=True)
                | ~Q(state=ApprovalState.PENDING) & Q(closed_at__isnull=False),
                name="approval_request_closed_with_its_state",
            ),
        ]
        indexes = [
            models.Index(
                fields=["role", "expires_at"], condition=Q(state="pending"), name="approval_request_pending"
            ),
            models.Index(fields=["state", "-id"], name="approval_request_by_state"),
            models.Index(fields=["maker_id", "-id"], name="approval_request_by_maker"),
            models.Index(fields=["target_type", "target_id", "-id"], name="approval_request_by_target"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="only_its_state_changes", exclude=["state", "closed_at"]),
            pgtrigger.Protect(
                name="closed_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__df=ApprovalState.PENDING),
            ),
        ]

    def __str__(self) -> str:
        return f"approval {self.pk}"

    def state_at(self, now: datetime) -> ApprovalState:
        """Where it stands; one whose time is over has expired, whether or not that was written down yet."""
        if self.state == ApprovalState.PENDING and self.expires_at <= now:
            return ApprovalState.EXPIRED
        return ApprovalState(self.state)


class ApprovalDecision(models.Model):
    """A fact: one person's yes or no. The database refuses the maker as checker.

    (request, maker) refers to the request's own pair, by a foreign key of both, so `maker_id` cannot be
    another; a CHECK keeps the checker apart from it.
    """

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="decisions")
    maker_id = models.BigIntegerField()
    checker_id = models.BigIntegerField()
    checker_label = models.CharField(max_length=150)
    approved = models.BooleanField()
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "checker_id"], name="approval_decision_once"),
            models.CheckConstraint(
                condition=~Q(checker_id=F("maker_id")), name="approval_checker_is_not_maker"
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{'yes' if self.approved else 'no'} of {self.checker_label}"
