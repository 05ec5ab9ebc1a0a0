"""Closed months: once, in order, adding up; nothing moves in them any more; balances are read from them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pgtrigger
import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from accounts.models import ClosedMonth, ClosingBalance, LedgerAccount, TradingAccount, Transfer
from accounts.services.closing import GRACE, Closed, close_months, months_to_close
from accounts.statement_selectors import balances_at, balances_before
from accounts.tasks import close_ended_months
from instruments.models import Asset
from tests.accounts.ledgers import cut_months, ledger_of, move, opened_partitions
from tests.factories import make_account, make_asset, short
from tests.threads import all_at_once
from tradeplatform.common.db import execute
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection would not see the test's own transaction: every check would hold of nothing."""
    for module in ("tradeplatform.common.invariants", "orders.invariants"):
        monkeypatch.setattr(f"{module}.READ_ONLY", "default")


JANUARY, FEBRUARY, MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4))
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=2)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    """100 in January, 50 at the last moment of January, -30 at the first of March."""
    account = make_account(currency=asset)
    move(account, asset, 100, JANUARY + timedelta(days=3))
    move(account, asset, 50, FEBRUARY - INSTANT)
    move(account, asset, -30, MARCH)
    return account


def closings(account: TradingAccount, asset: Asset) -> list[tuple[str, ...]]:
    rows = ClosingBalance.objects.filter(ledger=ledger_of(account, asset)).order_by("month")
    return [
        (f"{row.month_id:%m}", *map(short, (row.opening, row.credited, row.debited, row.closing)))
        for row in rows
    ]


def test_months_close_once_in_order_and_add_up(account: TradingAccount, asset: Asset) -> None:
    closed = close_months(now=APRIL + GRACE)

    assert closed == [Closed(date(2026, 1, 1), 2), Closed(date(2026, 2, 1), 0), Closed(date(2026, 3, 1), 2)]
    assert closings(account, asset) == [("01", "0", "150", "0", "150"), ("03", "150", "0", "30", "120")]
    assert close_months(now=APRIL + GRACE) == []
    findings = check_all(only=["iM4-closing", "iM4-time", "iM8"])
    assert [(f.code, bool(f.examined), f.holds) for f in findings] == [
        ("iM4-closing", True, True), ("iM4-time", True, True), ("iM8", True, True),
    ]  # fmt: skip


def test_a_month_is_closed_an_hour_after_its_end(account: TradingAccount) -> None:
    assert months_to_close(now=FEBRUARY + GRACE - INSTANT) == []
    assert months_to_close(now=FEBRUARY + GRACE) == [date(2026, 1, 1)]


def test_nothing_to_close_where_nothing_moved() -> None:
    assert close_months(now=APRIL) == []


def test_the_nightly_task_closes_what_has_ended(account: TradingAccount) -> None:
    close_ended_months(from_a_newer_version=True)

    assert ClosedMonth.objects.count() >= 3


def test_a_clock_that_is_behind_cannot_move_money_in_a_closed_month(
    account: TradingAccount, asset: Asset
) -> None:
    newcomer = make_account(currency=asset)
    close_months(now=FEBRUARY + GRACE)

    late = [move(each, asset, 1, JANUARY + timedelta(days=9)) for each in (account, newcomer)]

    assert {row.at for row in Transfer.objects.filter(id__in=late)} == {MARCH}  # the account's last time
    other = make_asset()
    assert (
        Transfer.objects.get(id=move(newcomer, other, 1, JANUARY)).at == FEBRUARY
    )  # nothing of it ever moved


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_close_each_month_once(account: TradingAccount, asset: Asset) -> None:
    found = all_at_once([lambda: close_months(now=APRIL + GRACE)] * 8)

    assert sorted(month.month for each in found for month in each) == [  # type: ignore[union-attr]
        date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1),
    ]  # fmt: skip
    assert len(closings(account, asset)) == 2


@pytest.mark.parametrize("table", ["accounts_closedmonth", "accounts_closingbalance"])
@pytest.mark.parametrize("change", ["UPDATE {} SET month = month", "DELETE FROM {}"])
def test_the_database_refuses_to_change_what_is_closed(
    account: TradingAccount, table: str, change: str
) -> None:
    close_months(now=APRIL + GRACE)

    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        execute(change.format(table))


def test_a_ledger_that_does_not_add_up_is_not_closed(account: TradingAccount) -> None:
    with pgtrigger.ignore():
        Transfer.objects.filter(at__lt=FEBRUARY).update(credit_balance_after=7)

    with pytest.raises(IntegrityError, match="closing_adds_up"), transaction.atomic():
        close_months(now=APRIL + GRACE)

    assert (ClosedMonth.objects.count(), ClosingBalance.objects.count()) == (0, 0)


@pytest.mark.parametrize("closed_until", [None, FEBRUARY, MARCH, APRIL], ids=str)
def test_a_balance_at_any_moment(
    account: TradingAccount, asset: Asset, closed_until: datetime | None
) -> None:
    """The same whether the past was closed or not, and however far."""
    if closed_until:
        close_months(now=closed_until + GRACE)
    own = ledger_of(account, asset)

    first = JANUARY + timedelta(days=3)
    moments = [
        first - INSTANT, first, FEBRUARY - 2 * INSTANT, FEBRUARY - INSTANT, FEBRUARY, MARCH - INSTANT,
        MARCH, APRIL, APRIL + timedelta(days=400),
    ]  # fmt: skip
    found = [balances_at([own.pk], moment)[own.pk] for moment in moments]

    assert found == [0, 100, 100, 150, 150, 150, 120, 120, 120]
    assert balances_before([own.pk], MARCH) == {own.pk: Decimal(150)}


def test_every_ledger_account_at_once_is_one_question(account: TradingAccount, asset: Asset) -> None:
    ids = list(LedgerAccount.objects.values_list("id", flat=True))

    found = balances_at(ids, APRIL)

    assert sum(found.values()) == 0
    assert found == dict(LedgerAccount.objects.values_list("id", "balance"))


def test_closed_months_are_not_looked_at_again(account: TradingAccount, asset: Asset) -> None:
    close_months(now=APRIL + GRACE)
    own = ledger_of(account, asset)
    cut_months(1, 2, 3, 4)

    with opened_partitions() as opened:
        assert balances_before([own.pk], APRIL)[own.pk] == 120
    assert opened == set()

    with opened_partitions() as opened:
        assert balances_at([own.pk], MARCH + timedelta(days=3))[own.pk] == 120
    assert opened == {"accounts_transfer_2026_03"}
