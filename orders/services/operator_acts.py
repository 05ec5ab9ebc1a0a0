"""What an operator does to orders and shards by hand: one call each, with a reason, recorded with the act."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.scaling import short_text
from orders.models import Command, CommandKind, CommandStatus, Shard, ShardStatus
from orders.selectors import find_order
from orders.services import changing
from orders.services.requests import Requested
from orders.services.wake import wake_after_commit
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal


def cancel_order(*, order_id: int, actor: Actor, now: datetime, reason: str) -> Requested:
    """Ask for anybody's order to be cancelled; asking again while the request waits is refused.

    Raises Refusal: reason_required, order_not_found, order_not_open, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        order = find_order(order_id=order_id, account_id=None)
        _lock_account(order.account_id)
        waiting = Command.objects.filter(
            order_id=order.id, kind=CommandKind.CANCEL, status=CommandStatus.PENDING, at__gte=order.created_at
        ).exists()
        if waiting:
            raise Refusal(Code.NO_CHANGE, "A cancel of this order is already on its way.", order=order.id)
        requested = changing.cancel_order(
            order_id=order.id, account_id=None, actor=actor, now=now, reason=reason
        )
        record(
            actor=actor,
            action="orders.order.cancel",
            target_type="orders.order",
            target_id=order.id,
            target_label=str(order),
            reason=reason,
            before={
                "status": order.status,
                "leaves": short_text(order.leaves),
                "held": short_text(order.held),
            },
            after={"command": requested.command_id},
            now=now,
        )
    return requested


def cancel_all_orders(
    *, account_id: int, account_number: str, actor: Actor, now: datetime, reason: str
) -> list[Requested]:
    """Ask for all live orders of an account to be cancelled.

    Raises Refusal: reason_required, no_change (there is no live order, or each is being cancelled already).
    """
    reason = require_reason(reason)
    with transaction.atomic():
        _lock_account(account_id)
        waiting = fetch(
            "SELECT 1 FROM orders_order o"
            " WHERE o.account_id = %s AND o.status IN ('pending', 'open', 'partially_filled')"
            " AND NOT EXISTS (SELECT 1 FROM orders_command c WHERE c.order_id = o.id AND c.kind = %s"
            "  AND c.status = 'pending' AND c.at >= o.created_at) LIMIT 1",
            [account_id, CommandKind.CANCEL.value],
        )
        if not waiting:
            raise Refusal(Code.NO_CHANGE, "No live order is left that is not being cancelled already.")
        requested = changing.cancel_all_orders(
            account_id=account_id, actor=actor, now=now, by_operator=True, reason=reason
        )
        record(
            actor=actor,
            action="orders.order.cancel_all",
            target_type="accounts.tradingaccount",
            target_id=account_id,
            target_label=account_number,
            reason=reason,
            after={"orders": len(requested), "first_commands": [r.command_id for r in requested[:20]]},
            now=now,
        )
    return requested


def start_shard(*, shard_id: int, actor: Actor, now: datetime, reason: str) -> Shard:
    """Let a stopped shard work again; its books are rebuilt and compared before anything is applied.

    Raises Refusal: reason_required, not_found, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        shard = Shard.objects.select_for_update(no_key=True).filter(id=shard_id).first()
        if shard is None:
            raise Refusal(Code.NOT_FOUND, "No such shard.", shard=shard_id)
        if shard.status == ShardStatus.RUNNING:
            raise Refusal(Code.NO_CHANGE, f"Shard {shard_id} is running already.")
        before = {"status": shard.status, "stop_reason": shard.stop_reason}
        shard.status, shard.stop_reason = ShardStatus.RUNNING, ""
        shard.save(update_fields=["status", "stop_reason"])
        record(
            actor=actor,
            action="orders.shard.start",
            target_type="orders.shard",
            target_id=shard.id,
            target_label=str(shard),
            reason=reason,
            before=before,
            after={"status": shard.status, "position": shard.position},
            now=now,
        )
        wake_after_commit([shard.id])
    return shard


def _lock_account(account_id: int) -> None:
    """Two presses of one button take turns here, and intake waits: what is checked stays true."""
    fetch("SELECT id FROM accounts_tradingaccount WHERE id = %s FOR NO KEY UPDATE", [account_id])
