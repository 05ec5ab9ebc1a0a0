"""The page Fees and P&L: each cut, its file, and who may see it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role, TradingAccount
from orders.history.results import By
from tests.admin.conftest import SignIn
from tests.factories import Market, make_market
from tests.history.test_results import TODAY, TOMORROW, buys_low_and_sells_high

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def buyer(market: Market) -> TradingAccount:
    return buys_low_and_sells_high(market)


def url(**more: str) -> str:
    days = "&".join(f"{name}={value}" for name, value in more.items())
    return f"{reverse('admin:report')}?from={TODAY}&to={TOMORROW}&{days}"


@pytest.mark.parametrize("by", list(By))
def test_shows_each_cut(boss: Client, market: Market, buyer: TradingAccount, by: By) -> None:
    page = boss.get(url(by=by.value)).content.decode()

    assert "202\u2009000" in page
    assert "151.5" in page


def test_downloads_it(boss: Client, market: Market, buyer: TradingAccount) -> None:
    answer = boss.get(url(by="account", format="csv"))

    assert answer.content.startswith(b"name,asset,executions,volume,realised,swap,fees,net")


def test_who_may(sign_in: SignIn) -> None:
    assert sign_in(Role.SUPPORT).get(url()).status_code == 200
    assert sign_in(Role.TRADER).get(url()).status_code == 302


def test_a_wrong_period_is_said(boss: Client) -> None:
    answer = boss.get(f"{reverse('admin:report')}?from={TOMORROW}&to={TODAY}")

    assert (answer.status_code, "forwards" in answer.content.decode()) == (400, True)
