"""The cancels of a list: names to orders by one query for each kind of name, however long the list is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orders.models import CLIENT_ORDER_ID, FINAL, CommandKind, OrderStatus
from orders.selectors import order_not_found
from orders.services import engine_codes
from orders.services.book_refs import BookRef
from orders.services.journal import CommandRow
from orders.services.requests import CancelOrder, Denied, Outcome, Requested
from orders.services.writing import Draft
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.statements import Statement, known

_Key = tuple[int, int | str]  # trading account, order id or client order id
_Target = tuple[int, int, int]  # order id, instrument id, shard id
#: Where an order is, and its status, by the name it was asked for by.
Stored = Mapping[_Key, tuple[_Target, str]]


def orders_named(cancels: Sequence[tuple[int, CancelOrder]]) -> tuple[Statement[Stored], Statement[Stored]]:
    """What and where the orders are that these cancels name: by order id, and by client order id.

    No account needs to be locked: whoever sees an order takes a later command id than it has. Impossible
    names are unknown.
    """
    keys = {_key(cancel) for _index, cancel in cancels}
    ids = [(account, name) for account, name in keys if isinstance(name, int) and is_id(name)]
    names = [
        (account, name) for account, name in keys if isinstance(name, str) and CLIENT_ORDER_ID.fullmatch(name)
    ]
    return _named("order_id", "bigint", ids), _named("client_order_id", "text", names)


def cancel_commands(
    cancels: Sequence[tuple[int, CancelOrder]],
    drafts: Sequence[Draft],
    stored: Stored,
    outcomes: list[Outcome | Requested | None],
) -> list[tuple[int, CommandRow]]:
    """The commands of these cancels with their places in the list; the others' outcomes are set to Denied.

    An order that the same list places before its cancel counts as placed: `drafts` are numbered. `stored`
    are those of `orders_named`.
    """
    placed: dict[_Key, tuple[int, _Target]] = {
        (d.order.account_id, d.client_order_id): (d.index, _target(d)) for d in drafts
    }
    commands = []
    for index, cancel in cancels:
        try:
            order_id, instrument_id, shard_id = _find(index, _key(cancel), placed, stored)
        except Refusal as refusal:
            outcomes[index] = Denied(refusal, cancel.client_order_id or None)
            continue
        row = CommandRow(
            shard_id=shard_id,
            instrument_id=instrument_id,
            kind=CommandKind.CANCEL,
            order_id=order_id,
            account_id=cancel.account_id,
            reason_code=engine_codes.REASON["client"],
            client_request_id=cancel.client_request_id,
        )
        commands.append((index, row))
    return commands


def _key(cancel: CancelOrder) -> _Key:
    return cancel.account_id, cancel.order_id or cancel.client_order_id


def _target(draft: Draft) -> _Target:
    book: BookRef = draft.book
    return draft.order_id, book.instrument_id, book.shard_id


def _find(
    index: int,
    key: _Key,
    placed: Mapping[_Key, tuple[int, _Target]],
    stored: Stored,
) -> _Target:
    if key in placed and placed[key][0] < index:
        return placed[key][1]
    if key not in stored:
        raise _not_found(key[1])
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


def _not_found(name: int | str) -> Refusal:
    if isinstance(name, int):
        return order_not_found(name)
    return Refusal(Code.ORDER_NOT_FOUND, "No such order.", client_order_id=ascii(name[:36])[1:-1])


def _named(column: str, kind: str, keys: Sequence[_Key]) -> Statement[Stored]:
    if not keys:
        return known({})
    return Statement(
        f"SELECT i.account_id, i.{column}, o.id, o.instrument_id, b.shard_id, o.status"  # noqa: S608
        f" FROM unnest(%s::bigint[], %s::{kind}[]) AS k(account_id, {column})"
        " CROSS JOIN LATERAL (SELECT * FROM orders_orderidentity named"
        f" WHERE named.account_id = k.account_id AND named.{column} = k.{column} OFFSET 0) i"
        " JOIN orders_order o ON o.id = i.order_id AND o.created_at = i.order_created_at"
        " JOIN orders_book b ON b.instrument_id = o.instrument_id",
        [[account for account, _name in keys], [name for _account, name in keys]],
        lambda rows: {(account, name): (tuple(target), status) for account, name, *target, status in rows},
    )
