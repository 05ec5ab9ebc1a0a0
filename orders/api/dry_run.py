"""What an order would do, without placing it."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, reach_of
from accounts.models import Scope
from accounts.selectors import require_own_account
from orders.api import examples, inputs, shapes
from orders.rendering import forecast_json
from orders.services.forecasting import forecast
from tradeplatform.common.api_input import parse


class DryRunView(APIView):
    """POST /orders/dry-run."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="orders_dry_run",
        tags=["orders"],
        request=inputs.OrderInput,
        responses={200: shapes.ForecastShape},
        examples=examples.DRY_RUN,
    )
    def post(self, request: Request) -> Response:
        """What an order would be held for, trade at once and leave waiting, were it placed now.

        Takes what POST /orders takes and refuses what it would refuse, in the same words. Nothing is stored
        or held, and nothing is promised: the book moves on, hides icebergs, and keeps you from yourself.
        """
        order = inputs.new_order(parse(inputs.OrderInput, request.data))
        require_own_account(reach_of(request), order.account_id)
        made_with = actor_of(request).credential
        return Response(forecast_json(forecast(order=order, now=timezone.now(), credential=made_with), order))
