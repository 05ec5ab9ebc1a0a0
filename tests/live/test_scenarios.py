"""The acceptance scenarios of matching and settlement, each through the HTTP API of the running platform.

Unless a scenario says otherwise: an empty book around 50000, maker fee 0.05 %, taker fee 0.10 % of price x
quantity in the quote asset, a different person behind each order.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest

from accounts.models import LedgerAccount, LedgerKind
from orders.models import Command
from tests.factories import short
from tests.live.desk import Desk, number
from tests.servers import Platform

pytestmark = pytest.mark.live


@pytest.fixture
def desk(platform: Platform) -> Iterator[Desk]:
    with Desk(platform) as desk:
        yield desk


@pytest.fixture
def stock_desk(platform: Platform) -> Iterator[Desk]:
    """Prices around 150, whole pieces."""
    with Desk(
        platform,
        reference_price=Decimal(150),
        lot_size=Decimal(1),
        min_quantity=Decimal(1),
        max_quantity=Decimal(10_000),
    ) as desk:
        yield desk


def test_ac_01_a_market_order_takes_the_whole_maker(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()

    resting = seller.sell("1.0", "50000")
    taking = buyer.buy("1.0")

    assert desk.trades() == [("1", "50000")]
    assert seller.order(resting) == ("filled", "1", "0", "")
    assert buyer.order(taking) == ("filled", "1", "0", "")
    assert desk.depth() == ([], [])
    assert buyer.fees(taking) == [("taker", "50")]
    assert seller.fees(resting) == [("maker", "25")]


def test_ac_02_a_market_order_walks_the_levels(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    for price in ("50000", "50100", "50200"):
        seller.sell("0.5", price)

    buyer.buy("1.2")

    assert desk.trades() == [("0.5", "50000"), ("0.5", "50100"), ("0.2", "50200")]
    assert desk.depth() == ([], [("50200", "0.3")])


def test_ac_03_what_a_market_order_cannot_get_is_cancelled_with_a_reason(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("0.5", "50000")

    taking = buyer.buy("1.0")

    assert desk.trades() == [("0.5", "50000")]
    assert buyer.order(taking) == ("cancelled", "0.5", "0", "no_liquidity")
    assert buyer.balances()["quote"] == ("999974975", "0")


def test_ac_04_a_market_order_into_an_empty_book_ends(desk: Desk) -> None:
    buyer = desk.trader()

    taking = buyer.buy("1.0")

    assert desk.trades() == []
    assert buyer.order(taking) == ("cancelled", "0", "0", "no_liquidity")
    assert buyer.balances()["quote"] == ("1000000000", "0")


def test_ac_05_a_market_sell_takes_the_better_bid_first(desk: Desk) -> None:
    buyer, seller = desk.trader(), desk.trader()
    buyer.buy("0.5", "49900")
    buyer.buy("0.5", "50000")

    seller.sell("0.7")

    assert desk.trades() == [("0.5", "50000"), ("0.2", "49900")]


def test_ac_06_the_trade_is_at_the_makers_price(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("1", "50000")

    buyer.buy("1", "51000")

    assert desk.trades() == [("1", "50000")]
    assert buyer.balances()["quote"] == ("999949950", "0")


def test_ac_07_the_rest_of_a_limit_order_rests(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("0.5", "50000")

    bid = buyer.buy("1", "50000")

    assert desk.trades() == [("0.5", "50000")]
    assert buyer.order(bid) == ("partially_filled", "0.5", "0.5", "")
    assert desk.depth() == ([("50000", "0.5")], [])


def test_ac_08_orders_that_do_not_cross_both_rest(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()

    seller.sell("1", "52000")
    buyer.buy("1", "50000")

    assert desk.trades() == []
    assert desk.depth() == ([("50000", "1")], [("52000", "1")])
    assert desk.ticker()["spread"] == "2000"


def test_ac_09_the_better_price_goes_first(desk: Desk) -> None:
    early, cheap, buyer = desk.trader(), desk.trader(), desk.trader()
    dear = early.sell("1", "50100")
    best = cheap.sell("1", "50000")

    buyer.buy("1")

    assert desk.trades() == [("1", "50000")]
    assert cheap.order(best)[0] == "filled"
    assert early.order(dear) == ("open", "0", "1", "")


def test_ac_10_at_one_price_the_earlier_order_goes_first(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    first, second, third = (seller.sell("0.5", "50000") for _ in range(3))

    buyer.buy("1")

    assert [seller.order(order)[0] for order in (first, second, third)] == ["filled", "filled", "open"]


def test_ac_11_price_then_time(desk: Desk) -> None:
    sellers = [desk.trader() for _ in range(4)]
    prices = ("49900", "50000", "50000", "50100")
    orders = [seller.sell("0.3", price) for seller, price in zip(sellers, prices, strict=True)]

    desk.trader().buy("0.7")

    filled = [seller.order(order)[1] for seller, order in zip(sellers, orders, strict=True)]
    assert filled == ["0.3", "0.3", "0.1", "0"]
    assert desk.trades() == [("0.3", "49900"), ("0.3", "50000"), ("0.1", "50000")]


def test_ac_12_an_ioc_order_leaves_nothing_in_the_book(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("0.5", "50000")

    order = buyer.buy("1", "50000", time_in_force="ioc")

    assert desk.trades() == [("0.5", "50000")]
    assert buyer.order(order) == ("cancelled", "0.5", "0", "ioc_remainder")
    assert desk.depth() == ([], [])


def test_ac_13_an_ioc_order_into_an_empty_book_is_cancelled(desk: Desk) -> None:
    buyer = desk.trader()

    order = buyer.buy("1", "50000", time_in_force="ioc")

    assert desk.trades() == []
    assert buyer.order(order) == ("cancelled", "0", "0", "ioc_remainder")


@pytest.mark.parametrize(
    ("resting", "wanted", "price"), [("0.5", "1", "50000"), ("0.8", "1.0", None)], ids=["limit", "market"]
)
def test_ac_14_a_fok_order_that_cannot_be_filled_is_rejected(
    desk: Desk, resting: str, wanted: str, price: str | None
) -> None:
    seller, buyer = desk.trader(), desk.trader()
    maker = seller.sell(resting, "50000")

    order = buyer.buy(wanted, price, time_in_force="fok")

    assert desk.trades() == []
    assert buyer.order(order) == ("rejected", "0", "0", "fok_unfillable")
    assert seller.order(maker) == ("open", "0", resting, "")
    assert buyer.balances()["quote"] == ("1000000000", "0")


def test_ac_15_a_fok_order_looks_at_all_levels(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    maker = seller.sell("1.5", "50000")

    order = buyer.buy("1", "50000", time_in_force="fok")

    assert buyer.order(order)[0] == "filled"
    assert seller.order(maker) == ("partially_filled", "1", "0.5", "")


def test_ac_15_a_fok_order_fills_over_more_than_a_hundred_levels(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    levels = [seller.body("sell", "0.01", f"{50000 + level}") for level in range(120)]
    sent = seller.http.post("orders/batch", json={"orders": levels}, params={"wait": 5_000})
    assert [row["status"] for row in sent.json()["results"]] == [201] * 120

    order = buyer.buy("1.2", "50119", time_in_force="fok")

    assert buyer.order(order) == ("filled", "1.2", "0", "")


def test_ac_16_a_post_only_order_that_would_take_is_rejected(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    maker = seller.sell("1", "50000")

    order = buyer.buy("0.5", "50000", post_only=True)

    assert desk.trades() == []
    assert buyer.order(order) == ("rejected", "0", "0", "would_take")
    assert seller.order(maker) == ("open", "0", "1", "")


def test_ac_17_a_post_only_order_pays_the_makers_fee(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    seller.sell("1", "50100")
    bid = buyer.buy("0.5", "50000", post_only=True)
    assert buyer.order(bid) == ("open", "0", "0.5", "")

    desk.trader().sell("0.5", "50000")

    assert buyer.fees(bid) == [("maker", "12.5")]


@pytest.mark.parametrize(
    ("price", "time_in_force"),
    [(None, None), ("50000", "ioc"), ("50000", "fok")],
    ids=["market", "ioc", "fok"],
)
def test_ac_17_post_only_does_not_go_with_taking(
    desk: Desk, price: str | None, time_in_force: str | None
) -> None:
    buyer = desk.trader()

    answer = buyer.send(buyer.body("buy", "0.5", price, post_only=True, time_in_force=time_in_force))

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_combination")
    assert buyer.order_count() == 0


def test_ac_18_fees_are_on_what_was_traded(desk: Desk) -> None:
    buyer, seller = desk.trader(), desk.trader()
    bid = buyer.buy("1", "50000")

    taking = seller.sell("0.5")

    assert buyer.fees(bid) == [("maker", "12.5")]
    assert seller.fees(taking) == [("taker", "25")]


def test_ac_19_nobody_trades_with_himself(desk: Desk) -> None:
    trader = desk.trader()
    resting = trader.sell("1", "50000")

    taking = trader.buy("1")

    assert desk.trades() == []
    assert trader.order(taking) == ("cancelled", "0", "0", "self_trade_prevention")
    assert trader.order(resting) == ("open", "0", "1", "")


def test_ac_20_cancel_a_resting_a_filled_and_an_unknown_order(desk: Desk) -> None:
    seller, buyer = desk.trader(), desk.trader()
    filled = seller.sell("1", "50000")
    buyer.buy("1", "50000")
    resting = seller.sell("1", "50500")

    assert seller.cancel(resting["id"]).status_code == 200
    late = seller.cancel(filled["id"])
    unknown = seller.cancel("999999999999")

    assert seller.order(resting) == ("cancelled", "0", "0", "client")
    assert desk.depth() == ([], [])
    assert (late.status_code, late.json()["code"]) == (409, "order_not_open")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "order_not_found")


def test_ac_21_a_cancel_in_the_middle_keeps_the_order_of_the_others(desk: Desk) -> None:
    buyer = desk.trader()
    first, middle, last = (buyer.buy(quantity, "50000") for quantity in ("1.0", "1.5", "2.0"))

    buyer.cancel(middle["id"])

    assert desk.depth() == ([("50000", "3")], [])
    desk.trader().sell("1.5", "50000")
    assert buyer.order(first) == ("filled", "1", "0", "")
    assert buyer.order(last) == ("partially_filled", "0.5", "1.5", "")


def test_ac_22_best_bid_ask_spread_and_mid(desk: Desk) -> None:
    buyer, seller = desk.trader(), desk.trader()
    for price in ("49900", "50000"):
        buyer.buy("1", price)
    for price in ("50200", "50100"):
        seller.sell("1", price)

    assert desk.ticker() == {"bid": "50000", "ask": "50100", "spread": "100", "mid": "50050"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "0"}, "invalid_number"),
        ({"price": "-50000"}, "invalid_number"),
        ({"price": None}, "price_required"),
        ({"symbol": ""}, "unknown_symbol"),
        ({"quantity": "0.00001"}, "quantity_too_small"),
        ({"quantity": "1001"}, "quantity_too_large"),
    ],
    ids=["zero", "negative price", "no price", "no symbol", "too small", "too large"],
)
def test_ac_23_bad_orders_are_refused_by_a_code_and_nothing_is_stored(
    desk: Desk, change: dict[str, str | None], code: str
) -> None:
    buyer = desk.trader()
    before = buyer.balances()

    answer = buyer.send(buyer.body("buy", "1", "50000") | change)

    assert answer.json()["code"] == code
    assert 400 <= answer.status_code < 500
    assert buyer.order_count() == 0
    assert buyer.balances() == before
    assert not Command.objects.filter(account_id=buyer.account).exists()
    assert desk.depth() == ([], [])


def test_ac_24_one_seller_three_buyers(desk: Desk) -> None:
    seller = desk.trader()
    ask = seller.sell("6", "50000")

    for _ in range(3):
        desk.trader().buy("2")

    assert desk.trades() == [("2", "50000")] * 3
    assert seller.order(ask) == ("filled", "6", "0", "")


def test_ac_25_a_sell_trades_at_the_better_bid(stock_desk: Desk) -> None:
    buyer = stock_desk.trader()
    buyer.buy("100", "150.00")
    buyer.buy("100", "150.50")

    stock_desk.trader().sell("50", "150.25")

    assert stock_desk.trades() == [("50", "150.5")]


def test_ac_26_a_partly_filled_bid_shows_what_is_left(stock_desk: Desk) -> None:
    buyer = stock_desk.trader()
    bid = buyer.buy("1000", "150.50")

    stock_desk.trader().sell("300", "150.50")

    assert stock_desk.depth() == ([("150.5", "700")], [])
    assert buyer.order(bid) == ("partially_filled", "300", "700", "")


def test_ac_27_the_average_price_is_over_what_was_filled(stock_desk: Desk) -> None:
    seller, buyer = stock_desk.trader(), stock_desk.trader()
    seller.sell("100", "150.50")
    seller.sell("100", "150.75")

    order = buyer.buy("150")

    assert stock_desk.trades() == [("100", "150.5"), ("50", "150.75")]
    assert order["average_price"].startswith("150.5833")


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


def test_ac_42_a_trade_settles_to_the_last_digit(desk: Desk) -> None:
    seller, buyer = desk.trader(base=1, quote=10_000), desk.trader(base=1, quote=10_000)
    seller.sell("0.1", "50000")

    buyer.buy("0.1")

    assert buyer.balances() == {"base": ("1.1", "0"), "quote": ("4995", "0")}
    assert seller.balances() == {"base": ("0.9", "0"), "quote": ("14997.5", "0")}
    assert held_by_the_house(desk) == "7.5"
    for asset in (desk.instrument.base, desk.instrument.quote):
        rows = LedgerAccount.objects.filter(asset=asset)
        assert sum(row.balance for row in rows) == 0


def held_by_the_house(desk: Desk) -> str:
    """The balance of the fee account in the instrument's quote asset."""
    fee = LedgerAccount.objects.get(kind=LedgerKind.FEE, asset=desk.instrument.quote)
    return short(fee.balance)


def test_ac_43_a_client_order_id_names_one_order(desk: Desk) -> None:
    buyer = desk.trader()
    body = buyer.body("buy", "1", "50000", client_order_id=f"mine-{uuid.uuid4().hex[:12]}")

    first = buyer.send(body)
    same = buyer.send(body)
    other = buyer.send(body | {"quantity": "2"})

    assert (first.status_code, same.status_code) == (201, 200)
    assert same.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "client_order_id_conflict")
    assert buyer.order_count() == 1
    assert buyer.balances()["quote"][1] == number(first.json()["held"])
