"""One's own account: balances, trades, limits, fees."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from accounts.models import TradingAccount
from accounts.selectors import balances_of
from instruments.selectors import all_rules, require_each, require_rules
from orders import prevention_selectors
from orders.order_selectors import list_ids
from orders.selectors import find_order
from orders.trade_selectors import Span, fills_of_instrument
from tradeplatform.gateways.binance import errors, order_shapes, shapes
from tradeplatform.gateways.binance.exchange_info import PERMISSIONS, symbol_filters
from tradeplatform.gateways.binance.keys import Security
from tradeplatform.gateways.binance.parameters import Parameters, window
from tradeplatform.gateways.binance.replacing import NO_DISCOUNT
from tradeplatform.gateways.binance.serving import Call, endpoint

_ROWS, _MOST_ROWS = 500, 1_000
_DAY = timedelta(days=1)
_BASIS_POINTS = 10_000


@endpoint("omitZeroBalances", weight=20, security=Security.USER_DATA)
def account(call: Call) -> dict[str, Any]:
    """GET /account. The rates are the highest of any symbol; what each has, `sapi .../tradeFee` says."""
    owner, rows = TradingAccount.objects.get(id=call.account_id), list(balances_of(call.account_id))
    maker, taker = _highest_rates()
    trades = owner.is_active and not owner.is_locked
    shown = [row for row in rows if row.balance or not call.parameters.flag("omitZeroBalances")]
    moved = max((row.moved_at for row in rows if row.moved_at is not None), default=owner.created_at)
    return {
        "makerCommission": int(maker * _BASIS_POINTS),
        "takerCommission": int(taker * _BASIS_POINTS),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(maker, taker),
        "canTrade": trades,
        "canWithdraw": trades,
        "canDeposit": owner.is_active,
        "brokered": False,
        "requireSelfTradePrevention": True,
        "preventSor": False,
        "updateTime": call.clock.time(moved),
        "accountType": "SPOT",
        "balances": [shapes.balance(row) for row in shown],
        "permissions": PERMISSIONS,
        "tradeGroupId": owner.trade_group or -1,
        "uid": owner.pk,
    }


def _highest_rates() -> tuple[Decimal, Decimal]:
    rules = all_rules()
    return (
        max((one.maker_fee for one in rules), default=Decimal(0)),
        max((one.taker_fee for one in rules), default=Decimal(0)),
    )


def _rates(maker: Decimal, taker: Decimal) -> dict[str, str]:
    return {
        "maker": shapes.rate(maker),
        "taker": shapes.rate(taker),
        "buyer": shapes.ZERO,
        "seller": shapes.ZERO,
    }


@endpoint("symbol", weight=20, security=Security.USER_DATA)
def commission(call: Call) -> dict[str, Any]:
    """GET /account/commission."""
    rules = require_rules(call.parameters.symbol())
    nothing = _rates(Decimal(0), Decimal(0))
    return {
        "symbol": rules.symbol,
        "standardCommission": _rates(rules.maker_fee, rules.taker_fee),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": NO_DISCOUNT,
    }


def _trades_weight(parameters: Parameters) -> int:
    return 5 if parameters.has("orderId") else 20


@endpoint(
    *("symbol", "orderId", "startTime", "endTime", "fromId", "limit"),
    weight=_trades_weight,
    security=Security.USER_DATA,
)
def my_trades(call: Call) -> list[dict[str, Any]]:
    """GET /myTrades: from an id on, or of a time, or the newest; oldest first."""
    rules = require_rules(call.parameters.symbol())
    start, end = window(call.parameters, longest=_DAY)
    fills = fills_of_instrument(
        call.account_id,
        rules.id,
        Span(from_id=call.parameters.integer("fromId"), start=start, end=end),
        limit=call.parameters.limit(default=_ROWS, most=_MOST_ROWS),
        order_id=call.parameters.integer("orderId"),
    )
    lists = list_ids({fill.order_id for fill in fills})
    return [order_shapes.my_trade(fill, rules, call.clock, lists.get(fill.order_id, 0)) for fill in fills]


def _prevented_weight(parameters: Parameters) -> int:
    return 20 if parameters.has("orderId") else 2


@endpoint(
    *("symbol", "preventedMatchId", "orderId", "fromPreventedMatchId", "limit"),
    weight=_prevented_weight,
    security=Security.USER_DATA,
)
def prevented_matches(call: Call) -> list[dict[str, Any]]:
    """GET /preventedMatches: of an order, or one by its id."""
    rules = require_rules(call.parameters.symbol())
    limit = call.parameters.limit(default=_ROWS, most=_MOST_ROWS)
    match_id, order_id = call.parameters.integer("preventedMatchId"), call.parameters.integer("orderId")
    if (match_id is None) == (order_id is None):
        raise errors.one_of("preventedMatchId", "orderId") if match_id is None else errors.bad_combination()
    order = None if order_id is None else find_order(order_id=order_id, account_id=call.account_id)
    found = prevention_selectors.prevented_matches(
        instrument_id=rules.id, account_id=call.account_id, order=order, match_id=match_id, limit=limit
    )
    since = call.parameters.integer("fromPreventedMatchId") or 0
    return [order_shapes.prevented_match(match, rules, call.clock) for match in found if match.id >= since]


@endpoint(weight=40, security=Security.USER_DATA)
def order_counts(call: Call) -> list[dict[str, object]]:
    """GET /rateLimit/order."""
    return call.orders.counts()


@endpoint("symbol", weight=40, security=Security.USER_DATA)
def my_filters(call: Call) -> dict[str, Any]:
    """GET /myFilters: the limits that count what an account has open."""
    rules = require_rules(call.parameters.symbol())
    counted = [one for one in symbol_filters(rules) if one["filterType"].startswith("MAX_NUM_")]
    return {"exchangeFilters": [], "symbolFilters": counted, "assetFilters": []}


# --- /sapi/v1 -------------------------------------------------------------------------------------------


@endpoint("symbols", security=Security.USER_DATA)
def nothing(_call: Call) -> list[Any]:
    """What clients ask for by default and we do not have: networks of coins, margin pairs.

    ccxt hands on the `symbols` that its markets were to be loaded of.
    """
    return []


@endpoint("symbol", security=Security.USER_DATA)
def trade_fee(call: Call) -> list[dict[str, str]]:
    """GET /sapi/v1/asset/tradeFee: of one symbol, or all."""
    asked = call.parameters.has("symbol")
    rules = require_each([call.parameters.symbol()]) if asked else all_rules()
    return [
        {
            "symbol": one.symbol,
            "makerCommission": shapes.rate(one.maker_fee),
            "takerCommission": shapes.rate(one.taker_fee),
        }
        for one in rules
    ]
