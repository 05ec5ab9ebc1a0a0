"""Orders: place, look up, cancel. What a client sends is refused here or by intake; then the book answers.

An answer comes after the book has seen the order, with its fills, as clients of this dialect expect. When the
book has not answered in time the outcome is unknown (-1007), and the client asks by its own id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

import uuid_utils
from django.utils import timezone

from instruments.selectors import Rules, require_rules, rules_by_id
from orders.models import Fill, Order, OrderStatus, Source
from orders.order_selectors import OrderSpan, live_orders, orders_of_instrument
from orders.selectors import find_order, find_order_by_client_id, load_orders, orders_by_id
from orders.services import changing
from orders.services.awaiting import MAX_WAIT_MS, await_commands, await_order, require_done
from orders.services.batching import cancel_soon, submit_soon
from orders.services.requests import Accepted, NewOrder
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance import errors, limits, order_shapes
from tradeplatform.gateways.binance.keys import Security
from tradeplatform.gateways.binance.order_reading import ORDER, Reader
from tradeplatform.gateways.binance.parameters import Parameters, window
from tradeplatform.gateways.binance.refusals import DUPLICATE, Asked, book_refused
from tradeplatform.gateways.binance.serving import Call, Later, endpoint
from tradeplatform.gateways.binance.words import UNFILLABLE, ResponseWord, status_word

_ROWS, _MOST_ROWS = 500, 1_000
_DAY = timedelta(days=1)


class Restriction(StrEnum):
    """Which orders a cancel is meant for."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


# --- Place ----------------------------------------------------------------------------------------------


@endpoint(*ORDER, security=Security.TRADE, asked=Asked.PLACE)
def place(call: Call) -> Later:
    """POST /order."""
    rules = require_rules(call.parameters.symbol())
    reader = Reader(call.parameters, rules, call.account_id, call.name)
    order = reader.order()
    return place_one(call, order, rules, reader.response(order.type))


def place_one(call: Call, order: NewOrder, rules: Rules, response: ResponseWord) -> Later:
    """Submit an order; later wait for the book and show it. Both raise BinanceError, Refusal."""
    counts = take_places(call, 1)
    call.check_fresh()
    accepted = submit_soon(order=order, actor=call.actor, source=Source.API)
    if accepted.duplicate:
        raise errors.order_rejected(DUPLICATE)

    def finish() -> dict[str, Any]:
        stored = seen(accepted)
        fills = fills_of(stored) if stored.filled else ()
        if fills:
            # Who trades may go on placing: only orders without a fill are counted.
            call.orders.give_back()
            call.headers |= limits.headers([count - 1 for count in counts])
        return order_shapes.placed(stored, fills, rules, call.clock, response)

    return Later(finish)


def take_places(call: Call, orders: int) -> list[int]:
    """Count new orders of the account; the counts, which also go into the answer's head. Raises -1015."""
    counts = call.orders.take(orders)
    call.headers |= limits.headers(counts)
    return counts


def seen(accepted: Accepted) -> Order:
    """The order once the book has seen it. Raises -1007 when it has not, -2010 when it said no."""
    stored = await_order(accepted, wait_ms=MAX_WAIT_MS)
    if stored.status == OrderStatus.PENDING:
        raise errors.timed_out()
    if stored.status == OrderStatus.REJECTED and stored.reason not in UNFILLABLE:
        raise book_refused(stored.reason)
    return stored


def fills_of(order: Order) -> list[Fill]:
    """The order's fills, oldest first."""
    return list(Fill.objects.filter(order_id=order.pk, at__gte=order.created_at).order_by("id"))


# --- Look up --------------------------------------------------------------------------------------------


@endpoint("symbol", "orderId", "origClientOrderId", weight=4, security=Security.USER_DATA)
def look_up(call: Call) -> dict[str, Any]:
    """GET /order."""
    rules = require_rules(call.parameters.symbol())
    order = find(call, rules, "orderId", "origClientOrderId")
    return order_shapes.looked_up(order, rules, call.clock)


def find(call: Call, rules: Rules, id_name: str, client_name: str) -> Order:
    """The order a request means, by its id or its name; by both, if they are the same order's.

    Raises -1102, Refusal order_not_found.
    """
    order_id, client_id = call.parameters.integer(id_name), call.parameters.client_id(client_name)
    if order_id is not None:
        order = find_order(order_id=order_id, account_id=call.account_id)
    elif client_id is not None:
        order = find_order_by_client_id(account_id=call.account_id, client_order_id=client_id)
    else:
        raise errors.one_of(client_name, id_name)
    named = client_id is None or order.client_order_id == client_id
    if order.instrument_id != rules.id or not named:
        raise Refusal(Code.ORDER_NOT_FOUND, "No such order.", order=str(order.pk))
    return order


def _open_weight(parameters: Parameters) -> int:
    return 6 if parameters.has("symbol") else 80


@endpoint("symbol", weight=_open_weight, security=Security.USER_DATA)
def open_orders(call: Call) -> list[dict[str, Any]]:
    """GET /openOrders: of one symbol, or all."""
    one = call.parameters.has("symbol")
    wanted = require_rules(call.parameters.symbol()).id if one else None
    orders = live_orders(call.account_id, instrument_id=wanted)
    rules = rules_by_id({order.instrument_id for order in orders})
    return [order_shapes.looked_up(order, rules[order.instrument_id], call.clock) for order in orders]


@endpoint("symbol", "orderId", "startTime", "endTime", "limit", weight=20, security=Security.USER_DATA)
def all_orders(call: Call) -> list[dict[str, Any]]:
    """GET /allOrders: from an id on, or of a time, or the newest; oldest first."""
    rules = require_rules(call.parameters.symbol())
    start, end = window(call.parameters, longest=_DAY)
    span = OrderSpan(from_id=call.parameters.integer("orderId"), start=start, end=end)
    limit = call.parameters.limit(default=_ROWS, most=_MOST_ROWS)
    orders = orders_of_instrument(call.account_id, rules.id, span, limit=limit)
    return [order_shapes.looked_up(order, rules, call.clock) for order in orders]


# --- Cancel ---------------------------------------------------------------------------------------------


@endpoint(
    *("symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"),
    security=Security.TRADE,
    asked=Asked.CANCEL,
)
def cancel(call: Call) -> Later:
    """DELETE /order."""
    rules = require_rules(call.parameters.symbol())
    return cancel_one(call, rules, "orderId", "origClientOrderId", "newClientOrderId")


def cancel_one(call: Call, rules: Rules, id_name: str, client_name: str, cancel_name: str) -> Later:
    """Cancel the order that a request means; then show it. Both raise BinanceError, Refusal."""
    restriction = call.parameters.word("cancelRestrictions", Restriction, errors.bad_cancel_restrictions())
    cancel_id = call.parameters.client_id(cancel_name) or new_id()
    order = find(call, rules, id_name, client_name)
    if restriction is not None and status_word(order) != restriction.removeprefix("ONLY_"):
        raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")
    call.check_fresh()
    requested = cancel_soon(
        order_id=order.pk,
        account_id=call.account_id,
        actor=call.actor,
        source=Source.API,
        client_request_id=cancel_id,
    )

    def finish() -> dict[str, Any]:
        if not await_commands([requested], wait_ms=MAX_WAIT_MS):
            raise errors.timed_out()
        require_done(requested)
        stored = load_orders([(order.pk, order.created_at)])[order.pk]
        return order_shapes.cancelled(stored, rules, call.clock, cancel_id=cancel_id)

    return Later(finish)


@endpoint("symbol", security=Security.TRADE, asked=Asked.CANCEL)
def cancel_all(call: Call) -> list[dict[str, Any]]:
    """DELETE /openOrders: all of a symbol; lists are shown as such."""
    rules = require_rules(call.parameters.symbol())
    call.check_fresh()
    now, cancel_id = timezone.now(), new_id()
    requested = changing.cancel_all_orders(
        account_id=call.account_id,
        symbol=rules.symbol,
        actor=call.actor,
        now=now,
        client_request_id=cancel_id,
    )
    if not requested:
        raise Refusal(Code.ORDER_NOT_FOUND, "Nothing is open.")
    if not await_commands(requested, wait_ms=MAX_WAIT_MS):
        raise errors.timed_out()
    ended = [
        order
        for order in orders_by_id(item.order_id for item in requested)
        if order.status == OrderStatus.CANCELLED
    ]
    return cancelled_reports(ended, rules, call, cancel_id=cancel_id)


def cancelled_reports(
    orders: Sequence[Order], rules: Rules, call: Call, *, cancel_id: str
) -> list[dict[str, Any]]:
    """Cancelled orders, those of a list together."""
    lists: dict[int, list[Order]] = {}
    reports = []
    for order in orders:
        if order.list_id:
            lists.setdefault(order.list_id, []).append(order)
        else:
            reports.append(order_shapes.cancelled(order, rules, call.clock, cancel_id=cancel_id))
    for members in lists.values():
        shown = [order_shapes.cancelled(one, rules, call.clock, cancel_id=cancel_id) for one in members]
        reports.append(order_shapes.order_list(members, rules, call.clock) | {"orderReports": shown})
    return reports


def new_id() -> str:
    """A name for what was not named."""
    return uuid_utils.uuid7().hex[:22]
