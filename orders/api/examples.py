"""Requests and answers shown in the API's document; a test checks them against its schemas."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

_ORDER = {
    "account": 1,
    "symbol": "BTC-USDT",
    "side": "buy",
    "type": "limit",
    "quantity": "0.5",
    "price": "50000.00",
    "client_order_id": "my-first-order",
}
_ANSWER = {
    "id": "1024",
    "client_order_id": "my-first-order",
    "account": 1,
    "symbol": "BTC-USDT",
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
    "seq": 17,
    "created_at": "2026-03-02T12:00:00.000000Z",
}

PLACE = [
    OpenApiExample("A limit order", value=_ORDER, request_only=True),
    OpenApiExample(
        "A market order",
        value={"account": 1, "symbol": "BTC-USDT", "side": "sell", "type": "market", "quantity": "0.1"},
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
AMEND = [OpenApiExample("A better price", value={"price": "50010.00"}, request_only=True)]
