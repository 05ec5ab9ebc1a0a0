"""Addresses of this dialect, below /api/v3/ and /sapi/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from tradeplatform.gateways.binance import account, market, order_lists, orders, replacing, tickers
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
    path("avgPrice", serve(GET=market.average)),
    path("ticker/24hr", serve(GET=tickers.day)),
    path("ticker/price", serve(GET=tickers.price)),
    path("ticker/bookTicker", serve(GET=tickers.best)),
    path("account", serve(GET=account.account)),
    path("account/commission", serve(GET=account.commission)),
    path("order", serve(POST=orders.place, GET=orders.look_up, DELETE=orders.cancel)),
    path("order/test", serve(POST=replacing.try_order)),
    path("order/cancelReplace", serve(POST=replacing.cancel_replace)),
    path("order/amend/keepPriority", serve(PUT=replacing.amend_keep_priority)),
    path("openOrders", serve(GET=orders.open_orders, DELETE=orders.cancel_all)),
    path("allOrders", serve(GET=orders.all_orders)),
    path("orderList/oco", serve(POST=order_lists.place_oco)),
    path("orderList", serve(GET=order_lists.look_up, DELETE=order_lists.cancel)),
    path("openOrderList", serve(GET=order_lists.open_lists)),
    path("myTrades", serve(GET=account.my_trades)),
    path("preventedMatches", serve(GET=account.prevented_matches)),
    path("myPreventedMatches", serve(GET=account.prevented_matches)),
    path("myFilters", serve(GET=account.my_filters)),
    path("rateLimit/order", serve(GET=account.order_counts)),
    # In this dialect even "there is nothing here" has a code.
    re_path("", serve()),
]
sapi = [
    path("capital/config/getall", serve(GET=account.nothing)),
    path("margin/allPairs", serve(GET=account.nothing)),
    path("margin/isolated/allPairs", serve(GET=account.nothing)),
    path("system/status", serve(GET=market.system_status)),
    path("asset/tradeFee", serve(GET=account.trade_fee)),
    re_path("", serve()),
]
