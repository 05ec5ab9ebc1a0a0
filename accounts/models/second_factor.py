"""The second factor of a login: an authenticator app, and recovery codes for when it is lost."""

from __future__ import annotations

import pgtrigger
from django.db import models

from accounts.models.user import User


class SecondFactor(models.Model):
    """A person's authenticator app; on from `confirmed_at`, when its first code was right.

    Its secret lies in the vault under (person, Purpose.SECOND_FACTOR). `last_step` is the newest 30 seconds
    whose code was used: no code works twice.
    """

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="second_factor")
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"second factor of {self.user}"


class RecoveryCode(models.Model):
    """Stands in for one code of the app, once. Kept as a hash: it has 80 random bits, so a plain one does."""

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["factor", "digest"], name="recovery_code_once")]
        triggers = [
            pgtrigger.Protect(
                name="used_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__used_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
