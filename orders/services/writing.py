"""Write accepted orders: the order and its forever identity, each in one COPY, and how its command looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from tradeengine.codec import NO_TERMS, Terms

from instruments.selectors import Rules
from orders.metrics import count_accepted
from orders.models import CommandKind, Link, OrderStatus, TimeInForce, TriggerBy
from orders.services import engine_codes
from orders.services.book_refs import BookRef
from orders.services.journal import CommandRow
from orders.services.order_state import OrderState
from orders.services.requests import Accepted, NewOrder, Origin
from tradeplatform.common.statements import Insertion, Statement, known, numbers

_ORDER_COLUMNS = (
    "id", "created_at", "updated_at", "account_id", "instrument_id", "client_order_id", "side", "type",
    "time_in_force", "post_only", "stp_mode", "stp_group", "price", "protection_price", "quantity", "filled",
    "leaves", "prevented", "filled_notional", "maker_fee_rate", "taker_fee_rate", "fee_accrued", "held",
    "status", "reason", "priority", "last_seq", "trigger_price", "trigger_by", "trail_amount", "trail_bps",
    "trail_step", "display_quantity", "shown", "min_quantity", "quote_quantity", "reduce_only", "expires_at",
    "link", "parent_id", "partner_id", "list_id", "source", "credential", "actor_id", "actor_label",
    "correlation_id",
)  # fmt: skip
# The state of an order from its row, when it was created and that it was never triggered.
_BEHIND = (*_ORDER_COLUMNS[: _ORDER_COLUMNS.index("source")], "created", "triggered_at")
_STATE = itemgetter(*(_BEHIND.index(field.name) for field in fields(OrderState) if field.name in _BEHIND))
_ORDER_TYPES = "qttqissssbsqnnnnnnnnnnnssqqnsnhnnnnnbtsqqqssqss"
_ZERO = Decimal(0)
_IDENTITY_COLUMNS = ("order_id", "account_id", "client_order_id", "order_created_at", "fingerprint")
_IDENTITY_TYPES = "qqsts"


@dataclass(slots=True)
class Draft:
    """An order on its way through the checks; `index` is its place in the request.

    `valued_at` is the price it is expected to trade at. `budget` is the amount of a market order without a
    quantity. `parent` and `partner` are the drafts it is linked to. `row` is what was written of it, but for
    by whom.
    """

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
    valued_at: Decimal = Decimal(0)
    budget: Decimal | None = None
    terms: Terms = NO_TERMS
    expires_at: datetime | None = None
    held: Decimal = Decimal(0)
    order_id: int = 0
    link: Link | None = None
    parent: Draft | None = None
    partner: Draft | None = None
    list_id: int = 0
    row: tuple[Any, ...] = ()

    @property
    def key(self) -> tuple[int, str]:
        """What names the order for ever."""
        return self.order.account_id, self.client_order_id

    @property
    def leaves(self) -> Decimal:
        """What is open of it at first: nothing its parent has yet to fill, no more than its position."""
        if self.link == Link.ATTACHED:
            return _ZERO
        if self.terms.position_limit:
            return min(self.quantity, self.rules.quantity(self.terms.position_limit))
        return self.quantity

    @property
    def is_plain(self) -> bool:
        """Whether it is an order without any condition, in no list."""
        return self.terms is NO_TERMS and not self.order.reduce_only and not self.list_id


def order_ids(count: int) -> Statement[list[int]]:
    """So many ids for orders."""
    return numbers("orders_order_id_seq", count) if count else known([])


def number_orders(drafts: Sequence[Draft], ids: Sequence[int]) -> None:
    """Give the drafts their order ids, of which there may be more."""
    for draft, number in zip(drafts, ids, strict=False):
        draft.order_id = number


def orders_written(
    drafts: Sequence[Draft], origins: Sequence[Origin], *, now: datetime
) -> tuple[Insertion, Insertion]:
    """The rows of checked, funded and numbered orders and of their identities.

    `origins` are those of all requests: a draft's `index` is its place among them.
    """
    count_accepted(origins[draft.index].source for draft in drafts)
    for draft in drafts:
        draft.row = _order(draft, now)
    rows = [(*draft.row, *_by(origins[draft.index])) for draft in drafts]
    names = [(d.order_id, d.order.account_id, d.client_order_id, now, d.fingerprint) for d in drafts]
    return (
        Insertion("orders_order", _ORDER_COLUMNS, _ORDER_TYPES, rows),
        Insertion("orders_orderidentity", _IDENTITY_COLUMNS, _IDENTITY_TYPES, names),
    )


def accepted_as(draft: Draft, now: datetime) -> Accepted:
    """What is said of an order that was written."""
    return Accepted(draft.order_id, now, draft.client_order_id, draft=draft)


def as_written(draft: Draft, now: datetime) -> OrderState:
    """An order as it was written at `now`, before its book has seen it."""
    return OrderState(*_STATE((*draft.row, now.isoformat(), None)))


def _by(origin: Origin) -> tuple[object, ...]:
    actor = origin.actor
    return (origin.source.value, actor.credential, actor.user_id, actor.label, origin.correlation_id)


def _order(draft: Draft, now: datetime) -> tuple[object, ...]:
    order, rules = draft.order, draft.rules
    price = rules.price(draft.price_ticks) if draft.protection is None else None
    leaves = draft.leaves
    # What the book will cut off a reduce-only order is off it already.
    prevented = draft.quantity - leaves if order.reduce_only else _ZERO
    return (
        draft.order_id, now, now, order.account_id, rules.id, draft.client_order_id, order.side.value,
        order.type.value, draft.time_in_force.value, order.post_only, order.stp_mode.value,
        draft.trade_group, price, draft.protection, draft.quantity, _ZERO, leaves, prevented, _ZERO,
        rules.maker_fee, rules.taker_fee, _ZERO, draft.held, OrderStatus.PENDING.value, "", 0, 0,
        *(_NO_CONDITIONS if draft.is_plain else _conditions(draft)),
    )  # fmt: skip


# What the columns from trigger_price to list_id say of an order without conditions.
_NO_CONDITIONS = (None, "", None, None, None, None, _ZERO, None, None, False, None, "", 0, 0, 0)


def _conditions(draft: Draft) -> tuple[object, ...]:
    order, rules, terms = draft.order, draft.rules, draft.terms
    triggered, trailing = order.type.is_triggered, order.type.is_trailing
    by_percent = order.trail_percent is not None
    return (
        rules.price(terms.trigger_price) if triggered else None,
        (order.trigger_by or TriggerBy.LAST).value if triggered else "",
        rules.price(terms.distance) if trailing and not by_percent else None,
        terms.distance if by_percent else None,
        rules.price(terms.step) if trailing else None,
        order.display_quantity,
        _ZERO,
        order.min_quantity,
        draft.budget,
        order.reduce_only,
        draft.expires_at,
        draft.link.value if draft.link else "",
        draft.parent.order_id if draft.parent else 0,
        draft.partner.order_id if draft.partner else 0,
        draft.list_id,
    )


def new_order_command(draft: Draft) -> CommandRow:
    """The command that puts a numbered draft before the engine."""
    order, terms = draft.order, draft.terms
    if draft.link:
        terms = terms._replace(
            link=engine_codes.LINK[draft.link],
            parent=draft.parent.order_id if draft.parent else 0,
            partner=draft.partner.order_id if draft.partner else 0,
        )
    flags = engine_codes.POST_ONLY if order.post_only else 0
    if order.reduce_only:
        flags |= engine_codes.REDUCE_ONLY
    return CommandRow(
        shard_id=draft.book.shard_id,
        instrument_id=draft.rules.id,
        kind=CommandKind.NEW,
        order_id=draft.order_id,
        account_id=order.account_id,
        side=engine_codes.SIDE[order.side],
        order_type=engine_codes.ORDER_TYPE[order.type],
        time_in_force=engine_codes.TIME_IN_FORCE[draft.time_in_force],
        flags=flags,
        stp_mode=engine_codes.STP_MODE[order.stp_mode],
        stp_group=draft.trade_group,
        price_ticks=draft.price_ticks,
        quantity_lots=draft.lots,
        terms=terms,
    )
