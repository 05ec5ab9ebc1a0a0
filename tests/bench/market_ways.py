"""The ways of answering for depth and ticker that bench_market compares, an address each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.urls import path
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instruments.selectors import Rules, require_rules
from orders.market.api.views import DepthView, TickerView
from orders.market.rendering import ticker_json
from orders.market.selectors import Ticker
from orders.rendering import depth_json
from orders.selectors import depth
from tradeplatform.common.db import fetch

_DAY = timedelta(days=1)


def lift_the_limits() -> None:
    """Calls are counted as ever, but never too many."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 10**9)


class SqlDepthView(APIView):
    """The book summed and rendered for each caller."""

    permission_classes = (AllowAny,)

    def get(self, request: Request, symbol: str) -> Response:
        """As it is asked."""
        rules = require_rules(symbol)
        return Response(depth_json(depth(rules, limit=100), rules, limit=100))


class SqlTickerView(APIView):
    """The last day's trades and the best orders summed for each caller."""

    permission_classes = (AllowAny,)

    def get(self, request: Request, symbol: str) -> Response:
        """As it is asked."""
        rules = require_rules(symbol)
        return Response(ticker_json(_counted(rules)))


def _counted(rules: Rules) -> Ticker:
    best = depth(rules, limit=1)
    (bid, bid_quantity), (ask, ask_quantity) = best.bids[0], best.asks[0]
    ((last, *day),) = fetch(
        "SELECT (array_agg(price ORDER BY seq DESC))[1], (array_agg(price ORDER BY seq))[1], max(price),"
        " min(price), coalesce(sum(quantity), 0), coalesce(sum(notional), 0), count(*)"
        " FROM orders_trade WHERE instrument_id = %s AND at > %s",
        [rules.id, timezone.now() - _DAY],
    )
    values: Any = (last, bid, bid_quantity, ask, ask_quantity, *day)
    return Ticker(rules, *values)


urlpatterns = [
    path("api/v1/depth/view/<str:symbol>", DepthView.as_view()),
    path("api/v1/depth/sql/<str:symbol>", SqlDepthView.as_view()),
    path("api/v1/ticker/view/<str:symbol>", TickerView.as_view()),
    path("api/v1/ticker/sql/<str:symbol>", SqlTickerView.as_view()),
]
