"""What is traded here and by which rules, as clients load it before anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from instruments.models import InstrumentStatus, Realm
from instruments.scaling import text
from instruments.selectors import Rules, all_rules, require_each
from orders.models import StpMode
from risk.services.pretrade import MAX_NUMBER, MAX_SLICES
from tradeplatform.gateways.binance import errors, limits, shapes
from tradeplatform.gateways.binance.serving import Call, endpoint
from tradeplatform.gateways.binance.words import ORDER_TYPES, STP_WORD

#: What a market's status is called; only TRADING takes every order.
_STATUS = {
    InstrumentStatus.ACTIVE: "TRADING",
    InstrumentStatus.PRE_OPEN: "PRE_TRADING",
    InstrumentStatus.AUCTION: "AUCTION_MATCH",
    InstrumentStatus.CANCEL_ONLY: "CANCEL_ONLY",
    InstrumentStatus.CLOSED: "END_OF_DAY",
    InstrumentStatus.HALTED: "HALT",
    InstrumentStatus.MAINTENANCE: "BREAK",
    InstrumentStatus.DELISTED: "BREAK",
}
_STATUSES = frozenset(_STATUS.values())
PERMISSIONS = ["SPOT"]
#: In 1/100 of a percent, as instruments take it.
TRAILING_DELTA = (1, 9_999)


@endpoint("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus", weight=20)
def exchange_info(call: Call) -> dict[str, Any]:
    """GET /exchangeInfo."""
    names, status = call.parameters.symbols(), call.parameters.text("symbolStatus")
    if status is not None and status not in _STATUSES:
        raise errors.bad_symbol_status()
    if names is not None and (status is not None or call.parameters.has("permissions")):
        raise errors.bad_combination()
    found = _everything() if names is None else require_each(names)
    if not _asks_for_spot(call):
        found = []
    return {
        "timezone": "UTC",
        "serverTime": call.clock.of(call.now),
        "rateLimits": limits.shown(),
        "exchangeFilters": [],
        "symbols": [_symbol(rules) for rules in found if status in {None, _STATUS[rules.status]}],
    }


def _everything() -> list[Rules]:
    """All markets, the live ones last.

    A demo market has the assets of a live one, and clients that call markets by their assets (ccxt: BTC/USDT)
    keep the last they read.
    """
    return sorted(all_rules(), key=lambda rules: rules.realm == Realm.LIVE)


def _asks_for_spot(call: Call) -> bool:
    asked = call.parameters.text("permissions")
    return asked is None or any(word in asked for word in PERMISSIONS)


def _symbol(rules: Rules) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "status": _STATUS[rules.status],
        "baseAsset": rules.base_code,
        "baseAssetPrecision": rules.base_decimals,
        "quoteAsset": rules.quote_code,
        "quotePrecision": rules.quote_decimals,
        "quoteAssetPrecision": rules.quote_decimals,
        "baseCommissionPrecision": rules.base_decimals,
        "quoteCommissionPrecision": rules.quote_decimals,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(rules),
        "permissions": [],
        "permissionSets": [PERMISSIONS],
        "defaultSelfTradePreventionMode": STP_WORD[StpMode.EXPIRE_TAKER],
        "allowedSelfTradePreventionModes": list(STP_WORD.values()),
    }


def symbol_filters(rules: Rules) -> list[dict[str, Any]]:
    """The limits of an instrument, by the names that refusals have for them."""
    up, down = text(1 + rules.price_band, 4), text(1 - rules.price_band, 4)
    lots = {
        "minQty": shapes.quantity(rules.min_quantity, rules),
        "maxQty": shapes.quantity(rules.max_quantity, rules),
        "stepSize": shapes.quantity(rules.lot_size, rules),
    }
    least, most = TRAILING_DELTA
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": shapes.price(rules.min_price, rules),
            "maxPrice": shapes.price(rules.max_price, rules),
            "tickSize": shapes.price(rules.tick_size, rules),
        },
        {"filterType": "LOT_SIZE", **lots},
        {"filterType": "MARKET_LOT_SIZE", **lots},
        {"filterType": "ICEBERG_PARTS", "limit": MAX_SLICES},
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": least,
            "maxTrailingAboveDelta": most,
            "minTrailingBelowDelta": least,
            "maxTrailingBelowDelta": most,
        },
        {
            # Measured from the last trade: 0 minutes of averaging.
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 0,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": shapes.quote(rules.min_notional, rules),
            "applyMinToMarket": True,
            "maxNotional": shapes.quote(_most_notional(rules), rules),
            "applyMaxToMarket": True,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_open_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.max_open_orders},
    ]


def _most_notional(rules: Rules) -> Decimal:
    """Without a limit of its own, what is below the greatest number that is taken at all."""
    return rules.max_notional or MAX_NUMBER - 1
