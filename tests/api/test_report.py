"""My fees, volume and P&L: what my fills and deals say, and mine alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Deal, LedgerAccount, LedgerKind, TradingAccount
from orders.history.services.following import follow_books
from orders.models import Side
from tests.api.client import Api, refused
from tests.factories import NOW, Market, fund
from tests.liquidity.floor import make_floor, only_open

pytestmark = pytest.mark.django_db

TODAY, TOMORROW = NOW.date(), NOW.date() + timedelta(days=1)


def report(api: Api, account: TradingAccount, query: str = "") -> Any:
    answer = api.get(f"/accounts/{account.id}/report?from={TODAY}&to={TOMORROW}{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


class TestTrades:
    @pytest.fixture
    def traded(self, market: Market, alice: TradingAccount) -> TradingAccount:
        """Alice buys 0.7 at 50,000 and sells it a day later at 51,000, the taker both times (0.1 %)."""
        other = market.trader()
        for theirs, hers, price, now in (
            (Side.SELL, Side.BUY, 50_000, NOW),
            (Side.BUY, Side.SELL, 51_000, NOW + timedelta(days=1)),
        ):
            market.send(market.request(other, theirs, "0.7", price), now=now)
            market.send(market.request(alice, hers, "0.7", price), now=now)
            market.drain(now=now)
            follow_books(now=now)
        return alice

    def test_re_adds_to_what_her_balance_did(self, market: Market, traded: TradingAccount, api: Api) -> None:
        (row,) = report(api, traded)

        assert row == {
            "name": market.symbol, "asset": market.instrument.quote.code, "executions": 2, "volume": "70700",
            "realised": "700", "swap": "0", "fees": "70.7", "net": "629.3",
        }  # fmt: skip
        quote = LedgerAccount.objects.get(
            account=traded, asset=market.instrument.quote, kind=LedgerKind.CLIENT
        )
        assert quote.balance - 10_000_000 == Decimal(row["net"])

    def test_by_day_and_by_book(self, traded: TradingAccount, api: Api) -> None:
        assert [(row["name"], row["net"]) for row in report(api, traded, "&by=day")] == [
            (str(TODAY), "-35"), (str(TOMORROW), "664.3"),
        ]  # fmt: skip
        assert [row["name"] for row in report(api, traded, "&by=book")] == ["exchange"]


def test_deals_re_add_to_the_balance(alice: TradingAccount, api: Api) -> None:
    floor = make_floor()
    account = floor.account(user=alice.user)
    floor.buy(account, "0.3")
    floor.quote("EURUSD", "1.1050", "1.1052")
    floor.close(only_open(account), "0.1")
    floor.buy(account, "0.2", "XAUUSD")

    rows = report(api, account)

    gained = sum((deal.pnl + deal.swap - deal.commission for deal in Deal.objects.all()), Decimal(0))
    assert sum(Decimal(row["net"]) for row in rows) == gained
    assert LedgerAccount.objects.get(account=account, kind="client").balance == 10_000 + gained
    assert {row["name"] for row in report(api, account, "&by=book")} == {"dealing"}


def test_is_mine_alone(market: Market, alice: TradingAccount, api: Api) -> None:
    other = market.trader()
    fund(other, market.instrument.quote, 1)

    answer = api.get(f"/accounts/{other.id}/report?from={TODAY}&to={TODAY}")

    refused(answer, "account_not_found", 404)


@pytest.mark.parametrize(
    "query",
    ["", f"from={TODAY}", "from=x&to=y", f"from={TOMORROW}&to={TODAY}", f"from={TODAY}&to={TODAY}&by=x"],
)
def test_bad_queries_are_refused(alice: TradingAccount, api: Api, query: str) -> None:
    refused(api.get(f"/accounts/{alice.id}/report?{query}"), "invalid_field")


def test_without_a_login_there_is_nothing(alice: TradingAccount, anonymous: Api) -> None:
    refused(anonymous.get(f"/accounts/{alice.id}/report?from={TODAY}&to={TODAY}"), "not_authenticated", 401)
