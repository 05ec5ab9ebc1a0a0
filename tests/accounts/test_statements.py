"""A statement re-adds to the ledger, reads only its period, and says the same in every form."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pypdf import PdfReader
from pytest_django import DjangoAssertNumQueries

from accounts.documents.chart import balance_chart
from accounts.documents.statement_csv import statement_csv
from accounts.documents.statement_html import statement_html
from accounts.documents.statement_json import statement_json
from accounts.documents.statement_pdf import statement_pdf
from accounts.models import LedgerKind, TradingAccount, Transfer, TransferKind, User
from accounts.services.posting import Cause, Ledger
from accounts.statement_selectors import LedgerBrokenError, Period, Section, statement_of
from instruments.models import Asset
from tests.accounts.ledgers import cut_months, ledger_of, move, opened_partitions
from tests.factories import make_account, make_asset, make_market, short
from tradeplatform.common.csv_cells import safe_cell
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
A_MONTH = Period.of_month(2026, 3)
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=2)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    """100 before March, +50.25 and -30 in it, +7 after it."""
    account = make_account(currency=asset)
    User.objects.filter(pk=account.user_id).update(first_name="Zoë", last_name="Łukasik")
    account.refresh_from_db()
    move(account, asset, 100, MARCH - INSTANT)
    move(account, asset, "50.25", MARCH, "=HYPERLINK(1)")
    move(account, asset, -30, MARCH + timedelta(days=30, hours=23), "rent, <b>March</b>")
    move(account, asset, 7, MARCH + timedelta(days=31))
    return account


def only(account: TradingAccount, period: Period = A_MONTH) -> Section:
    (section,) = statement_of(account, period).sections
    return section


def figures(section: Section) -> list[str]:
    return [short(n) for n in (section.opening, section.credited, section.debited, section.closing)]


def test_a_month_re_adds(account: TradingAccount) -> None:
    section = only(account)

    assert figures(section) == ["100", "50.25", "30", "120.25"]
    assert [(short(line.amount), short(line.balance_after)) for line in section.lines] == [
        ("50.25", "150.25"), ("-30", "120.25"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "found"),
    [
        (date(2026, 2, 28), ["0", "100", "0", "100"]),
        (date(2026, 3, 1), ["100", "50.25", "0", "150.25"]),
        (date(2026, 3, 2), ["150.25", "0", "0", "150.25"]),
        (date(2026, 3, 31), ["150.25", "0", "30", "120.25"]),
        (date(2026, 4, 1), ["120.25", "7", "0", "127.25"]),
    ],
)
def test_a_day_from_its_first_to_its_last_moment(
    account: TradingAccount, day: date, found: list[str]
) -> None:
    assert figures(only(account, Period(day, day))) == found


def test_days_add_up_to_their_month_and_the_months_to_the_balance(
    account: TradingAccount, asset: Asset
) -> None:
    rng = random.Random(7)
    at, owned = MARCH + timedelta(days=40), 127
    for _ in range(60):
        at += timedelta(hours=rng.randint(0, 30))
        change = 1 if owned < 3 else rng.choice([rng.randint(1, 100), -rng.randint(1, max(1, owned - 1))])
        move(account, asset, change, at)
        owned += change
    months = [Period.of_month(2026, month) for month in (3, 4, 5, 6)]

    balance = Decimal(100)
    for month in months:
        whole = only(account, month)
        assert whole.opening == balance
        days = [Period(each, each) for each in _days(month)]
        parts = [section for day in days for section in statement_of(account, day).sections]
        assert [line for part in parts for line in part.lines] == whole.lines
        assert sum(part.credited - part.debited for part in parts) == whole.closing - whole.opening
        balance = whole.closing
    assert balance == ledger_of(account, asset).balance


def _days(period: Period) -> list[date]:
    return [period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)]


def test_a_trading_account_has_a_section_for_each_asset_and_one_for_its_credit() -> None:
    market = make_market()
    seller, buyer = market.trader(base=5, quote=0), market.trader(base=0, quote=100_000)
    market.sell(seller, 1, 50_000)
    market.buy(buyer, 1, 50_000)
    market.drain()
    quote = market.instrument.quote
    with transaction.atomic():
        ledger = Ledger.lock(credits=[(buyer.id, quote.id)], system=[(LedgerKind.HOUSE, quote.id)])
        ledger.transfer(
            at=MARCH,
            kind=TransferKind.CREDIT,
            debit=ledger.system(LedgerKind.HOUSE, quote.id),
            credit=ledger.credit(buyer.id, quote.id),
            amount=Decimal(500),
            cause=Cause(reason="lent"),
        )
        ledger.flush()

    found = {(s.asset, s.kind): figures(s) for s in statement_of(buyer, A_MONTH).sections}

    assert found == {
        (market.instrument.base.code, "client"): ["0", "1", "0", "1"],
        (quote.code, "client"): ["0", "100000", "50050", "49950"],
        (quote.code, "credit"): ["0", "500", "0", "500"],
    }


def test_an_account_without_money_has_no_sections(asset: Asset) -> None:
    assert statement_of(make_account(currency=asset), A_MONTH).sections == []


def test_only_partitions_of_the_period_are_read(account: TradingAccount, asset: Asset) -> None:
    cut_months(1, 2, 3, 4)

    with opened_partitions() as opened:
        assert len(only(account).lines) == 2

    # For the opening, what was before it: back to the first month, as none is closed.
    before = {f"accounts_transfer_2026_0{month}" for month in (1, 2)} | {"accounts_transfer_default"}
    assert "accounts_transfer_2026_04" not in opened
    assert opened - before == {"accounts_transfer_2026_03"}


def test_costs_the_same_however_long_it_is(
    account: TradingAccount, asset: Asset, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        move(account, asset, 1, MARCH + timedelta(days=33, minutes=number))
    # The ledger accounts, the last closed month, the openings, the lines.
    with django_assert_num_queries(4):
        assert len(only(account, Period.of_month(2026, 4)).lines) == 21


def test_lines_that_do_not_re_add_are_never_shown(account: TradingAccount) -> None:
    with pgtrigger.ignore():
        Transfer.objects.filter(amount=30).update(debit_balance_after=Decimal("120.26"))

    with pytest.raises(LedgerBrokenError, match=r"120\.25\d* by its lines, 120\.26\d* by itself"):
        statement_of(account, A_MONTH)


def test_more_lines_than_a_page_holds_are_refused(account: TradingAccount) -> None:
    with pytest.raises(Refusal) as caught:
        statement_of(account, A_MONTH, most_lines=1)

    assert caught.value.code == Code.STATEMENT_TOO_LONG
    assert len(statement_of(account, A_MONTH, most_lines=2).sections[0].lines) == 2


@pytest.mark.parametrize(
    ("first", "last"), [(date(2026, 3, 2), date(2026, 3, 1)), (date(2026, 1, 1), date(2027, 1, 2))]
)
def test_a_period_runs_forwards_and_not_beyond_a_year(first: date, last: date) -> None:
    with pytest.raises(Refusal, match="forwards"):
        Period(first, last)


class TestDocuments:
    def test_json(self, account: TradingAccount) -> None:
        found = statement_json(statement_of(account, A_MONTH))

        (section,) = found["sections"]
        assert {name: found[name] for name in ("from", "to", "since", "until")} == {
            "from": "2026-03-01",
            "to": "2026-03-31",
            "since": "2026-03-01T00:00:00.000000Z",
            "until": "2026-04-01T00:00:00.000000Z",
        }
        assert [section[name] for name in ("opening", "credited", "debited", "closing")] == [
            "100.00", "50.25", "30.00", "120.25",
        ]  # fmt: skip

    def test_csv_re_adds_and_runs_nothing(self, account: TradingAccount) -> None:
        rows = list(csv.DictReader(io.StringIO(statement_csv(statement_of(account, A_MONTH)))))

        assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
            ("opening", "", "100.00"),
            ("deposit", "50.25", "150.25"),
            ("withdrawal", "-30.00", "120.25"),
            ("closing", "", "120.25"),
        ]
        assert [row["reason"] for row in rows[1:3]] == ["'=HYPERLINK(1)", "rent, <b>March</b>"]

    def test_html_shows_every_line_and_escapes_what_people_wrote(self, account: TradingAccount) -> None:
        page = statement_html(statement_of(account, A_MONTH))

        assert all(text in page for text in ("Zoë Łukasik", "100.00", "50.25", "-30.00", "120.25", "<svg"))
        assert "rent, &lt;b&gt;March&lt;/b&gt;" in page

    def test_pdf_is_one_whatever_the_hour(self, account: TradingAccount) -> None:
        statement = statement_of(account, A_MONTH)

        assert statement_pdf(statement).startswith(b"%PDF-1.")
        assert statement_pdf(statement) == statement_pdf(statement)

    def test_pdf_has_as_many_pages_as_it_needs(self, account: TradingAccount, asset: Asset) -> None:
        for number in range(120):
            move(account, asset, 1, MARCH + timedelta(days=32, minutes=number), "a reason " * 12)

        file = statement_pdf(statement_of(account, Period.of_month(2026, 4)))

        assert file.count(b"/Type /Page\n") > 3

    def test_what_is_in_no_font_is_no_hindrance(self, account: TradingAccount, asset: Asset) -> None:
        move(account, asset, 1, MARCH + timedelta(days=33), "a gift \N{GRINNING FACE}\tfor you")

        assert "a gift" in text_of(statement_pdf(statement_of(account, Period.of_month(2026, 4))))

    def test_the_chart_goes_in_steps_from_edge_to_edge(self, account: TradingAccount) -> None:
        statement = statement_of(account, A_MONTH)
        svg = balance_chart(statement, statement.sections[0])

        assert 'd="M0.0 116.0H0.0V4.0H719.0V' in svg
        assert "from 100 to 120.25, between 100 and 150.25" in svg

    @pytest.mark.parametrize(
        ("value", "cell"),
        [
            ("=1+1", "'=1+1"), ("+49 30", "'+49 30"), ("-30.00", "-30.00"), ("+5", "+5"), ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("rent", "rent"), (None, ""),
            (-5, "-5"), ("-5e3", "'-5e3"),
        ],
    )  # fmt: skip
    def test_cells_that_a_spreadsheet_would_run_are_quoted(self, value: object, cell: str) -> None:
        assert safe_cell(value) == cell


class TestEachFormReAdds:
    """Read back by programs that know nothing of ours, with a name that Latin letters do not write."""

    @pytest.fixture(autouse=True)
    def named(self, account: TradingAccount) -> None:
        User.objects.filter(pk=account.user_id).update(first_name="Łukasz", last_name="東京")
        account.refresh_from_db()

    @pytest.fixture(params=["month", "day"])
    def period(self, request: pytest.FixtureRequest) -> Period:
        return A_MONTH if request.param == "month" else Period(date(2026, 3, 31), date(2026, 3, 31))

    @pytest.fixture
    def amounts(self, account: TradingAccount, period: Period) -> list[Decimal]:
        """Opening balance, what moved, and closing balance, as the ledger's own rows have them."""
        ledger = ledger_of(account, account.currency)
        sides = [(row.at, row.amount) for row in ledger.credits.all()]
        sides += [(row.at, -row.amount) for row in ledger.debits.all()]
        before = sum((amount for at, amount in sides if at < period.since), Decimal(0))
        moved = [amount for at, amount in sorted(sides) if period.since <= at < period.until]
        return [before, *moved, before + sum(moved)]

    def test_pdf(self, account: TradingAccount, period: Period, amounts: list[Decimal]) -> None:
        words = text_of(statement_pdf(statement_of(account, period)))

        assert "Łukasz 東京" in words
        opening, *moved, closing = amounts
        figures = dict(re.findall(r"(Opening balance|Closing balance)\s*(-?[\d.]+)", words))
        assert {name: Decimal(value) for name, value in figures.items()} == {
            "Opening balance": opening,
            "Closing balance": closing,
        }
        lines = re.findall(r"\d\d:\d\d:\d\d\s*\d+\s*(?:Deposit|Withdrawal)\s*(-?[\d.]+\.\d\d)", words)
        assert [Decimal(line) for line in lines] == moved

    def test_html(self, account: TradingAccount, period: Period, amounts: list[Decimal]) -> None:
        page = statement_html(statement_of(account, period))

        assert "Łukasz 東京" in page
        sums = re.findall(r'<dd class="bo-num">(-?[\d.]+)</dd>', page)
        lines = re.findall(r'<td class="bo-right bo-num">(-?[\d.]+)</td>', page)
        assert [Decimal(sums[0]), *map(Decimal, lines[::2]), Decimal(sums[-1])] == amounts

    def test_csv(self, account: TradingAccount, period: Period, amounts: list[Decimal]) -> None:
        rows = list(csv.DictReader(io.StringIO(statement_csv(statement_of(account, period)))))

        found = [rows[0]["balance"], *(row["amount"] for row in rows[1:-1]), rows[-1]["balance"]]
        assert [Decimal(value) for value in found] == amounts


def text_of(pdf: bytes) -> str:
    """What is printed on all pages of a PDF, read by a program that is not ours."""
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


class TestCommand:
    def run(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("statement", *arguments, stdout=out)
        return out.getvalue()

    def test_a_table(self, account: TradingAccount) -> None:
        found = self.run(account.account_number, "--month", "2026-03")

        assert "2026-03-01 to 2026-03-31" in found
        assert [word in found for word in ("100.00", "150.25", "-30.00", "120.25")] == [True] * 4

    def test_json_csv_and_html(self, account: TradingAccount) -> None:
        number = account.account_number
        assert json.loads(self.run(number, "--day", "2026-03-31", "--format", "json"))["from"] == "2026-03-31"
        assert self.run(number, "--month", "2026-03", "--format", "csv").startswith("asset,account,time")
        assert self.run(number, "--month", "2026-03", "--format", "html").startswith("<!doctype html>")

    def test_a_pdf_into_a_file(self, account: TradingAccount, tmp_path: Path) -> None:
        file = tmp_path / "statement.pdf"
        self.run(account.account_number, "--month", "2026-03", "--format", "pdf", "--output", str(file))

        assert file.read_bytes().startswith(b"%PDF")

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["NOBODY"], "No account has the number NOBODY"),
            (["NOBODY", "--month", "2026-13"], "no month"),
            (["NOBODY", "--day", "yesterday"], "no day"),
        ],
    )
    def test_says_what_is_wrong(self, arguments: list[str], says: str) -> None:
        with pytest.raises(CommandError, match=says):
            call_command("statement", *arguments, stdout=io.StringIO())


def test_a_statement_knows_nothing_of_another_account(account: TradingAccount, asset: Asset) -> None:
    other = make_account(currency=asset)
    move(other, asset, 5, MARCH + timedelta(days=40))

    april = Period.of_month(2026, 4)
    assert figures(only(account, april)) == ["120.25", "7", "0", "127.25"]
    assert figures(only(other, april)) == ["0", "5", "0", "5"]


def test_types_stay_exact(account: TradingAccount) -> None:
    values: list[Any] = [only(account).opening, only(account).closing]
    assert all(isinstance(value, Decimal) for value in values)
