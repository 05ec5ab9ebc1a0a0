"""Take-profits, trailing stops and triggers by the best quote, each placed before a restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, order_body, refused
from tests.api.trading import Place, status, trade_at
from tests.factories import Market, everything_stored, make_market


class TestTakeProfit:
    @pytest.mark.parametrize(("side", "hit"), [("sell", 51000), ("buy", 49000)])
    def test_goes_the_other_way(
        self, market: Market, bob: TradingAccount, api: Api, place: Place, side: str, hit: int
    ) -> None:
        order = place(side=side, type="take_profit", quantity="1", trigger_price=f"{hit}")
        trade_at(market, 50000)
        assert status(api, order)[0] == "pending_trigger"

        (market.buy if side == "sell" else market.sell)(bob, 2, hit)
        (market.sell if side == "sell" else market.buy)(market.trader(), "0.1", hit)
        market.drain()

        assert status(api, order) == ("filled", "1.0000", "")

    def test_limit_takes_no_worse(self, market: Market, bob: TradingAccount, api: Api, place: Place) -> None:
        order = place(
            side="sell", type="take_profit_limit", quantity="1", trigger_price="51000", price="51100"
        )
        market.buy(bob, 2, 51000)
        market.sell(market.trader(), "0.1")
        market.drain()

        assert status(api, order) == ("open", "0.0000", "")


class TestTrailingStop:
    def test_follows_the_best_price_and_never_goes_back(
        self, market: Market, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        order = place(side="sell", type="trailing_stop", quantity="1", trail_amount="500")
        assert (order["trigger_price"], order["trail_step"]) == ("49500.00", "0.01")

        for price, trigger in ((50200, "49700.00"), (50100, "49700.00"), (50300.5, "49800.50")):
            trade_at(market, f"{price}")
            found = api.get(f"/orders/{order['id']}").json()
            assert (found["status"], found["trigger_price"]) == ("pending_trigger", trigger)
        market.buy(bob, 2, "49800.50")
        market.sell(market.trader(), "0.1")
        market.drain()

        assert status(api, order) == ("filled", "1.0000", "")

    def test_moves_by_whole_steps(self, market: Market, api: Api, place: Place) -> None:
        order = place(side="sell", type="trailing_stop", quantity="1", trail_amount="500", trail_step="100")

        trade_at(market, "50199.99")

        assert api.get(f"/orders/{order['id']}").json()["trigger_price"] == "49600.00"

    def test_by_percent(self, market: Market, api: Api, place: Place) -> None:
        order = place(side="buy", type="trailing_stop", quantity="1", trail_percent="1.50")
        assert (order["trigger_price"], order["trail_percent"], order["trail_amount"]) == (
            "50750.00",
            "1.50",
            None,
        )
        # Protected at the edge of the band around the stop: 55825.
        assert order["held"] == "55880.82500000"

        trade_at(market, 49000)

        found = api.get(f"/orders/{order['id']}").json()
        assert (found["trigger_price"], found["protection_price"]) == ("49735.00", "54810.00")
        assert found["held"] == "54864.81000000"

    def test_limit_keeps_its_offset(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        order = place(
            side="sell", type="trailing_stop_limit", quantity="1", trail_amount="500", limit_offset="50"
        )
        assert (order["trigger_price"], order["price"]) == ("49500.00", "49450.00")
        trade_at(market, 50200)
        assert api.get(f"/orders/{order['id']}").json()["price"] == "49650.00"

        trade_at(market, 49700)

        found = api.get(f"/orders/{order['id']}").json()
        assert (found["status"], found["price"], found["trigger_price"]) == ("open", "49650.00", "49700.00")

    def test_follows_the_last_trade_rather_than_the_instruments_reference(
        self, market: Market, place: Place
    ) -> None:
        trade_at(market, 48000)

        order = place(side="sell", type="trailing_stop", quantity="1", trail_amount="500")

        assert order["trigger_price"] == "47500.00"

    def test_without_anything_to_follow_is_refused(self, alice: TradingAccount, api: Api) -> None:
        market = make_market(reference_price=Decimal(0))
        before = everything_stored()

        answer = api.post(
            "/orders?wait=0",
            order_body(market, alice, type="trailing_stop", price=None, trail_amount="500"),
        )

        refused(answer, "no_reference_price")
        assert everything_stored() == before


class TestQuoteTriggers:
    @pytest.mark.parametrize(
        ("kind", "side", "quote_side", "deaf", "hit"),
        [
            pytest.param("take_profit", "buy", "sell", "49000.01", "49000", id="ac_55_buy_limit"),
            pytest.param("take_profit", "sell", "buy", "50999.99", "51000", id="ac_55_sell_limit"),
            pytest.param("stop", "buy", "sell", "50999.99", "51000", id="ac_55_buy_stop"),
            pytest.param("stop", "sell", "buy", "49000.01", "49000", id="ac_55_sell_stop"),
        ],
    )
    def test_fire_by_the_best_quote_without_any_trade(
        self,
        market: Market,
        bob: TradingAccount,
        api: Api,
        place: Place,
        kind: str,
        side: str,
        quote_side: str,
        deaf: str,
        hit: str,
    ) -> None:
        quote = market.sell if quote_side == "sell" else market.buy
        first = quote(bob, 1, deaf)
        order = place(side=side, type=kind, quantity="0.5", trigger_price=hit, trigger_by="quote")
        assert (order["status"], order["trigger_by"]) == ("pending_trigger", "quote")

        quote(bob, 1, hit)
        market.cancel(first, bob)
        market.drain()

        assert status(api, order) == ("filled", "0.5000", "")


class TestEvents:
    """What the owner is told of an order that waits: that it does, for what, and at which trigger."""

    def told(self, api: Api, order: dict[str, Any]) -> list[tuple[Any, ...]]:
        events = api.get(f"/orders/{order['id']}/events").json()["results"]
        names = ("kind", "waits_for", "price", "trigger_price")
        return [tuple(event[name] for name in names) for event in events]

    def test_of_a_stop_at_market(self, market: Market, bob: TradingAccount, api: Api, place: Place) -> None:
        stop = place(side="sell", type="stop", quantity="1", trigger_price="49500")
        assert self.told(api, stop) == [("accepted", "trigger", "44550.00", "49500.00")]

        market.buy(bob, 2, 49000)
        market.sell(market.trader(), "0.1", 49000)
        market.drain()

        assert [row[:2] for row in self.told(api, stop)] == [
            ("accepted", "trigger"),
            ("triggered", None),
            ("trade", None),
        ]

    def test_of_a_trailing_stop_limit(self, market: Market, api: Api, place: Place) -> None:
        order = place(
            side="sell", type="trailing_stop_limit", quantity="1", trail_amount="500", limit_offset="100"
        )
        trade_at(market, 50200)

        assert self.told(api, order) == [
            ("accepted", "trigger", "49400.00", "49500.00"),
            ("trailed", None, "49700.00", "49700.00"),
        ]

    def test_of_an_order_without_a_trigger(self, api: Api, place: Place) -> None:
        assert self.told(api, place(side="sell", type="limit", quantity="1", price="50500")) == [
            ("accepted", None, "50500.00", None)
        ]
