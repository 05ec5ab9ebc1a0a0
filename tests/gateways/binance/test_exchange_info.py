"""GET /exchangeInfo: what clients need before they can send an order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from instruments.models import InstrumentStatus, Realm
from tests.factories import Market, make_instrument, make_market
from tests.gateways.binance.client import Venue, refused

pytestmark = pytest.mark.django_db


def test_says_the_limits_of_the_house(venue: Venue, market: Market) -> None:
    found = venue.ask("exchangeInfo", symbol=market.symbol)

    assert list(found) == ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"]
    assert found["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100_000},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 50_000_000},
    ]


def test_says_all_of_a_symbol(venue: Venue) -> None:
    market = make_market(min_notional=Decimal(10), max_open_orders=50)
    (found,) = venue.ask("exchangeInfo", symbol=market.symbol)["symbols"]
    filters = {one.pop("filterType"): one for one in found.pop("filters")}

    assert found == {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.instrument.base.code,
        "baseAssetPrecision": 8,
        "quoteAsset": market.instrument.quote.code,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
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
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_TAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    }
    lots = {"minQty": "0.00010000", "maxQty": "1000.00000000", "stepSize": "0.00010000"}
    assert filters == {
        "PRICE_FILTER": {"minPrice": "0.00000000", "maxPrice": "0.00000000", "tickSize": "0.01000000"},
        "LOT_SIZE": lots,
        "MARKET_LOT_SIZE": lots,
        "ICEBERG_PARTS": {"limit": 1_000},
        "TRAILING_DELTA": {
            "minTrailingAboveDelta": 1,
            "maxTrailingAboveDelta": 9_999,
            "minTrailingBelowDelta": 1,
            "maxTrailingBelowDelta": 9_999,
        },
        "PERCENT_PRICE_BY_SIDE": {
            "bidMultiplierUp": "1.1000",
            "bidMultiplierDown": "0.9000",
            "askMultiplierUp": "1.1000",
            "askMultiplierDown": "0.9000",
            "avgPriceMins": 0,
        },
        "NOTIONAL": {
            "minNotional": "10.00000000",
            "applyMinToMarket": True,
            "maxNotional": "999999999999999999.00000000",
            "applyMaxToMarket": True,
            "avgPriceMins": 0,
        },
        "MAX_NUM_ORDERS": {"maxNumOrders": 50},
        "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": 50},
    }


def test_says_that_a_halted_market_is_halted(venue: Venue, market: Market) -> None:
    market.phase(InstrumentStatus.HALTED)
    market.drain()

    (found,) = venue.ask("exchangeInfo", symbol=market.symbol)["symbols"]

    assert found["status"] == "HALT"
    halted = venue.ask("exchangeInfo", symbolStatus="HALT")["symbols"]
    assert market.symbol in [one["symbol"] for one in halted]
    trading = venue.ask("exchangeInfo", symbolStatus="TRADING")["symbols"]
    assert market.symbol not in [one["symbol"] for one in trading]


def test_a_pair_of_assets_means_the_live_market_to_who_keeps_the_last(venue: Venue) -> None:
    live = make_instrument(symbol="PAIR")
    demo = make_instrument(symbol="PAIR-DEMO", base=live.base, quote=live.quote, realm=Realm.DEMO)

    listed = [one["symbol"] for one in venue.ask("exchangeInfo")["symbols"]]

    assert [symbol for symbol in listed if symbol in {live.symbol, demo.symbol}] == [demo.symbol, live.symbol]
    asked = venue.ask("exchangeInfo", symbols=f'["{live.symbol}","{demo.symbol}"]')["symbols"]
    assert [one["symbol"] for one in asked] == [live.symbol, demo.symbol]


def test_refuses_what_makes_no_sense(venue: Venue, market: Market) -> None:
    refused(venue.look("exchangeInfo", symbols='["NOSUCH"]'), -1121, "Invalid symbol.")
    refused(venue.look("exchangeInfo", symbolStatus="ASLEEP"), -1122, "Invalid symbolStatus.")
    refused(
        venue.look("exchangeInfo", symbol=market.symbol, symbolStatus="TRADING"),
        -1128,
        "Combination of optional parameters invalid.",
    )
    assert venue.ask("exchangeInfo", permissions='["MARGIN"]')["symbols"] == []
