"""Public doors to the market: depth, trades, tickers, candles."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instruments.selectors import all_rules, require_each, require_rules
from orders.api import inputs, shapes
from orders.market_selectors import candles, tickers
from orders.models import Trade
from orders.rendering import candle_json, depth_json, ticker_json, trade_json
from orders.selectors import depth
from tradeplatform.common.api_input import PageQuery, parse
from tradeplatform.common.api_shapes import list_of, page_of
from tradeplatform.common.pagination import newest_first

_CHECKSUM_LEVELS = 10


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
    def get(self, request: Request, symbol: str) -> Response:
        """The book: open quantity at each price."""
        limit, rules = parse(inputs.DepthQuery, request.query_params)["limit"], require_rules(symbol)
        found = depth(rules, limit=max(limit, _CHECKSUM_LEVELS))
        return Response(depth_json(found, rules, limit=limit))


class TradesView(_PublicView):
    """GET /instruments/{symbol}/trades."""

    @extend_schema(
        operation_id="market_trades",
        tags=["market data"],
        parameters=[PageQuery],
        responses=page_of(shapes.TradeShape),
    )
    def get(self, request: Request, symbol: str) -> Response:
        """The trades, newest first."""
        query, rules = parse(PageQuery, request.query_params), require_rules(symbol)
        trades = Trade.objects.filter(instrument_id=rules.id)
        page = newest_first([trades], cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render([trade_json(trade, rules) for trade in page.rows]))


class TickerView(_PublicView):
    """GET /instruments/{symbol}/ticker."""

    @extend_schema(operation_id="market_ticker", tags=["market data"], responses=shapes.TickerShape)
    def get(self, request: Request, symbol: str) -> Response:
        """Where the market stands, and its last 24 hours."""
        (ticker,) = tickers([require_rules(symbol)], now=timezone.now())
        return Response(ticker_json(ticker))


class TickersView(_PublicView):
    """GET /tickers."""

    @extend_schema(
        operation_id="market_tickers",
        tags=["market data"],
        parameters=[inputs.TickersQuery],
        responses=list_of(shapes.TickerShape),
    )
    def get(self, request: Request) -> Response:
        """Several tickers, or all, from one moment."""
        symbols = parse(inputs.TickersQuery, request.query_params).get("symbols")
        wanted = all_rules() if symbols is None else require_each(symbols.split(","))
        return Response({"results": [ticker_json(row) for row in tickers(wanted, now=timezone.now())]})


class CandlesView(_PublicView):
    """GET /instruments/{symbol}/candles."""

    @extend_schema(
        operation_id="market_candles",
        tags=["market data"],
        parameters=[inputs.CandlesQuery],
        responses=list_of(shapes.CandleShape),
    )
    def get(self, request: Request, symbol: str) -> Response:
        """Candles, oldest first; the last one may still be growing."""
        query, rules = parse(inputs.CandlesQuery, request.query_params), require_rules(symbol)
        rows = candles(
            rules,
            interval=query["interval"],
            before=query.get("before") or timezone.now(),
            limit=query["limit"],
        )
        return Response({"results": [candle_json(row, rules) for row in rows]})
