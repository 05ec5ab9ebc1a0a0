"""The page Fees and P&L: each cut, its file, and who may see it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role, TradingAccount
from orders.history.results import By
from orders.history.services.following import follow_books
from orders.models import Side
from tests.admin.conftest import SignIn
from tests.factories import NOW, Market, make_asset, make_market
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

    assert "202\u202f000" in page
    assert "151.5" in page


def test_shows_no_more_digits_than_the_asset_has(boss: Client) -> None:
    """Two thirds of a tick: what was sold at 50,000 had cost 50,000.666... on average."""
    market = make_market(quote=make_asset(decimals=6))
    buyer, seller = market.trader(), market.trader()
    for side, account, quantity, price in (
        (Side.SELL, seller, 1, 50_000), (Side.BUY, buyer, 1, 50_000),
        (Side.SELL, seller, 2, 50_001), (Side.BUY, buyer, 2, 50_001),
        (Side.BUY, seller, 1, 50_000), (Side.SELL, buyer, 1, 50_000),
    ):  # fmt: skip
        market.send(market.request(account, side, quantity, price))
    market.drain()
    follow_books(now=NOW)

    page = boss.get(url(by="account")).content.decode()

    shown = unescape(re.sub(r"<[^>]*>", " ", page))
    assert "-0.666667" in shown.replace("\N{MINUS SIGN}", "-")
    assert not re.search(r"\d\.\d{7,}", shown)


def test_shows_what_the_house_earned(boss: Client, market: Market, buyer: TradingAccount) -> None:
    page = boss.get(url(by="house")).content.decode()
    file = boss.get(url(by="house", format="csv")).content.decode()

    assert "What did we earn" in page
    assert "Exchange" in page
    assert file.splitlines() == [
        "book,asset,fees,commission,pnl,swap,protection,other,net",
        f"exchange,{market.instrument.quote.code},151.5,0,0,0,0,0,151.5",
    ]


def test_downloads_it(boss: Client, market: Market, buyer: TradingAccount) -> None:
    answer = boss.get(url(by="account", format="csv"))

    assert answer.content.startswith(b"name,asset,executions,volume,realised,swap,fees,net")


def test_who_may(sign_in: SignIn) -> None:
    assert sign_in(Role.SUPPORT).get(url()).status_code == 200
    assert sign_in(Role.TRADER).get(url()).status_code == 302


def test_a_wrong_period_is_said(boss: Client) -> None:
    answer = boss.get(f"{reverse('admin:report')}?from={TOMORROW}&to={TODAY}")

    assert (answer.status_code, "forwards" in answer.content.decode()) == (400, True)
