"""Ask for a change of an order: cancel, cancel all, amend. Only the drain changes the order itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.actor import Actor
from orders.models import CLIENT_ORDER_ID, Book, CommandKind, Order, Side, Source
from orders.selectors import require_open
from orders.services import engine_codes
from orders.services.intake import submit_sent
from orders.services.journal import CommandRow, write_commands
from orders.services.owners import lock_owners
from orders.services.requests import AmendOrder, Changes, Origin, Requested, Sent, requested
from orders.services.wake import wake_after_commit
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.errors import Code, Refusal


def cancel_order(*, order: Order, actor: Actor, now: datetime, reason: str) -> Requested:
    """Ask, as an operator, for somebody's order to be cancelled; works while the instrument is halted.

    Raises Refusal order_not_open. Owners cancel by `batching.cancel_soon`, and in lists.
    """
    with transaction.atomic():
        require_open(order)
        (command,) = _write_cancels([order], account_id=None, actor=actor, now=now, reason=reason)
    return command


def cancel_all_orders(
    *,
    account_id: int,
    actor: Actor,
    now: datetime,
    symbol: str | None = None,
    side: Side | None = None,
    list_id: int | None = None,
    credential: str | None = None,
    group: str | None = None,
    by_operator: bool = False,
    reason: str = "",
    client_request_id: str = "",
) -> list[Requested]:
    """Ask for an account's live orders to be cancelled: all, or those of a symbol, side, list, login, group.

    A group is what its owner has put before a slash in the orders' client order ids. By account, symbol and
    side each book gets one command, whatever the number of orders; by what the books do not know each order
    gets its own. Raises Refusal: list_not_found (also for another account's); a list that has ended is known,
    and gives nothing to cancel.
    """
    with transaction.atomic():
        # The lock makes "all" mean all that were acknowledged before this call.
        lock_owners([account_id])
        if list_id is not None:
            _require_list(list_id, account_id)
        live = Order.objects.live().for_account(account_id)
        if symbol is not None:
            if not symbol.isprintable():
                return []
            live = live.filter(instrument__symbol=symbol)
        if side is not None:
            live = live.filter(side=side)
        if list_id is not None:
            live = live.filter(list_id=list_id)
        if credential is not None:
            live = live.filter(credential=credential)
        if group is not None:
            if not CLIENT_ORDER_ID.fullmatch(group):
                return []
            live = live.filter(client_order_id__startswith=f"{group}/")
        found = list(live.order_by("id"))
        code = "operator" if by_operator else "mass_cancel"
        if list_id is None and credential is None and group is None:
            return _write_mass_cancels(
                found,
                account_id=account_id,
                side=side,
                actor=actor,
                now=now,
                reason=reason,
                code=code,
                client_request_id=client_request_id,
            )
        return _write_cancels(
            found,
            account_id=None if by_operator else account_id,
            actor=actor,
            now=now,
            reason=reason,
            code=code,
            client_request_id=client_request_id,
        )


def amend_order(
    *,
    order_id: int,
    account_id: int,
    changes: Changes,
    actor: Actor,
    source: Source,
    now: datetime,
    reason: str = "",
) -> Requested:
    """Ask for a new price, a new total quantity (filled part included), or a new trigger price.

    Less quantity at the same price keeps the place in the queue, a parked order always does; anything else
    loses it. What the amended order may need beyond its hold is reserved now; a Refusal reserves nothing.
    While its shard is behind only quantity may be taken off (overloaded).
    """
    wanted = AmendOrder(account_id=account_id, order_id=order_id, changes=changes, reason=reason)
    origin = Origin(actor, source, correlation_id())
    (outcome,) = submit_sent([Sent(wanted, origin)], now=now)
    return requested(outcome)


def _require_list(list_id: int, account_id: int) -> None:
    if not Order.objects.for_account(account_id).filter(list_id=list_id).exists():
        raise Refusal(Code.LIST_NOT_FOUND, "No such list.", list=str(list_id))


def _write_cancels(
    orders: list[Order],
    *,
    account_id: int | None,
    actor: Actor,
    now: datetime,
    reason: str,
    code: str = "client",
    client_request_id: str = "",
) -> list[Requested]:
    if not orders:
        return []
    shards = _shards_of(orders)
    ids = write_commands(
        [
            CommandRow(
                shard_id=shards[order.instrument_id],
                instrument_id=order.instrument_id,
                kind=CommandKind.CANCEL,
                order_id=order.id,
                account_id=account_id or 0,
                reason_code=engine_codes.REASON["operator" if account_id is None else code],
                reason=reason,
                client_request_id=client_request_id,
            )
            for order in orders
        ],
        actor=actor,
        now=now,
    )
    wake_after_commit(shards.values())
    return [Requested(number, order.id, now) for number, order in zip(ids, orders, strict=True)]


def _write_mass_cancels(
    orders: list[Order],
    *,
    account_id: int,
    side: Side | None,
    actor: Actor,
    now: datetime,
    reason: str,
    code: str,
    client_request_id: str,
) -> list[Requested]:
    """One command for each book that holds some of these orders."""
    shards = _shards_of(orders)
    books = sorted(shards)
    ids = write_commands(
        [
            CommandRow(
                shard_id=shards[instrument_id],
                instrument_id=instrument_id,
                kind=CommandKind.MASS_CANCEL,
                account_id=account_id,
                side=engine_codes.SIDE[side] if side else 0,
                reason_code=engine_codes.REASON[code],
                reason=reason,
                client_request_id=client_request_id,
            )
            for instrument_id in books
        ],
        actor=actor,
        now=now,
    )
    if books:
        wake_after_commit(shards.values())
    command_of = dict(zip(books, ids, strict=True))
    return [Requested(command_of[order.instrument_id], order.id, now) for order in orders]


def _shards_of(orders: Sequence[Order]) -> dict[int, int]:
    """The shard of each instrument that some of the orders are in."""
    wanted = {order.instrument_id for order in orders}
    if not wanted:
        return {}
    return dict(Book.objects.filter(instrument_id__in=wanted).values_list("instrument_id", "shard_id"))
