"""The second factor of a login: an authenticator app, passkeys, and recovery codes for when they are lost."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

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


class Passkey(models.Model):
    """A WebAuthn credential of a person: the public half of a key that stays in their device.

    `public_key` is a COSE key in CBOR. `sign_count` is the newest that the device has told; devices that do
    not count say 0 for ever. One that goes back means that there are two of the device.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="passkeys", db_index=False)
    name = models.CharField(max_length=64, help_text="The person's own name for it.")
    credential_id = models.BinaryField(max_length=1_023, unique=True)
    public_key = models.BinaryField(max_length=4_096)
    sign_count = models.BigIntegerField()
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="passkey_name_once_a_person"),
            models.CheckConstraint(condition=Q(sign_count__gte=0), name="passkey_counts_from_zero"),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="only_its_use_is_noted", exclude=["sign_count", "last_used_at"]),
            pgtrigger.Protect(
                name="count_never_goes_back",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__sign_count__lt=pgtrigger.F("old__sign_count")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Ceremony(models.TextChoices):
    """What a passkey is asked for; an answer to one ceremony is none to another."""

    REGISTER = "register", "Add a passkey"
    LOGIN = "login", "Log in to the API"
    CONFIRM = "confirm", "Confirm in a session of the API"
    DESK_LOGIN = "desk_login", "Log in to the back office"


class PasskeyChallenge(models.Model):
    """A question put to a person's passkeys: random bytes to be signed, good for one answer.

    `asked_in` is the session it was asked in, of the API or of the browser; empty for a login to the API,
    which has none yet. An answer deletes the row, right or wrong.
    """

    challenge = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    ceremony = models.CharField(max_length=10, choices=Ceremony)
    asked_in = models.CharField(max_length=64, default="", blank=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"challenge {self.pk}"


class RecoveryCode(models.Model):
    """Stands in for the second factor, once. Kept as a hash: it has 80 random bits, so a plain one does."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="recovery_codes", db_index=False)
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once")]
        triggers = [
            pgtrigger.Protect(
                name="used_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__used_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
