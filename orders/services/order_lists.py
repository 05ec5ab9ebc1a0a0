"""Lists of orders that depend on each other: taken whole or denied whole, in one transaction.

The engine must know a child before its parent, and the first of a pair by the lower id: children are numbered
and sent first, in the order of the request, their parent last. `list_id` is the first number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.db import transaction

from accounts.services.posting import Ledger
from audit.actor import Actor
from instruments.selectors import rules_by_symbol
from orders.metrics import counting_denied
from orders.models import WAITING_TIMES, Link, Order, OrderType, Side, Source
from orders.services.book_refs import books_for
from orders.services.conditions import STOPS, check_order, clash
from orders.services.intake import client_id_conflict, draft_of
from orders.services.journal import write_commands
from orders.services.looking import identities_of, live_orders
from orders.services.owners import check_may_trade, lock_owners
from orders.services.pressure import PRESSURE
from orders.services.requests import Accepted, ListKind, NewList, NewOrder, Origin, list_fingerprints
from orders.services.reserving import reserve_list
from orders.services.wake import wake_after_commit
from orders.services.writing import Draft, new_order_command, number_orders, order_ids, orders_written
from risk.services import pretrade
from tradeplatform.common.correlation import correlation_id

_TAKE_PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


@dataclass(frozen=True, slots=True)
class AcceptedList:
    """The list is committed: its id, and its orders in the order of the request."""

    list_id: int
    orders: Sequence[Accepted]
    duplicate: bool = False


def submit_list(*, asked: NewList, actor: Actor, source: Source, now: datetime) -> AcceptedList:
    """Submit orders that depend on each other. Raises Refusal; then nothing of the list is stored.

    The same list sent again gives the same orders; one that shares a client order id with anything else is
    refused.
    """
    _check_shape(asked)
    orders = asked.orders
    account_id = orders[0].account_id
    with counting_denied(len(orders)), transaction.atomic():
        accounts = lock_owners([account_id])
        rules = rules_by_symbol([orders[0].symbol])
        books = books_for(rules.values())
        drafts = [draft_of(place, order, accounts, rules, books) for place, order in enumerate(orders)]
        for draft, print_ in zip(drafts, list_fingerprints(asked), strict=True):
            draft.fingerprint = print_
        if known := identities_of(drafts).run():
            return _known_list(drafts, known)
        PRESSURE.check(drafts[0].book.shard_id)
        owner = accounts[account_id]
        for draft in drafts:
            check_may_trade(owner, draft.rules, credential=actor.credential, order_type=draft.order.type)
        _link(asked.kind, drafts)
        for draft in drafts:
            check_order(draft, now)
        _check_together(asked.kind, drafts)
        found = drafts[0].rules
        live = live_orders(drafts).run()[account_id, found.id]
        for more in range(len(drafts)):
            pretrade.check_open_orders(found, live + more)
        ledger = Ledger.lock(clients={(account_id, found.base_id), (account_id, found.quote_id)})
        sent = _as_sent(drafts)
        number_orders(sent, order_ids(len(sent)).run())
        for draft in sent:
            draft.list_id = sent[0].order_id
        reserve_list(sent, ledger)
        origin = Origin(actor, source, correlation_id())
        for insertion in orders_written(sent, [origin] * len(orders), now=now):
            insertion.copy()
        ledger.flush()
        write_commands([new_order_command(draft) for draft in sent], actor=actor, now=now)
        wake_after_commit([drafts[0].book.shard_id])
    accepted = [Accepted(draft.order_id, now, draft.client_order_id) for draft in drafts]
    return AcceptedList(sent[0].order_id, accepted)


def _as_sent(drafts: Sequence[Draft]) -> list[Draft]:
    """Children first, their parent last."""
    children = [draft for draft in drafts if draft.parent]
    return children + [draft for draft in drafts if not draft.parent]


def _known_list(
    drafts: Sequence[Draft], known: dict[tuple[int, str], tuple[int, datetime, str]]
) -> AcceptedList:
    """The list that was taken before under these names. Raises client_order_id_conflict."""
    for draft in drafts:
        if draft.key in known and known[draft.key][2] != draft.fingerprint:
            raise client_id_conflict(draft.client_order_id)
    order_id, at, _print = next(iter(known.values()))
    list_id = Order.objects.get(id=order_id, created_at=at).list_id
    listed = Order.objects.filter(list_id=list_id, created_at=at).order_by("parent_id", "id")
    # A parent has no parent of its own, so it comes first, as in the request.
    accepted = [Accepted(order.id, at, order.client_order_id, duplicate=True) for order in listed]
    return AcceptedList(list_id, accepted, duplicate=True)


def _check_shape(asked: NewList) -> None:
    """What can be seen without looking anything up."""
    orders, first = asked.orders, asked.orders[0] if asked.orders else None
    legs = {ListKind.OCO: (2,), ListKind.OTO: (2, 3), ListKind.BRACKET: (3,)}[asked.kind]
    if first is None or len(orders) not in legs:
        wanted = " or ".join(str(count) for count in legs)
        raise clash(f"A list of kind {asked.kind} has {wanted} orders.", "orders")
    if any((order.account_id, order.symbol) != (first.account_id, first.symbol) for order in orders):
        raise clash("The orders of a list share one account and one symbol.", "account", "symbol")
    names = [order.client_order_id for order in orders if order.client_order_id is not None]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise client_id_conflict(name[:36].encode(errors="backslashreplace").decode())
    if asked.kind != ListKind.OCO:
        _check_parent(first)
    if asked.kind == ListKind.BRACKET:
        _check_exits(first, orders[1], orders[2])


def _check_parent(parent: NewOrder) -> None:
    if parent.quote_quantity is not None:
        raise clash("An order that others wait for needs a quantity.", "quote_quantity")
    if parent.reduce_only:
        raise clash("An order that others wait for cannot be reduce_only.", "reduce_only")


def _check_exits(entry: NewOrder, take_profit: NewOrder, stop_loss: NewOrder) -> None:
    if take_profit.type not in _TAKE_PROFITS or stop_loss.type not in STOPS:
        raise clash("A bracket is an entry, then a take-profit, then a stop-loss.", "type")
    for exit_ in (take_profit, stop_loss):
        if exit_.side == entry.side or exit_.quantity != entry.quantity:
            raise clash("The exits of a bracket are for its quantity, on the other side.", "side", "quantity")
        if exit_.display_quantity is not None or exit_.min_quantity is not None:
            raise clash("The exits of a bracket are shown whole.", "display_quantity", "min_quantity")


def _link(kind: ListKind, drafts: Sequence[Draft]) -> None:
    children = drafts if kind == ListKind.OCO else drafts[1:]
    link = {ListKind.OCO: Link.OCO, ListKind.OTO: Link.OTO, ListKind.BRACKET: Link.ATTACHED}[kind]
    for child in children:
        child.link = link
        child.parent = None if kind == ListKind.OCO else drafts[0]
    if len(children) > 1:
        children[0].partner, children[1].partner = children[1], children[0]


def _check_together(kind: ListKind, drafts: Sequence[Draft]) -> None:
    """What the orders must be to each other, each being right by itself."""
    pair = [draft for draft in drafts if draft.partner]
    if kind == ListKind.BRACKET:
        _check_bracket(drafts[0], *pair)
    elif pair:
        one, other = pair
        if one.order.side != other.order.side or one.lots != other.lots:
            raise clash("The two orders of a pair have one side and one quantity.", "side", "quantity")
        if not all(_can_wait(draft) for draft in pair):
            raise clash("Both orders of a pair must be able to wait.", "type", "time_in_force")


def _can_wait(draft: Draft) -> bool:
    return draft.order.type.is_triggered or draft.time_in_force in WAITING_TIMES


def _check_bracket(entry: Draft, take_profit: Draft, stop_loss: Draft) -> None:
    """The exits must lie on the two sides of the entry, or one of them would go live with the first fill."""
    prices = [stop_loss.terms.trigger_price, take_profit.terms.trigger_price]
    if entry.order.type != OrderType.MARKET:
        prices.insert(1, entry.price_ticks if entry.order.type.is_limit_priced else entry.terms.trigger_price)
    if entry.order.side == Side.SELL:
        prices.reverse()
    if any(lower >= upper for lower, upper in pairwise(prices)):
        above, below = (
            ("take_profit", "stop_loss") if entry.order.side == Side.BUY else ("stop_loss", "take_profit")
        )
        raise clash(
            f"The {above} must lie above the entry and the {below} below it.", "take_profit", "stop_loss"
        )
