"""POST /orders/lists with a bracket: its exits follow the fills of the entry."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, refused
from tests.api.lists import Sent, bracket, in_the_book, leg, oco, statuses
from tests.api.trading import restart
from tests.factories import Market, everything_stored, money


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
