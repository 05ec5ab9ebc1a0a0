"""POST /orders/lists with a pair: it holds once, and one leg ends the other."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.models import OrderIdentity
from tests.api.client import Api, refused
from tests.api.lists import Sent, in_the_book, leg, oco, statuses
from tests.factories import Market, everything_stored, money


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
