"""Where an account stands with us: in which group, in which mode, open or closed. Each act has a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import LedgerAccount, Position, PositionMode, TradingAccount, TradingGroup
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.scaling import short_text
from tradeplatform.common.changes import Seen, apply_changes
from tradeplatform.common.errors import Code, Refusal


def change_group(
    *,
    account_id: int,
    group_id: int | None,
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> TradingAccount:
    """Put the account into a group, or into none: its next deal and its margin use those terms at once.

    Raises Refusal: reason_required, account_not_found, not_found, row_changed, no_change.
    """
    group = TradingGroup.objects.filter(id=group_id).first() if group_id is not None else None
    if group is None and group_id is not None:
        raise Refusal(Code.NOT_FOUND, "No such group.", group=group_id)
    changes = {"group": group}
    return _change(account_id, "change_group", changes, seen=seen, actor=actor, now=now, reason=reason)


def change_mode(
    *,
    account_id: int,
    mode: PositionMode,
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> TradingAccount:
    """Net positions, or keep each deal as one. Raises Refusal: as change_group, account_in_use."""
    changes = {"position_mode": mode}
    return _change(account_id, "change_mode", changes, seen=seen, actor=actor, now=now, reason=reason)


def close_account(*, account_id: int, actor: Actor, now: datetime, reason: str) -> TradingAccount:
    """End the account: it trades no more and receives nothing. Only an empty one can be closed.

    Raises Refusal: reason_required, account_not_found, no_change, account_in_use (something is on it).
    """
    return _change(account_id, "close", {"is_active": False}, actor=actor, now=now, reason=reason)


def reopen_account(*, account_id: int, actor: Actor, now: datetime, reason: str) -> TradingAccount:
    """Let a closed account trade again. Raises Refusal: reason_required, account_not_found, no_change."""
    return _change(account_id, "reopen", {"is_active": True}, actor=actor, now=now, reason=reason)


def what_is_on(account: TradingAccount) -> dict[str, str]:
    """What keeps the account from being closed, by its name; empty when nothing does.

    An order that is open holds money, so an account without money has none.
    """
    found = {
        f"{row.asset.code} {row.kind}": short_text(row.balance)
        for row in LedgerAccount.objects.filter(account=account)
        .filter(~Q(balance=0) | ~Q(held=0))
        .select_related("asset")
        .order_by("asset__code", "kind")
    }
    return found | _positions_on(account)


def _positions_on(account: TradingAccount) -> dict[str, str]:
    held = Position.objects.filter(account=account, closed_at__isnull=True)
    symbols = sorted(set(held.values_list("instrument__symbol", flat=True)))
    return {"positions in": ", ".join(symbols)} if symbols else {}


# What must not be on the account for an act; others do not mind.
_IN_THE_WAY = {"close": what_is_on, "change_mode": _positions_on}
_CHANGEABLE = ("group", "position_mode", "is_active")


def _change(
    account_id: int,
    verb: str,
    changes: dict[str, Any],
    *,
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> TradingAccount:
    reason = require_reason(reason)
    with transaction.atomic():
        # Whoever moves the account's money or opens its orders and positions holds the same lock.
        account = TradingAccount.objects.select_for_update(no_key=True).filter(id=account_id).first()
        if account is None:
            raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=account_id)
        before, after = apply_changes(account, changes, _CHANGEABLE, seen=seen)
        look = _IN_THE_WAY.get(verb)
        if look is not None and (found := look(account)):
            names = ", ".join(f"{value} {name}" for name, value in found.items())
            raise Refusal(Code.ACCOUNT_IN_USE, f"Something is on the account still: {names}.", **found)
        account.save(update_fields=list(after))
        record(
            actor=actor,
            action=f"accounts.account.{verb}",
            target_type="accounts.tradingaccount",
            target_id=account.id,
            target_label=account.account_number,
            reason=reason,
            before=before,
            after=after,
            now=now,
        )
    return account
