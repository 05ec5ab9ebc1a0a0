"""Correct a transfer by a new one the other way round. The old one stays as it is, for ever.

A correction may take back a part; all corrections of one transfer together take back at most all of it, and
the database refuses more (trigger `correction_fits`). A correction is a transfer, so it can be corrected too.
What people ask for is in correction_requests.py: another person agrees first.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Sum

from accounts.models import CLIENTS, FundingRequest, LedgerAccount, TradingAccount, Transfer, TransferKind
from accounts.services.amounts import check_amount, check_positive, check_supply
from accounts.services.posting import Cause, Ledger, OpenAccount
from accounts.services.request_ids import conflict_named, fingerprint_of, repeated, require_request_id
from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from instruments.models import Asset
from instruments.scaling import grouped, short_text, text
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import tell_balances_moved


def left_to_correct(transfer: Transfer) -> Decimal:
    """What of a transfer has not been taken back yet."""
    corrections = Transfer.objects.filter(corrects_id=transfer.pk, at__gte=transfer.at)
    taken: Decimal = corrections.aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    amount: Decimal = transfer.amount
    return amount - taken


def correct(
    *,
    transfer_id: int,
    amount: Decimal,
    reason: str,
    request_id: str,
    approval: ApprovalRequest | None = None,
    actor: Actor,
    now: datetime,
) -> Transfer:
    """Move `amount` of a transfer back from its credit to its debit account, for who asked (`approval`).

    Raises Refusal: reason_required, invalid_field, not_found, invalid_number, request_id_conflict,
    account_inactive (who would be paid is closed), correction_too_large, insufficient_funds (who was paid has
    spent it).
    """
    reason, request_id = require_reason(reason), require_request_id(request_id)
    original = find_transfer(transfer_id)
    asset: Asset = original.asset
    check_positive(amount)
    check_amount(amount, asset)
    fingerprint = fingerprint_of(TransferKind.CORRECTION, transfer_id, short_text(amount), reason)

    with conflict_named(request_id), transaction.atomic():
        owners = _lock_owners(original)
        original = find_transfer(transfer_id)  # again: whether its owners are open is certain only now
        ledger = Ledger.lock_ids([original.debit_id, original.credit_id])
        if first := repeated(request_id, fingerprint):
            return first
        now = ledger.moment(now)
        accounts = {account.id: account for account in ledger.accounts()}
        payer, payee = accounts[original.credit_id], accounts[original.debit_id]
        left = left_to_correct(original)
        _require_it_can_be(original, amount, left, payer)
        ledger.transfer(
            at=now,
            kind=TransferKind.CORRECTION,
            debit=payer,
            credit=payee,
            amount=amount,
            cause=Cause(
                trade_id=original.trade_id,
                corrects_id=original.pk,
                request_id=request_id,
                reason=reason,
                actor_id=approval.maker_id if approval else actor.user_id,
            ),
        )
        for account in accounts.values():
            if account.kind not in CLIENTS:
                check_supply(account.balance, asset)
        (correction_id,) = ledger.flush()
        for owner in owners:
            transaction.on_commit(partial(tell_balances_moved, owner), robust=True)
        FundingRequest.objects.create(
            request_id=request_id, fingerprint=fingerprint, transfer_id=correction_id, at=now
        )
        record(
            actor=actor,
            action="accounts.money.correction",
            target_type="accounts.transfer",
            target_id=original.pk,
            target_label=f"transfer {original.pk}",
            reason=reason,
            before={"asset": asset.code, "left": short_text(left)},
            after={"asset": asset.code, "left": short_text(left - amount), "transfer": correction_id}
            | agreed(approval.pk if approval else None),
            now=now,
        )
    return Transfer.objects.get(id=correction_id, at=now)


def effects_of(original: Transfer, amount: Decimal) -> list[EffectRow]:
    """Both balances and what is left to correct, before and after, as things stand now.

    Raises Refusal: invalid_number, account_inactive, correction_too_large, insufficient_funds.
    """
    asset: Asset = original.asset
    check_positive(amount)
    check_amount(amount, asset)
    payer, payee, left = original.credit, original.debit, left_to_correct(original)
    _require_it_can_be(original, amount, left, payer)

    def row(name: str, before: Decimal, change: Decimal) -> EffectRow:
        was, becomes = (grouped(text(value, asset.decimals)) for value in (before, before + change))
        return name, f"{was} {asset.code}", f"{becomes} {asset.code}"

    return [
        row(f"{_name(payer)} balance", payer.balance, -amount),
        row(f"{_name(payee)} balance", payee.balance, amount),
        row("Left to correct", left, -amount),
    ]


def find_transfer(transfer_id: int) -> Transfer:
    """The transfer, with its asset and both sides. Raises Refusal not_found."""
    sides = ("asset", "debit__account", "credit__account")
    found = Transfer.objects.filter(id=transfer_id).select_related(*sides).first()
    if found is None:
        raise Refusal(Code.NOT_FOUND, "No such transfer.", transfer=transfer_id)
    return found


def _require_it_can_be(
    original: Transfer, amount: Decimal, left: Decimal, payer: OpenAccount | LedgerAccount
) -> None:
    code, payee = original.asset.code, original.debit.account
    if payee is not None and not payee.is_active:
        raise Refusal(
            Code.ACCOUNT_INACTIVE, f"{payee} is closed: it receives nothing.", account=str(payee.pk)
        )
    if amount > left:
        raise Refusal(
            Code.CORRECTION_TOO_LARGE,
            f"Only {short_text(left)} {code} of transfer {original.pk} is left to correct.",
            field="amount",
            transfer=original.pk,
            amount=short_text(original.amount),
            left=short_text(left),
        )
    if payer.kind in CLIENTS and payer.available < amount:
        raise Refusal(
            Code.INSUFFICIENT_FUNDS,
            f"Only {short_text(payer.available)} {code} is available where it went.",
            field="amount",
            asset=code,
            available=short_text(payer.available),
            held=short_text(payer.held),
            required=short_text(amount),
        )


def _name(ledger: LedgerAccount) -> str:
    return str(ledger.account or ledger.get_kind_display())


def _lock_owners(transfer: Transfer) -> list[int]:
    """Lock the trading accounts behind both sides in id order, before their ledger accounts."""
    sides = LedgerAccount.objects.filter(
        id__in=[transfer.debit_id, transfer.credit_id], account__isnull=False
    )
    owners = sorted(set(sides.values_list("account_id", flat=True)))
    locked = TradingAccount.objects.select_for_update(no_key=True).filter(id__in=owners).order_by("id")
    return list(locked.values_list("id", flat=True))
