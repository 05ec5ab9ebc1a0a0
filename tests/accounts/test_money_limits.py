"""What people may withdraw: by level, over all their accounts, in a day and in a month."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import (
    KycStatus,
    MoneyKind,
    Role,
    TradingAccount,
    User,
)
from accounts.services.limits import change_limit
from audit.models import AuditRecord
from instruments.models import Asset
from instruments.services.pricing import NewQuote, record_quotes
from tests.accounts.wishing import (
    ask_money,
    client_account,
    decided,
    dollars,
    needs_approval,
    refused,
)
from tests.factories import ACTOR, NOW, fund, make_account, make_asset, make_market, make_user
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

WITHDRAWAL, TRANSFER, DEPOSIT = MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER, MoneyKind.DEPOSIT
ADJUSTMENT, CREDIT, BONUS = MoneyKind.ADJUSTMENT, MoneyKind.CREDIT, MoneyKind.BONUS


@pytest.fixture
def account() -> TradingAccount:
    """A dollar account of a known person, with 1000 on it."""
    account = client_account()
    fund(account, account.currency, 1000)
    return account


@pytest.fixture
def officer() -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def usd(account: TradingAccount) -> Asset:
    return account.currency


class TestLimits:
    """Of a person's level, over all their accounts, in 24 hours and 30 days."""

    @pytest.fixture
    def limited(self, account: TradingAccount) -> TradingAccount:
        values = {"daily": Decimal(100), "monthly": Decimal(150)}
        change_limit(level=3, changes=values, actor=ACTOR, now=NOW, reason="test")
        return account

    def test_a_day_and_a_month_count_to_the_microsecond(self, limited: TradingAccount) -> None:
        ask_money(WITHDRAWAL, limited, "100", "a")
        day, month = NOW + timedelta(hours=24), NOW + timedelta(days=30)
        moment = timedelta(microseconds=1)

        refusal = refused(lambda: ask_money(WITHDRAWAL, limited, "0.01", "b", now=day - moment))
        assert (refusal.code, refusal.context) == (
            Code.KYC_LIMIT_EXCEEDED,
            {"level": 3, "period": "24 hours", "currency": "USD", "limit": "100", "used": "100",
             "required": "0.01"},
        )  # fmt: skip
        ask_money(WITHDRAWAL, limited, "50", "c", now=day)
        last = refused(lambda: ask_money(WITHDRAWAL, limited, "0.01", "d", now=month - moment))
        assert (last.context["period"], last.context["used"]) == ("30 days", "150")
        ask_money(WITHDRAWAL, limited, "100", "e", now=month)

    def test_what_waits_counts_and_what_was_refused_does_not(self, limited: TradingAccount) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, limited, "100", "a").request
        assert refused(lambda: ask_money(WITHDRAWAL, limited, "1", "b")).code == Code.KYC_LIMIT_EXCEEDED

        decided(asked, approve=False)

        assert ask_money(WITHDRAWAL, limited, "100", "b").request.state == "requested"

    def test_all_accounts_of_a_person_count_together(self, limited: TradingAccount, usd: Asset) -> None:
        other = make_account(currency=usd, user=limited.user)
        fund(other, usd, 100)
        ask_money(WITHDRAWAL, limited, "60", "a")

        assert refused(lambda: ask_money(WITHDRAWAL, other, "40.01", "b")).code == Code.KYC_LIMIT_EXCEEDED
        ask_money(WITHDRAWAL, other, "40", "b")

    @pytest.mark.parametrize(
        ("level", "status"),
        [
            (0, KycStatus.APPROVED),
            (3, KycStatus.PENDING),
            (3, KycStatus.REJECTED),
            (2, KycStatus.UNDER_REVIEW),
        ],
    )
    def test_nobody_unknown_withdraws(self, account: TradingAccount, level: int, status: KycStatus) -> None:
        User.objects.filter(pk=account.user_id).update(kyc_level=level, kyc_status=status)

        refusal = refused(lambda: ask_money(WITHDRAWAL, account, "0.01"))

        assert (refusal.code, refusal.context["limit"]) == (Code.KYC_LIMIT_EXCEEDED, "0")

    def test_another_asset_counts_at_mid(self) -> None:
        """AC-44's rule of rates: the platform's own quote, half way between bid and ask."""
        one = Decimal(1)
        market = make_market(base=make_asset(), quote=dollars(), lot_size=one, min_quantity=one)
        account = client_account(1, asset=market.instrument.base)
        fund(account, market.instrument.base, 10)
        quote = NewQuote(market.instrument.pk, Decimal(1990), Decimal(2010), NOW, "test")
        record_quotes([quote], now=NOW)

        assert refused(lambda: ask_money(WITHDRAWAL, account, "1.00001")).context["required"] == "2000.02"
        assert ask_money(WITHDRAWAL, account, "1").request.worth == 2000

    def test_changes_are_recorded_and_sensible(self, account: TradingAccount) -> None:
        before = AuditRecord.objects.count()

        def change(level: int, **changes: Any) -> Any:
            return change_limit(level=level, changes=changes, actor=ACTOR, now=NOW, reason="reviewed")

        change(1, daily=Decimal(500))
        assert AuditRecord.objects.count() == before + 1
        assert AuditRecord.objects.latest("id").after == {"daily": "500"}
        for level, changes in [
            (1, {"daily": Decimal(20_000)}),
            (0, {"monthly": Decimal(1)}),
            (1, {"daily": Decimal(-1)}),
        ]:
            with pytest.raises(Refusal) as caught:
                change(level, **changes)
            assert caught.value.code == Code.INVALID_FIELD
