"""A trading account: whose orders, whose money, and whether it may trade."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models.group import PositionMode, TradingGroup
from instruments.models import Asset


class AccountType(models.TextChoices):
    """What kind of account it is. All trade in cash on one set of books; all but live may use leverage."""

    LIVE = "live", "Live"
    DEMO = "demo", "Demo"
    MARGIN = "margin", "Margin"
    ISLAMIC = "islamic", "Islamic"


class TradingAccount(models.Model):
    """Holds one balance for each asset (LedgerAccount) and sends orders.

    `group` says on which terms it deals; without one the defaults of a group count.
    Accounts with the same non-zero `trade_group` never trade with each other (self-trade prevention).
    """

    account_number = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="accounts")
    type = models.CharField(max_length=8, choices=AccountType, default=AccountType.LIVE)
    currency = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    group = models.ForeignKey(
        TradingGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    position_mode = models.CharField(max_length=8, choices=PositionMode, default=PositionMode.NETTING)
    leverage = models.PositiveSmallIntegerField(default=1)
    max_leverage = models.PositiveSmallIntegerField(default=500)
    trade_group = models.PositiveBigIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    is_locked = models.BooleanField(default=False)
    locked_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(leverage__gte=1, leverage__lte=F("max_leverage"), max_leverage__lte=500),
                name="account_leverage_within_maximum",
            ),
        ]

    def __str__(self) -> str:
        return self.account_number
