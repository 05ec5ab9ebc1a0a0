"""Sessions: who is logged in through the API, since when, from where, and why it ended."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models.user import User


class SessionEnd(models.TextChoices):
    """Why a session ended."""

    LOGOUT = "logout", "Logged out"
    REVOKED = "revoked", "Ended by its owner"
    OPERATOR = "operator", "Ended by an operator"
    PASSWORD = "password", "Password changed"
    DEACTIVATED = "deactivated", "Login closed"
    REFRESH_REUSED = "refresh_reused", "A used refresh token came again"


class Session(models.Model):
    """One login, from which all its tokens descend: they say its `sid` and are worth nothing once it ended.

    `refresh` names its newest refresh token, which alone can renew it, and `refresh_before` the one it
    replaced; the tokens themselves are kept nowhere. `expires_at` moves with each renewal. `confirmed_at` is
    when its owner last proved who they are.
    """

    sid = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="sessions", db_index=False)
    refresh = models.CharField(max_length=32)
    refresh_before = models.CharField(max_length=32, default="", blank=True)
    opened_at = models.DateTimeField()
    renewed_at = models.DateTimeField()
    confirmed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, default="", help_text="What the program calls itself.")
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=14, choices=SessionEnd, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_why="")
                | Q(ended_at__isnull=False) & ~Q(ended_why=""),
                name="session_ended_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("opened_at")), name="session_expires_after_it_opened"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="session_by_user"),
            models.Index(fields=["expires_at"], name="session_by_expiry"),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="whose_it_is_is_fixed",
                exclude=[
                    "refresh",
                    "refresh_before",
                    "renewed_at",
                    "confirmed_at",
                    "expires_at",
                    "ended_at",
                    "ended_why",
                ],
            ),
            pgtrigger.Protect(
                name="ended_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"session {self.sid[:8]}"
