"""Public tickers: the last 24 hours, last prices, best bids and asks; of one symbol, of several, or of all.

Like depth they are kept encoded under the state of their books, see orders/market/services/warm.py: what has
not moved is made once a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from instruments.scaling import quotient, text
from instruments.selectors import rules_by_id
from orders.market.selectors import Ticker, tickers
from orders.market.services import warm
from orders.trade_selectors import Ends, trade_ends
from tradeplatform.gateways.binance import errors, shapes
from tradeplatform.gateways.binance.parameters import Parameters
from tradeplatform.gateways.binance.serving import Call, endpoint

_FEW, _MANY = 20, 100
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_NO_TRADE = -1

Render = Callable[[Ticker, Ends], dict[str, Any]]


def _weight(parameters: Parameters) -> int:
    names = parameters.symbols()
    if names is None or len(names) > _MANY:
        return 80
    return 2 if len(names) <= _FEW else 40


def _brief_weight(parameters: Parameters) -> int:
    return 2 if parameters.has("symbol") and not parameters.has("symbols") else 4


@endpoint("symbol", "symbols", "type", weight=_weight)
def day(call: Call) -> bytes:
    """GET /ticker/24hr. The 24 hours begin at a full minute."""
    kind = call.parameters.text("type") or "FULL"
    if kind not in {"FULL", "MINI"}:
        raise errors.invalid("type")
    since = day_before(call.at)

    def render(one: Ticker, ends: Ends) -> dict[str, Any]:
        body = mini(one, ends, opened=call.clock.time(since), closed=call.clock.of(call.now))
        return body | more(one, ends) if kind == "FULL" else body

    minute = call.at.strftime("%j%H%M")
    return _each(call, f"{kind}:{call.clock.unit}", render, since=since, at=minute)


@endpoint("symbol", "symbols", weight=_brief_weight)
def price(call: Call) -> bytes:
    """GET /ticker/price."""
    return _each(
        call,
        "price",
        lambda one, _ends: {"symbol": one.rules.symbol, "price": shapes.price(one.last, one.rules)},
    )


@endpoint("symbol", "symbols", weight=_brief_weight)
def best(call: Call) -> bytes:
    """GET /ticker/bookTicker."""
    return _each(call, "best", lambda one, _ends: {"symbol": one.rules.symbol} | _best(one))


def _each(
    call: Call, what: str, render: Render, *, since: datetime | None = None, at: str | None = None
) -> bytes:
    """One object for `symbol`; a list for `symbols`, or for all. `at` is the time the answers depend on."""

    def make(missing: Sequence[warm.Market]) -> list[bytes]:
        rules = rules_by_id(market.id for market in missing)
        ends = {} if since is None else trade_ends(rules, since=since)
        found = tickers([rules[market.id] for market in missing], now=call.at)
        return [orjson.dumps(render(one, ends.get(one.rules.id, Ends()))) for one in found]

    wanted = warm.markets(call.parameters.symbols())
    wanted = wanted if at is None else [market.at(at) for market in wanted]
    answers = warm.kept(f"binance:{what}", wanted, make)
    return answers[0] if call.parameters.has("symbol") else b"[" + b",".join(answers) + b"]"


def _best(one: Ticker) -> dict[str, str]:
    return {
        "bidPrice": shapes.price(one.bid, one.rules),
        "bidQty": shapes.quantity(one.bid_quantity, one.rules),
        "askPrice": shapes.price(one.ask, one.rules),
        "askQty": shapes.quantity(one.ask_quantity, one.rules),
    }


def day_before(now: datetime) -> datetime:
    """When the last 24 hours began: at a full minute."""
    return now.replace(second=0, microsecond=0) - _DAY + _MINUTE


def mini(one: Ticker, ends: Ends, *, opened: int, closed: int) -> dict[str, Any]:
    """The ticker of a day between these moments."""
    rules = one.rules
    return {
        "symbol": rules.symbol,
        "openPrice": shapes.price(one.open, rules),
        "highPrice": shapes.price(one.high, rules),
        "lowPrice": shapes.price(one.low, rules),
        "lastPrice": shapes.price(one.last, rules),
        "volume": shapes.quantity(one.volume, rules),
        "quoteVolume": shapes.quote(one.quote_volume, rules),
        "openTime": opened,
        "closeTime": closed,
        "firstId": ends.first_id or _NO_TRADE,
        "lastId": ends.last_id or _NO_TRADE,
        "count": one.trades,
    }


def more(one: Ticker, ends: Ends) -> dict[str, Any]:
    """What only the full ticker has; without a trade in the day nothing has changed."""
    rules, change, percent, average = one.rules, Decimal(0), Decimal(0), Decimal(0)
    if one.open is not None and one.last is not None:
        change = one.last - one.open
        percent = quotient(100 * change, one.open, 3)
    if one.volume:
        average = quotient(one.quote_volume, one.volume, shapes.DIGITS)
    return _best(one) | {
        "priceChange": shapes.price(change, rules),
        "priceChangePercent": text(percent, 3),
        "weightedAvgPrice": shapes.price(average, rules),
        "prevClosePrice": shapes.price(one.open, rules),
        "lastQty": shapes.quantity(ends.last_quantity, rules),
    }
