"""One order through every door: what was placed here may be sent again to API v1, and the other way."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import Order
from tests.api.client import Api, order_body, signed_in
from tests.factories import Market
from tests.gateways.binance.client import Signed, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("book")]

Words = dict[str, Any]

#: The same order in this dialect, in API v1 as short as can be, and what may be spelled out there.
SAME: dict[str, tuple[Words, Words, Words]] = {
    "limit": (
        {"type": "LIMIT", "timeInForce": "GTC", "price": "49000.00"},
        {"type": "limit", "price": "49000"},
        {"time_in_force": "gtc"},
    ),
    "limit, at once": (
        {"type": "LIMIT", "timeInForce": "IOC", "price": "49000"},
        {"type": "limit", "price": "49000", "time_in_force": "ioc"},
        {},
    ),
    "limit, all or nothing": (
        {"type": "LIMIT", "timeInForce": "FOK", "price": "49000"},
        {"type": "limit", "price": "49000", "time_in_force": "fok"},
        {},
    ),
    "limit, never taking": (
        {"type": "LIMIT_MAKER", "price": "49000"},
        {"type": "limit", "price": "49000", "post_only": True},
        {"time_in_force": "gtc"},
    ),
    "iceberg": (
        {"type": "LIMIT", "timeInForce": "GTC", "price": "49000", "icebergQty": "0.5"},
        {"type": "limit", "price": "49000", "display_quantity": "0.5"},
        {"time_in_force": "gtc"},
    ),
    "market": ({"type": "MARKET"}, {"type": "market"}, {"time_in_force": "ioc"}),
    "market for an amount": (
        {"type": "MARKET", "quantity": None, "quoteOrderQty": "1000"},
        {"type": "market", "quantity": None, "quote_quantity": "1000"},
        {"time_in_force": "ioc"},
    ),
    "stop": (
        {"type": "STOP_LOSS", "stopPrice": "52000"},
        {"type": "stop", "trigger_price": "52000"},
        {"time_in_force": "gtc", "trigger_by": "last"},
    ),
    "stop limit": (
        {"type": "STOP_LOSS_LIMIT", "stopPrice": "52000", "price": "52100", "timeInForce": "GTC"},
        {"type": "stop_limit", "trigger_price": "52000", "price": "52100"},
        {"time_in_force": "gtc", "trigger_by": "last"},
    ),
    "take profit": (
        {"type": "TAKE_PROFIT", "stopPrice": "48000"},
        {"type": "take_profit", "trigger_price": "48000"},
        {"time_in_force": "gtc", "trigger_by": "last"},
    ),
    "take profit limit": (
        {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "48000", "price": "48100", "timeInForce": "GTC"},
        {"type": "take_profit_limit", "trigger_price": "48000", "price": "48100"},
        {"time_in_force": "gtc", "trigger_by": "last"},
    ),
    "trailing stop": (
        {"type": "STOP_LOSS", "trailingDelta": "150"},
        {"type": "trailing_stop", "trail_percent": "1.5"},
        {"time_in_force": "gtc", "trigger_by": "last"},
    ),
}
each_type = pytest.mark.parametrize("kind", SAME)


@pytest.fixture
def api(alice: TradingAccount) -> Api:
    """Alice's client of API v1."""
    return signed_in(alice)


def theirs(market: Market, kind: str) -> Words:
    words = {"symbol": market.symbol, "side": "BUY", "quantity": "1", "newClientOrderId": "one"}
    return words | SAME[kind][0]


def ours(market: Market, alice: TradingAccount, kind: str, *, spelled_out: bool) -> Words:
    _theirs, short, more = SAME[kind]
    defaults = {"stp_mode": "expire_taker", "post_only": False, "reduce_only": False} | more
    words = {"price": None, "client_order_id": "one"} | (defaults if spelled_out else {}) | short
    return order_body(market, alice, **words)


@each_type
@pytest.mark.parametrize("spelled_out", [False, True])
def test_what_was_placed_here_is_known_to_api_v1(
    market: Market, alice: TradingAccount, client_a: Signed, api: Api, kind: str, spelled_out: bool
) -> None:
    placed = client_a.do("order", **theirs(market, kind))
    again = api.post("/orders", ours(market, alice, kind, spelled_out=spelled_out))
    assert (again.status_code, again.json()["id"]) == (200, str(placed["orderId"])), again.json()
    assert Order.objects.count() == 1


@each_type
def test_what_was_placed_by_api_v1_is_known_here(
    market: Market, alice: TradingAccount, client_a: Signed, api: Api, kind: str
) -> None:
    assert api.post("/orders", ours(market, alice, kind, spelled_out=False)).status_code in {201, 202}
    refused(client_a.send("order", **theirs(market, kind)), -2010, "Duplicate order sent.")
    assert Order.objects.count() == 1


def test_a_pair_placed_here_is_known_to_api_v1(
    market: Market, alice: TradingAccount, client_a: Signed, api: Api
) -> None:
    placed = client_a.do(
        "orderList/oco", symbol=market.symbol, side="SELL", quantity="1",
        aboveType="LIMIT_MAKER", abovePrice="52000", aboveClientOrderId="above",
        belowType="STOP_LOSS_LIMIT", belowStopPrice="48000", belowPrice="47900", belowTimeInForce="GTC",
        belowClientOrderId="below",
    )  # fmt: skip
    leg = {"side": "sell", "quantity": "1"}
    above = {"type": "limit", "price": "52000", "post_only": True, "client_order_id": "above"}
    below = {"type": "stop_limit", "trigger_price": "48000", "price": "47900", "client_order_id": "below"}
    again = api.post(
        "/orders/lists",
        {"account": alice.pk, "symbol": market.symbol, "kind": "oco", "orders": [leg | above, leg | below]},
    )
    assert again.status_code == 200, again.json()
    assert {order["id"] for order in again.json()["orders"]} == {
        str(order["orderId"]) for order in placed["orders"]
    }
    assert Order.objects.count() == 2


def test_another_order_under_the_name_is_another_order(
    market: Market, alice: TradingAccount, client_a: Signed, api: Api
) -> None:
    client_a.do("order", **theirs(market, "stop limit"))
    other = {"trigger_by": "quote", "time_in_force": "ioc", "quantity": "2", "stp_mode": "decrement"}
    for name, value in other.items():
        body = ours(market, alice, "stop limit", spelled_out=False) | {name: value}
        assert api.post("/orders", body).status_code == 409, name
