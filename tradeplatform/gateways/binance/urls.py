"""Addresses of this dialect, below /api/v3/ and /sapi/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from tradeplatform.gateways.binance import market
from tradeplatform.gateways.binance.exchange_info import exchange_info
from tradeplatform.gateways.binance.serving import serve

api = [
    path("ping", serve(GET=market.ping)),
    path("time", serve(GET=market.server_time)),
    path("exchangeInfo", serve(GET=exchange_info)),
    path("depth", serve(GET=market.depth)),
    path("trades", serve(GET=market.trades)),
    path("historicalTrades", serve(GET=market.historical_trades)),
    path("aggTrades", serve(GET=market.aggregate_trades)),
    path("klines", serve(GET=market.klines)),
    path("ticker/24hr", serve(GET=market.ticker_24hr)),
    path("ticker/price", serve(GET=market.ticker_price)),
    path("ticker/bookTicker", serve(GET=market.book_ticker)),
    # In this dialect even "there is nothing here" has a code.
    re_path("", serve()),
]
sapi = [re_path("", serve())]
