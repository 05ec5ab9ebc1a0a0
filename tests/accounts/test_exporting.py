"""The ledger as CSV: every transfer once, exact, in order, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.exporting import own_ledger, whole_ledger
from accounts.models import ClosedMonth, TradingAccount, Transfer
from accounts.statement_selectors import Period
from instruments.models import Asset
from tests.accounts.ledgers import cut_months, move, opened_partitions
from tests.factories import make_account, make_asset
from tradeplatform.common.csv_cells import safe_cell

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
A_MONTH = Period.of_month(2026, 3)
REASONS = ["=1+1", "-5", "-5x", "+49 30", "@a", 'say "no", twice', "\tx", "plain", "-30.00", "two\nlines"]


@pytest.fixture(autouse=True)
def one_connection(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export sees the test's own transaction."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
    monkeypatch.setattr("accounts.exporting.READ_ONLY", "default")


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=8)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    """Ten deposits in March with reasons of every kind, one before, one after."""
    account = make_account(currency=asset)
    move(account, asset, 1, MARCH - timedelta(microseconds=1))
    for number, reason in enumerate(REASONS):
        move(account, asset, f"{number + 1}.50000001", MARCH + timedelta(hours=number), reason)
    move(account, asset, 1, MARCH + timedelta(days=31))
    return account


def table(pieces: Iterable[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))


def test_every_transfer_of_the_period_once_in_order(account: TradingAccount) -> None:
    rows = table(whole_ledger(A_MONTH))

    stored = Transfer.objects.filter(at__range=(A_MONTH.since, A_MONTH.until)).exclude(at=A_MONTH.until)
    assert [int(row["transfer"]) for row in rows] == list(stored.order_by("id").values_list("id", flat=True))
    assert [Decimal(row["amount"]) for row in rows] == [Decimal(f"{n}.50000001") for n in range(1, 11)]
    assert (rows[0]["debit_party"], rows[0]["credit_party"]) == ("funding", account.account_number)
    assert (rows[0]["time"], rows[0]["credit_balance"]) == ("2026-03-01T00:00:00.000000Z", "2.50000001")


def test_cells_are_as_safe_as_those_of_statements(account: TradingAccount) -> None:
    assert [row["reason"] for row in table(whole_ledger(A_MONTH))] == [safe_cell(text) for text in REASONS]


def test_an_owner_sees_his_own_side_and_nobody_else(account: TradingAccount, asset: Asset) -> None:
    other = make_account(currency=asset)
    move(other, asset, 5, MARCH + timedelta(days=40))
    rows = table(own_ledger(account.pk, Period(date(2026, 1, 1), date(2026, 12, 31))))

    assert len(rows) == 12
    assert {name for name in rows[0] if "debit" in name or "credit" in name} == set()
    balance = Decimal(0)
    for row in rows:
        balance += Decimal(row["amount"])
        assert Decimal(row["balance"]) == balance


def test_only_partitions_of_the_period_are_read(account: TradingAccount) -> None:
    cut_months(1, 2, 3, 4)
    # A COPY has no plan to ask for; its query has.
    with opened_partitions() as opened:
        list(Transfer.objects.filter(at__gte=A_MONTH.since, at__lt=A_MONTH.until).order_by("id"))
    assert opened == {"accounts_transfer_2026_03"}
    assert len(table(whole_ledger(A_MONTH))) == 10


class TestCommand:
    def test_writes_a_file_and_says_how_much(self, account: TradingAccount, tmp_path: Path) -> None:
        file, err = tmp_path / "ledger.csv", io.StringIO()
        call_command(
            "ledger",
            "export",
            "--from",
            "2026-03-01",
            "--to",
            "2026-03-31",
            "--output",
            str(file),
            stderr=err,
        )

        assert len(table([file.read_bytes()])) == 10
        assert "MB of memory" in err.getvalue()

    def test_of_one_account(self, account: TradingAccount, tmp_path: Path) -> None:
        file = tmp_path / "own.csv"
        arguments = ["export", "--from", "2026-03-01", "--to", "2026-03-31", "--output", str(file)]
        call_command("ledger", *arguments, "--account", account.account_number, stderr=io.StringIO())

        assert len(table([file.read_bytes()])) == 10

    @pytest.mark.parametrize(
        ("days", "says"),
        [
            (["--from", "2026-03-02", "--to", "2026-03-01"], "forwards"),
            (["--from", "x", "--to", "2026-03-01"], "no day"),
            (["--from", "2026-03-01", "--to", "2026-03-01", "--account", "NOBODY"], "No account"),
        ],
    )
    def test_says_what_is_wrong(self, days: list[str], says: str) -> None:
        with pytest.raises(CommandError, match=says):
            call_command("ledger", "export", *days, stderr=io.StringIO())

    def test_closing_says_first_what_it_would_do(self, account: TradingAccount) -> None:
        out = io.StringIO()
        call_command("ledger", "close", "--dry-run", "--json", stdout=out)
        would = [row["month"] for row in json.loads(out.getvalue())]
        assert (would[:3], ClosedMonth.objects.count()) == (["2026-02", "2026-03", "2026-04"], 0)

        out = io.StringIO()
        call_command("ledger", "close", "--json", stdout=out)
        closed = json.loads(out.getvalue())
        assert [row["month"] for row in closed] == would
        assert [row["balances"] for row in closed[:4]] == [2, 2, 2, 0]
