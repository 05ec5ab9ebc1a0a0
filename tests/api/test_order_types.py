"""Every order type through the API, with a restart between placing and triggering: it triggers all the same.

Prices are around 50000. Whoever trades to move the last price is neither Alice nor Bob.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tradeengine import codec

from accounts.models import TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, Order, TimeInForce
from orders.services import books
from orders.services.expiring import expire_due
from tests.api.client import Api, order_body, refused
from tests.factories import NOW, Market, everything_stored, make_market, money, stored

Place = Callable[..., dict[str, Any]]


@pytest.fixture
def place(market: Market, alice: TradingAccount, api: Api) -> Place:
    """Send an order of Alice's, let the book see it, restart the engine; the order as it then stands."""

    def send(**fields: Any) -> dict[str, Any]:
        answer = api.post("/orders?wait=0", order_body(market, alice, **{"price": None} | fields))
        assert answer.status_code == 202, answer.json()
        restart(market)
        found: dict[str, Any] = api.get(f"/orders/{answer.json()['id']}").json()
        return found

    return send


def restart(market: Market) -> None:
    """Apply what waits, then throw the engine away: the next drain rebuilds it and compares the hash."""
    market.drain()
    books.forget(market.shard.id)


def trade_at(market: Market, price: str | int, quantity: str | int = "0.1") -> None:
    """Let two strangers trade at a price, through an empty stretch of the book."""
    market.buy(market.trader(), quantity, price)
    market.sell(market.trader(), quantity, price)
    restart(market)


def status(api: Api, order: dict[str, Any]) -> tuple[str, str, str]:
    """(status, filled, reason) of an order now."""
    found = api.get(f"/orders/{order['id']}").json()
    return found["status"], found["filled"], found["reason"]


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


class TestExpiry:
    def test_gtd_ends_at_its_time(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        order = place(price="50000", time_in_force="gtd", expires_at=at.isoformat())
        assert order["expires_at"] == at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        expire_due(now=at - timedelta(microseconds=1))
        restart(market)
        assert status(api, order)[0] == "open"
        expire_due(now=at)
        market.drain()

        assert status(api, order) == ("expired", "0.0000", "expired")
        assert money(alice, market.instrument.quote) == ("10000000", "0")

    def test_a_stop_expires_untriggered(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        stop = place(
            side="sell",
            type="stop",
            quantity="1",
            trigger_price="49500",
            time_in_force="gtd",
            expires_at=at.isoformat(),
        )

        expire_due(now=at)
        market.drain()

        assert status(api, stop) == ("expired", "0.0000", "expired")
        assert money(alice, market.instrument.base) == ("100", "0")

    def test_day_ends_with_the_instruments_day(self, market: Market, alice: TradingAccount) -> None:
        """NOW is noon UTC; a day that ends at eleven ends tomorrow, one that ends at one ends today."""
        for ends, expected in (("11:00", 23), ("13:00", 1), ("12:00", 24), ("00:00", 12)):
            Instrument.objects.filter(id=market.instrument.id).update(day_ends_at=ends)

            order = stored(market.buy(alice, "0.1", 50000, tif=TimeInForce.DAY))

            assert order.expires_at == NOW + timedelta(hours=expected)
            terms = Command.objects.get(order_id=order.id).terms or {}
            assert terms["expires"] == int(order.expires_at.timestamp()) * 1_000_000


class TestPhases:
    @pytest.mark.parametrize(
        ("phase", "code"),
        [
            (InstrumentStatus.CANCEL_ONLY, "instrument_cancel_only"),
            (InstrumentStatus.CLOSED, "instrument_closed"),
            (InstrumentStatus.HALTED, "instrument_halted"),
        ],
    )
    def test_some_take_cancels_only(
        self,
        market: Market,
        alice: TradingAccount,
        api: Api,
        phase: InstrumentStatus,
        code: str,
    ) -> None:
        order = market.buy(alice, 1, 49000)
        market.phase(phase)
        restart(market)
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(market, alice)), code, 409)
        refused(api.patch(f"/orders/{order}?wait=0", {"price": "48000"}), code, 409)
        assert everything_stored() == before

        assert api.delete(f"/orders/{order}?wait=0").status_code == 202
        market.drain()
        assert stored(order).status == "cancelled"

    @pytest.mark.parametrize("phase", [InstrumentStatus.PRE_OPEN, InstrumentStatus.AUCTION])
    def test_some_take_what_can_wait(
        self, market: Market, alice: TradingAccount, api: Api, phase: InstrumentStatus
    ) -> None:
        market.phase(InstrumentStatus.CLOSED)
        market.phase(phase)
        restart(market)
        before = everything_stored()

        for fields in (
            {"type": "market", "price": None},
            {"time_in_force": "ioc"},
            {"time_in_force": "fok"},
            {"post_only": True},
            {"min_quantity": "0.5"},
        ):
            answer = api.post("/orders?wait=0", order_body(market, alice, **fields))
            refused(answer, "not_in_auction", 409)
        assert everything_stored() == before

        stop = {"type": "stop", "price": None, "trigger_price": "51000", "time_in_force": "fok"}
        for fields in ({}, {"time_in_force": "day"}, {"display_quantity": "0"}, stop):
            answer = api.post("/orders?wait=0", order_body(market, alice, **fields))
            assert answer.status_code == 202
            market.drain()
            assert api.get(f"/orders/{answer.json()['id']}").json()["status"] in {"open", "pending_trigger"}
