"""Public doors to the market: depth, trades, tickers, averages, candles.

What is asked most often is answered with bytes that were encoded before: see services/warm.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instruments.selectors import require_rules
from orders.api.shapes import TradeShape
from orders.market.api import inputs, shapes
from orders.market.api.door import encoded
from orders.market.charting import chart
from orders.market.rendering import candle_json
from orders.market.selectors import candles
from orders.market.services import warm
from orders.models import Trade
from orders.rendering import trade_json
from tradeplatform.common.api_input import PageQuery, parse
from tradeplatform.common.api_shapes import list_of, page_of
from tradeplatform.common.pagination import newest_first
from tradeplatform.common.times import rfc3339

_PARAMETERS = ("period", "fast", "slow", "signal", "deviations")


class _PublicView(APIView):
    permission_classes = (AllowAny,)


class DepthView(_PublicView):
    """GET /instruments/{symbol}/depth."""

    @extend_schema(
        operation_id="market_depth",
        tags=["market data"],
        parameters=[inputs.DepthQuery],
        responses=shapes.DepthShape,
    )
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """The book: open quantity at each price."""
        limit = parse(inputs.DepthQuery, request.query_params)["limit"]
        return encoded(warm.depth_answers(warm.markets([symbol]), limit=limit)[0])


class TradesView(_PublicView):
    """GET /instruments/{symbol}/trades."""

    @extend_schema(
        operation_id="market_trades",
        tags=["market data"],
        parameters=[PageQuery],
        responses=page_of(TradeShape),
    )
    def get(self, request: Request, symbol: str) -> Response:
        """The trades, newest first, back to the first one."""
        query, rules = parse(PageQuery, request.query_params), require_rules(symbol)
        trades = Trade.objects.filter(instrument_id=rules.id)
        page = newest_first([trades], cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render([trade_json(trade, rules) for trade in page.rows]))


class TickerView(_PublicView):
    """GET /instruments/{symbol}/ticker."""

    @extend_schema(operation_id="market_ticker", tags=["market data"], responses=shapes.TickerShape)
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """Where the market stands, and its last 24 hours."""
        return encoded(warm.ticker_answers(warm.markets([symbol]), now=timezone.now())[0])


class TickersView(_PublicView):
    """GET /tickers."""

    @extend_schema(
        operation_id="market_tickers",
        tags=["market data"],
        parameters=[inputs.SymbolsQuery],
        responses=list_of(shapes.TickerShape),
    )
    def get(self, request: Request) -> HttpResponse:
        """Several tickers, or all."""
        return _encoded_list(warm.ticker_answers(_wanted(request), now=timezone.now()))


class BestView(_PublicView):
    """GET /instruments/{symbol}/best."""

    @extend_schema(operation_id="market_best", tags=["market data"], responses=shapes.BestShape)
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """Best bid and ask."""
        return encoded(warm.best_answers(warm.markets([symbol]), now=timezone.now())[0])


class BestsView(_PublicView):
    """GET /tickers/best."""

    @extend_schema(
        operation_id="market_bests",
        tags=["market data"],
        parameters=[inputs.SymbolsQuery],
        responses=list_of(shapes.BestShape),
    )
    def get(self, request: Request) -> HttpResponse:
        """Best bid and ask of several instruments, or of all."""
        return _encoded_list(warm.best_answers(_wanted(request), now=timezone.now()))


class AveragePriceView(_PublicView):
    """GET /instruments/{symbol}/average-price."""

    @extend_schema(
        operation_id="market_average_price", tags=["market data"], responses=shapes.AveragePriceShape
    )
    def get(self, request: Request, symbol: str) -> HttpResponse:
        """The average price of the last five minutes."""
        return encoded(warm.average_answer(warm.markets([symbol])[0], now=timezone.now()))


class CandlesView(_PublicView):
    """GET /instruments/{symbol}/candles."""

    @extend_schema(
        operation_id="market_candles",
        tags=["market data"],
        parameters=[inputs.CandlesQuery],
        responses=list_of(shapes.CandleShape),
    )
    def get(self, request: Request, symbol: str) -> Response:
        """Candles, oldest first, from the first trade on; the last one may still be growing.

        Weeks begin on Monday, months on the 1st, in UTC. Candles of a second are kept for seven days.
        """
        query, rules = parse(inputs.CandlesQuery, request.query_params), require_rules(symbol)
        now = timezone.now()
        rows = candles(
            rules,
            interval=query["interval"],
            before=query.get("before") or now,
            limit=query["limit"],
            now=now,
        )
        return Response({"results": [candle_json(row, rules) for row in rows]})


class IndicatorView(_PublicView):
    """GET /instruments/{symbol}/indicators."""

    @extend_schema(
        operation_id="market_indicators",
        tags=["market data"],
        parameters=[inputs.IndicatorQuery],
        responses=shapes.IndicatorShape,
    )
    def get(self, request: Request, symbol: str) -> Response:
        """An indicator over the last candles: sma, ema, rsi, macd, bollinger, atr or vwap.

        Computed in floating point, for charts: no order and no money depends on it. Smoothed ones are
        computed from ten times their periods back, so that it matters little where they begin.
        """
        query, rules = parse(inputs.IndicatorQuery, request.query_params), require_rules(symbol)
        now = timezone.now()
        given = {name: query[name] for name in _PARAMETERS if name in query}
        found = chart(
            rules,
            indicator=query["indicator"],
            given=given,
            interval=query["interval"],
            before=query.get("before") or now,
            limit=query["limit"],
            now=now,
        )
        return Response(
            {
                "symbol": rules.symbol,
                "indicator": query["indicator"],
                "interval": query["interval"],
                "parameters": found.parameters,
                "times": [rfc3339(moment) for moment in found.times],
                "lines": found.lines,
            }
        )


def _wanted(request: Request) -> list[warm.Market]:
    symbols = parse(inputs.SymbolsQuery, request.query_params).get("symbols")
    return warm.markets(None if symbols is None else symbols.split(","))


def _encoded_list(bodies: Iterable[bytes]) -> HttpResponse:
    return encoded(b'{"results":[' + b",".join(bodies) + b"]}")
