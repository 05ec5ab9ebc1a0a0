"""Reading orders, books and the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


from instruments.selectors import Rules
from orders.models import Book, Order, OrderIdentity, Side
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Depth:
    """A book's levels at `seq`, best first: (price, open quantity)."""

    seq: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


def find_order(*, order_id: int, account_id: int | None) -> Order:
    """An order by its id. Another account's order is as unknown as none: both raise order_not_found."""
    orders = Order.objects.filter(id=order_id)
    if account_id is not None:
        orders = orders.filter(account_id=account_id)
    order = orders.first() if 0 < order_id < 2**63 else None
    if order is None:
        raise Refusal(Code.ORDER_NOT_FOUND, "No such order.", order=str(order_id))
    return order


def find_order_by_client_id(*, account_id: int, client_order_id: str) -> Order:
    """An order by the id its client gave it, however old. Raises order_not_found."""
    identity = OrderIdentity.objects.filter(
        account_id=account_id, client_order_id=client_order_id.replace("\0", "")
    ).first()
    if identity is None:
        raise Refusal(Code.ORDER_NOT_FOUND, "No such order.", client_order_id=client_order_id[:36])
    return Order.objects.get(id=identity.order_id, created_at=identity.order_created_at)


def depth(rules: Rules, *, limit: int = 100) -> Depth:
    """The book as committed: levels and seq read in one snapshot, so that deltas after `seq` fit exactly."""
    rows = fetch(
        """
        WITH book AS (SELECT coalesce(max(seq), 0) AS seq FROM orders_book WHERE instrument_id = %s),
        levels AS (
            SELECT side, price, sum(leaves) AS quantity,
                   row_number() OVER (
                       PARTITION BY side ORDER BY CASE WHEN side = 'buy' THEN -price ELSE price END) AS place
            FROM orders_order
            WHERE instrument_id = %s AND status IN ('open', 'partially_filled')
            GROUP BY side, price
        )
        SELECT book.seq, side, price, quantity FROM book LEFT JOIN levels ON place <= %s ORDER BY side, place
        """,
        [rules.id, rules.id, limit],
    )
    levels: dict[str, list[tuple[Decimal, Decimal]]] = {Side.BUY: [], Side.SELL: []}
    for _seq, side, price, quantity in rows:
        if side is not None:
            levels[side].append((price, quantity))
    return Depth(seq=rows[0][0], bids=levels[Side.BUY], asks=levels[Side.SELL])


def waiting_shards(*, now: datetime, longer_than: timedelta) -> list[int]:
    """Shards with a pending command that has waited too long: their wake-up was lost."""
    rows = fetch(
        "SELECT s.id FROM orders_shard s WHERE s.status = 'running' AND EXISTS ("
        " SELECT 1 FROM orders_command c WHERE c.shard_id = s.id AND c.status = 'pending' AND c.at < %s)",
        [now - longer_than],
    )
    return [row[0] for row in rows]


def book_of(instrument_id: int) -> Book | None:
    """The book of an instrument, if one was opened."""
    return Book.objects.select_related("shard").filter(instrument_id=instrument_id).first()
