"""How much an order shows, takes, spends or reduces: icebergs, least quantities, amounts, reduce-only."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, order_body, refused
from tests.api.trading import Place, restart, status
from tests.factories import Market, everything_stored, money, stored


class TestIceberg:
    def test_shows_a_slice_and_refills_at_the_back(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        iceberg = place(side="sell", quantity="10", price="50000", display_quantity="1")
        assert iceberg["display_quantity"] == "1.0000"
        other = market.sell(bob, 1, 50000)
        restart(market)
        assert api.get(f"/instruments/{market.symbol}/depth").json()["asks"] == [["50000.00", "2.0000"]]

        market.buy(market.trader(), "1.5")
        restart(market)

        assert status(api, iceberg) == ("partially_filled", "1.0000", "")
        assert stored(other).filled == stored(other).quantity / 2
        assert api.get(f"/instruments/{market.symbol}/depth").json()["asks"] == [["50000.00", "1.5000"]]
        assert money(alice, market.instrument.base) == ("99", "9")

    def test_hidden_is_nowhere_but_trades(self, market: Market, api: Api, place: Place) -> None:
        hidden = place(side="sell", quantity="10", price="50000", display_quantity="0")
        assert api.get(f"/instruments/{market.symbol}/depth").json()["asks"] == []
        assert api.get(f"/instruments/{market.symbol}/ticker").json()["ask"] is None

        market.buy(market.trader(), 4, 50000)
        market.drain()

        assert status(api, hidden) == ("partially_filled", "4.0000", "")


class TestMinQuantity:
    @pytest.mark.parametrize(
        ("least", "outcome"), [("0.5", ("filled", "0.5000")), ("0.6", ("rejected", "0.0000"))]
    )
    def test_takes_enough_or_nothing(
        self,
        market: Market,
        bob: TradingAccount,
        api: Api,
        place: Place,
        least: str,
        outcome: tuple[str, str],
    ) -> None:
        market.sell(bob, "0.5", 50000)
        order = place(price="50000", time_in_force="ioc", min_quantity=least)

        found = status(api, order)
        assert found[1] == outcome[1]
        assert found[2] == ("ioc_remainder" if outcome[0] == "filled" else "min_quantity")


class TestForAnAmount:
    def test_a_buy_spends_no_more_than_its_amount_and_the_fee(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        market.sell(bob, "0.01", 50000)
        market.sell(bob, 5, 50100)
        body = order_body(market, alice, type="market", price=None, quantity=None, quote_quantity="1000")

        answer = api.post("/orders?wait=0", body).json()

        assert (answer["quantity"], answer["quote_quantity"], answer["held"]) == (
            "0.0000",
            "1000.00000000",
            "1001.00000000",
        )
        restart(market)
        found = api.get(f"/orders/{answer['id']}").json()
        # 0.01 at 50000, then 0.0099 at 50100 (495.99); 4.01 pays no further lot.
        assert (found["status"], found["filled"], found["reason"]) == ("filled", "0.0199", "")
        assert found["filled_notional"] == "995.99000000"
        assert money(alice, market.instrument.quote) == ("9999003.01401", "0")

    def test_a_sell_holds_what_it_may_have_to_sell(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        market.buy(bob, 5, 50000)
        body = order_body(
            market, alice, side="sell", type="market", price=None, quantity=None, quote_quantity="4500"
        )

        answer = api.post("/orders?wait=0", body).json()

        # At the protection of 45000 that is 0.1.
        assert answer["held"] == "0.10000000"
        market.drain()
        assert api.get(f"/orders/{answer['id']}").json()["filled"] == "0.0900"
        assert money(alice, market.instrument.base) == ("99.91", "0")


class TestReduceOnly:
    def test_a_sell_is_cut_to_what_is_available(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        market.sell(alice, "99.5", 51000)

        order = place(side="sell", quantity="3", price="50500", reduce_only=True)

        assert (order["status"], order["leaves"], order["prevented"], order["held"]) == (
            "open",
            "0.5000",
            "2.5000",
            "0.50000000",
        )
        assert money(alice, market.instrument.base) == ("100", "100")
        market.buy(bob, 1, 50500)
        market.drain()
        assert status(api, order) == ("filled", "0.5000", "")

    def test_with_nothing_to_reduce_is_refused(self, market: Market, alice: TradingAccount, api: Api) -> None:
        market.sell(alice, 100, 51000)
        market.drain()
        before = everything_stored()

        for side in ("sell", "buy"):
            refused(
                api.post("/orders?wait=0", order_body(market, alice, side=side, reduce_only=True)),
                "reduce_only",
                409,
            )

        assert everything_stored() == before
