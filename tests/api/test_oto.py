"""POST /orders/lists with a parent and children, who go live once the parent is filled."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, refused
from tests.api.lists import Sent, in_the_book, leg, oto, statuses
from tests.api.trading import restart
from tests.factories import Market, everything_stored, money


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
