"""Rows to answers: orders, fills and events with their instruments' precision, read in one query a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rest_framework import status
from rest_framework.response import Response

from instruments.selectors import require_rules, rules_by_id, rules_of
from orders.models import Fill, Order, OrderStatus
from orders.rendering import order_json, stored_fill_json
from orders.selectors import orders_by_id
from orders.services.order_lists import AcceptedList
from orders.services.order_state import OrderState
from orders.services.requests import ListKind


def orders_json(orders: Iterable[Order | OrderState]) -> list[dict[str, Any]]:
    """Orders as their owner sees them."""
    listed = list(orders)
    rules = rules_by_id({order.instrument_id for order in listed})
    return [order_json(order, rules[order.instrument_id]) for order in listed]


def order_answer(order: Order, *, done: int = status.HTTP_200_OK, waiting: bool | None = None) -> Response:
    """One order; 202 while the book has not done what was asked (by default: while the order is pending)."""
    if waiting is None:
        waiting = order.status == OrderStatus.PENDING
    body = order_json(order, rules_of(order.instrument_id))
    return Response(body, status=status.HTTP_202_ACCEPTED if waiting else done)


def list_answer(taken: AcceptedList, kind: ListKind, orders: Sequence[Order]) -> Response:
    """A list with its orders in the order of the request; 202 while the book has not seen all of them."""
    body = {"id": str(taken.list_id), "kind": kind.value, "orders": orders_json(orders)}
    if taken.duplicate:
        return Response(body)
    waiting = any(order.status == OrderStatus.PENDING for order in orders)
    return Response(body, status=status.HTTP_202_ACCEPTED if waiting else status.HTTP_201_CREATED)


def cancelled_answer(order_ids: Iterable[int], *, done: bool) -> Response:
    """The orders that were asked to be cancelled, in short; 202 while the book has not done it."""
    names = ("id", "client_order_id", "symbol", "status")
    rows = [{name: row[name] for name in names} for row in orders_json(orders_by_id(order_ids))]
    return Response({"results": rows}, status=status.HTTP_200_OK if done else status.HTTP_202_ACCEPTED)


def fills_json(fills: Sequence[Fill]) -> list[dict[str, Any]]:
    """Fills as their owner sees them."""
    rules = rules_by_id({fill.instrument_id for fill in fills})
    return [stored_fill_json(fill, rules[fill.instrument_id]) for fill in fills]


def instrument_id_of(symbol: str | None) -> int | None:
    """The instrument to filter by, None for all. Raises unknown_symbol."""
    return None if symbol is None else require_rules(symbol).id
