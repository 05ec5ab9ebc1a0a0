"""POST /orders/lists: taken whole or refused whole; the same list twice is one; one leg ends the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.models import Command, Order, OrderIdentity
from orders.services import books
from tests.api.client import Api, order_body, refused, signed_in
from tests.factories import Market, everything_stored, money

Sent = Callable[..., dict[str, Any]]


@pytest.fixture
def send(market: Market, alice: TradingAccount, api: Api) -> Sent:
    """Place a list of Alice's, let the book see it, restart the engine; the list as it was answered."""

    def place(body: dict[str, Any]) -> dict[str, Any]:
        answer = api.post("/orders/lists?wait=0", body)
        assert answer.status_code == 202, answer.json()
        restart(market)
        found: dict[str, Any] = answer.json()
        return found

    return place


def restart(market: Market) -> None:
    """Apply what waits, then throw the engine away: the next drain rebuilds it and compares the hash."""
    market.drain()
    books.forget(market.shard.id)


def leg(side: str, quantity: str = "1", **fields: Any) -> dict[str, Any]:
    """An order of a list."""
    return {"side": side, "type": "limit", "quantity": quantity} | fields


def oco(market: Market, account: TradingAccount, **changes: Any) -> dict[str, Any]:
    """Sell one at 52000, or at market below 48000."""
    legs = [leg("sell", price="52000"), leg("sell", type="stop", trigger_price="48000")]
    return {"account": account.id, "symbol": market.symbol, "kind": "oco", "orders": legs} | changes


def bracket(market: Market, account: TradingAccount, **changes: Any) -> dict[str, Any]:
    """Buy one at 50000, then sell it above 52000 or below 48000."""
    return {
        "account": account.id,
        "symbol": market.symbol,
        "kind": "bracket",
        "orders": [leg("buy", price="50000")],
        "take_profit": {"trigger_price": "52000"},
        "stop_loss": {"trigger_price": "48000"},
    } | changes


def oto(market: Market, account: TradingAccount, *children: dict[str, Any]) -> dict[str, Any]:
    """Buy one at 50000, then the children."""
    orders = [leg("buy", price="50000"), *children]
    return {"account": account.id, "symbol": market.symbol, "kind": "oto", "orders": orders}


def named(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """The list with client order ids."""
    orders = [order | {"client_order_id": name} for order, name in zip(body["orders"], names, strict=True)]
    return body | {"orders": orders}


def statuses(api: Api, placed: dict[str, Any]) -> list[tuple[str, str]]:
    """(status, reason) of each order of a list, in the order of the request."""
    found = [api.get(f"/orders/{order['id']}").json() for order in placed["orders"]]
    return [(order["status"], order["reason"]) for order in found]


def in_the_book(api: Api, placed: dict[str, Any]) -> list[str]:
    """Where each order of a list stands."""
    return [status for status, _reason in statuses(api, placed)]


class TestOco:
    def test_holds_once_for_both(self, market: Market, alice: TradingAccount, api: Api, send: Sent) -> None:
        placed = send(oco(market, alice))

        assert placed["kind"] == "oco"
        limit, stop = placed["orders"]
        assert (limit["link"], limit["partner"], stop["partner"]) == ("oco", stop["id"], limit["id"])
        assert {limit["list_id"], stop["list_id"]} == {placed["id"]}
        assert in_the_book(api, placed) == ["open", "pending_trigger"]
        assert money(alice, market.instrument.base) == ("100", "1")

    def test_a_buying_pair_holds_the_dearer_of_both(
        self, market: Market, alice: TradingAccount, send: Sent
    ) -> None:
        send(
            oco(
                market,
                alice,
                orders=[leg("buy", price="48000"), leg("buy", type="stop", trigger_price="52000")],
            )
        )

        # One at the stop's protection of 57200, and 0.1 %.
        assert money(alice, market.instrument.quote) == ("10000000", "57257.2")

    def test_ac_54_a_trigger_cancels_the_other(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(oco(market, alice))
        market.buy(bob, 3, 48000)
        market.sell(market.trader(), "0.1")
        market.drain()

        assert statuses(api, placed) == [("cancelled", "linked"), ("filled", "")]
        assert money(alice, market.instrument.base) == ("99", "0")

    def test_ac_54_a_fill_cancels_the_other(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(oco(market, alice))
        market.buy(bob, "0.4", 52000)
        market.drain()

        assert statuses(api, placed) == [("partially_filled", ""), ("cancelled", "linked")]
        assert money(alice, market.instrument.base) == ("99.6", "0.6")
        events = api.get(f"/orders/{placed['orders'][1]['id']}/events").json()["results"]
        assert [event["kind"] for event in events] == ["accepted", "cancelled"]

    @pytest.mark.parametrize("which", [0, 1])
    def test_ac_54_a_cancel_cancels_the_other(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent, which: int
    ) -> None:
        placed = send(oco(market, alice))

        assert api.delete(f"/orders/{placed['orders'][which]['id']}?wait=0").status_code == 202
        market.drain()

        reasons = ["client", "linked"] if which == 0 else ["linked", "client"]
        assert statuses(api, placed) == [("cancelled", reason) for reason in reasons]
        assert money(alice, market.instrument.base) == ("100", "0")

    def test_a_leg_that_fills_on_arrival_ends_the_other(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        market.buy(bob, "0.3", 52000)

        placed = send(oco(market, alice))

        assert statuses(api, placed)[0] == ("partially_filled", "")
        assert statuses(api, placed)[1] in {("rejected", "linked"), ("cancelled", "linked")}
        assert money(alice, market.instrument.base) == ("99.7", "0.7")

    @pytest.mark.parametrize(
        "orders",
        [
            pytest.param([leg("sell", price="52000")], id="one leg"),
            pytest.param([leg("sell", price="52000")] * 3, id="three legs"),
            pytest.param([leg("sell", price="52000"), leg("buy", price="48000")], id="two sides"),
            pytest.param(
                [leg("sell", price="52000"), leg("sell", "2", type="stop", trigger_price="48000")],
                id="two quantities",
            ),
            pytest.param(
                [leg("sell", price="52000"), leg("sell", type="market")], id="a leg that cannot wait"
            ),
            pytest.param(
                [leg("sell", price="52000"), leg("sell", price="48000", time_in_force="ioc")],
                id="another",
            ),
            pytest.param(
                [leg("sell", price="52000"), {"side": "sell", "type": "market", "quote_quantity": "9"}],
                id="a leg without a quantity",
            ),
        ],
    )
    def test_of_the_wrong_shape_is_refused(
        self, market: Market, alice: TradingAccount, api: Api, orders: list[Any]
    ) -> None:
        before = everything_stored()

        refused(api.post("/orders/lists?wait=0", oco(market, alice, orders=orders)), "invalid_combination")

        assert everything_stored() == before
        assert not OrderIdentity.objects.exists()


class TestOto:
    def test_the_child_goes_live_once_the_parent_is_filled(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(oto(market, alice, leg("sell", price="51000")))
        parent, child = placed["orders"]
        assert (child["link"], child["parent"], parent["link"]) == ("oto", parent["id"], None)
        assert in_the_book(api, placed) == ["open", "waiting"]
        assert money(alice, market.instrument.base) == ("100", "0")

        market.sell(bob, "0.4", 50000)
        restart(market)
        assert in_the_book(api, placed) == ["partially_filled", "waiting"]
        # What was bought is the child's: nobody may spend it meanwhile.
        assert money(alice, market.instrument.base) == ("100.4", "0.4")
        market.sell(bob, "0.6", 50000)
        market.drain()

        assert in_the_book(api, placed) == ["filled", "open"]
        assert money(alice, market.instrument.base) == ("101", "1")

    def test_a_pair_of_children(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(
            oto(
                market,
                alice,
                leg("sell", price="52000"),
                leg("sell", type="stop", trigger_price="48000"),
            )
        )
        market.sell(bob, 1, 50000)
        restart(market)
        assert in_the_book(api, placed) == ["filled", "open", "pending_trigger"]
        assert money(alice, market.instrument.base) == ("101", "1")

        market.buy(bob, 2, 48000)
        market.sell(market.trader(), "0.1")
        market.drain()

        assert statuses(api, placed) == [("filled", ""), ("cancelled", "linked"), ("filled", "")]
        assert money(alice, market.instrument.base) == ("100", "0")

    def test_a_trailing_child_starts_from_its_parents_price(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        body = oto(market, alice, leg("sell", type="trailing_stop", trail_amount="500"))
        body["orders"][0]["price"] = "46000"

        placed = send(body)

        assert placed["orders"][1]["trigger_price"] == "45500.00"

    def test_the_parents_cancel_ends_the_child(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(oto(market, alice, leg("sell", price="51000")))

        api.delete(f"/orders/{placed['orders'][0]['id']}?wait=0")
        market.drain()

        assert statuses(api, placed) == [("cancelled", "client"), ("cancelled", "parent_ended")]
        assert money(alice, market.instrument.quote) == ("10000000", "0")

    def test_a_child_that_buys_is_held_for_at_once(
        self, market: Market, alice: TradingAccount, send: Sent
    ) -> None:
        send(oto(market, alice, leg("buy", price="49000")))

        assert money(alice, market.instrument.quote) == ("10000000", "99099")

    @pytest.mark.parametrize(
        ("parent", "child"),
        [
            pytest.param(
                {"side": "buy", "type": "market", "quote_quantity": "1000"},
                leg("sell", price="51000"),
                id="a parent without a quantity",
            ),
            pytest.param(
                leg("sell", price="51000", reduce_only=True), leg("buy", price="49000"), id="reduce-only"
            ),
            pytest.param(
                leg("buy", price="50000"),
                leg("sell", price="51000", reduce_only=True),
                id="a reduce-only child",
            ),
            pytest.param(
                leg("buy", price="50000"),
                {"side": "buy", "type": "market", "quote_quantity": "1000"},
                id="a child without a quantity",
            ),
        ],
    )
    def test_of_orders_that_do_not_fit_is_refused(
        self, market: Market, alice: TradingAccount, api: Api, parent: dict[str, Any], child: dict[str, Any]
    ) -> None:
        before = everything_stored()
        body = oto(market, alice) | {"orders": [parent, child]}

        refused(api.post("/orders/lists?wait=0", body), "invalid_combination")

        assert everything_stored() == before


class TestBracket:
    def test_exits_follow_the_fills_of_the_entry(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(bracket(market, alice))
        entry, profit, loss = placed["orders"]
        assert [order["type"] for order in placed["orders"]] == ["limit", "take_profit", "stop"]
        assert (profit["parent"], profit["partner"], loss["partner"]) == (
            entry["id"],
            loss["id"],
            profit["id"],
        )
        assert in_the_book(api, placed) == ["open", "waiting", "waiting"]
        assert money(alice, market.instrument.base) == ("100", "0")

        market.sell(bob, "0.4", 50000)
        restart(market)

        assert in_the_book(api, placed) == ["partially_filled", "pending_trigger", "pending_trigger"]
        assert api.get(f"/orders/{loss['id']}").json()["leaves"] == "0.4000"
        assert money(alice, market.instrument.base) == ("100.4", "0.4")

    def test_an_exit_ends_the_rest_of_the_entry_and_the_other_exit(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(bracket(market, alice))
        market.sell(bob, "0.4", 50000)
        restart(market)

        market.sell(bob, "0.1", "51999.99")
        market.buy(market.trader(), "0.1")
        market.drain()
        assert in_the_book(api, placed) == ["partially_filled", "pending_trigger", "pending_trigger"]
        market.buy(bob, 5, 50001)
        market.sell(market.trader(), "0.1", 50001)
        market.sell(bob, "0.1", 52000)
        market.buy(market.trader(), "0.1", 52000)
        market.drain()

        assert statuses(api, placed) == [
            ("cancelled", "exit_triggered"),
            ("filled", ""),
            ("cancelled", "linked"),
        ]
        assert money(alice, market.instrument.base) == ("100", "0")
        assert money(alice, market.instrument.quote)[1] == "0"

    def test_of_a_short_entry_holds_what_its_exits_may_cost(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(
            bracket(
                market,
                alice,
                orders=[leg("sell", price="50000")],
                take_profit={"trigger_price": "48000"},
                stop_loss={"trigger_price": "52000", "price": "52500"},
            )
        )

        # The dearer of the exits: 52800 (the edge of the band around 48000), and 0.1 %.
        assert money(alice, market.instrument.base) == ("100", "1")
        assert money(alice, market.instrument.quote) == ("10000000", "52852.8")
        market.buy(bob, 1, 50000)
        restart(market)
        assert in_the_book(api, placed) == ["filled", "pending_trigger", "pending_trigger"]
        market.sell(bob, 1, 52000)
        market.buy(market.trader(), "0.1")
        market.drain()
        assert statuses(api, placed)[1:] == [("cancelled", "linked"), ("partially_filled", "")]

    def test_with_an_entry_that_ends_unfilled_ends_whole(
        self, market: Market, alice: TradingAccount, api: Api, send: Sent
    ) -> None:
        placed = send(bracket(market, alice, orders=[leg("buy", price="50000", time_in_force="ioc")]))

        assert statuses(api, placed) == [
            ("cancelled", "ioc_remainder"),
            ("cancelled", "parent_ended"),
            ("cancelled", "parent_ended"),
        ]

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"take_profit": None}, id="no take-profit"),
            pytest.param({"stop_loss": None}, id="no stop-loss"),
            pytest.param({"orders": [leg("buy", price="50000")] * 2}, id="two entries"),
            pytest.param({"take_profit": {"trigger_price": "49000"}}, id="profit below the entry"),
            pytest.param({"stop_loss": {"trigger_price": "50000"}}, id="loss at the entry"),
            pytest.param({"kind": "oto"}, id="exits of another kind of list"),
            pytest.param({"kind": "oco", "orders": oco, "stop_loss": None}, id="one exit"),
            pytest.param(
                {"orders": [{"side": "buy", "type": "market", "quote_quantity": "1000"}]},
                id="an entry without a quantity",
            ),
        ],
    )
    def test_of_the_wrong_shape_is_refused(
        self, market: Market, alice: TradingAccount, api: Api, changes: dict[str, Any]
    ) -> None:
        if callable(changes.get("orders")):
            changes = changes | {"orders": oco(market, alice)["orders"]}
        before = everything_stored()

        refused(api.post("/orders/lists?wait=0", bracket(market, alice, **changes)), "invalid_combination")

        assert everything_stored() == before


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
        answer = stranger.delete(f"/orders?account={bob.id}&list={placed['id']}&wait=0")
        assert (answer.status_code, answer.json()) == (200, {"results": []})
        market.drain()

        assert everything_stored() == before

    @pytest.mark.parametrize("number", ["0", "x", "-1", str(2**63), "1.5"])
    def test_a_number_that_is_none_is_refused(self, alice: TradingAccount, api: Api, number: str) -> None:
        refused(api.get(f"/orders?list={number}"), "invalid_field")
        refused(api.delete(f"/orders?account={alice.id}&list={number}&wait=0"), "invalid_field")
