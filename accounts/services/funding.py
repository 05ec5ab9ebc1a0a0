"""Money in, money out, and corrections by hand: always with a reason, an actor and a request id.

The request id is the idempotency story: repeating it returns the first transfer, repeating it with
another payload is a conflict, and neither moves anything.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import FundingRequest, LedgerKind, TradingAccount, Transfer, TransferKind
from accounts.services.posting import Cause, Ledger
from accounts.services.request_ids import conflict_named, fingerprint_of, repeated, require_request_id
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset
from instruments.scaling import short_text, steps
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import tell_balances_moved

_MAX_AMOUNT = Decimal(10) ** 18
# As long as no more than this came from outside or from the house, no balance can outgrow NUMERIC(38, 18),
# whoever trades with whom: the drain must never meet a credit that the table cannot hold.
_MAX_SUPPLY = Decimal(10) ** 19
_MAX_DIGITS = 40  # after the point, zeros included


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
    _check_positive(amount)
    return _move(
        TransferKind.DEPOSIT,
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
    _check_positive(amount)
    return _move(
        TransferKind.WITHDRAWAL,
        account_id=account_id,
        asset_code=asset,
        amount=amount.copy_negate(),
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
        TransferKind.ADJUSTMENT,
        account_id=account_id,
        asset_code=asset,
        amount=amount,
        reason=reason,
        request_id=request_id,
        actor=actor,
        now=now,
    )


def _move(
    kind: TransferKind,
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
    asset = (
        Asset.objects.filter(code=asset_code, is_active=True).first() if asset_code.isprintable() else None
    )
    if asset is None:
        raise Refusal(Code.UNKNOWN_ASSET, "No such asset.", asset=ascii(asset_code[:32])[1:-1])
    check_amount(amount, asset)
    fingerprint = fingerprint_of(kind, account_id, asset.code, short_text(amount), reason)

    with conflict_named(request_id), transaction.atomic():
        account = TradingAccount.objects.select_for_update(no_key=True).filter(id=account_id).first()
        if account is None:
            raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=account_id)
        if first := repeated(request_id, fingerprint):
            return first
        system_kind = LedgerKind.HOUSE if kind == TransferKind.ADJUSTMENT else LedgerKind.FUNDING
        ledger = Ledger.lock(clients=[(account_id, asset.id)], system=[(system_kind, asset.id)])
        now = ledger.moment(now)
        client, other = ledger.client(account_id, asset.id), ledger.system(system_kind, asset.id)
        before = client.balance
        if client.available + amount < 0:
            raise Refusal(
                Code.INSUFFICIENT_FUNDS,
                f"Only {short_text(client.available)} {asset.code} is available: "
                f"{short_text(client.held)} is held by open orders.",
                asset=asset.code,
                available=short_text(client.available),
                held=short_text(client.held),
                required=short_text(-amount),
            )
        check_supply(other.balance - amount, asset)
        debit, credit = (other, client) if amount > 0 else (client, other)
        ledger.transfer(
            at=now,
            kind=kind,
            debit=debit,
            credit=credit,
            amount=abs(amount),
            cause=Cause(request_id=request_id, reason=reason, actor_id=actor.user_id),
        )
        after = client.balance
        (transfer_id,) = ledger.flush()
        transaction.on_commit(lambda: tell_balances_moved(account_id), robust=True)
        FundingRequest.objects.create(
            request_id=request_id, fingerprint=fingerprint, transfer_id=transfer_id, at=now
        )
        record(
            actor=actor,
            action=f"accounts.money.{kind}",
            target_type="accounts.tradingaccount",
            target_id=account.id,
            target_label=account.account_number,
            reason=reason,
            before={"asset": asset.code, "balance": short_text(before)},
            after={"asset": asset.code, "balance": short_text(after), "transfer": transfer_id},
            now=now,
        )
    return Transfer.objects.get(id=transfer_id, at=now)


def _check_positive(amount: Decimal) -> None:
    """A negative deposit is not a withdrawal: the sign of the two is fixed by their names."""
    if not amount.is_finite() or amount <= 0:
        raise Refusal(Code.INVALID_NUMBER, "amount must be greater than zero.", field="amount")


def check_supply(balance: Decimal, asset: Asset) -> None:
    """Refuse what would leave one of the house's own ledger accounts with more than there may be."""
    if abs(balance) > _MAX_SUPPLY:
        raise Refusal(
            Code.INVALID_NUMBER,
            f"There would be more {asset.code} than the ledger can count.",
            field="amount",
        )


def check_amount(amount: Decimal, asset: Asset) -> None:
    """Refuse what is not a number, is zero or absurd, or is finer than the asset."""
    # copy_abs neither rounds nor overflows, however absurd the number.
    size = amount.copy_abs()
    if not amount.is_finite() or size == 0 or size >= _MAX_AMOUNT:
        raise Refusal(Code.INVALID_NUMBER, "amount must be a number between 0 and 10^18.", field="amount")
    exponent = size.as_tuple().exponent
    too_long = isinstance(exponent, int) and exponent < -_MAX_DIGITS
    if too_long or steps(size, Decimal(1).scaleb(-asset.decimals)) is None:
        raise Refusal(
            Code.INVALID_NUMBER,
            f"{asset.code} has {asset.decimals} digits after the point.",
            field="amount",
            decimals=asset.decimals,
        )
