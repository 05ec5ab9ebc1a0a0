"""Stops and stop limits through the API, each placed before a restart and triggered after it."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from tradeengine import codec

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.models import Order
from orders.services import books
from tests.api.client import Api, order_body, refused
from tests.api.trading import Place, restart, status, trade_at
from tests.factories import Market, everything_stored, make_market, money


def _seconds_of_a_sweep(market: Market, seller: TradingAccount) -> float:
    """How long an engine with this book's orders takes for a market order through ten levels."""
    engine = books.rebuild([market.book()])
    sweep = codec.encode_command(
        kind=codec.CommandKind.NEW,
        instrument=market.instrument.id,
        command_id=2**60,
        time=2**60,
        order_id=2**60,
        account=seller.id,
        side=codec.Side.SELL,
        order_type=codec.OrderType.MARKET,
        tif=codec.TimeInForce.IOC,
        quantity=11_000,
    )
    started = time.perf_counter()
    events = engine.apply(sweep)
    taken = time.perf_counter() - started
    assert sum(event.kind == codec.EventKind.TRIGGERED for event in codec.iter_events(events)) == 1_000
    return taken


class TestStop:
    def test_ac_28_sells_at_market_once_the_last_price_is_below_it(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        market.buy(bob, 1, 49000)
        stop = place(side="sell", type="stop", quantity="0.5", trigger_price="49500")
        assert (stop["status"], stop["trigger_price"], stop["trigger_by"]) == (
            "pending_trigger",
            "49500.00",
            "last",
        )
        assert (stop["price"], stop["protection_price"], stop["time_in_force"]) == (None, "44550.00", "gtc")
        assert money(alice, market.instrument.base) == ("100", "0.5")

        market.sell(market.trader(), "0.1")
        market.drain()

        assert market.trades() == [("0.1", "49000"), ("0.5", "49000")]
        assert status(api, stop) == ("filled", "0.5000", "")
        assert api.get(f"/orders/{stop['id']}").json()["triggered_at"] is not None
        assert money(alice, market.instrument.base) == ("99.5", "0")

    @pytest.mark.parametrize(
        ("side", "trigger", "deaf", "hit"),
        [
            pytest.param("sell", "49000", "49000.01", "49000", id="ac_29_stop_sell_at_exactly_its_price"),
            pytest.param("buy", "50500", "50499.99", "50500", id="ac_30_stop_buy_at_exactly_its_price"),
        ],
    )
    def test_triggers_inclusively(
        self,
        market: Market,
        bob: TradingAccount,
        api: Api,
        place: Place,
        side: str,
        trigger: str,
        deaf: str,
        hit: str,
    ) -> None:
        stop = place(side=side, type="stop", quantity="0.5", trigger_price=trigger)

        trade_at(market, deaf)
        assert status(api, stop)[0] == "pending_trigger"
        (market.buy if side == "sell" else market.sell)(bob, 5, hit)
        (market.sell if side == "sell" else market.buy)(market.trader(), "0.1", hit)
        market.drain()

        assert status(api, stop) == ("filled", "0.5000", "")

    def test_ac_31_three_at_one_level_go_in_entry_order(
        self, market: Market, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        stops = [place(side="sell", type="stop", quantity="1", trigger_price="49500") for _ in range(3)]

        market.buy(bob, "3.6", 49500)
        market.sell(market.trader(), "0.1", 49500)
        market.drain()

        assert [status(api, stop)[1] for stop in stops] == ["1.0000"] * 3
        fills = [api.get(f"/orders/{stop['id']}/fills").json()["results"][0]["trade_id"] for stop in stops]
        assert fills == sorted(fills)

    def test_ac_31_the_last_of_them_finds_what_the_first_left(
        self, market: Market, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        stops = [place(side="sell", type="stop", quantity="1", trigger_price="49500") for _ in range(3)]

        market.buy(bob, "1.6", 49500)
        market.sell(market.trader(), "0.1", 49500)
        market.drain()

        assert [status(api, stop) for stop in stops] == [
            ("filled", "1.0000", ""),
            ("cancelled", "0.5000", "no_liquidity"),
            ("cancelled", "0.0000", "no_liquidity"),
        ]

    def test_ac_32_a_cancelled_one_stays_silent(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        stop = place(side="sell", type="stop", quantity="1", trigger_price="49500")

        assert api.delete(f"/orders/{stop['id']}?wait=0").status_code == 202
        restart(market)
        trade_at(market, 49000)

        assert status(api, stop) == ("cancelled", "0.0000", "client")
        assert market.trades() == [("0.1", "49000")]
        assert money(alice, market.instrument.base) == ("100", "0")

    def test_ac_33_a_trade_elsewhere_means_nothing(
        self, market: Market, bob: TradingAccount, api: Api, place: Place, alice: TradingAccount
    ) -> None:
        here = place(side="sell", type="stop", quantity="1", trigger_price="49500")
        other = make_market(shard=market.shard, base=market.instrument.base, quote=market.instrument.quote)
        body = order_body(
            other, alice, side="sell", type="stop", price=None, quantity="1", trigger_price="49500"
        )
        there = api.post("/orders?wait=0", body).json()
        restart(market)

        other.buy(bob, 2, 49000)
        other.sell(other.trader(), "0.1")
        market.drain()

        assert (status(api, here)[0], status(api, there)[0]) == ("pending_trigger", "filled")

    def test_ac_34_a_thousand_on_the_way_all_go(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        Instrument.objects.filter(id=market.instrument.id).update(max_open_orders=2_000)
        stop = order_body(market, alice, side="sell", type="stop", price=None, quantity="0.01")
        stops = [stop | {"trigger_price": f"{49900 - number}"} for number in range(1_000)]
        assert api.post("/orders/batch?wait=0", {"orders": stops}).json()["accepted"] == 1_000
        bidder, seller = market.trader(), market.trader()
        for number in range(10):
            market.buy(bidder, "0.1", 49900 - 100 * number)
        market.buy(bidder, 20, 48900)
        restart(market)
        seconds = _seconds_of_a_sweep(market, seller)

        market.sell(seller, "1.1")
        market.drain()

        outcomes = Order.objects.filter(account=alice).values_list("status", "filled")
        assert set(outcomes) == {("filled", Decimal("0.01"))}
        assert len(outcomes) == 1_000
        assert seconds < 0.1

    def test_is_held_for_at_its_worst_price(
        self, market: Market, alice: TradingAccount, place: Place
    ) -> None:
        stop = place(side="buy", type="stop", quantity="1", trigger_price="60000")

        # The edge of the band around the trigger price, not around the market: 66000 and 0.1 %.
        assert (stop["protection_price"], stop["held"]) == ("66000.00", "66066.00000000")
        assert money(alice, market.instrument.quote)[1] == "66066"

    def test_takes_a_tighter_protection(
        self, market: Market, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        stop = place(side="buy", type="stop", quantity="1", trigger_price="50500", protection_price="50600")
        market.sell(bob, "0.5", 50500)
        market.sell(bob, 5, 50700)
        market.buy(market.trader(), "0.1", 50500)
        market.drain()

        assert status(api, stop) == ("cancelled", "0.4000", "price_protection")

    def test_reached_already_goes_at_once(
        self, market: Market, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        trade_at(market, 50000)
        market.buy(bob, 1, 49000)

        stop = place(side="sell", type="stop", quantity="1", trigger_price="50000")

        assert status(api, stop) == ("filled", "1.0000", "")


class TestStopLimit:
    def test_rests_at_its_limit_after_triggering(self, market: Market, api: Api, place: Place) -> None:
        stop = place(side="sell", type="stop_limit", quantity="1", trigger_price="49500", price="49600")
        assert api.get(f"/instruments/{market.symbol}/depth").json()["asks"] == []

        trade_at(market, 49400)

        assert status(api, stop)[0] == "open"
        assert api.get(f"/instruments/{market.symbol}/depth").json()["asks"] == [["49600.00", "1.0000"]]
        market.buy(market.trader(), "0.4", 49600)
        market.drain()
        assert status(api, stop) == ("partially_filled", "0.4000", "")

    def test_its_limit_is_held_to_the_band_around_its_trigger(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        far = place(side="buy", type="stop_limit", quantity="1", trigger_price="90000", price="99000")
        assert far["held"] == "99099.00000000"
        before = everything_stored()

        answer = api.post(
            "/orders?wait=0",
            order_body(market, alice, type="stop_limit", trigger_price="90000", price="99000.01"),
        )

        context = refused(answer, "price_out_of_band")["context"]
        assert (context["reference"], context["high"]) == ("90000", "99000")
        assert everything_stored() == before

    def test_post_only_ends_where_it_would_take(
        self, market: Market, bob: TradingAccount, api: Api, place: Place
    ) -> None:
        stop = place(
            side="sell",
            type="stop_limit",
            quantity="1",
            trigger_price="49500",
            price="49400",
            post_only=True,
        )
        market.buy(bob, 1, 49450)
        market.sell(market.trader(), "0.1", 49450)
        market.drain()

        assert status(api, stop) == ("cancelled", "0.0000", "would_take")
