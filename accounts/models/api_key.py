"""API keys: how a program shows who it acts for, what it may do, and from where."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models.account import TradingAccount


class KeyKind(models.TextChoices):
    """How requests are signed. Of RSA and Ed25519 keys we know the public half alone."""

    HMAC = "hmac", "HMAC-SHA256"
    RSA = "rsa", "RSA (PKCS#1 v1.5, SHA-256)"
    ED25519 = "ed25519", "Ed25519"


class Scope(models.TextChoices):
    """What a key may be used for; each key may read."""

    READ = "read", "Read"
    TRADE = "trade", "Trade"
    WITHDRAW = "withdraw", "Withdraw"


class ApiKey(models.Model):
    """A key of one trading account, known by `key_id`, which is public; the account's owner acts with it.

    An HMAC key's secret lies in the vault under (owner, Purpose.API_KEY, key_id); `generation` counts how
    often it was replaced. Revoking is for ever. `last_used_at` is at most a minute behind.
    """

    key_id = models.CharField(max_length=64, unique=True)
    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="api_keys")
    kind = models.CharField(max_length=7, choices=KeyKind)
    public_key = models.TextField(default="", blank=True, help_text="PEM; empty for HMAC.")
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope))
    allowed_ips = ArrayField(
        models.CharField(max_length=43), default=list, blank=True, help_text="Empty: any address."
    )
    label = models.CharField(max_length=64)
    generation = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "label"], condition=Q(revoked_at__isnull=True), name="api_key_label_once"
            ),
            models.CheckConstraint(
                condition=Q(key_id__regex="^[A-Za-z0-9]{64}$"), name="api_key_id_has_64_characters"
            ),
            models.CheckConstraint(
                condition=Q(kind=KeyKind.HMAC, public_key="") | ~Q(kind=KeyKind.HMAC) & ~Q(public_key=""),
                name="api_key_public_half_by_kind",
            ),
            models.CheckConstraint(
                condition=Q(scopes__contains=[Scope.READ], scopes__contained_by=Scope.values),
                name="api_key_scopes_are_known_and_read",
            ),
            models.CheckConstraint(
                condition=~Q(scopes__contains=[Scope.WITHDRAW]) | ~Q(allowed_ips=[]),
                name="api_key_withdraws_from_named_addresses",
                violation_error_message="A key that may withdraw needs a list of addresses.",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="api_key_expires_later",
                violation_error_message="A key expires after now.",
            ),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="api_key_by_account")]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="what_it_may_is_fixed",
                exclude=["public_key", "generation", "last_used_at", "revoked_at"],
            ),
            pgtrigger.Protect(
                name="revoked_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__revoked_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.key_id[:8]})"
