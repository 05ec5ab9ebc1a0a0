"""What has happened to an account since it was last looked at, one thing after the other, nothing left out.

It is read from the journal in one snapshot: `begin` notes where the books stand, `happened` reads on from
there. A wake-up that was lost, or came twice, changes only when a thing is told, not whether.

An order is told as it stood right after each of its events. Its row knows where it stands after the last of
them; how much was filled before each is that, less what came after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.utils import timezone

from accounts.models import LedgerAccount
from accounts.selectors import LastMoved, LedgerLine, balances_of, last_moved, lines_after
from instruments.selectors import Rules, rules_by_id
from orders.models import Book, CommandKind, EventKind, Fill, Order, event_id
from orders.order_selectors import list_members
from orders.services.engine_codes import REASON_WORD
from tradeplatform.common.db import fetch, one_snapshot

# Requests that run side by side may be noted in another order than they are committed in: by so much.
_APART = timedelta(minutes=1)
#: What changes nothing that its owner would be told.
_SILENT = (EventKind.CANCEL_REJECTED, EventKind.AMEND_REJECTED, EventKind.TRAILED, EventKind.DISPLAYED)
#: What says an order's price and quantity.
_STATES = (EventKind.ACCEPTED, EventKind.AMENDED)
_CANCELS = frozenset({CommandKind.CANCEL, CommandKind.MASS_CANCEL})


class EventRow(NamedTuple):
    """An event, with the command that it is of."""

    shard_id: int
    position: int
    command_kind: int
    client_request_id: str
    id: int
    at: datetime
    instrument_id: int
    kind: int
    reason_code: int
    flags: int
    order_id: int
    maker_order_id: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    maker_leaves_lots: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One event of an order, and the order as it stood right after it.

    `order` is the order's row, which is right for what never changes; `fill` its side of a trade; `cancel`
    what its client calls the cancel that the event is of, None where it is of no cancel. `ends` says that
    nothing of the order is open after it.
    """

    event: EventRow
    order: Order
    price: Decimal | None
    quantity: Decimal
    filled: Decimal
    filled_notional: Decimal
    fill: Fill | None
    ends: bool

    @property
    def kind(self) -> EventKind:
        """What happened."""
        return EventKind(self.event.kind)

    @property
    def reason(self) -> str:
        """Why."""
        return REASON_WORD[self.event.reason_code]

    @property
    def cancel(self) -> str | None:
        """What the client calls the cancel that this comes of; None where it comes of none."""
        return self.event.client_request_id if self.event.command_kind in _CANCELS else None


@dataclass(frozen=True, slots=True)
class Since:
    """Up to where an account is known.

    At `at` all was looked at: the last event of each book then, and the orders that were live. Since then the
    last event that was told of each order, and where the ledger accounts stand.
    """

    at: datetime
    books: Mapping[int, int]
    live: frozenset[int]
    told: Mapping[int, int]
    moved: Mapping[int, LastMoved]


@dataclass(frozen=True, slots=True)
class Happened:
    """What is new: executions and transfers, oldest first; lists and balances as they are now."""

    since: Since
    rules: Mapping[int, Rules]
    executions: Sequence[Execution]
    lists: Mapping[int, Sequence[Order]]
    transfers: Sequence[LedgerLine]
    balances: Sequence[LedgerAccount]


def begin(account_id: int) -> tuple[Since, list[LedgerAccount]]:
    """Where things stand now, and the account's balances."""
    with one_snapshot():
        balances = list(balances_of(account_id))
        return _all_known(account_id, last_moved(balances)), balances


def everything(account_id: int, since: Since) -> Happened:
    """All that is new of an account."""
    with one_snapshot():
        recent = Order.objects.for_account(account_id).filter(created_at__gte=since.at - _APART)
        wanted = since.live.union(since.told, recent.values_list("id", flat=True))
        found = _happened(account_id, since, wanted, up_to=None)
        return replace(found, since=_all_known(account_id, found.since.moved))


def happened(
    account_id: int, since: Since, order_ids: Iterable[int], *, up_to: Mapping[int, int]
) -> Happened:
    """What is new of these orders up to these positions of the shards, and of the account's money.

    The orders must be all that the account's commits up to there have touched.
    """
    with one_snapshot():
        return _happened(account_id, since, order_ids, up_to=up_to)


def _happened(
    account_id: int, since: Since, order_ids: Iterable[int], *, up_to: Mapping[int, int] | None
) -> Happened:
    own = list(order_ids)
    events = _events(own, since)
    touched = {number for event in events for number in (event.order_id, event.maker_order_id)}
    orders = {
        order.pk: order for order in Order.objects.for_account(account_id).filter(id__in=touched & {*own})
    }
    rules = rules_by_id({order.instrument_id for order in orders.values()})
    executions = [
        one
        for one in _executions(events, orders, rules)
        if up_to is None or one.event.position <= up_to.get(one.event.shard_id, 0)
    ]
    lists = {one.order.list_id for one in executions if one.order.list_id}
    balances = list(balances_of(account_id))
    told = {one.order.pk: one.event.id for one in executions}
    return Happened(
        since=replace(since, told={**since.told, **told}, moved=last_moved(balances)),
        rules=rules,
        executions=executions,
        lists=list_members(sorted(lists), account_id=account_id) if lists else {},
        transfers=lines_after(account_id, since.moved),
        balances=balances,
    )


def _all_known(account_id: int, moved: Mapping[int, LastMoved]) -> Since:
    books = dict(Book.objects.values_list("instrument_id", "seq"))
    live = Order.objects.live().for_account(account_id)
    return Since(
        at=timezone.now(),
        books={number: event_id(number, seq) for number, seq in books.items()},
        live=frozenset(live.values_list("id", flat=True)),
        told={},
        moved=moved,
    )


_EVENTS = """
    SELECT c.shard_id, c.position, c.kind, c.client_request_id, e.id, e.at, e.instrument_id, e.kind,
           e.reason_code, e.flags, e.order_id, e.maker_order_id, e.price_ticks, e.quantity_lots,
           e.leaves_lots, e.maker_leaves_lots
    FROM (
        SELECT * FROM orders_event WHERE order_id = ANY(%(orders)s::bigint[])
        UNION ALL
        SELECT * FROM orders_event WHERE maker_order_id = ANY(%(orders)s::bigint[])
            AND NOT order_id = ANY(%(orders)s::bigint[])
    ) e
    JOIN orders_command c ON c.id = e.command_id
    LEFT JOIN unnest(%(books)s::int[], %(at)s::bigint[]) AS book(id, at) ON book.id = e.instrument_id
    LEFT JOIN unnest(%(known)s::bigint[], %(told)s::bigint[]) AS own(id, told)
        ON own.id IN (e.order_id, e.maker_order_id)
    WHERE e.id > coalesce(own.told, book.at, 0) AND NOT e.kind = ANY(%(silent)s)
    ORDER BY c.shard_id, c.position, e.id
"""


def _events(order_ids: Sequence[int], since: Since) -> list[EventRow]:
    """The events of these orders that have not been told, each once, in the order of the journal."""
    if not order_ids:
        return []
    known = {number: since.told[number] for number in order_ids if number in since.told}
    rows = fetch(
        _EVENTS,
        {
            "orders": list(order_ids),
            "books": list(since.books),
            "at": list(since.books.values()),
            "known": list(known),
            "told": list(known.values()),
            "silent": [kind.value for kind in _SILENT],
        },
    )
    return list(map(EventRow._make, rows))


@dataclass(slots=True)
class _Running:
    """An order as it stands between two of its events."""

    price: Decimal | None
    quantity: Decimal
    filled: Decimal
    notional: Decimal


def _executions(
    events: Sequence[EventRow], orders: Mapping[int, Order], rules: Mapping[int, Rules]
) -> list[Execution]:
    fills = _fills(events, orders)
    running = _before(events, orders, rules, fills)
    last = {number: event.id for event in events for number in _subjects(event)}
    found = []
    for event in events:
        for number in _subjects(event):
            if number not in orders:
                continue
            order, now, fill = orders[number], running[number], fills.get((event.id, number))
            _apply(event, order, now, fill, rules[order.instrument_id])
            found.append(
                Execution(
                    event=event,
                    order=order,
                    price=now.price,
                    quantity=now.quantity,
                    filled=now.filled,
                    filled_notional=now.notional,
                    fill=fill,
                    ends=order.is_final and event.id == last[number],
                )
            )
    return found


def _subjects(event: EventRow) -> tuple[int, ...]:
    """The orders an event is about: of a trade, the maker's first, as its effects are."""
    if event.maker_order_id:
        return event.maker_order_id, event.order_id
    return (event.order_id,)


def _apply(event: EventRow, order: Order, now: _Running, fill: Fill | None, rules: Rules) -> None:
    if fill is not None:
        now.filled += fill.quantity
        now.notional += fill.price * fill.quantity
        if order.quote_quantity is not None:
            now.quantity = now.filled
    elif event.kind == EventKind.ACCEPTED and order.quote_quantity is None:
        now.quantity = rules.quantity(event.quantity_lots)
    elif event.kind == EventKind.AMENDED:
        now.quantity = rules.quantity(event.quantity_lots)
        now.price = rules.price(event.price_ticks) if order.price is not None else None


def _before(
    events: Sequence[EventRow],
    orders: Mapping[int, Order],
    rules: Mapping[int, Rules],
    fills: Mapping[tuple[int, int], Fill],
) -> dict[int, _Running]:
    """The orders as they stood before these events."""
    running = {
        number: _Running(order.price, order.quantity, order.filled, order.filled_notional)
        for number, order in orders.items()
    }
    for (_event, number), fill in fills.items():
        running[number].filled -= fill.quantity
        running[number].notional -= fill.price * fill.quantity
    first_amended = {
        event.order_id: event.id for event in reversed(events) if event.kind == EventKind.AMENDED
    }
    for event in _states_before({n: e for n, e in first_amended.items() if n in orders}):
        order, rule = orders[event.order_id], rules[event.instrument_id]
        running[order.pk].quantity = rule.quantity(event.quantity_lots)
        if order.price is not None:
            running[order.pk].price = rule.price(event.price_ticks)
    return running


class _State(NamedTuple):
    order_id: int
    instrument_id: int
    price_ticks: int
    quantity_lots: int


def _states_before(amended: Mapping[int, int]) -> list[_State]:
    """What each of these orders was right before its event: what ACCEPTED or AMENDED said of it last."""
    if not amended:
        return []
    rows = fetch(
        "SELECT DISTINCT ON (e.order_id) e.order_id, e.instrument_id, e.price_ticks, e.quantity_lots"
        " FROM orders_event e JOIN unnest(%s::bigint[], %s::bigint[]) AS k(order_id, before)"
        " ON k.order_id = e.order_id AND e.id < k.before"
        " WHERE e.kind = ANY(%s) ORDER BY e.order_id, e.id DESC",
        [list(amended), list(amended.values()), [kind.value for kind in _STATES]],
    )
    return list(map(_State._make, rows))


def _fills(events: Sequence[EventRow], orders: Mapping[int, Order]) -> dict[tuple[int, int], Fill]:
    """The orders' sides of the trades among the events, by (event, order)."""
    trades = [event for event in events if event.kind == EventKind.TRADE]
    if not trades:
        return {}
    found = Fill.objects.filter(
        trade_id__in=[event.id for event in trades],
        at__in={event.at for event in trades},
        order_id__in=list(orders),
    )
    return {(fill.trade_id, fill.order_id): fill for fill in found}
