"""Armed orders by trigger price: what goes live if the market moves, which no depth shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradeplatform.common.db import fetch

#: So many orders are looked at, and so many trigger prices nearest the market are shown.
ORDERS, LEVELS = 20_000, 40


@dataclass(frozen=True, slots=True)
class ArmedLevel:
    """The orders that go live when the market reaches `price`, coming from below if it `rises`."""

    price: Decimal
    rises: bool
    buys: int
    buy_quantity: Decimal
    sells: int
    sell_quantity: Decimal


@dataclass(frozen=True, slots=True)
class Armed:
    """An instrument's armed orders, highest trigger first, and how many wait for a parent."""

    levels: Sequence[ArmedLevel]
    orders: int
    waiting: int
    cut: bool


def armed_orders(instrument_id: int, *, last: Decimal) -> Armed:
    """Read from the index of what is in the book, bounded; cut to the triggers nearest `last` (0 = none)."""
    rows = fetch(
        """
        SELECT trigger_price, (side = 'buy') <> (type IN ('take_profit', 'take_profit_limit')) AS rises,
               count(*) FILTER (WHERE side = 'buy'), coalesce(sum(leaves) FILTER (WHERE side = 'buy'), 0),
               count(*) FILTER (WHERE side = 'sell'), coalesce(sum(leaves) FILTER (WHERE side = 'sell'), 0)
        FROM (SELECT side, type, trigger_price, leaves FROM orders_order
              WHERE instrument_id = %s AND status = 'pending_trigger' LIMIT %s) AS armed
        GROUP BY 1, 2
        """,
        [instrument_id, ORDERS],
    )
    waiting = fetch(
        "SELECT count(*) FROM (SELECT 1 FROM orders_order"
        " WHERE instrument_id = %s AND status = 'waiting' LIMIT %s) AS waiting",
        [instrument_id, ORDERS],
    )
    found = [ArmedLevel(*row) for row in rows]
    orders = sum(level.buys + level.sells for level in found)
    nearest = sorted(found, key=lambda level: (abs(level.price - last), level.price))[:LEVELS]
    return Armed(
        levels=sorted(nearest, key=lambda level: (-level.price, level.rises)),
        orders=orders,
        waiting=waiting[0][0],
        cut=len(found) > LEVELS or orders >= ORDERS,
    )
