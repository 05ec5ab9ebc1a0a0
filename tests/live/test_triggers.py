"""Acceptance scenarios of triggers: stops, pending orders by the quote, a pair of which one may live."""

from __future__ import annotations

import pytest

from tests.live.desk import Desk
from tests.servers import Platform

pytestmark = pytest.mark.live


def test_ac_28_a_stop_sells_at_market_once_the_last_price_is_below_it(desk: Desk) -> None:
    holder, bidder = desk.trader(), desk.trader()
    stop = holder.sell("0.5", None, type="stop", trigger_price="49500")
    bidder.buy("1", "49000")
    assert holder.order(stop) == ("pending_trigger", "0", "0.5", "")

    desk.trader().sell("0.1")

    assert desk.trades() == [("0.1", "49000"), ("0.5", "49000")]
    assert holder.order(stop) == ("filled", "0.5", "0", "")
    assert holder.balances()["base"] == ("9999.5", "0")


@pytest.mark.parametrize(
    ("side", "price"),
    [
        pytest.param("sell", "49000", id="ac_29_sell_at_exactly_its_price"),
        pytest.param("buy", "50500", id="ac_30_buy_at_exactly_its_price"),
    ],
)
def test_ac_29_and_30_a_stop_triggers_at_exactly_its_price(desk: Desk, side: str, price: str) -> None:
    holder, maker, taker = desk.trader(), desk.trader(), desk.trader()
    place = holder.sell if side == "sell" else holder.buy
    stop = place("0.5", None, type="stop", trigger_price=price)
    (maker.buy if side == "sell" else maker.sell)("1", price)

    (taker.sell if side == "sell" else taker.buy)("0.1", price)

    assert holder.order(stop) == ("filled", "0.5", "0", "")
    assert desk.trades() == [("0.1", price), ("0.5", price)]


def test_ac_31_stops_at_one_level_go_in_entry_order(desk: Desk) -> None:
    holders = [desk.trader() for _ in range(3)]
    stops = [holder.sell("1", None, type="stop", trigger_price="49500") for holder in holders]
    desk.trader().buy("2.6", "49500")

    desk.trader().sell("0.1")

    assert [holder.order(stop)[1] for holder, stop in zip(holders, stops, strict=True)] == ["1", "1", "0.5"]


def test_ac_32_a_cancelled_stop_stays_silent(desk: Desk) -> None:
    holder = desk.trader()
    stop = holder.sell("1", None, type="stop", trigger_price="49500")
    assert holder.cancel(stop["id"]).status_code == 200
    desk.trader().buy("1", "49000")

    desk.trader().sell("0.1")

    assert holder.order(stop) == ("cancelled", "0", "0", "client")
    assert desk.trades() == [("0.1", "49000")]


def test_ac_33_a_trade_elsewhere_triggers_nothing(platform: Platform) -> None:
    with Desk(platform) as here, Desk(platform) as there:
        holders = [desk.trader() for desk in (here, there)]
        stops = [holder.sell("1", None, type="stop", trigger_price="49500") for holder in holders]
        there.trader().buy("2", "49000")

        there.trader().sell("0.1")

        assert holders[0].order(stops[0]) == ("pending_trigger", "0", "1", "")
        assert holders[1].order(stops[1]) == ("filled", "1", "0", "")


def test_ac_34_a_thousand_stops_go_in_one_sweep(platform: Platform) -> None:
    with Desk(platform, max_open_orders=2_000) as desk:
        holder, bidder = desk.trader(), desk.trader()
        body = holder.body("sell", "0.01", None, type="stop")
        stops = [body | {"trigger_price": f"{49900 - number}"} for number in range(1_000)]
        sent = holder.http.post("orders/batch", json={"orders": stops}, params={"wait": 5_000}).json()
        assert sent["accepted"] == 1_000
        for price in ("49900", "49500"):
            bidder.buy("0.1", price)
        bidder.buy("20", "48900")

        desk.trader().sell("0.3")

        page = holder.http.get("orders", params={"account": holder.account, "limit": 1_000}).json()
        assert {order["status"] for order in page["results"]} == {"filled"}
        assert len(page["results"]) == 1_000


@pytest.mark.parametrize("how", ["trigger", "fill", "cancel"])
def test_ac_54_one_leg_of_a_pair_ends_the_other(desk: Desk, how: str) -> None:
    holder, other = desk.trader(), desk.trader()
    leg = {"side": "sell", "quantity": "1"}
    answer = holder.http.post(
        "orders/lists",
        json={
            "account": holder.account,
            "symbol": desk.symbol,
            "kind": "oco",
            "orders": [
                leg | {"type": "limit", "price": "51000"},
                leg | {"type": "stop", "trigger_price": "49000"},
            ],
        },
        params={"wait": 5_000},
    )
    assert answer.status_code == 201, answer.text
    limit, stop = answer.json()["orders"]
    assert holder.balances()["base"] == ("10000", "1")

    if how == "trigger":
        other.buy("2", "49000")
        desk.trader().sell("0.1")
    elif how == "fill":
        other.buy("1", "51000")
    else:
        holder.cancel(stop["id"])

    assert (holder.order(limit)[0], holder.order(stop)[0]) == {
        "trigger": ("cancelled", "filled"),
        "fill": ("filled", "cancelled"),
        "cancel": ("cancelled", "cancelled"),
    }[how]
    assert holder.balances()["base"][1] == "0"


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "deaf"),
    [
        pytest.param("take_profit", "buy", "49000", "49000.01", id="buy_limit"),
        pytest.param("take_profit", "sell", "51000", "50999.99", id="sell_limit"),
        pytest.param("stop", "buy", "51000", "50999.99", id="buy_stop"),
        pytest.param("stop", "sell", "49000", "49000.01", id="sell_stop"),
    ],
)
def test_ac_55_pending_orders_fire_by_the_quote(
    desk: Desk, kind: str, side: str, trigger: str, deaf: str
) -> None:
    holder, quoting = desk.trader(), desk.trader()
    quote = quoting.sell if side == "buy" else quoting.buy
    first = quote("1", deaf)
    place = holder.buy if side == "buy" else holder.sell
    order = place("0.5", None, type=kind, trigger_price=trigger, trigger_by="quote")
    assert holder.order(order)[0] == "pending_trigger"

    quote("1", trigger)
    quoting.cancel(first["id"])

    assert holder.order(order) == ("filled", "0.5", "0", "")
    assert desk.trades() == [("0.5", trigger)]
