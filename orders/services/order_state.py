"""An order as the drain works on it: loaded by one query, changed by events, written by one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any

from orders.models import LIVE, TRIGGERED, OrderStatus, OrderType, Side
from orders.selectors import AT_THEIR_TIMES
from tradeplatform.common.db import array, execute, fetch, words


@dataclass(slots=True)
class OrderState:
    """The columns of an order that events read or write, or that its owner is told.

    `created` is the database's text of its time, which finds the row again and is rarely read otherwise.
    """

    id: int
    created: str
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
    trigger_price: Decimal | None
    trigger_by: str
    triggered_at: datetime | None
    trail_amount: Decimal | None
    trail_bps: int | None
    trail_step: Decimal | None
    display_quantity: Decimal | None
    shown: Decimal
    min_quantity: Decimal | None
    quote_quantity: Decimal | None
    reduce_only: bool
    expires_at: datetime | None
    link: str
    parent_id: int
    partner_id: int
    list_id: int
    touched: bool = False
    reshaped: bool = False

    @property
    def created_at(self) -> datetime:
        """When it was accepted."""
        return datetime.fromisoformat(self.created)

    @property
    def is_live(self) -> bool:
        """Whether something can still happen to it."""
        return self.status in LIVE

    @property
    def only_traded(self) -> bool:
        """Whether events have changed no more of it than what trades change of a plain order."""
        return not (
            self.reshaped
            or self.list_id
            or self.display_quantity is not None
            or self.quote_quantity is not None
            or self.type in TRIGGERED
        )

    def touch(self, seq: int) -> None:
        """Note that the event at `seq` changed this order, as accepting it or a trade does."""
        self.last_seq = seq
        self.touched = True

    def reshape(self, seq: int) -> None:
        """Note that the event at `seq` changed more of it than a trade may."""
        self.touch(seq)
        self.reshaped = True

    def take(self, quantity: Decimal, leaves: Decimal) -> None:
        """Lots have gone, by a trade or by self-trade prevention; `leaves` are still open."""
        self.leaves = leaves
        if self.shown:
            self.shown = max(Decimal(0), self.shown - quantity)

    @property
    def worst_price(self) -> Decimal:
        """The worst price it can be made to trade at: its limit, or the protection of a market order."""
        price = self.price if self.price is not None else self.protection_price
        if price is None:
            raise ValueError(f"order {self.id} has neither price nor protection price")
        return price

    def trail(self, change: Decimal) -> None:
        """Move a trailing order's trigger, and its limit or protection price by as much."""
        if self.trigger_price is not None:
            self.trigger_price += change
        if self.price is not None:
            self.price += change
        if self.protection_price is not None:
            self.protection_price += change

    @classmethod
    def load(cls, ids: Iterable[int]) -> dict[int, OrderState]:
        """The orders with these ids. No lock: the shard's lock makes the caller their only writer."""
        return cls._read("WHERE id = ANY(%s::bigint[])", [array(set(ids))])

    @classmethod
    def load_at(cls, refs: Iterable[tuple[int, datetime]]) -> dict[int, OrderState]:
        """Orders by (id, creation time), for who shows them: only the partitions of those times are read.

        A model's object costs several times as much as all else that is done to show an order.
        """
        ids, times = zip(*refs, strict=True)
        return cls._read(AT_THEIR_TIMES, [array(ids), array(times)])

    @classmethod
    def load_rest_of_lists(cls, known: Mapping[int, OrderState]) -> dict[int, OrderState]:
        """The live orders that share a list with one of the known; asks nothing where none is in a list."""
        lists = {order.list_id for order in known.values()} - {0}
        if not lists:
            return {}
        return cls._read(
            "WHERE list_id > 0 AND list_id = ANY(%s) AND stage IN ('active', 'parked') AND NOT id = ANY(%s)",
            [list(lists), list(known)],
        )

    @classmethod
    def _read(cls, rest: str, params: Sequence[Any]) -> dict[int, OrderState]:
        # In the order of their ids: what is told of a batch is the same, whatever plan reads it.
        sql = f"SELECT {_READ} FROM orders_order {rest} ORDER BY id"  # noqa: S608 - our words
        rows = fetch(sql, params, prepared=True)
        states = {}
        for row in rows:
            state = cls(*row)
            state.side, state.status, state.type = _SIDE[state.side], _STATUS[state.status], _TYPE[state.type]
            states[state.id] = state
        return states

    @staticmethod
    def write(orders: Sequence[OrderState], *, now: datetime) -> None:
        """Write changed orders back; the creation time finds their partition.

        Of most of them only trades have changed something: the rest is not written again.
        """
        _write([order for order in orders if order.only_traded], _TRADED, now)
        _write([order for order in orders if not order.only_traded], _TRADED | _RESHAPED, now)


_COLUMNS = [field.name for field in fields(OrderState) if field.name not in {"touched", "reshaped"}]
_READ = ", ".join("created_at::text" if name == "created" else name for name in _COLUMNS)
# By look-up: calling an enumeration with a word takes several times as long.
_SIDE: dict[str, Side] = {side.value: side for side in Side}
_STATUS: dict[str, OrderStatus] = {status.value: status for status in OrderStatus}
_TYPE: dict[str, OrderType] = {type_.value: type_ for type_ in OrderType}

# Columns that events change beside the status, with their types.
_TRADED = {
    "filled": "numeric",
    "leaves": "numeric",
    "filled_notional": "numeric",
    "fee_accrued": "numeric",
    "held": "numeric",
    "priority": "bigint",
    "last_seq": "bigint",
}
_RESHAPED = {
    "price": "numeric",
    "quantity": "numeric",
    "prevented": "numeric",
    "reason": "text",
    "protection_price": "numeric",
    "trigger_price": "numeric",
    "triggered_at": "timestamptz",
    "shown": "numeric",
    "partner_id": "bigint",
}


def _write(orders: Sequence[OrderState], columns: Mapping[str, str], now: datetime) -> None:
    if not orders:
        return
    execute(
        _statement(tuple(columns.items())),
        [
            now,
            array(order.id for order in orders),
            array(order.created for order in orders),
            words(order.status.value for order in orders),
            *(_column(orders, name, kind) for name, kind in columns.items()),
        ],
        prepared=True,
    )


def _column(orders: Sequence[OrderState], name: str, kind: str) -> str:
    values = map(attrgetter(name), orders)
    return words(values) if kind == "text" else array(values)


@cache
def _statement(columns: tuple[tuple[str, str], ...]) -> str:
    changes = ", ".join(f"{name} = n.{name}" for name, _type in columns)
    arrays = ", ".join(f"%s::{kind}[]" for _name, kind in columns)
    names = ", ".join(name for name, _type in columns)
    return (
        f"UPDATE orders_order SET status = n.status, {changes}, updated_at = %s"  # noqa: S608 - our own words
        f" FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], {arrays})"
        f" AS n(id, created_at, status, {names})"
        " WHERE orders_order.id = n.id AND orders_order.created_at = n.created_at"
    )
