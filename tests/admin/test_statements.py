"""Statements in the back office: a page and its files, for those who may see transfers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role, TradingAccount, Transfer
from tests.accounts.ledgers import move
from tests.admin.conftest import SignIn
from tests.admin.registry import address
from tests.factories import make_account, make_asset

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> TradingAccount:
    asset = make_asset(decimals=2)
    account = make_account(currency=asset)
    move(account, asset, "1250.50", datetime(2026, 3, 5, tzinfo=UTC), "wire 17")
    return account


def url(account: TradingAccount, query: str = "from=2026-03-01&to=2026-03-31") -> str:
    return f"{reverse('admin:accounts_tradingaccount_statement', args=[account.pk])}?{query}"


def test_the_page_shows_sums_lines_and_chart(boss: Client, account: TradingAccount) -> None:
    page = boss.get(url(account)).content.decode()

    assert page.count("1\u202f250.50") == 4  # in, closing, the line's amount and balance
    assert address(Transfer, "change", Transfer.objects.get().pk) in page
    assert "wire 17" in page
    assert '<svg class="bo-steps"' in page


@pytest.mark.parametrize(
    ("form", "content_type", "start"),
    [("csv", "text/csv; charset=utf-8", b"asset,account,time"), ("pdf", "application/pdf", b"%PDF")],
)
def test_files(boss: Client, account: TradingAccount, form: str, content_type: str, start: bytes) -> None:
    answer = boss.get(url(account) + f"&format={form}")

    assert (answer.headers["Content-Type"], answer.content[: len(start)]) == (content_type, start)
    name = f"statement-{account.account_number}-2026-03-01-to-2026-03-31.{form}"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'


def test_a_wrong_period_is_said_not_shown(boss: Client, account: TradingAccount) -> None:
    answer = boss.get(url(account, "from=2026-03-31&to=2026-03-01"))

    assert answer.status_code == 400
    assert "must run forwards" in answer.content.decode()


@pytest.mark.parametrize("query", ["", "from=yesterday&to=%00", "from=2026-99-01"])
def test_a_day_that_is_none_is_left_out(boss: Client, account: TradingAccount, query: str) -> None:
    assert boss.get(url(account, query)).status_code in {200, 400}


def test_the_accounts_page_leads_to_it(boss: Client, account: TradingAccount) -> None:
    page = boss.get(reverse("admin:accounts_tradingaccount_change", args=[account.pk])).content.decode()

    assert reverse("admin:accounts_tradingaccount_statement", args=[account.pk]) in page


def test_of_an_account_that_is_not_there(boss: Client) -> None:
    assert boss.get("/admin/accounts/tradingaccount/999999999/statement/").status_code == 404


@pytest.mark.parametrize(("role", "status"), [(Role.SUPPORT, 200), (Role.TRADER, 302)])
def test_who_may(sign_in: SignIn, account: TradingAccount, role: Role, status: int) -> None:
    assert sign_in(role).get(url(account)).status_code == status


class TestPages:
    @pytest.fixture
    def long(self) -> TradingAccount:
        """250 lines in March."""
        account = make_account(currency=make_asset(decimals=2))
        for number in range(250):
            at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=number)
            move(account, account.currency, 2, at, f"line {number}")
        return account

    def test_lead_from_one_to_the_next(self, boss: Client, long: TradingAccount) -> None:
        first = boss.get(url(long))
        following = boss.get(first.context["sections"][0]["more"])
        last = boss.get(following.context["sections"][0]["more"])

        shown = [len(answer.context["sections"][0]["rows"]) for answer in (first, following, last)]
        assert (shown, last.context["sections"][0]["more"]) == ([100, 100, 50], "")
        assert "100 of 250 lines" in first.content.decode()
        assert "All, from the first line" in last.content.decode()
        assert all("500.00" in answer.content.decode() for answer in (first, following, last))

    @pytest.mark.parametrize(
        "more", ["ledger=0&after=x", "ledger=%00", f"ledger={2**62}&after={2**62}", "after=5"]
    )
    def test_an_address_that_leads_nowhere_is_no_error(
        self, boss: Client, account: TradingAccount, more: str
    ) -> None:
        assert boss.get(f"{url(account)}&{more}").status_code == 200

    def test_more_lines_ask_no_more_of_the_database(
        self, boss: Client, long: TradingAccount, account: TradingAccount
    ) -> None:
        counts = []
        for each in (long, account):
            boss.get(url(each))
            with CaptureQueriesContext(connection) as queries:
                boss.get(url(each))
            counts.append(len(queries))

        assert counts[0] == counts[1]
