"""An order as the drain works on it: loaded by one query, changed by events, written by one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orders.models import OrderStatus, OrderType, Side
from tradeplatform.common.db import execute, fetch


@dataclass(slots=True)
class OrderState:
    """The columns of an order that events read or write."""

    id: int
    created_at: datetime
    account_id: int
    instrument_id: int
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: str
    post_only: bool
    stp_mode: str
    price: Decimal | None
    protection_price: Decimal | None
    quantity: Decimal
    filled: Decimal
    leaves: Decimal
    prevented: Decimal
    filled_notional: Decimal
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    fee_accrued: Decimal
    held: Decimal
    status: OrderStatus
    reason: str
    priority: int
    last_seq: int
    touched: bool = False

    @property
    def worst_price(self) -> Decimal:
        """The worst price a buyer can be made to pay: the limit, or a market order's protection."""
        price = self.price if self.price is not None else self.protection_price
        if price is None:
            raise ValueError(f"order {self.id} has neither price nor protection price")
        return price

    def touch(self, seq: int) -> None:
        """Note that the event at `seq` changed this order."""
        self.last_seq = seq
        self.touched = True

    @classmethod
    def load(cls, ids: Iterable[int]) -> dict[int, OrderState]:
        """The orders with these ids. No lock: the shard's lock makes the caller their only writer."""
        rows = fetch(
            "SELECT id, created_at, account_id, instrument_id, client_order_id, side, type, time_in_force,"
            " post_only, stp_mode, price, protection_price, quantity, filled, leaves, prevented,"
            " filled_notional, maker_fee_rate, taker_fee_rate, fee_accrued, held, status, reason, priority,"
            " last_seq FROM orders_order WHERE id = ANY(%s)",
            [list(set(ids))],
        )
        states = {}
        for row in rows:
            state = cls(*row)
            state.side, state.status, state.type = (
                Side(state.side),
                OrderStatus(state.status),
                OrderType(state.type),
            )
            states[state.id] = state
        return states

    @staticmethod
    def write(orders: Sequence[OrderState], *, now: datetime) -> None:
        """Write changed orders back; the creation time finds their partition."""
        if not orders:
            return
        execute(
            """
            UPDATE orders_order SET price = n.price, quantity = n.quantity, filled = n.filled,
                leaves = n.leaves, prevented = n.prevented, filled_notional = n.filled_notional,
                fee_accrued = n.fee_accrued, held = n.held, status = n.status, reason = n.reason,
                priority = n.priority, last_seq = n.last_seq, updated_at = %s
            FROM unnest(%s::bigint[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[],
                %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[],
                %s::text[], %s::bigint[], %s::bigint[])
                AS n(id, created_at, price, quantity, filled, leaves, prevented, filled_notional,
                     fee_accrued, held, status, reason, priority, last_seq)
            WHERE orders_order.id = n.id AND orders_order.created_at = n.created_at
            """,
            [
                now,
                [o.id for o in orders],
                [o.created_at for o in orders],
                [o.price for o in orders],
                [o.quantity for o in orders],
                [o.filled for o in orders],
                [o.leaves for o in orders],
                [o.prevented for o in orders],
                [o.filled_notional for o in orders],
                [o.fee_accrued for o in orders],
                [o.held for o in orders],
                [o.status.value for o in orders],
                [o.reason for o in orders],
                [o.priority for o in orders],
                [o.last_seq for o in orders],
            ],
        )
