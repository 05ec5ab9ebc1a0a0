"""Acceptance scenarios of orders that take at once, whole or not at all: IOC, FOK, post-only."""

from __future__ import annotations

import pytest

from tests.live.desk import Desk

pytestmark = pytest.mark.live


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
