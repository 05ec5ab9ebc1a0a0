"""Correct a transfer by a new one the other way round. The old one stays as it is, for ever.

A correction may take back a part; all corrections of one transfer together take back at most all of it, and
the database refuses more (trigger `correction_fits`). A correction is a transfer, so it can be corrected too.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Sum

from accounts.models import CLIENTS, FundingRequest, LedgerAccount, TradingAccount, Transfer, TransferKind
from accounts.services.amounts import check_amount, check_supply
from accounts.services.posting import Cause, Ledger
from accounts.services.request_ids import conflict_named, fingerprint_of, repeated, require_request_id
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset
from instruments.scaling import short_text
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import tell_balances_moved


def left_to_correct(transfer: Transfer) -> Decimal:
    """What of a transfer has not been taken back yet."""
    corrections = Transfer.objects.filter(corrects_id=transfer.pk, at__gte=transfer.at)
    taken: Decimal = corrections.aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    amount: Decimal = transfer.amount
    return amount - taken


def correct(
    *, transfer_id: int, amount: Decimal, reason: str, request_id: str, actor: Actor, now: datetime
) -> Transfer:
    """Move `amount` of a transfer back from its credit to its debit account.

    Raises Refusal: reason_required, invalid_field, not_found, invalid_number, request_id_conflict,
    correction_too_large, insufficient_funds (who was paid has spent it).
    """
    reason, request_id = require_reason(reason), require_request_id(request_id)
    original = Transfer.objects.filter(id=transfer_id).select_related("asset").first()
    if original is None:
        raise Refusal(Code.NOT_FOUND, "No such transfer.", transfer=transfer_id)
    if not amount.is_finite() or amount <= 0:
        raise Refusal(Code.INVALID_NUMBER, "amount must be greater than zero.", field="amount")
    asset: Asset = original.asset
    check_amount(amount, asset)
    fingerprint = fingerprint_of(TransferKind.CORRECTION, transfer_id, short_text(amount), reason)

    with conflict_named(request_id), transaction.atomic():
        owners = _lock_owners(original)
        ledger = Ledger.lock_ids([original.debit_id, original.credit_id])
        if first := repeated(request_id, fingerprint):
            return first
        now = ledger.moment(now)
        accounts = {account.id: account for account in ledger.accounts()}
        payer, payee = accounts[original.credit_id], accounts[original.debit_id]
        left = left_to_correct(original)
        if amount > left:
            raise Refusal(
                Code.CORRECTION_TOO_LARGE,
                f"Only {short_text(left)} {asset.code} of transfer {transfer_id} is left to correct.",
                transfer=transfer_id,
                amount=short_text(original.amount),
                left=short_text(left),
            )
        if payer.kind in CLIENTS and payer.available < amount:
            raise Refusal(
                Code.INSUFFICIENT_FUNDS,
                f"Only {short_text(payer.available)} {asset.code} is available where it went.",
                asset=asset.code,
                available=short_text(payer.available),
                held=short_text(payer.held),
                required=short_text(amount),
            )
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
                actor_id=actor.user_id,
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
            after={"asset": asset.code, "left": short_text(left - amount), "transfer": correction_id},
            now=now,
        )
    return Transfer.objects.get(id=correction_id, at=now)


def _lock_owners(transfer: Transfer) -> list[int]:
    """Lock the trading accounts behind both sides in id order, before their ledger accounts."""
    sides = LedgerAccount.objects.filter(
        id__in=[transfer.debit_id, transfer.credit_id], account__isnull=False
    )
    owners = sorted(set(sides.values_list("account_id", flat=True)))
    locked = TradingAccount.objects.select_for_update(no_key=True).filter(id__in=owners).order_by("id")
    return list(locked.values_list("id", flat=True))
