"""POST /orders/dry-run: what an order would do; it is answered like an order and leaves nothing behind."""

from __future__ import annotations

from accounts.models import TradingAccount
from tests.api.client import Api, order_body, refused
from tests.factories import Market, everything_stored


def test_says_what_is_held_what_trades_and_what_waits(
    market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
) -> None:
    market.sell(bob, 1, 50000)
    market.drain()
    before = everything_stored()
    answer = api.post("/orders/dry-run", order_body(market, alice, quantity="3", price="50000"))
    assert answer.status_code == 200
    assert answer.json() == {
        "account": alice.id,
        "symbol": market.symbol,
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "hold": {
            "asset": market.instrument.quote.code,
            "amount": "150150.00000000",
            "available": "10000000.00000000",
        },
        "taken": {
            "quantity": "1.0000",
            "average_price": "50000.000000",
            "notional": "50000.00000000",
            "fee": "50.00000000",
        },
        "rest": {"quantity": "2.0000", "fee": "50.00000000"},
        "reason": "",
        "duplicate_of": None,
        "seq": 1,
    }
    assert everything_stored() == before


def test_is_refused_as_the_order_would_be(market: Market, alice: TradingAccount, api: Api) -> None:
    body = order_body(market, alice, quantity="500")
    foreseen, real = api.post("/orders/dry-run", body), api.post("/orders?wait=0", body)
    assert foreseen.status_code == real.status_code == 400
    assert foreseen.json() | {"correlation_id": ""} == real.json() | {"correlation_id": ""}


def test_another_person_s_account_is_not_there(market: Market, bob: TradingAccount, api: Api) -> None:
    refused(api.post("/orders/dry-run", order_body(market, bob)), "account_not_found", 404)


def test_a_known_client_order_id_names_its_order(market: Market, alice: TradingAccount, api: Api) -> None:
    body = order_body(market, alice, client_order_id="mine")
    placed = api.post("/orders?wait=0", body).json()
    assert api.post("/orders/dry-run", body).json()["duplicate_of"] == placed["id"]
