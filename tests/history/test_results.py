"""Fees, volume and profit of a period add up, however they are cut."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from accounts.models import TradingAccount
from accounts.statement_selectors import Period
from orders.history.results import By, Result, results
from orders.history.services.following import follow_books
from orders.models import Side
from tests.factories import NOW, Market, make_market, short

pytestmark = pytest.mark.django_db

TODAY, TOMORROW = NOW.date(), NOW.date() + timedelta(days=1)
DAY, NEXT = Period(TODAY, TODAY), Period(TOMORROW, TOMORROW)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    return buys_low_and_sells_high(market)


def buys_low_and_sells_high(market: Market) -> TradingAccount:
    """An account that buys 1 at 50,000 today and sells it at 51,000 tomorrow, always as the taker (0.1 %)."""
    buyer, seller = market.trader(), market.trader()
    market.sell(seller, 1, 50_000)
    market.buy(buyer, 1, 50_000)
    market.drain()
    later = NOW + timedelta(days=1)
    market.send(market.request(seller, Side.BUY, 1, 51_000), now=later)
    market.send(market.request(buyer, Side.SELL, 1, 51_000), now=later)
    market.drain(now=later)
    follow_books(now=later)
    return buyer


def figures(row: Result) -> tuple[str, ...]:
    return (str(row.executions), *map(short, (row.volume, row.realised, row.swap, row.fees, row.net)))


def of(found: list[Result], name: str) -> tuple[str, ...]:
    (row,) = [row for row in found if row.name == name]
    return figures(row)


def test_by_account(market: Market, buyer: TradingAccount) -> None:
    assert of(results(DAY, By.ACCOUNT), buyer.account_number) == ("1", "50000", "0", "0", "50", "-50")
    assert of(results(NEXT, By.ACCOUNT), buyer.account_number) == ("1", "51000", "1000", "0", "51", "949")


def test_profit_counts_in_the_period_it_was_made_in(market: Market, buyer: TradingAccount) -> None:
    both = Period(TODAY, TOMORROW)

    assert of(results(both, By.ACCOUNT), buyer.account_number) == ("2", "101000", "1000", "0", "101", "899")


@pytest.mark.parametrize("by", list(By))
def test_every_cut_adds_up_to_the_same(market: Market, buyer: TradingAccount, by: By) -> None:
    found = results(Period(TODAY, TOMORROW), by)

    assert {row.asset for row in found} == {market.instrument.quote.code}
    assert sum(row.executions for row in found) == 4
    assert sum(row.volume for row in found) == 202_000
    # What one side earned the other lost; the fees are those of the fills.
    assert sum(row.realised for row in found) == 0
    assert sum(row.fees for row in found) == Decimal("151.5")


def test_a_book_is_where_it_was_traded(market: Market, buyer: TradingAccount) -> None:
    assert [row.name for row in results(DAY, By.BOOK)] == ["exchange"]
    assert [row.name for row in results(Period(TODAY, TOMORROW), By.DAY)] == [str(TODAY), str(TOMORROW)]


def test_days_without_trades_have_no_rows(market: Market, buyer: TradingAccount) -> None:
    assert results(Period(date(2020, 1, 1), date(2020, 1, 2)), By.ACCOUNT) == []


class TestCommand:
    def run(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("report", "--from", str(TODAY), "--to", str(TOMORROW), *arguments, stdout=out)
        return out.getvalue()

    def test_table_json_and_csv_say_the_same(self, market: Market, buyer: TradingAccount) -> None:
        assert market.symbol in self.run()
        (row,) = json.loads(self.run("--format", "json"))
        assert self.run("--json") == self.run("--format", "json")
        (line,) = csv.DictReader(io.StringIO(self.run("--format", "csv")))
        assert {name: str(value) for name, value in row.items()} == line
        assert (row["name"], row["volume"], row["fees"]) == (market.symbol, "202000", "151.5")

    def test_the_houses_share_is_what_the_clients_paid(self, market: Market, buyer: TradingAccount) -> None:
        (row,) = json.loads(self.run("--house", "--format", "json"))

        assert (row["book"], row["asset"], row["fees"], row["net"]) == (
            "exchange", market.instrument.quote.code, "151.5", "151.5",
        )  # fmt: skip
        assert "Exchange" in self.run("--house").title()
        with pytest.raises(CommandError, match="not allowed"):
            self.run("--house", "--by", "day")

    def test_a_period_runs_forwards(self) -> None:
        with pytest.raises(CommandError, match="forwards"):
            call_command("report", "--from", str(TOMORROW), "--to", str(TODAY), stdout=io.StringIO())
