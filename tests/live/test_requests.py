"""Acceptance scenarios of requests that come late, twice or wrong: each is answered by a code."""

from __future__ import annotations

import uuid

import pytest

from orders.models import Command
from tests.live.desk import Desk, number

pytestmark = pytest.mark.live


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
