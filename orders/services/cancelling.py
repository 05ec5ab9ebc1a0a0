"""The cancels of a mixed list: names to orders in one query, so that a list costs what one costs."""

from __future__ import annotations

from collections.abc import Sequence

from orders.models import CLIENT_ORDER_ID, FINAL, CommandKind, OrderStatus
from orders.services import engine_codes
from orders.services.book_refs import BookRef
from orders.services.journal import CommandRow
from orders.services.requests import CancelOrder, Denied, Outcome, Requested
from orders.services.writing import Draft
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

_Key = tuple[int, str]  # trading account, client order id
_Target = tuple[int, int, int]  # order id, instrument id, shard id


def cancel_commands(
    cancels: Sequence[tuple[int, CancelOrder]],
    drafts: Sequence[Draft],
    outcomes: list[Outcome | Requested | None],
) -> list[tuple[int, CommandRow]]:
    """The commands of these cancels with their places in the list; the others' outcomes are set to Denied.

    An order that the same list places before its cancel counts as placed. Must be called inside the
    transaction of the list, with the accounts' rows locked and the drafts numbered.
    """
    if not cancels:
        return []
    placed = {(d.order.account_id, d.client_order_id): (d.index, _target(d)) for d in drafts}
    named = {index: (cancel.account_id, cancel.client_order_id) for index, cancel in cancels}
    possible = {key for key in named.values() if CLIENT_ORDER_ID.fullmatch(key[1])}
    stored = _stored(possible - placed.keys())
    commands = []
    for index, key in named.items():
        try:
            order_id, instrument_id, shard_id = _find(index, key, placed, stored)
        except Refusal as refusal:
            outcomes[index] = Denied(refusal, key[1])
            continue
        row = CommandRow(
            shard_id=shard_id,
            instrument_id=instrument_id,
            kind=CommandKind.CANCEL,
            order_id=order_id,
            account_id=key[0],
            reason_code=engine_codes.REASON["client"],
        )
        commands.append((index, row))
    return commands


def _target(draft: Draft) -> _Target:
    book: BookRef = draft.book
    return draft.order_id, book.instrument_id, book.shard_id


def _find(
    index: int,
    key: _Key,
    placed: dict[_Key, tuple[int, _Target]],
    stored: dict[_Key, tuple[_Target, str]],
) -> _Target:
    if key in placed and placed[key][0] < index:
        return placed[key][1]
    if key not in stored:
        raise Refusal(Code.ORDER_NOT_FOUND, "No such order.", client_order_id=ascii(key[1][:36])[1:-1])
    target, status = stored[key]
    if status in FINAL:
        label = OrderStatus(status).label.lower()
        raise Refusal(
            Code.ORDER_NOT_OPEN,
            f"This order is {label}: nothing of it is open.",
            order=str(target[0]),
            status=status,
        )
    return target


def _stored(keys: set[_Key]) -> dict[_Key, tuple[_Target, str]]:
    if not keys:
        return {}
    rows = fetch(
        "SELECT i.account_id, i.client_order_id, o.id, o.instrument_id, b.shard_id, o.status"
        " FROM orders_orderidentity i"
        " JOIN unnest(%s::bigint[], %s::text[]) AS k(account_id, client_order_id)"
        " USING (account_id, client_order_id)"
        " JOIN orders_order o ON o.id = i.order_id AND o.created_at = i.order_created_at"
        " JOIN orders_book b ON b.instrument_id = o.instrument_id",
        [[key[0] for key in keys], [key[1] for key in keys]],
    )
    return {(account, name): (tuple(target), status) for account, name, *target, status in rows}
