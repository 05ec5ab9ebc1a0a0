"""People who log in, and the roles that say what they may do."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from accounts.models.tier import RateTier


class KycStatus(models.TextChoices):
    """Where the identity check of a person stands."""

    PENDING = "pending", "Pending"
    UNDER_REVIEW = "under_review", "Under review"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"


class User(AbstractUser):
    """A person. Passwords are argon2 hashes; rights come from roles alone (accounts.permissions)."""

    email = models.EmailField(unique=True)
    phone = models.CharField(max_length=32, blank=True)
    country_code = models.CharField(max_length=2, blank=True)
    kyc_status = models.CharField(max_length=12, choices=KycStatus, default=KycStatus.PENDING)
    kyc_level = models.PositiveSmallIntegerField(default=0)
    is_verified = models.BooleanField(default=False)
    rate_tier = models.ForeignKey(
        RateTier,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Or standard.",
    )
    password_set_by = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Another person who chose the password, until its owner chooses one.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [models.CheckConstraint(condition=Q(kyc_level__lte=3), name="user_kyc_level_0_to_3")]

    def __str__(self) -> str:
        return self.username


class Role(models.TextChoices):
    """What a person is here to do; see accounts.permissions for what each may."""

    USER = "user", "User"
    TRADER = "trader", "Trader"
    SUPPORT = "support", "Support"
    RISK_MANAGER = "risk_manager", "Risk manager"
    COMPLIANCE_OFFICER = "compliance_officer", "Compliance officer"
    ADMIN = "admin", "Admin"
    SUPER_ADMIN = "super_admin", "Super admin"


class UserRole(models.Model):
    """A role granted to a person, by whom, since when, and until when."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=Role)
    granted_at = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "role"], name="user_role_once")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.role}"
