"""A statement page by page: its pages together are the statement, and each re-adds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pgtrigger
import pytest

from accounts.models import LedgerKind, MoneyKind, TradingAccount, Transfer
from accounts.selectors import LedgerLine
from accounts.statement_pages import PAGE, PagedSection, paged_statement
from accounts.statement_selectors import LedgerBrokenError, Period, statement_of
from instruments.models import Asset
from tests.accounts.ledgers import move
from tests.accounts.wishing import ask_money
from tests.factories import make_account, make_asset

pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
A_MONTH = Period.of_month(2026, 3)


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=2)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    """100 before March, 250 lines in it, each three of one moment, and one after it."""
    account = make_account(currency=asset)
    move(account, asset, 100, MARCH - timedelta(microseconds=1))
    for number in range(250):
        amount = number % 7 + 1 if number % 2 else -(number % 5 + 1) / Decimal(4)
        move(account, asset, str(amount), MARCH + timedelta(hours=number // 3), f"line {number}")
    move(account, asset, 7, MARCH + timedelta(days=31))
    return account


def all_pages(account: TradingAccount, section: PagedSection) -> list[list[LedgerLine]]:
    pages = [list(section.lines)]
    while section.more:
        last = section.lines[-1].transfer_id
        (section,) = paged_statement(account, A_MONTH, ledger_id=section.ledger_id, after=last)
        pages.append(list(section.lines))
    return pages


def test_its_pages_together_are_the_statement(account: TradingAccount) -> None:
    (whole,) = statement_of(account, A_MONTH).sections
    (paged,) = paged_statement(account, A_MONTH)

    pages = all_pages(account, paged)

    assert [len(page) for page in pages] == [PAGE, PAGE, 50]
    assert [line for page in pages for line in page] == list(whole.lines)
    names = ("opening", "credited", "debited", "closing")
    assert [getattr(paged, name) for name in names] == [getattr(whole, name) for name in names]
    assert paged.count == 250


def test_a_later_page_has_the_sums_of_all(account: TradingAccount) -> None:
    (first,) = paged_statement(account, A_MONTH)
    (second,) = paged_statement(
        account, A_MONTH, ledger_id=first.ledger_id, after=first.lines[-1].transfer_id
    )

    assert (second.opening, second.closing, second.count) == (first.opening, first.closing, first.count)


def test_what_was_lent_is_a_section_of_its_own(account: TradingAccount) -> None:
    ask_money(MoneyKind.BONUS, account, 50, now=MARCH + timedelta(days=40))

    found = paged_statement(account, Period.of_month(2026, 4))

    assert [(section.kind, section.count) for section in found] == [
        (LedgerKind.CLIENT, 1), (LedgerKind.CREDIT, 1),
    ]  # fmt: skip


def test_the_picture_ends_where_the_lines_do(account: TradingAccount) -> None:
    (section,) = paged_statement(account, A_MONTH)

    assert section.points[-1][1] == section.closing
    assert [at for at, _balance in section.points] == sorted(at for at, _balance in section.points)
    assert len(section.points) <= 501


def test_another_accounts_section_is_not_there(account: TradingAccount, asset: Asset) -> None:
    (section,) = paged_statement(account, A_MONTH)

    assert paged_statement(make_account(currency=asset), A_MONTH, ledger_id=section.ledger_id) == []


@pytest.mark.parametrize("place", [0, 120, 249])
def test_a_line_that_does_not_lead_on_is_found(account: TradingAccount, place: int) -> None:
    """The sums of the first page find what is wrong on any other."""
    (whole,) = statement_of(account, A_MONTH).sections
    with pgtrigger.ignore("accounts.Transfer:append_only"):
        Transfer.objects.filter(id=whole.lines[place].transfer_id).update(amount=Decimal("99.99"))

    with pytest.raises(LedgerBrokenError):
        paged_statement(account, A_MONTH)
