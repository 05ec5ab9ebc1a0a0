"""Public market data: depth, trades, candles, tickers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from instruments.scaling import quotient, text
from instruments.selectors import Rules, all_rules, require_each, require_rules
from orders.market.intervals import Interval
from orders.market.selectors import Ticker, candles, tickers
from orders.models import Side, Trade
from orders.selectors import depth as read_depth
from orders.trade_selectors import Span, aggregates_of, trades_of
from tradeplatform.gateways.binance import errors, shapes
from tradeplatform.gateways.binance.parameters import Parameters, must, window
from tradeplatform.gateways.binance.serving import Call, endpoint

_MOST_ROWS, _ROWS = 1_000, 500
_DEPTH, _MOST_DEPTH = 100, 5_000
#: (levels up to, weight).
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (_MOST_DEPTH, 250))
_FEW, _MANY = 20, 100
_DAY = timedelta(days=1)


@endpoint()
def ping(_call: Call) -> dict[str, Any]:
    """GET /ping: somebody is there."""
    return {}


@endpoint()
def server_time(call: Call) -> dict[str, int]:
    """GET /time."""
    return {"serverTime": call.clock.of(call.now)}


def _depth_limit(parameters: Parameters) -> int:
    return parameters.limit(default=_DEPTH, most=_MOST_DEPTH)


def _depth_weight(parameters: Parameters) -> int:
    levels = _depth_limit(parameters)
    return next(weight for most, weight in _DEPTH_WEIGHTS if levels <= most)


@endpoint("symbol", "limit", weight=_depth_weight)
def depth(call: Call) -> dict[str, Any]:
    """GET /depth: `lastUpdateId` is the book's seq, which the stream's `U` and `u` count too."""
    rules, limit = require_rules(call.parameters.symbol()), _depth_limit(call.parameters)
    found = read_depth(rules, limit=limit)
    return {
        "lastUpdateId": found.seq,
        "bids": [[shapes.price(price, rules), shapes.quantity(lots, rules)] for price, lots in found.bids],
        "asks": [[shapes.price(price, rules), shapes.quantity(lots, rules)] for price, lots in found.asks],
    }


@endpoint("symbol", "limit", weight=25)
def trades(call: Call) -> list[dict[str, Any]]:
    """GET /trades: the newest."""
    rules, limit = require_rules(call.parameters.symbol()), _rows(call)
    return [_trade(trade, rules, call) for trade in trades_of(rules.id, Span(), limit=limit)]


@endpoint("symbol", "limit", "fromId", weight=25)
def historical_trades(call: Call) -> list[dict[str, Any]]:
    """GET /historicalTrades: from an id on, or the newest."""
    rules, span = require_rules(call.parameters.symbol()), Span(from_id=call.parameters.integer("fromId"))
    return [_trade(trade, rules, call) for trade in trades_of(rules.id, span, limit=_rows(call))]


def _trade(trade: Trade, rules: Rules, call: Call) -> dict[str, Any]:
    return {
        "id": trade.id,
        "price": shapes.price(trade.price, rules),
        "qty": shapes.quantity(trade.quantity, rules),
        "quoteQty": shapes.quote(trade.notional, rules),
        "time": call.clock.time(trade.at),
        "isBuyerMaker": trade.taker_side == Side.SELL,
        "isBestMatch": True,
    }


@endpoint("symbol", "fromId", "startTime", "endTime", "limit", weight=4)
def aggregate_trades(call: Call) -> list[dict[str, Any]]:
    """GET /aggTrades: what one order took at one price is one."""
    parameters = call.parameters
    rules = require_rules(parameters.symbol())
    start, end = window(parameters)
    span = Span(from_id=parameters.integer("fromId"), start=start, end=end)
    return [
        {
            "a": one.id,
            "p": shapes.price(one.price, rules),
            "q": shapes.quantity(one.quantity, rules),
            "f": one.id,
            "l": one.last_id,
            "T": call.clock.time(one.at),
            "m": one.taker_side == Side.SELL,
            "M": True,
        }
        for one in aggregates_of(rules.id, span, limit=_rows(call))
    ]


@endpoint("symbol", "interval", "startTime", "endTime", "limit", weight=2)
def klines(call: Call) -> list[list[Any]]:
    """GET /klines: twelve values a candle, oldest first."""
    parameters = call.parameters
    rules = require_rules(parameters.symbol())
    interval = must(parameters.word("interval", Interval, errors.bad_interval()), "interval")
    _start, end = window(parameters)
    found = candles(rules, interval=interval, before=end or call.at, limit=_rows(call), now=call.at)
    return [
        [
            call.clock.time(one.opened_at),
            shapes.price(one.open, rules),
            shapes.price(one.high, rules),
            shapes.price(one.low, rules),
            shapes.price(one.close, rules),
            shapes.quantity(one.volume, rules),
            call.clock.time(interval.shift(one.opened_at, 1)) - 1,
            shapes.quote(one.quote_volume, rules),
            one.trades,
            shapes.quantity(one.taker_volume, rules),
            shapes.quote(one.taker_quote_volume, rules),
            "0",
        ]
        for one in found
    ]


def _rows(call: Call) -> int:
    return call.parameters.limit(default=_ROWS, most=_MOST_ROWS)


# --- Tickers --------------------------------------------------------------------------------------------


def _ticker_weight(parameters: Parameters) -> int:
    names = parameters.symbols()
    if names is None or len(names) > _MANY:
        return 80
    return 2 if len(names) <= _FEW else 40


def _brief_weight(parameters: Parameters) -> int:
    return 2 if parameters.has("symbol") and not parameters.has("symbols") else 4


def _each(call: Call, render: Callable[[Ticker, Call], dict[str, Any]]) -> Any:
    """One for `symbol`; a list for `symbols`, or for all."""
    names = call.parameters.symbols()
    wanted = all_rules() if names is None else require_each(names)
    bodies = [render(ticker, call) for ticker in tickers(wanted, now=call.at)]
    return bodies[0] if call.parameters.has("symbol") else bodies


@endpoint("symbol", "symbols", "type", weight=_ticker_weight)
def ticker_24hr(call: Call) -> Any:
    """GET /ticker/24hr."""
    kind = call.parameters.text("type") or "FULL"
    if kind not in {"FULL", "MINI"}:
        raise errors.invalid("type")
    return _each(call, _full if kind == "FULL" else _mini)


@endpoint("symbol", "symbols", weight=_brief_weight)
def ticker_price(call: Call) -> Any:
    """GET /ticker/price."""
    return _each(
        call,
        lambda one, _call: {"symbol": one.rules.symbol, "price": shapes.price(one.last, one.rules)},
    )


@endpoint("symbol", "symbols", weight=_brief_weight)
def book_ticker(call: Call) -> Any:
    """GET /ticker/bookTicker."""
    return _each(call, lambda one, _call: {"symbol": one.rules.symbol} | _best(one))


def _best(one: Ticker) -> dict[str, str]:
    return {
        "bidPrice": shapes.price(one.bid, one.rules),
        "bidQty": shapes.quantity(one.bid_quantity, one.rules),
        "askPrice": shapes.price(one.ask, one.rules),
        "askQty": shapes.quantity(one.ask_quantity, one.rules),
    }


def _mini(one: Ticker, call: Call) -> dict[str, Any]:
    rules = one.rules
    return {
        "symbol": rules.symbol,
        "openPrice": shapes.price(one.open, rules),
        "highPrice": shapes.price(one.high, rules),
        "lowPrice": shapes.price(one.low, rules),
        "lastPrice": shapes.price(one.last, rules),
        "volume": shapes.quantity(one.volume, rules),
        "quoteVolume": shapes.quote(one.quote_volume, rules),
        "openTime": call.clock.time(call.at - _DAY),
        "closeTime": call.clock.of(call.now),
        "firstId": -1,
        "lastId": -1,
        "count": one.trades,
    }


def _full(one: Ticker, call: Call) -> dict[str, Any]:
    rules, opened = one.rules, one.open
    last = one.last if one.trades else opened
    change = Decimal(0) if last is None or opened is None else last - opened
    percent = quotient(100 * change, opened, 3) if opened else Decimal(0)
    average = quotient(one.quote_volume, one.volume, shapes.DIGITS) if one.volume else Decimal(0)
    return (
        _mini(one, call)
        | _best(one)
        | {
            "priceChange": shapes.price(change, rules),
            "priceChangePercent": text(percent, 3),
            "weightedAvgPrice": shapes.price(average, rules),
            "prevClosePrice": shapes.price(opened, rules),
            "lastQty": shapes.ZERO,
        }
    )
