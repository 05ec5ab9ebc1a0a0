"""What must never move money: each with its stable code, and by the database where all else fails."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import (
    AccountType,
    MoneyKind,
    MoneyRequest,
    Role,
    TradingAccount,
    User,
)
from accounts.services.money_requests import request_money
from instruments.models import Asset
from tests.accounts.wishing import (
    ask_money,
    client_account,
    decided,
    dollars,
    needs_approval,
    refused,
    wish_for,
)
from tests.factories import ACTOR, NOW, fund, make_account, make_asset, make_user, money
from tradeplatform.common.errors import Code

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


BAD_AMOUNTS = ["0", "-1", "NaN", "sNaN", "Infinity", "1E+18", "1" * 40, "0.001", "0." + "0" * 39 + "1"]


class TestBadInput:
    """The list of what must never move anything, each with its stable code."""

    @pytest.mark.parametrize("kind", [DEPOSIT, WITHDRAWAL, TRANSFER, BONUS])
    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_what_is_no_amount(self, account: TradingAccount, kind: MoneyKind, amount: str) -> None:
        to: dict[str, Any] = {"to_account_id": account.pk + 1} if kind == TRANSFER else {}

        refusal = refused(lambda: ask_money(kind, account, amount, **to))

        assert (refusal.code, refusal.context["field"]) == (Code.INVALID_NUMBER, "amount")

    @pytest.mark.parametrize("kind", [ADJUSTMENT, CREDIT])
    @pytest.mark.parametrize("amount", [bad for bad in BAD_AMOUNTS if bad != "-1"])
    def test_what_is_no_signed_amount(self, account: TradingAccount, kind: MoneyKind, amount: str) -> None:
        assert refused(lambda: ask_money(kind, account, amount)).code == Code.INVALID_NUMBER

    def test_above_what_is_available(self, account: TradingAccount) -> None:
        assert refused(lambda: ask_money(WITHDRAWAL, account, "1000.01")).code == Code.INSUFFICIENT_FUNDS
        needs_approval(WITHDRAWAL)
        assert refused(lambda: ask_money(WITHDRAWAL, account, "1000.01")).code == Code.INSUFFICIENT_FUNDS

    def test_without_a_rate(self) -> None:
        dollars()
        account = client_account(asset=make_asset())
        fund(account, account.currency, 10)

        refusal = refused(lambda: ask_money(WITHDRAWAL, account, "1"))

        assert (refusal.code, refusal.status) == (Code.NO_RATE, 409)

    @pytest.mark.parametrize("kind", [WITHDRAWAL, TRANSFER])
    @pytest.mark.parametrize(
        ("state", "code"),
        [
            ({"is_locked": True}, Code.ACCOUNT_LOCKED),
            ({"is_active": False}, Code.ACCOUNT_INACTIVE),
            ({"is_active": False, "is_locked": True}, Code.ACCOUNT_INACTIVE),
        ],
    )
    def test_out_of_a_locked_or_closed_account(
        self, account: TradingAccount, kind: MoneyKind, state: dict[str, bool], code: Code
    ) -> None:
        other = make_account(currency=account.currency, user=account.user)
        TradingAccount.objects.filter(pk=account.pk).update(**state)
        to: dict[str, Any] = {"to_account_id": other.pk} if kind == TRANSFER else {}

        assert refused(lambda: ask_money(kind, account, "1", **to)).code == code

    @pytest.mark.parametrize("kind", [DEPOSIT, CREDIT, BONUS, ADJUSTMENT])
    def test_into_a_closed_account(self, account: TradingAccount, kind: MoneyKind) -> None:
        TradingAccount.objects.filter(pk=account.pk).update(is_active=False)

        assert refused(lambda: ask_money(kind, account, "1")).code == Code.ACCOUNT_INACTIVE

    def test_a_transfer_into_a_closed_account(self, account: TradingAccount) -> None:
        closed = make_account(currency=account.currency, user=account.user, is_active=False)

        refusal = refused(lambda: ask_money(TRANSFER, account, "1", to_account_id=closed.pk))

        assert refusal.code == Code.ACCOUNT_INACTIVE

    def test_a_locked_account_still_receives_and_a_closed_one_still_gives_to_the_house(
        self, account: TradingAccount, usd: Asset
    ) -> None:
        TradingAccount.objects.filter(pk=account.pk).update(is_locked=True)
        ask_money(DEPOSIT, account, "1", "a")
        TradingAccount.objects.filter(pk=account.pk).update(is_active=False)
        ask_money(ADJUSTMENT, account, "-1001", "b")

        assert money(account, usd) == ("0", "0")

    def test_another_persons_account_is_as_unknown_as_none(self, account: TradingAccount) -> None:
        theirs = make_account(currency=account.currency)

        answers = [
            refused(lambda to=to: ask_money(TRANSFER, account, "1", to_account_id=to))  # type: ignore[misc]
            for to in (theirs.pk, theirs.pk + 1_000)
        ]

        assert {(answer.code, answer.message) for answer in answers} == {
            (Code.ACCOUNT_NOT_FOUND, "No such account.")
        }

    @pytest.mark.parametrize("kind", [WITHDRAWAL, TRANSFER])
    def test_demo_money_stays_on_demo_accounts(
        self, usd: Asset, account: TradingAccount, kind: MoneyKind
    ) -> None:
        demo = make_account(currency=usd, user=account.user, type=AccountType.DEMO)
        fund(demo, usd, 100)
        to: dict[str, Any] = {"to_account_id": account.pk} if kind == TRANSFER else {}

        assert refused(lambda: ask_money(kind, demo, "1", **to)).code == Code.DEMO_MONEY
        if kind == TRANSFER:
            assert refused(lambda: ask_money(TRANSFER, account, "1", to_account_id=demo.pk)).code == (
                Code.DEMO_MONEY
            )
            second = make_account(currency=usd, user=account.user, type=AccountType.DEMO)
            ask_money(TRANSFER, demo, "1", to_account_id=second.pk)
            assert money(second, usd) == ("1", "0")

    def test_to_itself_or_to_nobody(self, account: TradingAccount) -> None:
        assert refused(lambda: ask_money(TRANSFER, account, "1", to_account_id=account.pk)).code == (
            Code.INVALID_FIELD
        )
        assert refused(lambda: ask_money(TRANSFER, account, "1")).code == Code.INVALID_FIELD
        assert refused(lambda: ask_money(DEPOSIT, account, "1", to_account_id=5)).code == Code.INVALID_FIELD

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"reason": "  "}, Code.REASON_REQUIRED),
            ({"request_id": "x" * 65}, Code.INVALID_FIELD),
            ({"request_id": " "}, Code.INVALID_FIELD),
            ({"asset": "NOPE"}, Code.UNKNOWN_ASSET),
            ({"reference": "x" * 141}, Code.INVALID_FIELD),
            ({"reference": "a\0b"}, Code.INVALID_FIELD),
            ({"document_hash": "AB" * 32}, Code.INVALID_FIELD),
            ({"document_hash": "ab"}, Code.INVALID_FIELD),
        ],
    )
    def test_what_makes_no_sense(self, account: TradingAccount, changes: dict[str, Any], code: Code) -> None:
        assert refused(lambda: ask_money(DEPOSIT, account, "1", **changes)).code == code

    def test_a_refused_request_leaves_its_id_free(self, account: TradingAccount, usd: Asset) -> None:
        refused(lambda: ask_money(WITHDRAWAL, account, "1001"))
        fund(account, usd, 1)

        ask_money(WITHDRAWAL, account, "1001")

        assert money(account, usd) == ("0", "0")

    def test_the_platform_itself_does_not_ask(self, account: TradingAccount) -> None:
        with pytest.raises(ValueError, match="only people"):
            request_money(wish_for(DEPOSIT, account, "1"), actor=ACTOR, now=NOW)


class TestTheDatabase:
    """It refuses whoever comes by another road."""

    @pytest.fixture
    def waits(self, account: TradingAccount) -> MoneyRequest:
        needs_approval(WITHDRAWAL)
        return ask_money(WITHDRAWAL, account, "80").request

    @pytest.mark.parametrize(
        "change",
        [
            "amount = 1",
            "account_id = account_id + 1",
            "maker_id = 1",
            "worth = 0",
            "reason = ''",
            "kind = 'bonus'",
        ],
    )
    def test_any_change_of_what_was_asked(self, waits: MoneyRequest, change: str) -> None:
        with pytest.raises(DatabaseError, match="Cannot update rows"), transaction.atomic():
            _change(change)

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ("held = 0", "money_withdrawal_holds_while_it_waits"),
            ("held = 81", "money_withdrawal_holds_while_it_waits"),
            ("state = 'rejected', closed_at = now()", "money_withdrawal_holds_while_it_waits"),
            ("state = 'done', held = 0, closed_at = now()", "money_state_says_what_came_of_it"),
            ("state = 'rejected', held = 0", "money_state_says_what_came_of_it"),
            ("state = 'cancelled', held = 0, transfer_id = 1", "money_state_says_what_came_of_it"),
        ],
    )
    def test_a_state_that_does_not_fit(self, waits: MoneyRequest, change: str, constraint: str) -> None:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            _change(change)

    def test_opening_what_is_closed_and_deleting(self, waits: MoneyRequest) -> None:
        decided(waits)

        with pytest.raises(DatabaseError, match="Cannot update rows"), transaction.atomic():
            _change("state = 'requested', held = amount, transfer_id = NULL, closed_at = NULL")
        with pytest.raises(DatabaseError, match="Cannot delete rows"), transaction.atomic():
            _sql("DELETE FROM accounts_moneyrequest")


def _sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _change(what: str) -> None:
    _sql(f"UPDATE accounts_moneyrequest SET {what}")  # noqa: S608 - our own words
