"""My accounts, balances and ledger: exact, chained, paged, and mine alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import TradingAccount
from accounts.services.funding import withdraw
from tests.api.client import Api, refused, signed_in
from tests.factories import ACTOR, NOW, Market, fund, make_account, make_asset


class TestAccounts:
    def test_lists_mine_alone(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        second = make_account(currency=market.instrument.quote, user=alice.user, is_locked=True)

        listed = api.get("/accounts").json()["results"]

        assert [row["id"] for row in listed] == [alice.id, second.id]
        assert [row["is_locked"] for row in listed] == [False, True]
        assert listed[0] == {
            "id": alice.id,
            "account_number": alice.account_number,
            "type": "live",
            "currency": market.instrument.quote.code,
            "leverage": 1,
            "is_active": True,
            "is_locked": False,
            "created_at": alice.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }


class TestBalances:
    def test_show_what_is_held_and_what_is_left(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        market.buy(alice, "0.5", 50000)

        rows = {row.pop("asset"): row for row in api.get(f"/accounts/{alice.id}/balances").json()["results"]}

        assert rows == {
            market.instrument.base.code: {
                "balance": "100.00000000",
                "held": "0.00000000",
                "reserved": "0.00000000",
                "available": "100.00000000",
            },
            market.instrument.quote.code: {
                "balance": "10000000.00000000",
                "held": "25025.00000000",
                "reserved": "0.00000000",
                "available": "9974975.00000000",
            },
        }

    @pytest.mark.usefixtures("tiers_known")
    def test_cost_the_same_however_many_there_are(
        self, alice: TradingAccount, api: Api, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            fund(alice, make_asset(), 1)

        # The person, the account, the balances.
        with django_assert_num_queries(3):
            assert len(api.get(f"/accounts/{alice.id}/balances").json()["results"]) == 7


class TestLedger:
    def test_chains_every_movement(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        quote = market.instrument.quote
        order = market.buy(alice, "0.1", 50000)
        market.sell(bob, "0.1")
        market.drain()
        withdraw(
            account_id=alice.id,
            asset=quote.code,
            amount=Decimal("0.5"),
            reason="cash desk",
            request_id="w1",
            actor=ACTOR,
            now=NOW,
        )

        lines = api.get(f"/accounts/{alice.id}/ledger?asset={quote.code}").json()["results"]

        assert [(line["kind"], line["amount"], line["balance_after"]) for line in lines] == [
            ("withdrawal", "-0.50000000", "9994997.00000000"),
            ("fee", "-2.50000000", "9994997.50000000"),
            ("trade_quote", "-5000.00000000", "9995000.00000000"),
            ("deposit", "10000000.00000000", "10000000.00000000"),
        ]
        assert [line["order_id"] for line in lines] == [None, str(order), str(order), None]
        assert [line["reason"] for line in lines] == ["cash desk", "", "", "test funds"]
        trade = market.instrument.id << 40 | 3
        assert [line["trade_id"] for line in lines] == [None, str(trade), str(trade), None]

    def test_never_names_the_other_sides_order(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        mine, theirs = market.buy(alice, "0.1", 50000), market.sell(bob, "0.1")
        market.drain()

        for account, own, other in ((alice, mine, theirs), (bob, theirs, mine)):
            lines = signed_in(account).get(f"/accounts/{account.id}/ledger").json()["results"]
            named = {line["order_id"] for line in lines}
            assert (str(own) in named, str(other) in named) == (True, False)

    def test_is_paged_newest_first_without_gap_or_repeat(self, alice: TradingAccount, api: Api) -> None:
        for _ in range(3):
            fund(alice, make_asset(), 1)
        whole = api.get(f"/accounts/{alice.id}/ledger").json()
        assert (len(whole["results"]), whole["next_cursor"]) == (5, None)

        first = api.get(f"/accounts/{alice.id}/ledger?limit=2").json()
        fund(alice, make_asset(), 1)
        second = api.get(f"/accounts/{alice.id}/ledger?limit=2&cursor={first['next_cursor']}").json()
        third = api.get(f"/accounts/{alice.id}/ledger?limit=2&cursor={second['next_cursor']}").json()

        assert first["results"] + second["results"] + third["results"] == whole["results"]
        assert [len(page["results"]) for page in (first, second, third)] == [2, 2, 1]
        assert third["next_cursor"] is None

    @pytest.mark.usefixtures("tiers_known")
    def test_costs_the_same_however_long_it_is(
        self, alice: TradingAccount, api: Api, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            fund(alice, make_asset(), 1)

        # The person, the account, the lines.
        with django_assert_num_queries(3):
            assert len(api.get(f"/accounts/{alice.id}/ledger").json()["results"]) == 7

    @pytest.mark.parametrize("asset", ["NONE", "%E2%80%8F"])
    def test_of_an_asset_never_held_is_empty(self, alice: TradingAccount, api: Api, asset: str) -> None:
        answer = api.get(f"/accounts/{alice.id}/ledger?asset={asset}").json()

        assert answer == {"results": [], "next_cursor": None}

    @pytest.mark.parametrize("query", ["asset=", "asset=A%00", "asset=" + "X" * 17, "limit=0", "order=1"])
    def test_refuses_a_wrong_filter(self, alice: TradingAccount, api: Api, query: str) -> None:
        refused(api.get(f"/accounts/{alice.id}/ledger?{query}"), "invalid_field")


class TestStatement:
    def test_re_adds(self, alice: TradingAccount, api: Api) -> None:
        found = api.get(f"/accounts/{alice.id}/statement?from=2026-03-01&to=2026-03-31").json()

        assert (found["account_id"], found["from"], found["to"]) == (alice.id, "2026-03-01", "2026-03-31")
        assert len(found["sections"]) == 2
        for section in found["sections"]:
            opening, credited, debited, closing = (
                Decimal(section[name]) for name in ("opening", "credited", "debited", "closing")
            )
            assert opening + credited - debited == closing == Decimal(section["lines"][-1]["balance_after"])

    @pytest.mark.parametrize(
        "query",
        ["", "from=2026-03-01", "from=x&to=2026-03-01", "from=2026-03-02&to=2026-03-01",
         "from=2025-01-01&to=2026-03-01", "from=2026-03-01&to=2026-03-02&asset=X"],
    )  # fmt: skip
    def test_refuses_a_wrong_period(self, alice: TradingAccount, api: Api, query: str) -> None:
        refused(api.get(f"/accounts/{alice.id}/statement?{query}"), "invalid_field")

    def test_another_persons_account_is_not_there(self, alice: TradingAccount, bob: TradingAccount) -> None:
        answer = signed_in(bob).get(f"/accounts/{alice.id}/statement?from=2026-03-01&to=2026-03-31")
        refused(answer, "account_not_found", 404)
