"""Write accepted orders: the order and its forever identity, each in one COPY, and how its command looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from audit.actor import Actor
from instruments.selectors import Rules
from orders.models import CommandKind, OrderStatus, OrderType, Source, TimeInForce
from orders.services import engine_codes
from orders.services.book_refs import BookRef
from orders.services.journal import CommandRow
from orders.services.requests import Accepted, NewOrder
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.db import copy_rows, next_ids

_ORDER_COLUMNS = (
    "id", "created_at", "updated_at", "account_id", "instrument_id", "client_order_id", "side", "type",
    "time_in_force", "post_only", "stp_mode", "stp_group", "price", "protection_price", "quantity", "filled",
    "leaves", "prevented", "filled_notional", "maker_fee_rate", "taker_fee_rate", "fee_accrued", "held",
    "status", "reason", "priority", "last_seq", "source", "actor_id", "actor_label", "correlation_id",
)  # fmt: skip
_IDENTITY_COLUMNS = ("order_id", "account_id", "client_order_id", "order_created_at", "fingerprint")


@dataclass(slots=True)
class Draft:
    """An order on its way through the checks; `index` is its place in the request."""

    index: int
    order: NewOrder
    client_order_id: str
    fingerprint: str
    rules: Rules
    book: BookRef
    time_in_force: TimeInForce
    trade_group: int = 0
    price_ticks: int = 0
    lots: int = 0
    quantity: Decimal = Decimal(0)
    protection: Decimal | None = None
    held: Decimal = Decimal(0)
    order_id: int = 0

    @property
    def key(self) -> tuple[int, str]:
        """What names the order for ever."""
        return self.order.account_id, self.client_order_id


def number_orders(drafts: Sequence[Draft]) -> None:
    """Give the drafts their order ids."""
    if drafts:
        for draft, number in zip(drafts, next_ids("orders_order_id_seq", len(drafts)), strict=True):
            draft.order_id = number


def write_orders(drafts: Sequence[Draft], *, actor: Actor, source: Source, now: datetime) -> list[Accepted]:
    """Write checked, funded and numbered orders inside the caller's transaction, without their commands."""
    numbered = [(draft.order_id, draft) for draft in drafts]
    by = (source.value, actor.user_id, actor.label, correlation_id())
    copy_rows("orders_order", _ORDER_COLUMNS, ((*_order(i, d, now), *by) for i, d in numbered))
    copy_rows(
        "orders_orderidentity",
        _IDENTITY_COLUMNS,
        ((i, d.order.account_id, d.client_order_id, now, d.fingerprint) for i, d in numbered),
    )
    return [Accepted(number, now, draft.client_order_id) for number, draft in numbered]


def _order(number: int, draft: Draft, now: datetime) -> tuple[object, ...]:
    order, rules = draft.order, draft.rules
    price = rules.price(draft.price_ticks) if order.type == OrderType.LIMIT else None
    zero = Decimal(0)
    return (
        number, now, now, order.account_id, rules.id, draft.client_order_id, order.side.value,
        order.type.value, draft.time_in_force.value, order.post_only, order.stp_mode.value,
        draft.trade_group, price, draft.protection, draft.quantity, zero, draft.quantity, zero, zero,
        rules.maker_fee, rules.taker_fee, zero, draft.held, OrderStatus.PENDING.value, "", 0, 0,
    )  # fmt: skip


def new_order_command(draft: Draft) -> CommandRow:
    """The command that puts a numbered draft before the engine."""
    order = draft.order
    return CommandRow(
        shard_id=draft.book.shard_id,
        instrument_id=draft.rules.id,
        kind=CommandKind.NEW,
        order_id=draft.order_id,
        account_id=order.account_id,
        side=engine_codes.SIDE[order.side],
        order_type=engine_codes.ORDER_TYPE[order.type],
        time_in_force=engine_codes.TIME_IN_FORCE[draft.time_in_force],
        flags=engine_codes.POST_ONLY if order.post_only else 0,
        stp_mode=engine_codes.STP_MODE[order.stp_mode],
        stp_group=draft.trade_group,
        price_ticks=draft.price_ticks,
        quantity_lots=draft.lots,
    )
