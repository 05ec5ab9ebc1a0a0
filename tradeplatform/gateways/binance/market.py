"""Public market data: depth, trades, candles. What is asked most often was encoded before: see warm.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from instruments.selectors import Rules, require_rules, rules_by_id
from orders.market.intervals import Interval
from orders.market.selectors import AVERAGE_WINDOW, Candle, average_price, candles
from orders.market.services import warm
from orders.models import Side, Trade
from orders.selectors import Depth, depths
from orders.trade_selectors import Span, aggregates_of, trades_of
from tradeplatform.gateways.binance import errors, shapes
from tradeplatform.gateways.binance.parameters import Parameters, must, window
from tradeplatform.gateways.binance.serving import Call, endpoint

_MOST_ROWS, _ROWS = 1_000, 500
_DEPTH, _MOST_DEPTH = 100, 5_000
#: (levels up to, weight).
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (_MOST_DEPTH, 250))


@endpoint()
def ping(_call: Call) -> dict[str, Any]:
    """GET /ping: somebody is there."""
    return {}


@endpoint()
def system_status(_call: Call) -> dict[str, Any]:
    """GET /sapi/v1/system/status: whoever answers is there; which markets trade, exchangeInfo says."""
    return {"status": 0, "msg": "normal"}


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
def depth(call: Call) -> bytes:
    """GET /depth: `lastUpdateId` is the book's seq, which the stream's `U` and `u` count too."""
    limit = _depth_limit(call.parameters)

    def make(missing: Sequence[warm.Market]) -> list[bytes]:
        rules = rules_by_id(market.id for market in missing)
        return [
            orjson.dumps(_depth(book, rules[market.id]))
            for market, book in zip(
                missing, depths([rules[market.id] for market in missing], limit=limit), strict=True
            )
        ]

    wanted = warm.markets([call.parameters.symbol()])
    kept = limit in warm.KEPT_DEPTHS
    (answer,) = warm.kept(f"binance:depth{limit}", wanted, make) if kept else make(wanted)
    return answer


def _depth(book: Depth, rules: Rules) -> dict[str, Any]:
    return {
        "lastUpdateId": book.seq,
        "bids": [[shapes.price(price, rules), shapes.quantity(lots, rules)] for price, lots in book.bids],
        "asks": [[shapes.price(price, rules), shapes.quantity(lots, rules)] for price, lots in book.asks],
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


@endpoint("symbol", "interval", "startTime", "endTime", "timeZone", "limit", weight=2)
def klines(call: Call) -> list[list[Any]]:
    """GET /klines: twelve values a candle, oldest first; from `startTime` on, or the last up to `endTime`.

    They begin by the clock of `timeZone`; all times are UTC's.
    """
    parameters = call.parameters
    rules = require_rules(parameters.symbol())
    interval = must(parameters.word("interval", Interval, errors.bad_interval()), "interval")
    limit, (start, end) = _rows(call), window(parameters)
    before, ahead = min(end or call.at, call.at), parameters.time_zone("timeZone")
    if start is not None:
        # The first that begins at `startTime` or after it, and as many as are wanted.
        first = interval.floor(start, ahead=ahead)
        first = first if first == start else interval.shift(first, 1, ahead=ahead)
        before = min(before, interval.shift(first, limit - 1, ahead=ahead))
    found = candles(rules, interval=interval, before=before, limit=limit, now=call.at, ahead=ahead)
    return [
        _kline(one, interval.shift(one.opened_at, 1, ahead=ahead), rules, call)
        for one in found
        if start is None or one.opened_at >= start
    ]


def _kline(one: Candle, until: datetime, rules: Rules, call: Call) -> list[Any]:
    return [
        call.clock.time(one.opened_at),
        shapes.price(one.open, rules),
        shapes.price(one.high, rules),
        shapes.price(one.low, rules),
        shapes.price(one.close, rules),
        shapes.quantity(one.volume, rules),
        call.clock.time(until) - 1,
        shapes.quote(one.quote_volume, rules),
        one.trades,
        shapes.quantity(one.taker_volume, rules),
        shapes.quote(one.taker_quote_volume, rules),
        "0",
    ]


@endpoint("symbol", weight=2)
def average(call: Call) -> dict[str, Any]:
    """GET /avgPrice."""
    rules = require_rules(call.parameters.symbol())
    found, last = average_price(rules, now=call.at), trades_of(rules.id, Span(), limit=1)
    return {
        "mins": int(AVERAGE_WINDOW / timedelta(minutes=1)),
        "price": shapes.price(found.price, rules),
        "closeTime": call.clock.time(last[0].at) if last else 0,
    }


def _rows(call: Call) -> int:
    return call.parameters.limit(default=_ROWS, most=_MOST_ROWS)
