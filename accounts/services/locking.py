"""Lock and unlock a trading account: its new orders are denied, cancels work, its money stays as it is."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import TradingAccount
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.errors import Code, Refusal


def lock_account(*, account_id: int, actor: Actor, now: datetime, reason: str) -> TradingAccount:
    """Deny new orders and amends from the moment this commits; resting orders stay.

    Raises Refusal: reason_required, account_not_found, no_change.
    """
    return _move(account_id, locked=True, actor=actor, now=now, reason=reason)


def unlock_account(*, account_id: int, actor: Actor, now: datetime, reason: str) -> TradingAccount:
    """Take orders again. Raises Refusal: reason_required, account_not_found, no_change."""
    return _move(account_id, locked=False, actor=actor, now=now, reason=reason)


def _move(account_id: int, *, locked: bool, actor: Actor, now: datetime, reason: str) -> TradingAccount:
    reason = require_reason(reason)
    with transaction.atomic():
        # Intake holds the same lock while it accepts, so no order slips in beside this.
        account = TradingAccount.objects.select_for_update(no_key=True).filter(id=account_id).first()
        if account is None:
            raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=account_id)
        if account.is_locked == locked:
            raise Refusal(Code.NO_CHANGE, f"{account} is {'locked already' if locked else 'not locked'}.")
        before = {"is_locked": account.is_locked, "locked_reason": account.locked_reason}
        account.is_locked, account.locked_reason = locked, reason if locked else ""
        account.save(update_fields=["is_locked", "locked_reason"])
        record(
            actor=actor,
            action=f"accounts.account.{'lock' if locked else 'unlock'}",
            target_type="accounts.tradingaccount",
            target_id=account.id,
            target_label=account.account_number,
            reason=reason,
            before=before,
            after={"is_locked": account.is_locked, "locked_reason": account.locked_reason},
            now=now,
        )
    return account
