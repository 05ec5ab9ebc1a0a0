"""My orders, fills and events: filtered, paged by keyset, at a cost that does not grow with the page."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import TradingAccount
from orders.models import Side
from tests.api.client import Api, signed_in
from tests.factories import Market, fund, make_account, make_market


def _ids(answer: Any) -> list[int]:
    return [int(row["id"]) for row in answer.json()["results"]]


class TestList:
    @pytest.fixture
    def orders(self, market: Market, alice: TradingAccount, bob: TradingAccount) -> dict[str, int]:
        """One order in each state that matters."""
        orders = {"filled": market.buy(alice, 1, 50000), "partial": market.buy(alice, 1, 49900)}
        market.sell(bob, "1.5")
        orders["cancelled"] = market.buy(alice, 1, 49800)
        market.cancel(orders["cancelled"], alice)
        orders["open"] = market.buy(alice, 1, 49700)
        market.drain()
        orders["pending"] = market.buy(alice, 1, 49600)
        return orders

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", ["pending", "open", "cancelled", "partial", "filled"]),
            ("?open=true", ["pending", "open", "partial"]),
            ("?open=false", ["cancelled", "filled"]),
            ("?status=partially_filled", ["partial"]),
            ("?status=pending", ["pending"]),
            ("?status=filled&open=true", []),
        ],
    )
    def test_filters(self, orders: dict[str, int], api: Api, query: str, expected: list[str]) -> None:
        assert _ids(api.get(f"/orders{query}")) == [orders[name] for name in expected]

    def test_filters_by_symbol_and_account(self, market: Market, alice: TradingAccount, api: Api) -> None:
        other = make_market(quote=market.instrument.quote)
        second = make_account(currency=market.instrument.quote, user=alice.user)
        fund(second, market.instrument.quote, 1_000_000)
        here, there, elsewhere = (
            market.buy(alice, 1, 50000),
            other.buy(alice, 1, 50000),
            market.buy(second, 1, 50000),
        )

        assert _ids(api.get("/orders")) == [elsewhere, there, here]
        assert _ids(api.get(f"/orders?symbol={market.symbol}")) == [elsewhere, here]
        assert _ids(api.get(f"/orders?account={alice.id}")) == [there, here]
        assert _ids(api.get(f"/orders?account={second.id}&symbol={other.symbol}")) == []

    def test_pages_over_several_accounts_without_gap_or_repeat(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        second = make_account(currency=market.instrument.quote, user=alice.user)
        fund(second, market.instrument.quote, 1_000_000)
        orders = [market.buy(account, 1, 49000) for account in (alice, second, alice, alice, second)]

        first = api.get("/orders?limit=2")
        late = market.buy(alice, 1, 49000)
        second_page = api.get(f"/orders?limit=2&cursor={first.json()['next_cursor']}")
        third_page = api.get(f"/orders?limit=2&cursor={second_page.json()['next_cursor']}")

        assert _ids(first) + _ids(second_page) + _ids(third_page) == orders[::-1]
        assert third_page.json()["next_cursor"] is None
        assert _ids(api.get("/orders?limit=1")) == [late]

    def test_of_a_person_without_accounts_is_empty(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        alice.user.accounts.update(user=market.trader().user)

        assert api.get("/orders").json() == {"results": [], "next_cursor": None}
        assert api.get("/fills").json() == {"results": [], "next_cursor": None}

    @pytest.mark.usefixtures("tiers_known")
    def test_costs_the_same_however_many_there_are(
        self,
        market: Market,
        alice: TradingAccount,
        api: Api,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        other = make_market(quote=market.instrument.quote)
        for _ in range(5):
            market.buy(alice, 1, 49000)
            other.buy(alice, 1, 49000)

        # The person, the accounts, the orders, the instruments.
        with django_assert_num_queries(4):
            assert len(_ids(api.get("/orders"))) == 10


class TestOne:
    def test_by_id_and_by_client_id_is_the_same(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, 50000, client_order_id="desk/7:a")

        by_id = api.get(f"/orders/{order}")
        by_name = api.get(f"/orders/by-client-id/{alice.id}/desk/7:a")

        assert by_id.status_code == by_name.status_code == 200
        assert by_id.json() == by_name.json()
        assert by_id.json()["id"] == str(order)

    @pytest.mark.usefixtures("tiers_known")
    def test_costs_four_queries(
        self,
        market: Market,
        alice: TradingAccount,
        api: Api,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        order = market.buy(alice, 1, 50000)

        # The person, the order's identity, the order, its instrument.
        with django_assert_num_queries(4):
            api.get(f"/orders/{order}")


class TestFills:
    def test_show_each_side_its_own(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        maker = market.buy(alice, 1, 50000)
        taker = market.sell(bob, "0.4")
        market.drain()

        mine, theirs = api.get("/fills").json()["results"], signed_in(bob).get("/fills").json()["results"]

        trade = {
            "trade_id": str(market.instrument.id << 40 | 3),
            "symbol": market.symbol,
            "price": "50000.00",
            "quantity": "0.4000",
            "fee_asset": market.instrument.quote.code,
            "time": "2026-03-02T12:00:00.000000Z",
        }
        own = {
            "order_id": str(maker),
            "account": alice.id,
            "side": "buy",
            "liquidity": "maker",
            "fee": "10.00000000",
        }
        other = {
            "order_id": str(taker),
            "account": bob.id,
            "side": "sell",
            "liquidity": "taker",
            "fee": "20.00000000",
        }
        assert (mine, theirs) == ([trade | own], [trade | other])

    def test_of_an_order_are_paged(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        order, noise = market.buy(alice, 3, 50000), market.buy(alice, 1, 49000)
        for size in ("0.1", "0.2", "0.3"):
            market.sell(bob, size)
        market.drain()

        first = api.get(f"/orders/{order}/fills?limit=2").json()
        second = api.get(f"/orders/{order}/fills?limit=2&cursor={first['next_cursor']}").json()

        assert [row["quantity"] for row in first["results"] + second["results"]] == [
            "0.3000",
            "0.2000",
            "0.1000",
        ]
        assert second["next_cursor"] is None
        assert api.get(f"/orders/{noise}/fills").json()["results"] == []

    def test_filter_by_symbol(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        other = make_market()
        market.buy(alice, 1, 50000)
        market.sell(bob, 1)
        market.drain()

        assert len(api.get(f"/fills?symbol={market.symbol}&account={alice.id}").json()["results"]) == 1
        assert api.get(f"/fills?symbol={other.symbol}").json()["results"] == []

    @pytest.mark.usefixtures("tiers_known")
    def test_cost_the_same_however_many_there_are(
        self,
        market: Market,
        alice: TradingAccount,
        bob: TradingAccount,
        api: Api,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        market.buy(alice, 3, 50000)
        for _ in range(5):
            market.sell(bob, "0.1")
        market.drain()

        # The person, the accounts, the fills, the instruments.
        with django_assert_num_queries(4):
            assert len(api.get("/fills").json()["results"]) == 5


class TestEvents:
    def test_tell_an_orders_whole_life_in_order(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.sell(bob, "0.4")
        market.drain()
        market.amend(order, alice, price=49900, quantity=2)
        market.drain()
        market.cancel(order, alice)
        market.drain()

        events = api.get(f"/orders/{order}/events").json()["results"]

        told = [(row["seq"], row["kind"], row["quantity"], row["leaves"], row["reason"]) for row in events]
        assert told == [
            (1, "accepted", "1.0000", "1.0000", None),
            (3, "trade", "0.4000", "0.6000", None),
            (4, "amended", "2.0000", "1.6000", None),
            (5, "cancelled", "1.6000", "0.0000", "client"),
        ]
        assert [row["liquidity"] for row in events] == [None, "maker", None, None]
        assert [row["price"] for row in events] == ["50000.00", "50000.00", "49900.00", "49900.00"]

    def test_show_the_taker_its_own_side(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        market.buy(bob, 1, 50000)
        order = market.send(market.request(alice, Side.SELL, "1.5", 50000)).order_id
        market.drain()

        events = api.get(f"/orders/{order}/events").json()["results"]

        assert [(row["kind"], row["leaves"], row["liquidity"]) for row in events] == [
            ("accepted", "1.5000", None),
            ("trade", "0.5000", "taker"),
        ]

    def test_are_paged_oldest_first(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 3, 50000)
        for _ in range(4):
            market.sell(bob, "0.1")
        market.drain()

        first = api.get(f"/orders/{order}/events?limit=3").json()
        second = api.get(f"/orders/{order}/events?limit=3&cursor={first['next_cursor']}").json()

        assert [row["seq"] for row in first["results"]] == [1, 3, 5]
        assert [row["seq"] for row in second["results"]] == [7, 9]
        assert second["next_cursor"] is None

    def test_of_an_order_the_book_has_not_seen_are_none(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        order = market.buy(alice, 1, 50000)

        assert api.get(f"/orders/{order}/events").json() == {"results": [], "next_cursor": None}
