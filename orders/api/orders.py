"""Doors to one's own orders: place, list, look up, amend, cancel. Another person's order is simply not there.

A write is committed before its door waits for the book. 201/200 answer with the order after the book has
spoken; 202 answers with the order as it stands when the book has not spoken within `wait`.
"""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, reach_of, tier_of
from accounts.models import Scope
from accounts.selectors import chosen_accounts, require_own_account
from accounts.services.rates import take_orders
from orders.api import examples, inputs, shapes
from orders.api.answers import cancelled_answer, instrument_id_of, list_answer, order_answer, orders_json
from orders.api.batch import body_of, place_batch
from orders.models import Order, Source
from orders.selectors import OrderRef, find_order_by_client_id, load_orders, orders_of, own_order
from orders.services import changing
from orders.services.awaiting import await_commands, await_order, await_orders, require_done
from orders.services.batching import amend_soon, cancel_soon, submit_soon
from orders.services.order_lists import submit_list
from orders.services.requests import Changes, Requested
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import list_of, page_of
from tradeplatform.common.pagination import newest_first

_ORDER = shapes.OrderShape


class OrdersView(APIView):
    """GET, POST, DELETE /orders."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="orders_list",
        tags=["orders"],
        parameters=[inputs.OrderListQuery],
        responses=page_of(_ORDER),
    )
    def get(self, request: Request) -> Response:
        """My orders, newest first."""
        query = parse(inputs.OrderListQuery, request.query_params)
        sources = orders_of(
            chosen_accounts(reach_of(request), query.get("account")),
            instrument_id=instrument_id_of(query.get("symbol")),
            status=query.get("status"),
            live=query.get("open"),
        )
        if "list" in query:
            sources = [source.filter(list_id=query["list"]) for source in sources]
        page = newest_first(sources, cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render(orders_json(page.rows)))

    @extend_schema(
        operation_id="orders_place",
        tags=["orders"],
        parameters=[inputs.WaitQuery],
        request=inputs.OrderInput,
        responses={200: _ORDER, 201: _ORDER, 202: _ORDER},
        examples=examples.PLACE,
    )
    def post(self, request: Request) -> Response:
        """Place an order. 201: the book has seen it (look at `status`); 202: not yet; 200: placed before.

        With a client_order_id it is safe to send the same order again; another order under the same id is
        refused (409).
        """
        wait_ms = parse(inputs.WaitQuery, request.query_params)["wait"]
        order = inputs.read_order(request.data)
        require_own_account(reach_of(request), order.account_id)
        take_orders({order.account_id: 1}, tier_id=tier_of(request), now=timezone.now())
        accepted = submit_soon(order=order, actor=actor_of(request), source=Source.API)
        stored = await_order(accepted, wait_ms=wait_ms)
        if accepted.duplicate:
            return order_answer(stored, waiting=False)
        return order_answer(stored, done=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="orders_cancel_all",
        tags=["orders"],
        parameters=[inputs.CancelAllQuery],
        responses={200: list_of(shapes.CancelledShape), 202: list_of(shapes.CancelledShape)},
    )
    def delete(self, request: Request) -> Response:
        """Cancel an account's orders: all, or those of a symbol, side, list, session, key or group.

        Parked orders are cancelled too. Works while trading is halted.
        """
        query, now = parse(inputs.CancelAllQuery, request.query_params), timezone.now()
        account = require_own_account(reach_of(request), query["account"])
        instrument_id_of(query.get("symbol"))
        actor = actor_of(request)
        requested = changing.cancel_all_orders(
            account_id=account,
            symbol=query.get("symbol"),
            side=query.get("side"),
            list_id=query.get("list"),
            credential=actor.credential if "credential" in query else None,
            group=query.get("group"),
            actor=actor,
            now=now,
        )
        done = await_commands(requested, wait_ms=query["wait"])
        return cancelled_answer([item.order_id for item in requested], done=done)


class ListsView(APIView):
    """POST /orders/lists."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="orders_place_list",
        tags=["orders"],
        parameters=[inputs.WaitQuery],
        request=inputs.ListInput,
        responses={200: shapes.ListShape, 201: shapes.ListShape, 202: shapes.ListShape},
        examples=examples.LISTS,
    )
    def post(self, request: Request) -> Response:
        """Place orders that depend on each other: all of them, or none. Statuses as for one order.

        With client_order_ids it is safe to send the same list again; a list that shares an id with anything
        else is refused (409).
        """
        wait_ms = parse(inputs.WaitQuery, request.query_params)["wait"]
        asked = inputs.new_list(parse(inputs.ListInput, request.data))
        account_id = require_own_account(reach_of(request), asked.orders[0].account_id)
        take_orders({account_id: len(asked.orders)}, tier_id=tier_of(request), now=timezone.now())
        taken = submit_list(asked=asked, actor=actor_of(request), source=Source.API, now=timezone.now())
        stored = await_orders(taken.orders, wait_ms=wait_ms)
        return list_answer(taken, asked.kind, [stored[item.order_id] for item in taken.orders])


class BatchView(APIView):
    """POST /orders/batch."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="orders_place_batch",
        tags=["orders"],
        parameters=[inputs.WaitQuery],
        request=inputs.BatchInput,
        responses={207: shapes.BatchShape},
        examples=examples.BATCH,
    )
    def post(self, request: Request) -> Response:
        """Place up to 1,000 orders in one transaction. Always 207: each outcome has a status of its own.

        An order that is refused does not stop the others; funds are reserved in the order of the list.
        `Retry-After` says when to send again those that were refused with 503.
        """
        wait_ms = parse(inputs.WaitQuery, request.query_params)["wait"]
        results = place_batch(
            parse(inputs.BatchInput, request.data)["orders"],
            reach=reach_of(request),
            tier_id=tier_of(request),
            actor=actor_of(request),
            now=timezone.now(),
            wait_ms=wait_ms,
        )
        body, headers = body_of(results)
        return Response(body, status=status.HTTP_207_MULTI_STATUS, headers=headers)


class OrderView(APIView):
    """GET, PATCH, DELETE /orders/{order}."""

    key_scope = Scope.TRADE

    @extend_schema(operation_id="orders_retrieve", tags=["orders"], responses=_ORDER)
    def get(self, request: Request, order: int) -> Response:
        """One order."""
        return order_answer(_stored(own_order(reach_of(request), order)), waiting=False)

    @extend_schema(
        operation_id="orders_amend",
        tags=["orders"],
        parameters=[inputs.WaitQuery],
        request=inputs.AmendInput,
        responses={200: _ORDER, 202: _ORDER},
        examples=examples.AMEND,
    )
    def patch(self, request: Request, order: int) -> Response:
        """Change price, quantity or trigger price.

        Less quantity at the same price keeps the place in the queue; an order that waits for its trigger or
        its parent keeps its place whatever changes.
        """
        wait_ms = parse(inputs.WaitQuery, request.query_params)["wait"]
        given = parse(inputs.AmendInput, request.data)
        ref = own_order(reach_of(request), order)
        requested = amend_soon(
            order_id=ref.id,
            account_id=ref.account_id,
            changes=Changes(**given),
            actor=actor_of(request),
            source=Source.API,
        )
        return _changed(ref, requested, wait_ms=wait_ms)

    @extend_schema(
        operation_id="orders_cancel",
        tags=["orders"],
        parameters=[inputs.WaitQuery],
        responses={200: _ORDER, 202: _ORDER},
    )
    def delete(self, request: Request, order: int) -> Response:
        """Take what is open of an order off the book. Works while trading is halted."""
        wait_ms = parse(inputs.WaitQuery, request.query_params)["wait"]
        ref = own_order(reach_of(request), order)
        requested = cancel_soon(
            order_id=ref.id, account_id=ref.account_id, actor=actor_of(request), source=Source.API
        )
        return _changed(ref, requested, wait_ms=wait_ms)


class OrderByClientIdView(APIView):
    """GET /orders/by-client-id/{account}/{client_order_id}."""

    @extend_schema(operation_id="orders_retrieve_by_client_id", tags=["orders"], responses=_ORDER)
    def get(self, request: Request, account: int, client_order_id: str) -> Response:
        """One order by the id you gave it: the way to learn what became of a request without an answer."""
        require_own_account(reach_of(request), account)
        order = find_order_by_client_id(account_id=account, client_order_id=client_order_id)
        return order_answer(order, waiting=False)


def _stored(ref: OrderRef) -> Order:
    return load_orders([(ref.id, ref.created_at)])[ref.id]


def _changed(ref: OrderRef, requested: Requested, *, wait_ms: int) -> Response:
    """The order once the book has done what was asked; 202 if it has not yet; its refusal if it refused."""
    done = await_commands([requested], wait_ms=wait_ms)
    if done:
        require_done(requested)
    return order_answer(_stored(ref), waiting=not done)
