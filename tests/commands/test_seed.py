"""`manage.py seed`: what a fresh platform has, and that running it again adds nothing."""

from __future__ import annotations

import io
import json
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Sum
from django.utils import timezone

from accounts.models import (
    FundingRequest,
    KycLimit,
    LedgerAccount,
    TradingAccount,
    TradingGroup,
    Transfer,
    User,
    UserRole,
)
from accounts.reconciliation.models import Break, Match
from accounts.services.seeding import read_logins
from audit.models import ApprovalPolicy, AuditRecord
from instruments.models import Asset, Instrument, Quote
from orders.models import Book, Shard
from orders.services.seeding import Seeded, seed

LISTED = {
    "EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "BTCUSD", "ETHUSD", "BNBUSD", "XRPUSD", "SOLUSD", "XAUUSD",
    "XAGUSD", "WTICOUSD", "SPX500USD", "NAS100USD", "US30USD", "BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT",
    "XRPUSDT", "ADAUSDT", "DOGEUSDT", "AVAXUSDT", "DOTUSDT", "MATICUSDT", "USDTUSD",
    "BTCUSDT-DEMO", "ETHUSDT-DEMO", "SOLUSDT-DEMO",
}  # fmt: skip


def run(**options: Any) -> dict[str, Any]:
    out = io.StringIO()
    call_command("seed", json=True, stdout=out, **options)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def counts() -> dict[str, int]:
    models = (
        User,
        UserRole,
        TradingAccount,
        Asset,
        Instrument,
        Shard,
        Book,
        FundingRequest,
        Transfer,
        AuditRecord,
    )
    return {model.__name__: model._default_manager.count() for model in models}


def balances() -> list[tuple[str, str, Decimal]]:
    rows = LedgerAccount.objects.filter(account__isnull=False).order_by(
        "account__account_number", "asset__code"
    )
    return list(rows.values_list("account__account_number", "asset__code", "balance"))


@pytest.mark.django_db
class TestFirstRun:
    def test_people_have_the_stated_roles(self, seeded: Seeded) -> None:
        granted = UserRole.objects.order_by("user__username", "role").values_list("user__username", "role")

        assert list(granted) == [
            ("admin", "risk_manager"),
            ("admin", "super_admin"),
            ("demo", "user"),
            ("officer", "compliance_officer"),
            ("officer", "risk_manager"),
            ("trader1", "trader"),
            ("trader2", "trader"),
        ]

    def test_people_are_who_they_are(self, seeded: Seeded) -> None:
        people = User.objects.order_by("username").values_list(
            "username", "email", "kyc_status", "is_verified", "is_staff", "is_superuser"
        )

        assert list(people) == [
            ("admin", "admin@tradingengine.com", "approved", True, True, True),
            ("demo", "demo@example.com", "pending", False, False, False),
            ("officer", "officer@example.com", "approved", True, True, False),
            ("trader1", "trader1@example.com", "approved", True, False, False),
            ("trader2", "trader2@example.com", "approved", True, False, False),
        ]

    def test_accounts_have_their_leverage_and_money(self, seeded: Seeded) -> None:
        accounts = TradingAccount.objects.order_by("account_number").values_list(
            "account_number", "user__username", "type", "leverage", "max_leverage", "group__name"
        )

        assert list(accounts) == [
            ("ACC-000001", "trader1", "live", 100, 100, "Standard"),
            ("ACC-000002", "trader2", "live", 200, 200, "Premium"),
            ("ACC-000003", "trader1", "margin", 50, 100, "Standard"),
            ("ACC-DEMO-001", "demo", "demo", 500, 500, "Premium"),
        ]
        assert balances() == [
            ("ACC-000001", "USD", Decimal(10_000)),
            ("ACC-000002", "USD", Decimal(25_000)),
            ("ACC-000003", "USD", Decimal(50_000)),
            ("ACC-DEMO-001", "BTC", Decimal(2)),
            ("ACC-DEMO-001", "ETH", Decimal(20)),
            ("ACC-DEMO-001", "SOL", Decimal(200)),
            ("ACC-DEMO-001", "USD", Decimal(100_000)),
            ("ACC-DEMO-001", "USDT", Decimal(100_000)),
        ]
        assert set(
            LedgerAccount.objects.values("asset")
            .annotate(total=Sum("balance"))
            .values_list("total", flat=True)
        ) == {Decimal(0)}

    def test_groups_have_their_terms(self, seeded: Seeded) -> None:
        groups = TradingGroup.objects.order_by("max_leverage").values_list(
            "name", "execution", "markup_steps", "commission_per_contract", "max_leverage", "position_mode"
        )

        assert list(groups) == [
            ("Standard", "b_book", 5, Decimal(5), 100, "hedging"),
            ("Premium", "a_book", 2, Decimal(3), 500, "hedging"),
            ("VIP", "a_book", 0, Decimal(2), 1000, "hedging"),
        ]

    def test_every_listed_instrument_has_a_book_on_one_of_two_shards(self, seeded: Seeded) -> None:
        assert set(Instrument.objects.values_list("symbol", flat=True)) == LISTED
        shares = [Book.objects.filter(shard_id=shard).count() for shard in (1, 2)]
        assert sorted(shares) == [14, 15]

    def test_steps_keep_every_notional_and_limit_exact(self, seeded: Seeded) -> None:
        for instrument in Instrument.objects.select_related("base", "quote"):
            instrument.full_clean()

    def test_usdt_pairs_have_the_stated_filters(self, seeded: Seeded) -> None:
        filters = Instrument.objects.filter(quote__code="USDT").values_list(
            "min_notional", "price_band", "maker_fee", "taker_fee"
        )

        assert list(filters) == [(Decimal(10), Decimal("0.1"), Decimal("0.0005"), Decimal("0.001"))] * 13


@pytest.mark.django_db
class TestPasswords:
    def test_the_file_opens_every_account_to_its_owner_alone(self, seeded: Seeded, var_dir: Path) -> None:
        path = var_dir / "operator.json"
        logins = read_logins(path)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert sorted(logins) == ["admin", "demo", "officer", "trader1", "trader2"]
        for name, login in logins.items():
            assert User.objects.get(username=name).check_password(login.password)
        assert len({login.password for login in logins.values()}) == 5

    def test_the_operator_stands_at_the_top(self, seeded: Seeded, var_dir: Path) -> None:
        content = json.loads((var_dir / "operator.json").read_text())

        assert content["username"] == "admin"
        assert content["password"] == content["logins"]["admin"]["password"]

    def test_they_are_shown_once_and_never_as_json(self, db: None, var_dir: Path) -> None:
        first, second = io.StringIO(), io.StringIO()
        call_command("seed", stdout=first)
        call_command("seed", stdout=second)
        password = read_logins(var_dir / "operator.json")["demo"].password

        assert password in first.getvalue()
        assert "Password" not in second.getvalue()
        assert password not in json.dumps(run())


@pytest.mark.django_db
class TestSecondRun:
    def test_adds_nothing_and_moves_no_money(self, seeded: Seeded, var_dir: Path) -> None:
        before, money, file = counts(), balances(), (var_dir / "operator.json").read_text()

        report = run()

        assert set(report["added"].values()) == {0}
        assert report["total"] == {
            "shards": 2,
            "assets": 23,
            "instruments": 29,
            "books": 29,
            "groups": 3,
            "policies": 17,
            "limits": 4,
            "quotes": 29,
            "users": 5,
            "roles": 7,
            "accounts": 4,
            "sources": 1,
        }
        assert (counts(), balances(), (var_dir / "operator.json").read_text()) == (before, money, file)

    def test_uses_up_no_instrument_ids(self, seeded: Seeded) -> None:
        run()
        asset = Asset.objects.get(code="CHF")

        fresh = Instrument.objects.create(
            symbol="EURCHF",
            display_name="EUR/CHF",
            kind="forex",
            base=Asset.objects.get(code="EUR"),
            quote=asset,
            tick_size=Decimal("0.00001"),
            lot_size=Decimal("0.01"),
            min_quantity=Decimal("0.01"),
            max_quantity=Decimal(100),
        )

        assert fresh.id == max(Instrument.objects.exclude(id=fresh.id).values_list("id", flat=True)) + 1

    def test_leaves_what_an_operator_has_changed(self, seeded: Seeded) -> None:
        Instrument.objects.filter(symbol="BTCUSDT").update(max_quantity=Decimal(5))
        UserRole.objects.filter(user__username="admin", role="risk_manager").delete()
        ApprovalPolicy.objects.filter(action="accounts.money.deposit").update(above=5)
        KycLimit.objects.filter(level=1).update(daily=5)

        run()

        assert Instrument.objects.get(symbol="BTCUSDT").max_quantity == Decimal(5)
        assert not UserRole.objects.filter(user__username="admin", role="risk_manager").exists()
        assert ApprovalPolicy.objects.get(action="accounts.money.deposit").above == 5
        assert KycLimit.objects.get(level=1).daily == 5

    def test_mends_what_is_missing(self, seeded: Seeded) -> None:
        TradingAccount.objects.filter(account_number="ACC-000002").update(account_number="OLD-000002")

        report = run()

        assert report["added"] == {
            "shards": 0, "assets": 0, "instruments": 0, "books": 0, "groups": 0, "policies": 0,
            "limits": 0, "quotes": 0, "users": 0, "roles": 0, "accounts": 1, "deposits": 0,
            "sources": 0,
        }  # fmt: skip


@pytest.mark.django_db
class TestDryRun:
    def test_says_what_would_be_and_changes_nothing(self, var_dir: Path) -> None:
        before = counts()

        report = run(dry_run=True)

        assert report["added"] == {
            "shards": 2, "assets": 23, "instruments": 29, "books": 29, "groups": 3, "policies": 17,
            "limits": 4, "quotes": 29, "users": 5, "roles": 7, "accounts": 4, "deposits": 8,
            "sources": 1,
        }  # fmt: skip
        assert counts() == before
        assert list(var_dir.iterdir()) == []


@pytest.mark.django_db
def test_without_people_there_is_a_market_and_no_money(var_dir: Path) -> None:
    path = var_dir / "operator.json"

    seeded = seed(now=timezone.now(), logins_file=path, with_people=False)

    assert (seeded.total.instruments, seeded.total.books) == (29, 29)
    assert (User.objects.count(), LedgerAccount.objects.count(), path.exists()) == (0, 0, False)
    assert (TradingGroup.objects.count(), Quote.objects.count()) == (3, 0)


@pytest.mark.django_db
def test_the_demo_bank_knows_two_deposits_and_of_the_third_a_fee_less(seeded: Seeded) -> None:
    found = Break.objects.get()

    assert (found.kind, found.amount, found.state) == ("differs", Decimal(-25), "open")
    assert found.line is not None
    assert found.line.reference == "DB-0003"
    assert list(Match.objects.values_list("rule", flat=True)) == ["reference", "reference"]
    policy = ApprovalPolicy.objects.get(action="reconciliation.break.write_off")
    assert (policy.role, policy.above, policy.approvers) == ("compliance_officer", None, 1)
