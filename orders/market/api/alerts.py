"""Doors to one's own price alerts. Another person's are simply not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, reach_of
from accounts.models import Scope
from accounts.selectors import chosen_accounts, require_own_account
from instruments.selectors import rules_by_id
from orders.api.answers import instrument_id_of
from orders.market.alert_selectors import alerts_of_accounts, require_alert
from orders.market.api.inputs import AlertInput, AlertsQuery
from orders.market.api.shapes import AlertShape
from orders.market.models import PriceAlert
from orders.market.rendering import alert_json
from orders.market.services.alerting import Wanted, cancel_alert, place_alert
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import page_of
from tradeplatform.common.pagination import newest_first

_EXAMPLE = {
    "account": 1,
    "symbol": "BTCUSDT",
    "direction": "above",
    "price": "50000.00",
    "request_id": "a-1",
}


class AlertsView(APIView):
    """GET, POST /alerts."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="alerts_list",
        tags=["price alerts"],
        parameters=[AlertsQuery],
        responses=page_of(AlertShape),
    )
    def get(self, request: Request) -> Response:
        """My price alerts, newest first."""
        query = parse(AlertsQuery, request.query_params)
        accounts = chosen_accounts(reach_of(request), query.get("account"))
        sources = alerts_of_accounts(
            accounts, instrument_id=instrument_id_of(query.get("symbol")), state=query.get("state")
        )
        page = newest_first(sources, cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render(_rows(page.rows)))

    @extend_schema(
        operation_id="alerts_place",
        tags=["price alerts"],
        request=AlertInput,
        responses={200: AlertShape, 201: AlertShape},
        examples=[OpenApiExample("Above", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Wait for a price. It fires once, at the first trade (or quote) from now on that reaches the price.

        200: asked before with this request_id, the alert as it is now. Another alert under the same id is
        refused (409). When it fires, the account's `alerts` channel of the feed is told.
        """
        given = parse(AlertInput, request.data)
        require_own_account(reach_of(request), given["account"])
        wanted = Wanted(account_id=given.pop("account"), **given)
        placed = place_alert(wanted, actor=actor_of(request), now=timezone.now())
        (body,) = _rows([placed.alert])
        return Response(body, status=status.HTTP_200_OK if placed.repeated else status.HTTP_201_CREATED)


class AlertView(APIView):
    """GET, DELETE /alerts/{alert}."""

    key_scope = Scope.TRADE

    @extend_schema(operation_id="alerts_retrieve", tags=["price alerts"], responses=AlertShape)
    def get(self, request: Request, alert: int) -> Response:
        """One price alert."""
        return Response(_rows([require_alert(reach_of(request), alert)])[0])

    @extend_schema(operation_id="alerts_cancel", tags=["price alerts"], responses={200: AlertShape})
    def delete(self, request: Request, alert: int) -> Response:
        """Wait no more. Cancelling a cancelled alert changes nothing; a fired one has fired (409)."""
        found = cancel_alert(reach_of(request), alert, actor=actor_of(request), now=timezone.now())
        return Response(_rows([found])[0])


def _rows(alerts: Sequence[PriceAlert]) -> list[dict[str, Any]]:
    rules = rules_by_id({alert.instrument_id for alert in alerts})
    return [alert_json(alert, rules[alert.instrument_id]) for alert in alerts]
