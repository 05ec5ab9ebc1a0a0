"""Which method is which endpoint of REST: the two know the same things under two names."""

from __future__ import annotations

from dataclasses import dataclass

from tradeplatform.gateways.binance import account, market, order_lists, orders, replacing, tickers
from tradeplatform.gateways.binance.exchange_info import exchange_info
from tradeplatform.gateways.binance.serving import Endpoint


@dataclass(frozen=True, slots=True)
class Method:
    """An endpoint; whether it only takes orders off, which nobody is kept from."""

    endpoint: Endpoint
    cancels: bool = False


METHODS = {
    "ping": Method(market.ping),
    "time": Method(market.server_time),
    "exchangeInfo": Method(exchange_info),
    "depth": Method(market.depth),
    "trades.recent": Method(market.trades),
    "trades.historical": Method(market.historical_trades),
    "trades.aggregate": Method(market.aggregate_trades),
    "klines": Method(market.klines),
    "avgPrice": Method(market.average),
    "ticker.24hr": Method(tickers.day),
    "ticker.price": Method(tickers.price),
    "ticker.book": Method(tickers.best),
    "order.place": Method(orders.place),
    "order.test": Method(replacing.try_order),
    "order.cancel": Method(orders.cancel, cancels=True),
    "order.status": Method(orders.look_up),
    "order.cancelReplace": Method(replacing.cancel_replace),
    "order.amend.keepPriority": Method(replacing.amend_keep_priority),
    "openOrders.status": Method(orders.open_orders),
    "openOrders.cancelAll": Method(orders.cancel_all, cancels=True),
    "orderList.place.oco": Method(order_lists.place_oco),
    "orderList.status": Method(order_lists.look_up),
    "orderList.cancel": Method(order_lists.cancel, cancels=True),
    "openOrderLists.status": Method(order_lists.open_lists),
    "account.status": Method(account.account),
    "account.commission": Method(account.commission),
    "account.rateLimits.orders": Method(account.order_counts),
    "allOrders": Method(orders.all_orders),
    "myTrades": Method(account.my_trades),
    "myPreventedMatches": Method(account.prevented_matches),
    "myFilters": Method(account.my_filters),
}
