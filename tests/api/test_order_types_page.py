"""docs/order-types.md: every example on the page is taken, and every type and field is on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from accounts.models import TradingAccount
from orders.api.inputs import LegInput
from orders.models import Order, OrderType, TimeInForce
from orders.services.requests import ListKind
from tests.api.client import Api, order_body
from tests.api.trading import status, trade_at
from tests.factories import Market
from tradeplatform.config import BASE_DIR

PAGE = (BASE_DIR / "docs/order-types.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]


def test_every_type_and_kind_has_an_example() -> None:
    assert {example["type"] for example in EXAMPLES if "type" in example} == set(OrderType)
    assert {example["kind"] for example in EXAMPLES if "kind" in example} == set(ListKind)


def test_every_field_and_time_in_force_is_named() -> None:
    words = set(re.findall(r"`(\w+)`", PAGE))

    assert set(LegInput().fields) - {"side"} <= words
    assert set(TimeInForce) <= words


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.get("kind") or example["type"])
def test_an_example_is_taken_by_door_and_book(
    market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, example: dict[str, Any]
) -> None:
    market.sell(bob, 1, 50000)
    market.buy(bob, 1, 49960)
    market.drain()
    path = "/orders/lists" if "kind" in example else "/orders"

    answer = api.post(f"{path}?wait=0", example | {"account": alice.id, "symbol": market.symbol})
    market.drain()

    assert answer.status_code == 202, answer.json()
    taken = Order.objects.filter(account=alice)
    assert taken.count() == {"oco": 2, "oto": 2, "bracket": 3}.get(example.get("kind", ""), 1)
    ended = set(
        taken.exclude(status__in=["filled", "open", "pending_trigger", "waiting"]).values_list(
            "reason", flat=True
        )
    )
    assert ended <= {"amount_spent"}


def test_a_stop_that_the_market_has_left_far_behind_is_taken_and_ends_protected(
    market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
) -> None:
    trade_at(market, 50000)
    market.buy(bob, 1, 49900)
    market.drain()
    body = order_body(market, alice, side="sell", type="stop", price=None, trigger_price="60000")

    placed = api.post("/orders?wait=0", body).json()
    market.drain()

    assert placed["protection_price"] == "54000.00"
    assert status(api, placed) == ("cancelled", "0.0000", "price_protection")
