"""A person's wish to move money, from the asking to its end, and how much people may withdraw."""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models.account import TradingAccount
from accounts.models.ledger import TOO_MUCH, FundingRequest
from audit.models import ApprovalRequest
from instruments.models import Asset
from tradeplatform.common.fields import AmountField


class MoneyKind(models.TextChoices):
    """What is wished for; docs/money.md says from where to where each moves money."""

    DEPOSIT = "deposit", "Deposit"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    TRANSFER = "transfer", "Transfer between own accounts"
    CREDIT = "credit", "Credit"
    BONUS = "bonus", "Bonus"
    ADJUSTMENT = "adjustment", "Adjustment"


#: Kinds whose amount may be below zero: the client gives then.
SIGNED = (MoneyKind.CREDIT, MoneyKind.ADJUSTMENT)


class MoneyState(models.TextChoices):
    """Where a wish stands; all but the first are final."""

    REQUESTED = "requested", "Waits for approval"
    DONE = "done", "Done"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


_WAITS = Q(kind=MoneyKind.WITHDRAWAL, state=MoneyState.REQUESTED)


class MoneyRequest(models.Model):
    """One wish, known for ever by its request id. Only where it stands ever changes, and only once.

    `held` is what a withdrawal that waits reserves of its account's balance, a part of LedgerAccount.held.
    `worth` is what a withdrawal counts against its owner's limits, in their currency, at the rate of the
    moment of asking. The maker is stored by value, as in the audit trail.
    """

    identity = models.OneToOneField(FundingRequest, on_delete=models.PROTECT, related_name="money_request")
    kind = models.CharField(max_length=10, choices=MoneyKind)
    account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, related_name="money_requests", db_index=False
    )
    to_account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+", db_index=False)
    amount = AmountField()
    worth = AmountField(null=True)
    reference = models.CharField(max_length=140, default="", help_text="Of the bank, the chain, the paper.")
    document_hash = models.CharField(max_length=64, default="", help_text="SHA-256 of the evidence, in hex.")
    reason = models.TextField()
    maker_id = models.BigIntegerField()
    maker_label = models.CharField(max_length=150)
    at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=MoneyState)
    held = AmountField(default=Decimal(0))
    approval = models.OneToOneField(
        ApprovalRequest, on_delete=models.PROTECT, null=True, related_name="money_request"
    )
    transfer_id = models.BigIntegerField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=-TOO_MUCH, amount__lt=TOO_MUCH)
                & ~Q(amount=0)
                & (Q(amount__gt=0) | Q(kind__in=SIGNED)),
                name="money_amount_has_a_size_and_its_sign",
            ),
            models.CheckConstraint(
                condition=Q(kind=MoneyKind.TRANSFER, to_account__isnull=False) & ~Q(to_account=F("account"))
                | ~Q(kind=MoneyKind.TRANSFER) & Q(to_account__isnull=True),
                name="money_transfer_has_another_account",
            ),
            models.CheckConstraint(
                condition=Q(kind=MoneyKind.WITHDRAWAL, worth__isnull=False, worth__gte=0, worth__lt=TOO_MUCH)
                | ~Q(kind=MoneyKind.WITHDRAWAL) & Q(worth__isnull=True),
                name="money_withdrawal_has_a_worth",
            ),
            models.CheckConstraint(
                condition=_WAITS & Q(held=F("amount")) | ~_WAITS & Q(held=0),
                name="money_withdrawal_holds_while_it_waits",
            ),
            models.CheckConstraint(
                condition=Q(
                    state=MoneyState.REQUESTED,
                    approval__isnull=False,
                    transfer_id__isnull=True,
                    closed_at__isnull=True,
                )
                | Q(state=MoneyState.DONE, transfer_id__isnull=False, closed_at__isnull=False)
                | Q(
                    state__in=(MoneyState.REJECTED, MoneyState.CANCELLED, MoneyState.EXPIRED),
                    approval__isnull=False,
                    transfer_id__isnull=True,
                    closed_at__isnull=False,
                ),
                name="money_state_says_what_came_of_it",
            ),
            models.CheckConstraint(
                condition=Q(document_hash="") | Q(document_hash__regex="^[0-9a-f]{64}$"),
                name="money_document_hash_is_one",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="money_by_account"),
            models.Index(
                fields=["to_account", "-id"], condition=Q(to_account__isnull=False), name="money_by_receiver"
            ),
            models.Index(fields=["state", "-id"], name="money_by_state"),
            models.Index(
                fields=["account", "at"], condition=Q(kind="withdrawal"), name="money_withdrawals_by_time"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="only_where_it_stands_changes", exclude=["state", "held", "transfer_id", "closed_at"]
            ),
            pgtrigger.Protect(
                name="closed_for_ever",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__df=MoneyState.REQUESTED),
            ),
        ]

    def __str__(self) -> str:
        return f"money request {self.pk}"


class KycLimit(models.Model):
    """The most that people of a level may withdraw in 24 hours and in 30 days, in limits.CURRENCY."""

    level = models.PositiveSmallIntegerField(primary_key=True)
    daily = AmountField()
    monthly = AmountField()

    class Meta:
        verbose_name = "KYC limit"
        constraints = [
            models.CheckConstraint(condition=Q(level__lte=3), name="kyc_limit_level_0_to_3"),
            models.CheckConstraint(
                condition=Q(daily__gte=0, daily__lte=F("monthly"), monthly__lt=TOO_MUCH),
                name="kyc_limit_daily_within_monthly",
                violation_error_message="Zero or more, and a day's no more than a month's.",
            ),
            models.CheckConstraint(
                condition=~Q(level=0) | Q(monthly=0),
                name="kyc_limit_level_0_withdraws_nothing",
                violation_error_message="Level 0 may not withdraw.",
            ),
        ]

    def __str__(self) -> str:
        return f"level {self.level}"
