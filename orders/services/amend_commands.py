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
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.statements import Rows, Statement, known, reading

_PLACED = """
    SELECT i.order_id, i.account_id, i.order_created_at, o.list_id, o.instrument_id,
        CASE o.side WHEN 'buy' THEN n.quote_id ELSE n.base_id END
    FROM unnest(%s::bigint[], %s::bigint[]) AS k(id, owner)
    CROSS JOIN LATERAL (
        SELECT * FROM orders_orderidentity WHERE order_id = k.id AND account_id = k.owner OFFSET 0
    ) i
    JOIN orders_order o ON o.id = i.order_id AND o.created_at = i.order_created_at
    JOIN instruments_instrument n ON n.id = o.instrument_id
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """What of an order never changes. `list_id` 0 = in no list; `pays_with` is an asset."""

    account_id: int
    created_at: datetime
    list_id: int
    instrument_id: int
    pays_with: int


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


def orders_placed(amends: Sequence[tuple[int, AmendOrder]]) -> Statement[Mapping[int, Placed]]:
    """Those of the orders named that are their accounts' own, by order id."""
    # Pairs: who names somebody else's order must not stand for its owner.
    pairs = {(one.order_id, one.account_id) for _, one in amends if is_id(one.order_id)}
    columns = [list(column) for column in zip(*pairs, strict=True)]
    return Statement(_PLACED, columns, _placed) if pairs else known({})


def _placed(rows: Rows) -> dict[int, Placed]:
    return {number: Placed(*rest) for number, *rest in rows}


class Sought:
    """The orders of some amends. Made with the accounts' rows locked: no amend can follow then."""

    def __init__(self, amends: Sequence[tuple[int, AmendOrder]], placed: Mapping[int, Placed]) -> None:
        """`placed` is the answer of `orders_placed` of the same amends."""
        self._amends, self._placed = amends, placed
        self._members = _members(placed.values())
        listed = {number for members in self._members.values() for number in members}
        self._ids = [*(placed.keys() | listed)]
        self._moments = [*{one.created_at for one in placed.values()}]

    @property
    def count(self) -> int:
        """How many amends there are."""
        return len(self._amends)

    @property
    def instruments(self) -> set[int]:
        """Where they trade."""
        return {one.instrument_id for one in self._placed.values()}

    @property
    def pay_with(self) -> set[tuple[int, int]]:
        """(trading account, asset) of what more they may need."""
        return {(one.account_id, one.pays_with) for one in self._placed.values()}

    def waiting(self) -> Statement[AbstractSet[int]]:
        """Those that an amend waits for."""
        if not self._ids:
            return known(set())
        return asked_for(self._ids, CommandKind.AMEND, since=min(self._moments))

    def orders(self) -> Statement[Mapping[int, Order]]:
        """The orders themselves.

        Asked for after `waiting`: an amend may have been applied until then, and what it held given back. One
        snapshot of all, as they bound each other; the orders of a list are placed at one moment.
        """
        if not self._ids:
            return known({})
        condition = "WHERE id = ANY(%s::bigint[]) AND created_at = ANY(%s::timestamptz[])"
        found = reading(Order, condition, [self._ids, self._moments])
        return found.then(lambda orders: {order.pk: order for order in orders})

    def targets(
        self,
        waiting: AbstractSet[int],
        orders: Mapping[int, Order],
        outcomes: list[Outcome | Requested | None],
    ) -> list[Target]:
        """What they are about, each with its place in the list; the others' outcomes are set to Denied."""
        targets = []
        for index, wanted in self._amends:
            try:
                targets.append(self._target(index, wanted, waiting, orders))
            except Refusal as refusal:
                outcomes[index] = Denied(refusal)
        return targets

    def _target(
        self, index: int, wanted: AmendOrder, waiting: AbstractSet[int], orders: Mapping[int, Order]
    ) -> Target:
        """What an amend is about. Raises no_change, order_not_found, amend_pending, order_not_open."""
        if not wanted.changes:
            raise Refusal(Code.NO_CHANGE, "Give a new price, a new quantity, or a new trigger price.")
        found = self._placed.get(wanted.order_id)
        if found is None or found.account_id != wanted.account_id:
            raise order_not_found(wanted.order_id)
        listed = self._members.get(found.list_id, {})
        bounding = {wanted.order_id, *(listed if Link.ATTACHED in listed.values() else ())}
        if bounding & waiting:
            raise amend_pending()
        order = orders[wanted.order_id]
        require_open(order)
        live = [orders[number] for number in listed if not orders[number].is_final]
        return Target(index, wanted, order, live, bounding)


def _takes_off(changes: Changes, order: Order) -> bool:
    """Whether an amend asks for less quantity and nothing else."""
    quantity = changes.quantity
    return changes == Changes(quantity=quantity) and quantity is not None and quantity < order.quantity


def _members(of: Iterable[Placed]) -> dict[int, dict[int, str]]:
    """By list: the live orders of these orders' lists, and how each is linked."""
    listed = {one.list_id: one.created_at for one in of if one.list_id}
    found: dict[int, dict[int, str]] = defaultdict(dict)
    if listed:
        together = Order.objects.live().filter(list_id__in=listed, created_at__in=set(listed.values()))
        for list_id, number, link in together.order_by("id").values_list("list_id", "id", "link"):
            found[list_id][number] = link
    return found
