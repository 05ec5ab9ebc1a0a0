"""A trading account: whose orders, whose money, and whether it may trade."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When

from accounts.models.group import PositionMode, TradingGroup
from instruments.models import Asset, Realm


class AccountType(models.TextChoices):
    """What kind of account it is. All trade in cash; all but live may use leverage; demo has play money."""

    LIVE = "live", "Live"
    DEMO = "demo", "Demo"
    MARGIN = "margin", "Margin"
    ISLAMIC = "islamic", "Islamic"


class TradingAccount(models.Model):
    """Holds one balance for each asset (LedgerAccount) and sends orders.

    `group` says on which terms it deals; without one the defaults of a group count.
    Accounts with the same non-zero `trade_group` never trade with each other (self-trade prevention).
    `realm` follows from the type; with the account's first ledger account it cannot change any more.
    """

    account_number = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="accounts")
    type = models.CharField(max_length=8, choices=AccountType, default=AccountType.LIVE)
    realm = models.GeneratedField(
        expression=Case(When(type="demo", then=Value(Realm.DEMO.value)), default=Value(Realm.LIVE.value)),
        output_field=models.CharField(max_length=4, choices=Realm),
        db_persist=True,
    )
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
            # What ledger accounts refer to: the database then knows on which side of the wall they are.
            models.UniqueConstraint(fields=["id", "realm"], name="account_id_and_realm"),
            models.CheckConstraint(
                condition=Q(leverage__gte=1, leverage__lte=F("max_leverage"), max_leverage__lte=500),
                name="account_leverage_within_maximum",
            ),
        ]

    def __str__(self) -> str:
        return self.account_number
