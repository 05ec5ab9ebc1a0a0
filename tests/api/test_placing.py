"""POST /orders: what is accepted, what the same request twice means, and what the book says."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from orders.models import Command, Order
from tests.api.client import Api, order_body, refused
from tests.factories import Market, everything_stored, money, stored


class TestPlace:
    def test_is_committed_and_pending_until_the_book_has_seen_it(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        response = api.post("/orders?wait=0", order_body(market, alice, client_order_id="first"))

        assert response.status_code == 202
        order = stored(int(response.json()["id"]))
        assert response.json() == {
            "id": str(order.id),
            "client_order_id": "first",
            "account": alice.id,
            "symbol": market.symbol,
            "side": "buy",
            "type": "limit",
            "time_in_force": "gtc",
            "post_only": False,
            "stp_mode": "expire_taker",
            "price": "50000.00",
            "protection_price": None,
            "quantity": "1.0000",
            "filled": "0.0000",
            "leaves": "1.0000",
            "prevented": "0.0000",
            "average_price": None,
            "filled_notional": "0.00000000",
            "held": "50050.00000000",
            "status": "pending",
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
            "seq": 0,
            "created_at": order.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        assert money(alice, market.instrument.quote) == ("10000000", "50050")

    def test_records_who_asked_from_where_and_under_which_id(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        response = api.post(
            "/orders?wait=0", order_body(market, alice), headers={"X-Correlation-ID": "trace-7"}
        )

        assert response["X-Correlation-ID"] == "trace-7"
        order = stored(int(response.json()["id"]))
        assert (order.source, order.actor_id, order.actor_label) == (
            "api",
            alice.user.id,
            alice.user.username,
        )
        assert order.correlation_id == "trace-7"
        command = Command.objects.get(order_id=order.id)
        assert (command.actor_id, command.correlation_id) == (alice.user.id, "trace-7")

    @pytest.mark.parametrize("number", ["1.5", "1.50", 1.5, "1.500000000000000000"])
    def test_takes_a_decimal_as_text_or_as_a_json_number(
        self, market: Market, alice: TradingAccount, api: Api, number: object
    ) -> None:
        response = api.post("/orders?wait=0", order_body(market, alice, quantity=number))

        assert response.json()["quantity"] == "1.5000"

    def test_a_json_number_is_never_a_float_on_its_way(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        body = (
            f'{{"account": {alice.id}, "symbol": "{market.symbol}", "side": "buy", "type": "limit",'
            ' "quantity": 1.10000000000000001, "price": 50000}'
        )

        response = api.post("/orders?wait=0", body, content_type="application/json")

        context = refused(response, "quantity_not_on_step")["context"]
        assert context["quantity"] == "1.10000000000000001"

    def test_takes_every_field(self, market: Market, alice: TradingAccount, api: Api) -> None:
        wishes = {
            "side": "sell",
            "price": "50100.5",
            "time_in_force": "gtc",
            "post_only": True,
            "stp_mode": "decrement",
            "client_order_id": "A-z.0:/_9",
        }

        body = api.post("/orders?wait=0", order_body(market, alice, **wishes)).json()

        assert {name: body[name] for name in wishes} == wishes | {"price": "50100.50"}
        assert body["held"] == "1.00000000"

    def test_null_means_left_out(self, market: Market, alice: TradingAccount, api: Api) -> None:
        body = order_body(market, alice, type="market", price=None)

        response = api.post(
            "/orders?wait=0", body | {"price": None, "time_in_force": None, "client_order_id": None}
        )

        assert response.status_code == 202
        assert response.json()["protection_price"] == "55000.00"
        assert len(response.json()["client_order_id"]) == 32


class TestTheSameRequestTwice:
    def test_gives_the_same_order(self, market: Market, alice: TradingAccount, api: Api) -> None:
        first = api.post("/orders?wait=0", order_body(market, alice, client_order_id="same"))
        market.drain()
        before = everything_stored()

        again = api.post(
            "/orders?wait=0", order_body(market, alice, client_order_id="same", price="50000.00")
        )

        assert (first.status_code, again.status_code) == (202, 200)
        assert again.json()["id"] == first.json()["id"]
        assert again.json()["status"] == "open"
        assert everything_stored() == before

    def test_with_another_payload_is_a_conflict(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        api.post("/orders?wait=0", order_body(market, alice, client_order_id="same"))
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(market, alice, client_order_id="same", quantity="2"))

        assert refused(response, "client_order_id_conflict", 409)["context"] == {"client_order_id": "same"}
        assert everything_stored() == before

    def test_gives_the_same_order_when_it_is_long_over(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        first = api.post("/orders?wait=0", order_body(market, alice, client_order_id="same")).json()
        market.drain()
        market.cancel(int(first["id"]), alice)
        market.drain()

        again = api.post("/orders?wait=0", order_body(market, alice, client_order_id="same"))

        assert (again.status_code, again.json()["status"]) == (200, "cancelled")

    def test_by_another_account_is_another_order(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        mine = api.post("/orders?wait=0", order_body(market, alice, client_order_id="same")).json()
        api.sign_in(bob.user)

        theirs = api.post("/orders?wait=0", order_body(market, bob, client_order_id="same"))

        assert theirs.status_code == 202
        assert theirs.json()["id"] != mine["id"]
        assert Order.objects.filter(client_order_id="same").count() == 2


class TestTheBooksAnswer:
    def test_a_rejected_order_is_an_order(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        market.sell(bob, "0.5", 50000)
        market.drain()

        placed = api.post("/orders?wait=0", order_body(market, alice, time_in_force="fok")).json()
        market.drain()

        order = api.get(f"/orders/{placed['id']}").json()
        assert (order["status"], order["reason"], order["held"]) == (
            "rejected",
            "fok_unfillable",
            "0.00000000",
        )

    def test_a_filled_order_shows_its_price_and_holds_nothing(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        market.sell(bob, "0.5", 50000)
        market.sell(bob, "0.5", 50001)
        placed = api.post("/orders?wait=0", order_body(market, alice, type="market", price=None)).json()
        market.drain()

        order = api.get(f"/orders/{placed['id']}").json()

        assert order["status"] == "filled"
        assert order["average_price"] == "50000.500000"
        assert (order["filled"], order["leaves"], order["held"]) == ("1.0000", "0.0000", "0.00000000")
