"""Doors to what happened to one's own orders: fills and events."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import reach_of
from accounts.selectors import chosen_accounts
from instruments.selectors import rules_by_id
from orders.api import inputs, shapes
from orders.api.answers import fills_json, instrument_id_of
from orders.models import Fill
from orders.rendering import event_json
from orders.selectors import events_of, fills_of, own_order, trigger_ticks_of
from tradeplatform.common.api_input import PageQuery, parse
from tradeplatform.common.api_shapes import page_of
from tradeplatform.common.pagination import newest_first


class FillsView(APIView):
    """GET /fills."""

    @extend_schema(
        operation_id="fills_list",
        tags=["orders"],
        parameters=[inputs.FillListQuery],
        responses=page_of(shapes.FillShape),
    )
    def get(self, request: Request) -> Response:
        """My fills, newest first."""
        query = parse(inputs.FillListQuery, request.query_params)
        accounts = chosen_accounts(reach_of(request), query.get("account"))
        sources = fills_of(accounts, instrument_id=instrument_id_of(query.get("symbol")))
        page = newest_first(sources, cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render(fills_json(page.rows)))


class OrderFillsView(APIView):
    """GET /orders/{order}/fills."""

    @extend_schema(
        operation_id="orders_fills",
        tags=["orders"],
        parameters=[PageQuery],
        responses=page_of(shapes.FillShape),
    )
    def get(self, request: Request, order: int) -> Response:
        """An order's fills, newest first."""
        query = parse(PageQuery, request.query_params)
        ref = own_order(reach_of(request), order)
        fills = Fill.objects.filter(order_id=ref.id, at__gte=ref.created_at)
        page = newest_first([fills], cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render(fills_json(page.rows)))


class OrderEventsView(APIView):
    """GET /orders/{order}/events."""

    @extend_schema(
        operation_id="orders_events",
        tags=["orders"],
        parameters=[PageQuery],
        responses=page_of(shapes.EventShape),
    )
    def get(self, request: Request, order: int) -> Response:
        """An order's life in the book, oldest first."""
        query = parse(PageQuery, request.query_params)
        ref = own_order(reach_of(request), order)
        page = events_of(ref, cursor=query.get("cursor"), limit=query["limit"])
        rules = rules_by_id({event.instrument_id for event in page.rows})
        trigger = trigger_ticks_of(ref)
        return Response(
            page.render(
                [event_json(e, ref.id, rules[e.instrument_id], trigger_ticks=trigger) for e in page.rows]
            )
        )
