"""How market data and alerts look outside: the same shape in the API and in the feed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from instruments.scaling import decimals_of, text
from instruments.selectors import Rules
from orders.market.models import PriceAlert
from orders.market.selectors import AveragePrice, Candle, Ticker
from tradeplatform.common.times import rfc3339

# An average price has so many digits more than a price.
_AVERAGE_DIGITS = 4


def ticker_json(ticker: Ticker) -> dict[str, Any]:
    """A ticker; null where there is nothing to say."""
    rules = ticker.rules
    spread = mid = None
    # While an auction collects orders, bids and asks may cross: there is no spread, and nothing between them.
    if ticker.bid is not None and ticker.ask is not None and ticker.bid < ticker.ask:
        spread, mid = ticker.ask - ticker.bid, (ticker.ask + ticker.bid) / 2
    change = percent = None
    if ticker.open is not None and ticker.last is not None:
        change = ticker.last - ticker.open
        percent = text(change / ticker.open * 100, 2)
    return {
        "symbol": rules.symbol,
        "last": _price(ticker.last, rules),
        "bid": _price(ticker.bid, rules),
        "bid_quantity": _quantity(ticker.bid_quantity, rules),
        "ask": _price(ticker.ask, rules),
        "ask_quantity": _quantity(ticker.ask_quantity, rules),
        "spread": _price(spread, rules),
        "mid": None if mid is None else text(mid, rules.price_decimals + 1),
        "open": _price(ticker.open, rules),
        "high": _price(ticker.high, rules),
        "low": _price(ticker.low, rules),
        "volume": text(ticker.volume, rules.quantity_decimals),
        "quote_volume": text(ticker.quote_volume, rules.quote_decimals),
        "trades": ticker.trades,
        "change": _price(change, rules),
        "change_percent": percent,
        "average": _average(ticker.quote_volume, ticker.volume, rules),
    }


def candle_json(candle: Candle, rules: Rules) -> dict[str, Any]:
    """A candle."""
    return {
        "time": rfc3339(candle.opened_at),
        "open": text(candle.open, rules.price_decimals),
        "high": text(candle.high, rules.price_decimals),
        "low": text(candle.low, rules.price_decimals),
        "close": text(candle.close, rules.price_decimals),
        "volume": text(candle.volume, rules.quantity_decimals),
        "quote_volume": text(candle.quote_volume, rules.quote_decimals),
        "taker_volume": text(candle.taker_volume, rules.quantity_decimals),
        "taker_quote_volume": text(candle.taker_quote_volume, rules.quote_decimals),
        "trades": candle.trades,
    }


def best_json(ticker: Ticker) -> dict[str, Any]:
    """Best bid and ask alone."""
    shown = ticker_json(ticker)
    return {name: shown[name] for name in _BEST}


def average_json(average: AveragePrice, rules: Rules) -> dict[str, Any]:
    """What was paid on average, with what it was computed from."""
    digits = rules.price_decimals + _AVERAGE_DIGITS
    return {
        "symbol": rules.symbol,
        "minutes": 5,
        "price": None if average.price is None else text(average.price, digits),
        "volume": text(average.volume, rules.quantity_decimals),
        "trades": average.trades,
    }


def alert_json(alert: PriceAlert, rules: Rules) -> dict[str, Any]:
    """An alert as its owner sees it."""
    return {
        "id": str(alert.pk),
        "request_id": alert.request_id,
        "account": alert.account_id,
        "symbol": rules.symbol,
        "watches": alert.watches,
        "direction": alert.direction,
        "price": text(alert.price, rules.price_decimals),
        "state": alert.state,
        "created_at": rfc3339(alert.created_at),
        "fired_at": alert.fired_at and rfc3339(alert.fired_at),
        "fired_price": _shortest(alert.fired_price, rules),
        "trade_id": None if alert.trade_id is None else str(alert.trade_id),
        "cancelled_at": alert.cancelled_at and rfc3339(alert.cancelled_at),
    }


_BEST = ("symbol", "bid", "bid_quantity", "ask", "ask_quantity", "spread", "mid")


def _average(quote_volume: Decimal, volume: Decimal, rules: Rules) -> str | None:
    return text(quote_volume / volume, rules.price_decimals + _AVERAGE_DIGITS) if volume else None


def _shortest(price: Decimal | None, rules: Rules) -> str | None:
    """A quote may be finer than a tick: then it keeps its digits."""
    return None if price is None else text(price, max(rules.price_decimals, decimals_of(price)))


def _quantity(quantity: Decimal | None, rules: Rules) -> str | None:
    return None if quantity is None else text(quantity, rules.quantity_decimals)


def _price(price: Decimal | None, rules: Rules) -> str | None:
    return None if price is None else text(price, rules.price_decimals)
