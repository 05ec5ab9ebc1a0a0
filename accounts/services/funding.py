"""Money in, money out, and adjustments by the platform itself: seeding, opening, participants, tests.

What people ask for is in money_requests.py. The request id is the idempotency story: repeating it returns
the first transfer, repeating it with another payload is a conflict, and neither moves anything.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import FundingRequest, MoneyKind, Transfer
from accounts.services.amounts import check_amount, check_positive, find_asset
from accounts.services.moving import TRANSFER_KIND, Movement, lock_accounts, post
from accounts.services.posting import Cause
from accounts.services.request_ids import conflict_named, fingerprint_of, repeated, require_request_id
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.scaling import short_text


def deposit(
    *,
    account_id: int,
    asset: str,
    amount: Decimal,
    reason: str,
    request_id: str,
    actor: Actor,
    now: datetime,
) -> Transfer:
    """Credit `amount` of `asset`, come in from outside. Raises Refusal; see `_move`."""
    check_positive(amount)
    return _move(
        MoneyKind.DEPOSIT,
        account_id=account_id,
        asset_code=asset,
        amount=amount,
        reason=reason,
        request_id=request_id,
        actor=actor,
        now=now,
    )


def withdraw(
    *,
    account_id: int,
    asset: str,
    amount: Decimal,
    reason: str,
    request_id: str,
    actor: Actor,
    now: datetime,
) -> Transfer:
    """Debit `amount` of `asset`, gone outside. What open orders hold cannot be withdrawn."""
    check_positive(amount)
    return _move(
        MoneyKind.WITHDRAWAL,
        account_id=account_id,
        asset_code=asset,
        amount=amount,
        reason=reason,
        request_id=request_id,
        actor=actor,
        now=now,
    )


def adjust(
    *,
    account_id: int,
    asset: str,
    amount: Decimal,
    reason: str,
    request_id: str,
    actor: Actor,
    now: datetime,
) -> Transfer:
    """Correct a balance by `amount` (either sign) against the house account."""
    return _move(
        MoneyKind.ADJUSTMENT,
        account_id=account_id,
        asset_code=asset,
        amount=amount,
        reason=reason,
        request_id=request_id,
        actor=actor,
        now=now,
    )


def _move(
    kind: MoneyKind,
    *,
    account_id: int,
    asset_code: str,
    amount: Decimal,
    reason: str,
    request_id: str,
    actor: Actor,
    now: datetime,
) -> Transfer:
    reason, request_id = require_reason(reason), require_request_id(request_id)
    asset = find_asset(asset_code)
    check_amount(amount, asset)
    signed = -amount if kind == MoneyKind.WITHDRAWAL else amount
    fingerprint = fingerprint_of(kind, account_id, asset.code, short_text(signed), reason)
    movement = Movement(kind, account_id, asset, amount)

    with conflict_named(request_id), transaction.atomic():
        account = lock_accounts(movement)[account_id]
        if first := repeated(request_id, fingerprint):
            return first
        cause = Cause(request_id=request_id, reason=reason, actor_id=actor.user_id)
        posted = post(movement, cause=cause, now=now)
        FundingRequest.objects.create(
            request_id=request_id, fingerprint=fingerprint, transfer_id=posted.transfer_id, at=posted.at
        )
        record(
            actor=actor,
            action=f"accounts.money.{TRANSFER_KIND[kind]}",
            target_type="accounts.tradingaccount",
            target_id=account.pk,
            target_label=account.account_number,
            reason=reason,
            before={"asset": asset.code, "balance": short_text(posted.before)},
            after={
                "asset": asset.code,
                "balance": short_text(posted.after),
                "transfer": posted.transfer_id,
            },
            now=posted.at,
        )
    return Transfer.objects.get(id=posted.transfer_id, at=posted.at)
