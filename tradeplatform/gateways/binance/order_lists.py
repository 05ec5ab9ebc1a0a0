"""One-cancels-the-other lists: place, look up, cancel. A list has the name of its first order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from instruments.selectors import Rules, require_rules, rules_by_id
from orders.models import Order, OrderStatus, OrderType, Side, Source
from orders.order_selectors import list_members, live_orders
from orders.selectors import find_order_by_client_id
from orders.services import changing
from orders.services.awaiting import MAX_WAIT_MS, await_commands, await_orders
from orders.services.order_lists import submit_list
from orders.services.requests import ListKind, NewList, NewOrder
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance import errors, order_shapes
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.keys import Security
from tradeplatform.gateways.binance.order_reading import SHARED, Names, Reader, leg
from tradeplatform.gateways.binance.orders import fills_of, new_id, take_places
from tradeplatform.gateways.binance.refusals import DUPLICATE, Asked, book_refused
from tradeplatform.gateways.binance.serving import Call, endpoint

ABOVE, BELOW = leg("above"), leg("below")
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
_PROFITS = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_RELATION = "The relationship of the prices for the orders is not correct."


@endpoint("listClientOrderId", more=(*SHARED, *ABOVE, *BELOW), security=Security.TRADE, asked=Asked.PLACE)
def place_oco(call: Call) -> dict[str, Any]:
    """POST /orderList/oco."""
    rules = require_rules(call.parameters.symbol())
    reader = Reader(call.parameters, rules, call.account_id, call.name)
    above, below = reader.order(_named(call, ABOVE)), reader.order(BELOW)
    _check_legs(above, below)
    response = reader.response(above.type)
    take_places(call, 2)
    call.check_fresh()
    taken = submit_list(
        asked=NewList(kind=ListKind.OCO, orders=[above, below]),
        actor=call.actor,
        source=Source.API,
        now=timezone.now(),
    )
    if taken.duplicate:
        raise errors.order_rejected(DUPLICATE)
    stored = await_orders(taken.orders, wait_ms=MAX_WAIT_MS)
    orders = [stored[item.order_id] for item in taken.orders]
    for order in orders:
        if order.status == OrderStatus.PENDING:
            raise errors.timed_out()
    for order in orders:
        if order.status == OrderStatus.REJECTED and order.reason != "linked":
            raise book_refused(order.reason)
    reports = [
        order_shapes.placed(order, fills_of(order) if order.filled else (), rules, call.clock, response)
        for order in orders
    ]
    return order_shapes.order_list(orders, rules, call.clock) | {"orderReports": reports}


def _named(call: Call, names: Names) -> Names:
    """The first order may be named by the list's name in place of its own. Raises -1128 for both."""
    if not call.parameters.has("listClientOrderId"):
        return names
    if call.parameters.has(names.client_id):
        raise errors.bad_combination()
    return names._replace(client_id="listClientOrderId")


def _check_legs(above: NewOrder, below: NewOrder) -> None:
    """One leg takes the profit and the other stops the loss, each on its side of the market."""
    sells = above.side == Side.SELL
    profit, stop = (above, below) if sells else (below, above)
    rests = profit.type == OrderType.LIMIT and profit.post_only
    if not (rests or profit.type in _PROFITS) or stop.type not in _STOPS:
        raise BinanceError(-1158, "Order type not supported in OCO.")
    high, low = _acts_at(above), _acts_at(below)
    if high is not None and low is not None and high <= low:
        raise errors.order_rejected(_RELATION)


def _acts_at(order: NewOrder) -> Any:
    return order.trigger_price if order.type.is_triggered else order.price


# --- Look up --------------------------------------------------------------------------------------------


@endpoint("orderListId", "origClientOrderId", weight=4, security=Security.USER_DATA)
def look_up(call: Call) -> dict[str, Any]:
    """GET /orderList."""
    orders, rules = _members(call, "origClientOrderId")
    return order_shapes.order_list(orders, rules, call.clock)


@endpoint(weight=6, security=Security.USER_DATA)
def open_lists(call: Call) -> list[dict[str, Any]]:
    """GET /openOrderList: those of which something is live."""
    live = live_orders(call.account_id, instrument_id=None)
    ids = sorted({order.list_id for order in live if order.list_id})
    lists = list_members(ids, account_id=call.account_id)
    rules = rules_by_id({orders[0].instrument_id for orders in lists.values()})
    return [
        order_shapes.order_list(orders, rules[orders[0].instrument_id], call.clock)
        for orders in lists.values()
    ]


def _members(call: Call, name: str) -> tuple[Sequence[Order], Rules]:
    """The list a request means, by its id or the name of its first order. Raises Refusal list_not_found."""
    list_id, client_id = call.parameters.integer("orderListId"), call.parameters.client_id(name)
    if list_id is None and client_id is None:
        raise errors.one_of("orderListId", name)
    if list_id is None:
        try:
            first = find_order_by_client_id(account_id=call.account_id, client_order_id=client_id or "")
        except Refusal:
            raise _no_list() from None
        list_id = first.list_id if first.list_id == first.pk else 0
    orders = list_members([list_id], account_id=call.account_id).get(list_id) if list_id else None
    if not orders or client_id not in {None, orders[0].client_order_id}:
        raise _no_list()
    return orders, rules_by_id([orders[0].instrument_id])[orders[0].instrument_id]


def _no_list() -> Refusal:
    return Refusal(Code.LIST_NOT_FOUND, "No such list.")


# --- Cancel ---------------------------------------------------------------------------------------------


@endpoint(
    *("symbol", "orderListId", "listClientOrderId", "newClientOrderId"),
    security=Security.TRADE,
    asked=Asked.CANCEL,
)
def cancel(call: Call) -> dict[str, Any]:
    """DELETE /orderList."""
    rules = require_rules(call.parameters.symbol())
    cancel_id = call.parameters.client_id("newClientOrderId") or new_id()
    orders, of = _members(call, "listClientOrderId")
    if of.id != rules.id:
        raise _no_list()
    call.check_fresh()
    now = timezone.now()
    requested = changing.cancel_all_orders(
        account_id=call.account_id,
        list_id=orders[0].list_id,
        actor=call.actor,
        now=now,
        client_request_id=cancel_id,
    )
    if not requested:
        raise _no_list()
    if not await_commands(requested, wait_ms=MAX_WAIT_MS):
        raise errors.timed_out()
    stored = list_members([orders[0].list_id], account_id=call.account_id)[orders[0].list_id]
    reports = [order_shapes.cancelled(one, rules, call.clock, cancel_id=cancel_id) for one in stored]
    return order_shapes.order_list(stored, rules, call.clock) | {"orderReports": reports}
