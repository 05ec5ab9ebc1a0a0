"""POST /orders/batch: one outcome for each item, in order, each as if it had come alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import TradingAccount
from orders.models import Order
from tests.api.client import Api, order_body, refused
from tests.factories import Market, everything_stored, money


def _outcomes(body: dict[str, Any]) -> list[tuple[int, str]]:
    """(status, order status or refusal code) of each item."""
    return [
        (item["status"], item["order"]["status"] if "order" in item else item["error"]["code"])
        for item in body["results"]
    ]


class TestBatch:
    def test_judges_each_item_by_itself(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        good = order_body(market, alice, quantity="0.1")
        items = [
            good | {"client_order_id": "a"},
            good | {"quantity": "1e5"},
            good | {"side": "hold"},
            good | {"symbol": "NO-SUCH"},
            good | {"account": bob.id},
            good | {"quantity": "150", "side": "sell"},
            good | {"client_order_id": "a"},
            good | {"client_order_id": "a", "quantity": "0.2"},
            "not an order",
            None,
            good,
        ]

        response = api.post("/orders/batch?wait=0", {"orders": items})

        assert response.status_code == 207
        assert _outcomes(response.json()) == [
            (202, "pending"),
            (400, "invalid_number"),
            (400, "invalid_field"),
            (404, "unknown_symbol"),
            (404, "account_not_found"),
            (400, "insufficient_funds"),
            (200, "pending"),
            (409, "client_order_id_conflict"),
            (400, "invalid_field"),
            (400, "invalid_field"),
            (202, "pending"),
        ]
        assert (response.json()["accepted"], response.json()["denied"]) == (3, 8)
        assert Order.objects.count() == 2
        assert money(alice, market.instrument.quote) == ("10000000", "10010")
        assert money(bob, market.instrument.quote) == ("10000000", "0")

    def test_reserves_funds_in_the_order_of_the_list(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        sell = order_body(market, alice, side="sell", quantity="60", price="50100")

        body = api.post("/orders/batch?wait=0", {"orders": [sell, sell, sell | {"quantity": "40"}]}).json()

        assert _outcomes(body) == [(202, "pending"), (400, "insufficient_funds"), (202, "pending")]
        assert money(alice, market.instrument.base) == ("100", "100")

    def test_repeated_after_the_book_has_seen_it_gives_the_same_orders(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        items = [order_body(market, alice, quantity="0.1", client_order_id=f"n{n}") for n in range(3)]
        first = api.post("/orders/batch?wait=0", {"orders": items}).json()
        market.drain()
        before = everything_stored()

        again = api.post("/orders/batch?wait=0", {"orders": items}).json()

        assert _outcomes(again) == [(200, "open")] * 3
        assert [item["order"]["id"] for item in again["results"]] == [
            item["order"]["id"] for item in first["results"]
        ]
        assert everything_stored() == before

    @pytest.mark.parametrize("count", [0, 1_001])
    def test_refuses_none_and_too_many(
        self, market: Market, alice: TradingAccount, api: Api, count: int
    ) -> None:
        before = everything_stored()

        response = api.post("/orders/batch?wait=0", {"orders": [order_body(market, alice)] * count})

        assert refused(response, "too_many_items")["context"] == {"items": count, "maximum": 1_000}
        assert everything_stored() == before

    @pytest.mark.parametrize("body", [{}, {"orders": {}}, {"orders": "x"}, {"orders": None}, {"order": []}])
    def test_refuses_what_is_no_list(self, market: Market, api: Api, body: dict[str, object]) -> None:
        refused(api.post("/orders/batch?wait=0", body), "invalid_field")

    def test_of_all_bad_items_stores_nothing(self, market: Market, alice: TradingAccount, api: Api) -> None:
        before = everything_stored()

        body = api.post(
            "/orders/batch?wait=0", {"orders": [order_body(market, alice, quantity="0")] * 3}
        ).json()

        assert _outcomes(body) == [(400, "invalid_number")] * 3
        assert everything_stored() == before

    @pytest.mark.usefixtures("tiers_known")
    def test_takes_a_thousand_and_costs_as_many_queries_as_ten(
        self, db: None, market: Market, api: Api
    ) -> None:
        alice = TradingAccount.objects.get()
        type(market.instrument).objects.filter(id=market.instrument.id).update(max_open_orders=2_000)
        items = [order_body(market, alice, quantity="0.1", price="49000") for _ in range(1_000)]
        counts = []
        for size in (10, 1_000):
            with CaptureQueriesContext(connection) as queries:
                body = api.post("/orders/batch?wait=0", {"orders": items[:size]}).json()
            counts.append(len(queries))
            assert body["accepted"] == size

        assert counts[0] == counts[1]
