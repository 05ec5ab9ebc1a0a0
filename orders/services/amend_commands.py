"""The amends of a mixed list: read and judged in a few statements, so that a list costs what one costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from accounts.services.posting import Ledger
from instruments.selectors import Rules
from orders.models import CommandKind, Link, Order, OrderType, Side
from orders.selectors import asked_for, order_not_found, require_open
from orders.services.amending import amended
from orders.services.book_refs import BookRef
from orders.services.journal import CommandRow
from orders.services.owners import Owner, check_may_trade
from orders.services.pressure import Behind
from orders.services.requests import AmendOrder, Changes, Denied, Outcome, Requested
from orders.services.reserving import reserve_extra
from risk.services import pretrade
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

_PLACED = """
    SELECT i.order_id, i.account_id, i.order_created_at, o.list_id
    FROM orders_orderidentity i
    JOIN unnest(%s::bigint[], %s::bigint[]) AS k(id, owner) ON i.order_id = k.id AND i.account_id = k.owner
    JOIN orders_order o ON o.id = i.order_id AND o.created_at = i.order_created_at
"""


@dataclass(frozen=True, slots=True)
class Target:
    """An order to amend, and the live orders of its list, as of one moment when no amend of them waited.

    `bounding` are the orders that bound each other's amends: itself, and all of a bracket.
    """

    index: int
    wanted: AmendOrder
    order: Order
    listed: Sequence[Order]
    bounding: AbstractSet[int]


@dataclass(frozen=True, slots=True)
class Amendment:
    """A wanted amend, and all that it is judged by. `behind` says that the shard takes nothing that adds."""

    target: Target
    owner: Owner
    rules: Rules
    book: BookRef
    credential: str
    behind: Behind | None

    @property
    def index(self) -> int:
        """Its place in the list."""
        return self.target.index

    @property
    def pays_with(self) -> tuple[int, int]:
        """(trading account, asset) of what more the order may need."""
        order, rules = self.target.order, self.rules
        return order.account_id, rules.quote_id if order.side == Side.BUY else rules.base_id

    def take(self, ledger: Ledger) -> CommandRow:
        """Check it as intake checks an order, hold what the order may need beyond its hold: its command.

        Raises Refusal, and then holds nothing.
        """
        order, listed, rules = self.target.order, self.target.listed, self.rules
        changes = self.target.wanted.changes
        check_may_trade(self.owner, rules, credential=self.credential, order_type=OrderType(order.type))
        pretrade.check_open(rules)
        if self.behind is not None and not _takes_off(changes, order):
            raise self.behind.refusal()
        new = amended(order, changes, rules=rules, book=self.book, listed=listed)
        quantity = rules.quantity(new.lots) if new.lots else None
        held = reserve_extra(order, rules, ledger, listed=listed, price=new.worst_price, quantity=quantity)
        return CommandRow(
            shard_id=self.book.shard_id,
            instrument_id=rules.id,
            kind=CommandKind.AMEND,
            order_id=order.id,
            account_id=order.account_id,
            stp_group=new.trigger_ticks,
            price_ticks=new.price_ticks,
            quantity_lots=new.lots,
            held=held,
            reason=self.target.wanted.reason,
        )


def amend_pending() -> Refusal:
    """The refusal of an amend that comes before an earlier one was applied."""
    return Refusal(
        Code.AMEND_PENDING, "An earlier amend of this order or bracket is not yet applied: wait for it."
    )


def find_targets(
    amends: Sequence[tuple[int, AmendOrder]], outcomes: list[Outcome | Requested | None]
) -> list[Target]:
    """The orders that these amends are about, with their places in the list; the others' outcomes are Denied.

    Must be called with the accounts' rows locked: no amend can follow then.
    """
    if not amends:
        return []
    seen = _look(wanted for _, wanted in amends)
    targets = []
    for index, wanted in amends:
        try:
            targets.append(seen.target(index, wanted))
        except Refusal as refusal:
            outcomes[index] = Denied(refusal)
    return targets


def _takes_off(changes: Changes, order: Order) -> bool:
    """Whether an amend asks for less quantity and nothing else."""
    quantity = changes.quantity
    return changes == Changes(quantity=quantity) and quantity is not None and quantity < order.quantity


@dataclass(frozen=True, slots=True)
class _Placed:
    """What of an order never changes. `list_id` 0 = in no list."""

    account_id: int
    created_at: datetime
    list_id: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """Orders that are their accounts' own; by list its live orders and how each is linked; which wait."""

    placed: Mapping[int, _Placed]
    members: Mapping[int, Mapping[int, str]]
    waiting: AbstractSet[int]
    orders: Mapping[int, Order]

    def target(self, index: int, wanted: AmendOrder) -> Target:
        """What an amend is about. Raises no_change, order_not_found, amend_pending, order_not_open."""
        if not wanted.changes:
            raise Refusal(Code.NO_CHANGE, "Give a new price, a new quantity, or a new trigger price.")
        found = self.placed.get(wanted.order_id)
        if found is None or found.account_id != wanted.account_id:
            raise order_not_found(wanted.order_id)
        listed = self.members.get(found.list_id, {})
        bounding = {wanted.order_id, *(listed if Link.ATTACHED in listed.values() else ())}
        if bounding & self.waiting:
            raise amend_pending()
        order = self.orders[wanted.order_id]
        require_open(order)
        live = [self.orders[number] for number in listed if not self.orders[number].is_final]
        return Target(index, wanted, order, live, bounding)


def _look(wanted: Iterable[AmendOrder]) -> _Seen:
    placed = _placed(wanted)
    if not placed:
        return _Seen({}, {}, set(), {})
    members = _members(placed.values())
    ids = placed.keys() | {number for listed in members.values() for number in listed}
    moments = {one.created_at for one in placed.values()}
    waiting = asked_for(ids, CommandKind.AMEND, since=min(moments))
    # Read after that look: an amend may have been applied until then, and what it held given back. One
    # snapshot of all, as they bound each other; the orders of a list are placed at one moment.
    orders = {order.id: order for order in Order.objects.filter(id__in=ids, created_at__in=moments)}
    return _Seen(placed, members, waiting, orders)


def _placed(wanted: Iterable[AmendOrder]) -> dict[int, _Placed]:
    """Those of the orders that are their accounts' own."""
    # Pairs: who names somebody else's order must not stand for its owner.
    pairs = {(one.order_id, one.account_id) for one in wanted if 0 < one.order_id < 2**63}
    columns = [list(column) for column in zip(*pairs, strict=True)]
    rows = fetch(_PLACED, columns, prepared=True) if pairs else []
    return {number: _Placed(*rest) for number, *rest in rows}


def _members(of: Iterable[_Placed]) -> dict[int, dict[int, str]]:
    """By list: the live orders of these orders' lists, and how each is linked."""
    listed = {one.list_id: one.created_at for one in of if one.list_id}
    found: dict[int, dict[int, str]] = defaultdict(dict)
    if listed:
        together = Order.objects.live().filter(list_id__in=listed, created_at__in=set(listed.values()))
        for list_id, number, link in together.order_by("id").values_list("list_id", "id", "link"):
            found[list_id][number] = link
    return found
