"""Requests and answers shown in the API's document; a test checks them against its schemas."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

_ORDER = {
    "account": 7,
    "symbol": "BTCUSDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.5",
    "price": "50000.00",
    "client_order_id": "my-first-order",
}
_ANSWER = {
    "id": "1024",
    "client_order_id": "my-first-order",
    "account": 7,
    "symbol": "BTCUSDT",
    "side": "buy",
    "type": "limit",
    "time_in_force": "gtc",
    "post_only": False,
    "stp_mode": "expire_taker",
    "price": "50000.00",
    "protection_price": None,
    "quantity": "0.5000",
    "filled": "0.2000",
    "leaves": "0.3000",
    "prevented": "0.0000",
    "average_price": "49990.000000",
    "filled_notional": "9998.00000000",
    "held": "15015.00000000",
    "status": "partially_filled",
    "reason": "",
    "trigger_price": None,
    "trigger_by": None,
    "triggered_at": None,
    "trail_amount": None,
    "trail_percent": None,
    "trail_step": None,
    "display_quantity": None,
    "min_quantity": None,
    "quote_quantity": None,
    "reduce_only": False,
    "expires_at": None,
    "link": None,
    "parent": None,
    "partner": None,
    "list_id": None,
    "seq": 17,
    "created_at": "2026-03-02T12:00:00.000000Z",
}
_SELL = {"account": 7, "symbol": "BTCUSDT", "side": "sell"}
_SELL_LEG = {"side": "sell", "quantity": "0.5"}

_FORECAST = {
    "account": 7,
    "symbol": "BTCUSDT",
    "side": "buy",
    "type": "limit",
    "time_in_force": "gtc",
    "hold": {"asset": "USDT", "amount": "25025.00000000", "available": "100000.00000000"},
    "taken": {
        "quantity": "0.2000",
        "average_price": "49990.000000",
        "notional": "9998.00000000",
        "fee": "9.99800000",
    },
    "rest": {"quantity": "0.3000", "fee": "7.50000000"},
    "reason": "",
    "duplicate_of": None,
    "seq": 16,
}

DRY_RUN = [
    OpenApiExample("A limit order", value=_ORDER, request_only=True),
    OpenApiExample("A part would trade at once", value=_FORECAST, response_only=True, status_codes=["200"]),
]
PLACE = [
    OpenApiExample("A limit order", value=_ORDER, request_only=True),
    OpenApiExample(
        "A market order",
        value={"account": 7, "symbol": "BTCUSDT", "side": "sell", "type": "market", "quantity": "0.1"},
        request_only=True,
    ),
    OpenApiExample(
        "A stop-limit: sell at 49400 or better once 49500 has traded",
        value=_SELL
        | {"type": "stop_limit", "quantity": "0.5", "trigger_price": "49500.00", "price": "49400.00"},
        request_only=True,
    ),
    OpenApiExample(
        "A trailing stop, 1.5 % behind the best price",
        value=_SELL | {"type": "trailing_stop", "quantity": "0.5", "trail_percent": "1.5"},
        request_only=True,
    ),
    OpenApiExample(
        "An iceberg that shows half a coin at a time",
        value=_ORDER | {"quantity": "20", "display_quantity": "0.5", "client_order_id": "my-iceberg"},
        request_only=True,
    ),
    OpenApiExample("Partly filled on arrival", value=_ANSWER, response_only=True, status_codes=["201"]),
]
BATCH = [
    OpenApiExample(
        "Two sides",
        value={
            "orders": [
                _ORDER | {"client_order_id": "bid-1"},
                _ORDER | {"side": "sell", "price": "50100.00", "client_order_id": "ask-1"},
            ]
        },
        request_only=True,
    )
]
LISTS = [
    OpenApiExample(
        "OCO: take profit at 52000, or stop at 48000",
        value={
            "account": 7,
            "symbol": "BTCUSDT",
            "kind": "oco",
            "orders": [
                _SELL_LEG | {"type": "limit", "price": "52000.00", "client_order_id": "oco-1-limit"},
                _SELL_LEG | {"type": "stop", "trigger_price": "48000.00", "client_order_id": "oco-1-stop"},
            ],
        },
        request_only=True,
    ),
    OpenApiExample(
        "Bracket: buy at 50000, take profit at 52000, stop at 48000 with a limit of 47900",
        value={
            "account": 7,
            "symbol": "BTCUSDT",
            "kind": "bracket",
            "orders": [
                {
                    "side": "buy",
                    "type": "limit",
                    "quantity": "0.5",
                    "price": "50000.00",
                    "client_order_id": "bracket-1-entry",
                }
            ],
            "take_profit": {"trigger_price": "52000.00", "client_order_id": "bracket-1-profit"},
            "stop_loss": {
                "trigger_price": "48000.00",
                "price": "47900.00",
                "client_order_id": "bracket-1-loss",
            },
        },
        request_only=True,
    ),
]
AMEND = [OpenApiExample("A better price", value={"price": "50010.00"}, request_only=True)]
