"""Secrets at rest: each encrypted with a data key of its own, which a key outside the database encrypts."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q


class Purpose(models.TextChoices):
    """What a secret opens. Sealed into it: a secret of one purpose cannot be read as one of another."""

    API_KEY = "api_key", "Client's API key"
    SECOND_FACTOR = "second_factor", "Authenticator app"
    PASSWORD = "password", "Password that waits for approval"
    LP_CREDENTIAL = "lp_credential", "Liquidity provider"
    EXCHANGE_CREDENTIAL = "exchange_credential", "Exchange"


class Secret(models.Model):
    """One version of a secret: (owner, purpose, name, version) for ever; accounts.services.vault reads it.

    `sealed` is the secret under its data key, `wrapped_key` the data key under the key-encryption key
    `kek`; both are sealed together with the four names, so that no row can stand in for another. A secret
    that was replaced or is no longer wanted is destroyed: the row stays, what it held does not.
    """

    owner = models.CharField(max_length=64, help_text='Whose it is, such as "accounts.user:17".')
    purpose = models.CharField(max_length=20, choices=Purpose)
    name = models.CharField(max_length=64, help_text="Which of the owner's secrets.")
    version = models.PositiveIntegerField()
    kek = models.CharField(max_length=32, help_text="Id of the key-encryption key, which is not here.")
    wrapped_key = models.BinaryField(null=True)
    sealed = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    wrapped_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "purpose", "name", "version"], name="secret_version_once"
            ),
            models.UniqueConstraint(
                fields=["owner", "purpose", "name"],
                condition=Q(destroyed_at__isnull=True),
                name="secret_has_one_living_version",
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="secret_versions_start_at_1"),
            models.CheckConstraint(
                condition=Q(destroyed_at__isnull=True, wrapped_key__isnull=False, sealed__isnull=False)
                | Q(destroyed_at__isnull=False, wrapped_key__isnull=True, sealed__isnull=True),
                name="secret_is_whole_or_destroyed",
            ),
        ]
        indexes = [
            models.Index(fields=["kek"], condition=Q(destroyed_at__isnull=True), name="secret_by_kek"),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="only_its_wrapping_changes",
                exclude=["kek", "wrapped_key", "wrapped_at", "sealed", "destroyed_at"],
            ),
            pgtrigger.Protect(
                name="destroyed_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__destroyed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.name} of {self.owner}, version {self.version}"
