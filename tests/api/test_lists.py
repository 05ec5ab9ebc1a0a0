"""Lists of orders: taken whole or refused whole; the same list twice is one; read and cancelled by its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.models import Command, Order, OrderIdentity
from tests.api.client import Api, order_body, refused, signed_in
from tests.api.lists import Sent, bracket, in_the_book, leg, named, oco
from tests.factories import Market, everything_stored, money


class TestWholeOrNotAtAll:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"price": "52000.001"}, "price_not_on_tick"),
            ({"price": "60000"}, "price_out_of_band"),
            ({"quantity": "0.00001"}, "quantity_too_small"),
            ({"quantity": "101"}, "insufficient_funds"),
            ({"type": "stop"}, "price_not_allowed"),
            ({"client_order_id": "a b"}, "invalid_client_order_id"),
            ({"expires_at": "2020-01-01T00:00:00Z", "time_in_force": "gtd"}, "expiry_in_past"),
            ({"price": "1e5"}, "invalid_number"),
            ({"side": "hold"}, "invalid_field"),
            ({"account": 1}, "invalid_field"),
        ],
    )
    @pytest.mark.parametrize("which", [0, 1])
    def test_one_bad_leg_refuses_the_list(
        self,
        market: Market,
        alice: TradingAccount,
        api: Api,
        changes: dict[str, Any],
        code: str,
        which: int,
    ) -> None:
        legs = [leg("sell", price="52000"), leg("sell", price="51000")]
        if "quantity" in changes:
            legs = [one | changes for one in legs]
        else:
            legs[which] |= changes
        before = everything_stored(), Command.objects.count(), OrderIdentity.objects.count()

        refused(api.post("/orders/lists?wait=0", oco(market, alice, orders=legs)), code)

        assert (everything_stored(), Command.objects.count(), OrderIdentity.objects.count()) == before

    def test_the_length_is_looked_at_before_the_legs(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        """A body of empty legs would cost a serializer's run each, and an answer longer than itself."""
        body = oco(market, alice, orders=[{}] * 20_000)

        problem = refused(api.post("/orders/lists?wait=0", body), "invalid_field")

        assert problem["context"]["fields"] == {"orders": "At most 3 items."}

    def test_too_many_open_orders_counts_every_leg(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        Instrument.objects.filter(id=market.instrument.id).update(max_open_orders=2)
        before = everything_stored()

        refused(api.post("/orders/lists?wait=0", bracket(market, alice)), "too_many_open_orders")

        assert everything_stored() == before

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({}, "invalid_field"),
            ([], "invalid_field"),
            ({"orders": {}}, "invalid_field"),
            ({"orders": []}, "invalid_field"),
            ({"orders": [None]}, "invalid_field"),
            ({"kind": "oso"}, "invalid_field"),
            ({"list_id": 7}, "invalid_field"),
            ({"symbol": "NO-SUCH"}, "unknown_symbol"),
            ({"account": 2**63 - 1}, "account_not_found"),
            ({"take_profit": "52000"}, "invalid_field"),
        ],
    )
    def test_refuses_what_is_no_list(
        self, market: Market, alice: TradingAccount, api: Api, body: Any, code: str
    ) -> None:
        before = everything_stored()

        sent = oco(market, alice) | body if body and isinstance(body, dict) else body
        answer = api.post("/orders/lists?wait=0", sent)

        refused(answer, code, 404 if "unknown" in code or "not_found" in code else 400)
        assert everything_stored() == before

    def test_anothers_account_is_as_unknown_as_none(
        self, market: Market, bob: TradingAccount, api: Api
    ) -> None:
        before = everything_stored()

        refused(api.post("/orders/lists?wait=0", oco(market, bob)), "account_not_found", 404)

        assert everything_stored() == before


class TestTheSameListTwice:
    def test_gives_the_same_orders(self, market: Market, alice: TradingAccount, api: Api, send: Sent) -> None:
        body = named(oco(market, alice), "limit", "stop")
        first = send(body)
        before = everything_stored()

        again = api.post("/orders/lists?wait=0", body)

        assert again.status_code == 200
        assert again.json()["id"] == first["id"]
        assert [order["id"] for order in again.json()["orders"]] == [o["id"] for o in first["orders"]]
        assert [order["status"] for order in again.json()["orders"]] == ["open", "pending_trigger"]
        assert everything_stored() == before

    def test_of_a_bracket_in_the_order_of_the_request(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent
    ) -> None:
        body = named(bracket(market, alice), "entry")
        first = send(body)

        again = api.post("/orders/lists?wait=0", body).json()

        assert [order["id"] for order in again["orders"]] == [order["id"] for order in first["orders"]]
        assert Order.objects.count() == 3

    @pytest.mark.parametrize(
        "change",
        [
            lambda body: named(body, "limit", "other"),
            lambda body: named(body, "other", "stop"),
            lambda body: named(body, "stop", "limit"),
            lambda body: body | {"orders": [body["orders"][0] | {"price": "52001"}, body["orders"][1]]},
            lambda body: body | {"kind": "oto"},
            lambda body: body | {"orders": body["orders"][::-1]},
        ],
        ids=["partial", "other partial", "swapped names", "another price", "another kind", "swapped legs"],
    )
    def test_with_anything_else_is_a_conflict(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent, change: Callable[[Any], Any]
    ) -> None:
        body = named(oco(market, alice), "limit", "stop")
        send(body)
        before = everything_stored()

        refused(api.post("/orders/lists?wait=0", change(body)), "client_order_id_conflict", 409)

        assert everything_stored() == before

    def test_one_of_its_orders_alone_is_a_conflict(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent
    ) -> None:
        send(named(oco(market, alice), "limit", "stop"))
        before = everything_stored()
        alone = order_body(market, alice, side="sell", price="52000", client_order_id="limit")

        refused(api.post("/orders?wait=0", alone), "client_order_id_conflict", 409)

        assert everything_stored() == before

    def test_an_order_taken_before_is_no_leg(self, market: Market, alice: TradingAccount, api: Api) -> None:
        market.sell(alice, 1, 52000, client_order_id="limit")
        before = everything_stored()

        refused(
            api.post("/orders/lists?wait=0", named(oco(market, alice), "limit", "stop")),
            "client_order_id_conflict",
            409,
        )

        assert everything_stored() == before

    def test_one_name_for_two_legs_is_a_conflict(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        before = everything_stored()

        refused(
            api.post("/orders/lists?wait=0", named(oco(market, alice), "same", "same")),
            "client_order_id_conflict",
            409,
        )

        assert everything_stored() == before


class TestReadAndCancel:
    def test_a_list_can_be_listed_and_cancelled_by_its_id(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(bracket(market, alice))
        other = market.buy(alice, 1, 49000)
        market.drain()

        listed = api.get(f"/orders?list={placed['id']}").json()["results"]
        assert {order["id"] for order in listed} == {order["id"] for order in placed["orders"]}

        answer = api.delete(f"/orders?account={alice.id}&list={placed['id']}&wait=0")
        market.drain()
        assert {row["id"] for row in answer.json()["results"]} == {o["id"] for o in placed["orders"]}
        assert set(in_the_book(api, placed)) == {"cancelled"}
        assert Order.objects.get(id=other).status == "open"
        assert money(alice, market.instrument.quote) == ("10000000", "49049")

    def test_a_list_that_never_was_is_refused_and_one_that_ended_is_not(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(oco(market, alice))
        unknown = int(placed["id"]) + 1
        refused(api.delete(f"/orders?account={alice.id}&list={unknown}&wait=0"), "list_not_found", 404)

        api.delete(f"/orders?account={alice.id}&list={placed['id']}&wait=0")
        market.drain()
        answer = api.delete(f"/orders?account={alice.id}&list={placed['id']}&wait=0")

        assert (answer.status_code, answer.json()) == (200, {"results": []})

    def test_anothers_list_is_not_there(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, send: Sent
    ) -> None:
        placed = send(oco(market, alice))
        stranger = signed_in(bob)
        before = everything_stored()

        assert stranger.get(f"/orders?list={placed['id']}").json()["results"] == []
        refused(
            stranger.delete(f"/orders?account={alice.id}&list={placed['id']}&wait=0"),
            "account_not_found",
            404,
        )
        refused(
            stranger.delete(f"/orders?account={bob.id}&list={placed['id']}&wait=0"), "list_not_found", 404
        )
        market.drain()

        assert everything_stored() == before

    @pytest.mark.parametrize("number", ["0", "x", "-1", str(2**63), "1.5"])
    def test_a_number_that_is_none_is_refused(self, alice: TradingAccount, api: Api, number: str) -> None:
        refused(api.get(f"/orders?list={number}"), "invalid_field")
        refused(api.delete(f"/orders?account={alice.id}&list={number}&wait=0"), "invalid_field")
