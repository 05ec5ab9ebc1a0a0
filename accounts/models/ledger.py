"""The ledger: accounts that hold one asset each, and transfers between two of them.

A transfer names one debit account, one credit account and one amount, so an unbalanced entry cannot be
written. A ledger balance is credits minus debits: client money is positive, `funding` (the outside
world) is negative, and every asset sums to zero over the ledger of each realm.

Both sides of a transfer are accounts of its asset and of its realm: the database refuses any other. A trading
account's ledger accounts are of the account's realm, by a foreign key (migration 0013).
"""

from __future__ import annotations

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q

from accounts.models.account import TradingAccount
from django_partition import APPEND_ONLY, PartitionPolicy, Period
from django_partition.models import PartitionedModel
from instruments.models import Asset, Realm
from tradeplatform.common.fields import AmountField
from tradeplatform.common.references import Reference, references

# What no NUMERIC(38, 18) reaches, except NaN.
TOO_MUCH = Decimal(10) ** 20


class LedgerKind(models.TextChoices):
    """What a ledger account is for: docs/money.md. Those in CLIENTS exist for each trading account."""

    CLIENT = "client", "Client"
    CREDIT = "credit", "Credit (lent by the house)"
    FEE = "fee", "Fee income"
    ROUNDING = "rounding", "Rounding"
    FUNDING = "funding", "Funding (outside world)"
    HOUSE = "house", "House"
    DEALING = "dealing", "Dealing"
    PROTECTION = "protection", "Negative-balance protection"
    LP = "lp", "Liquidity providers"
    SUSPENSE = "suspense", "Suspense"


#: The kinds that exist once for each trading account and asset; the others, once for each asset and realm.
CLIENTS = (LedgerKind.CLIENT, LedgerKind.CREDIT)


# What transfers name is an account, its asset and its realm, and nobody looks again whether it is that.
_IDENTITY_IS_FIXED = """
    RAISE EXCEPTION 'ledger account % keeps its kind, account, asset and realm:'
        ' transfer_debit_of_asset and transfer_credit_of_asset rest on it', OLD.id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_identity_is_fixed';
"""


class LedgerAccount(models.Model):
    """What one party owns of one asset. Moved only by accounts.services.posting.

    `held` is the part promised: the sum of Order.held, pending Command.held and MoneyRequest.held; the
    database refuses to let `balance - held` of a client go below zero. `reserved` is what open positions need
    of the balance as they were last valued; what is available is less by it. `moved_at` is the time of its
    last transfer, or the end of the last closed month: no later transfer may be earlier.
    """

    kind = models.CharField(max_length=10, choices=LedgerKind)
    account = models.ForeignKey(
        TradingAccount, on_delete=models.PROTECT, null=True, related_name="ledger_accounts"
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    realm = models.CharField(max_length=4, choices=Realm, default=Realm.LIVE)
    balance = AmountField(default=Decimal(0))
    held = AmountField(default=Decimal(0))
    reserved = AmountField(default=Decimal(0))
    moved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "asset", "kind"],
                condition=Q(account__isnull=False),
                name="ledger_one_per_account_and_asset",
            ),
            models.UniqueConstraint(
                fields=["kind", "asset", "realm"],
                condition=Q(account__isnull=True),
                name="ledger_one_per_kind_and_asset",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=CLIENTS, account__isnull=False)
                | (~Q(kind__in=CLIENTS) & Q(account__isnull=True)),
                name="ledger_client_has_account",
            ),
            models.CheckConstraint(condition=Q(held__gte=0), name="ledger_held_not_negative"),
            models.CheckConstraint(
                condition=Q(balance__lt=TOO_MUCH, held__lt=TOO_MUCH, reserved__lt=TOO_MUCH),
                name="ledger_holds_numbers",
            ),
            models.CheckConstraint(
                condition=Q(reserved__gte=0) & (Q(kind=LedgerKind.CLIENT) | Q(reserved=0)),
                name="ledger_only_clients_reserve",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=CLIENTS) | Q(balance__gte=F("held")),
                name="ledger_available_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(kind=LedgerKind.CLIENT) | Q(held=0), name="ledger_only_clients_hold"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="identity_is_fixed",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("kind", "account", "asset", "realm"),
                func=_IDENTITY_IS_FIXED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ledger account {self.pk}"

    @property
    def available(self) -> Decimal:
        """What may be spent or withdrawn now; below zero where open positions need more than there is."""
        available: Decimal = self.balance - self.held - self.reserved
        return available


class TransferKind(models.TextChoices):
    """Why money moved."""

    DEPOSIT = "deposit", "Deposit"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    ADJUSTMENT = "adjustment", "Adjustment"
    TRADE_BASE = "trade_base", "Trade, base asset"
    TRADE_QUOTE = "trade_quote", "Trade, quote asset"
    FEE = "fee", "Fee"
    ROUNDING = "rounding", "Rounding"
    CORRECTION = "correction", "Correction"
    CREDIT = "credit", "Credit"
    BONUS = "bonus", "Bonus"
    INTERNAL = "internal", "Internal transfer"
    DEAL_PNL = "deal_pnl", "Realised P&L"
    COMMISSION = "commission", "Commission"
    SWAP = "swap", "Swap"
    PROTECTION = "protection", "Negative-balance protection"
    WRITE_OFF = "write_off", "Write-off"
    RESET = "reset", "Demo reset"


# A correction is its original the other way round, and all corrections of one are no more than it was.
_CORRECTION_FITS = """
    IF NOT EXISTS (
        SELECT 1 FROM accounts_transfer t
        WHERE t.id = NEW.corrects_id AND t.id < NEW.id AND t.asset_id = NEW.asset_id
          AND t.debit_id = NEW.credit_id AND t.credit_id = NEW.debit_id
          AND t.amount >= (SELECT sum(c.amount) FROM accounts_transfer c WHERE c.corrects_id = t.id)
    ) THEN
        RAISE EXCEPTION 'transfer % does not correct transfer %', NEW.id, NEW.corrects_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_correction_fits';
    END IF;
    RETURN NULL;
"""


class Transfer(PartitionedModel):
    """A fact: `amount` of `asset` moved from the debit to the credit account, both of one realm.

    Ids increase along each ledger account (both rows are locked while it is written), so
    `debit_balance_after` and `credit_balance_after` chain: before + amount = after, on each row. Times never
    run backwards along an account, so (account, at, id) is the order of ids, and an index of both sides.
    `entry_id` is the id of the first transfer of the entry that this one is a leg of, or its own.
    `corrects_id` is the transfer that a correction takes back, in whole or in part.
    `order_id`/`trade_id` say what caused it, or `request_id`, `reason` and `actor_id` for a person's act.
    """

    partitioning = PartitionPolicy(key="at", period=Period.MONTH, ahead=3, storage=APPEND_ONLY)

    id = models.BigAutoField(primary_key=True)
    entry_id = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=12, choices=TransferKind)
    asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    realm = models.CharField(max_length=4, choices=Realm, default=Realm.LIVE)
    debit = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="debits", db_constraint=False, db_index=False
    )
    credit = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="credits", db_constraint=False, db_index=False
    )
    amount = AmountField()
    debit_balance_after = AmountField()
    credit_balance_after = AmountField()
    order_id = models.BigIntegerField(null=True)
    trade_id = models.BigIntegerField(null=True)
    corrects_id = models.BigIntegerField(null=True)
    request_id = models.CharField(max_length=64, default="")
    reason = models.TextField(default="")
    actor_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            # NUMERIC knows NaN, which is greater than every number.
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=TOO_MUCH), name="transfer_amount_positive"
            ),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_sides_differ"),
            models.CheckConstraint(
                condition=Q(entry_id__gt=0, entry_id__lte=F("id")), name="transfer_entry_is_first_leg"
            ),
            models.CheckConstraint(
                condition=Q(kind=TransferKind.CORRECTION, corrects_id__isnull=False)
                | (~Q(kind=TransferKind.CORRECTION) & Q(corrects_id__isnull=True)),
                name="transfer_only_corrections_correct",
            ),
        ]
        indexes = [
            models.Index(fields=["debit", "at", "id"], name="transfer_by_debit"),
            models.Index(fields=["credit", "at", "id"], name="transfer_by_credit"),
            models.Index(fields=["trade_id"], condition=Q(trade_id__isnull=False), name="transfer_by_trade"),
            models.Index(
                fields=["corrects_id"], condition=Q(corrects_id__isnull=False), name="transfer_by_corrected"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="correction_fits",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__corrects_id__isnull=False),
                func=_CORRECTION_FITS,
            ),
            references(
                *(
                    Reference(
                        f"transfer_{side}_of_asset_and_realm",
                        "accounts_ledgeraccount",
                        {f"{side}_id": "id", "asset_id": "asset_id", "realm": "realm"},
                    )
                    for side in ("debit", "credit")
                )
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class FundingRequest(models.Model):
    """The forever identity of an act about money: the same request id has one effect, whoever repeats it.

    The effect is a transfer, or a MoneyRequest where a person asked for it, which may have to wait.

    Unpartitioned on purpose: uniqueness must hold across months.
    """

    request_id = models.CharField(max_length=64, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    transfer_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.request_id
