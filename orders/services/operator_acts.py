"""What an operator does to orders and shards by hand: one call each, with a reason, recorded with the act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import TradingAccount
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Instrument
from instruments.scaling import short_text
from orders.models import LIVE, CommandKind, Order, Shard, ShardStatus, Side, Source
from orders.models.order import OrderQuerySet
from orders.selectors import asked_for, find_order
from orders.services import changing, engine_codes
from orders.services.journal import CommandRow, write_commands
from orders.services.requests import Changes, Requested
from orders.services.wake import wake_after_commit
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

_MOST_COUNTED = 1_000


def cancel_order(*, order_id: int, actor: Actor, now: datetime, reason: str) -> Requested:
    """Ask for anybody's order to be cancelled; asking again while the request waits is refused.

    Raises Refusal: reason_required, order_not_found, order_not_open, no_change.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        order = find_order(order_id=order_id, account_id=None)
        _lock_account(order.account_id)
        if asked_for([order.id], CommandKind.CANCEL, since=order.created_at).run():
            raise Refusal(
                Code.NO_CHANGE, "A cancel of this order is already on its way.", order=str(order.id)
            )
        requested = changing.cancel_order(order=order, actor=actor, now=now, reason=reason)
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


def amend_order(
    *,
    order_id: int,
    price: Decimal | None,
    quantity: Decimal | None,
    trigger_price: Decimal | None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> Requested:
    """Ask in its owner's name for anybody's order to be amended, checked like the owner's own wish.

    Raises Refusal: reason_required, order_not_found, and whatever `changing.amend_order` raises.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        order = find_order(order_id=order_id, account_id=None)
        requested = changing.amend_order(
            order_id=order.id,
            account_id=order.account_id,
            changes=Changes(price=price, quantity=quantity, trigger_price=trigger_price),
            actor=actor,
            source=Source.ADMIN,
            now=now,
            reason=reason,
        )
        asked = {"price": price, "quantity": quantity, "trigger_price": trigger_price}
        record(
            actor=actor,
            action="orders.order.amend",
            target_type="orders.order",
            target_id=order.id,
            target_label=str(order),
            reason=reason,
            before={name: short_text(was) for name in asked if (was := getattr(order, name)) is not None},
            after={name: short_text(value) for name, value in asked.items() if value is not None}
            | {"command": requested.command_id},
            now=now,
        )
    return requested


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose orders a mass cancel means: of an instrument, an account, a side, or what is common to them."""

    instrument: Instrument | None = None
    account: TradingAccount | None = None
    side: Side | None = None

    def live(self) -> OrderQuerySet:
        """The orders that are not final."""
        found = Order.objects.live()
        if self.instrument is not None:
            found = found.filter(instrument=self.instrument)
        if self.account is not None:
            found = found.for_account(self.account.pk)
        return found if self.side is None else found.filter(side=self.side)


def mass_cancel(*, scope: Scope, actor: Actor, now: datetime, reason: str) -> list[int]:
    """Ask each book concerned to end all orders of the scope, parked ones too; returns the commands' ids.

    One command for each book, applied in its order: what comes in behind it stays.

    Raises Refusal: reason_required, invalid_combination (neither instrument nor account), no_change (there
    is no live order, or each is being ended already).
    """
    reason = require_reason(reason)
    target = scope.instrument or scope.account
    if target is None:
        raise Refusal(Code.INVALID_COMBINATION, "Say of which instrument or of which account.")
    with transaction.atomic():
        _lock_scope(scope)
        books = _books_to_clear(scope)
        if not books:
            raise Refusal(Code.NO_CHANGE, "No live order is left that is not being cancelled already.")
        orders = scope.live().filter(instrument__in=[number for number, _shard in books])
        count = len(orders.values_list("id")[: _MOST_COUNTED + 1])
        commands = write_commands(
            [
                CommandRow(
                    shard_id=shard_id,
                    instrument_id=instrument_id,
                    kind=CommandKind.MASS_CANCEL,
                    account_id=scope.account.pk if scope.account else 0,
                    side=engine_codes.SIDE[scope.side] if scope.side else 0,
                    reason_code=engine_codes.REASON["operator"],
                    reason=reason,
                )
                for instrument_id, shard_id in books
            ],
            actor=actor,
            now=now,
        )
        record(
            actor=actor,
            action="orders.order.mass_cancel",
            target_type=target._meta.label_lower,
            target_id=target.pk,
            target_label=str(target),
            reason=reason,
            after={
                "account": scope.account.account_number if scope.account else "all",
                "instrument": scope.instrument.symbol if scope.instrument else "all",
                "side": scope.side.value if scope.side else "both",
                "orders": count if count <= _MOST_COUNTED else f"more than {_MOST_COUNTED}",
                "commands": commands,
            },
            now=now,
        )
        wake_after_commit(shard_id for _instrument_id, shard_id in books)
    return commands


def _lock_scope(scope: Scope) -> None:
    """Two presses of one button take turns here."""
    if scope.account is not None:
        _lock_account(scope.account.pk)
    elif scope.instrument is not None:
        fetch("SELECT id FROM instruments_instrument WHERE id = %s FOR NO KEY UPDATE", [scope.instrument.pk])


def _books_to_clear(scope: Scope) -> list[tuple[int, int]]:
    """(instrument, shard) of the books with live orders in the scope that no waiting mass cancel ends.

    One that waits ends the orders whose own command comes before it.
    """
    return [
        (row[0], row[1])
        for row in fetch(
            """
            SELECT b.instrument_id, b.shard_id FROM orders_book b WHERE EXISTS (
                SELECT 1 FROM orders_order o
                WHERE o.instrument_id = b.instrument_id AND o.status = ANY(%(live)s)
                  AND (%(account)s = 0 OR o.account_id = %(account)s)
                  AND (%(side)s = '' OR o.side = %(side)s)
                  AND NOT EXISTS (
                    SELECT 1 FROM orders_command m
                    WHERE m.shard_id = b.shard_id AND m.status = 'pending' AND m.kind = %(kind)s
                      AND m.instrument_id = o.instrument_id AND m.account_id IN (0, o.account_id)
                      AND m.side IN (0, CASE o.side WHEN 'buy' THEN 1 ELSE 2 END)
                      AND m.id > (SELECT max(n.id) FROM orders_command n
                                  WHERE n.order_id = o.id AND n.kind = 1 AND n.at = o.created_at)
                  )
            ) AND (%(instrument)s = 0 OR b.instrument_id = %(instrument)s) ORDER BY b.instrument_id
            """,
            {
                "live": [status.value for status in LIVE],
                "account": scope.account.pk if scope.account else 0,
                "instrument": scope.instrument.pk if scope.instrument else 0,
                "side": scope.side.value if scope.side else "",
                "kind": CommandKind.MASS_CANCEL.value,
            },
        )
    ]


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
