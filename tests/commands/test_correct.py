"""`manage.py correct`: says what a correction would change, asks for it in a person's name, moves nothing."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Role, TradingAccount, Transfer, User
from audit.models import ApprovalRequest
from tests.accounts.wishing import picture
from tests.audit.agreeing import agree
from tests.factories import fund, make_account, make_asset, make_user, money

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> TradingAccount:
    account = make_account(currency=make_asset(decimals=2))
    fund(account, account.currency, 100)
    return account


@pytest.fixture
def deposited(account: TradingAccount) -> Transfer:
    return Transfer.objects.get(credit__account=account)


@pytest.fixture
def maker() -> User:
    return make_user(Role.ADMIN)


def run(transfer: Transfer | int, *options: str) -> str:
    out = StringIO()
    call_command("correct", str(getattr(transfer, "pk", transfer)), "--reason", "twice", *options, stdout=out)
    return out.getvalue()


def test_a_dry_run_says_it_and_asks_nothing(
    deposited: Transfer, account: TradingAccount, maker: User
) -> None:
    before = picture()

    shown = run(deposited, "--amount", "40", "--by", maker.username, "--dry-run")

    for words in (f"{account} balance", "60.00", "Left to correct", "Nothing was asked for."):
        assert words in shown
    assert picture() == before


def test_asks_and_moves_only_when_another_agrees(
    deposited: Transfer, account: TradingAccount, maker: User
) -> None:
    said: dict[str, Any] = json.loads(run(deposited, "--by", maker.username, "--json"))

    approval = ApprovalRequest.objects.get()
    assert (said["transfer"], said["amount"], said["approval"], said["state"], said["dry_run"]) == (
        deposited.pk, "100", approval.pk, "pending", False,
    )  # fmt: skip
    assert said["effects"][-1] == [
        "Left to correct",
        f"100.00 {account.currency.code}",
        f"0.00 {account.currency.code}",
    ]
    assert money(account, account.currency) == ("100", "0")
    agree(approval, now=approval.created_at)
    assert money(account, account.currency) == ("0", "0")


def test_the_same_id_asks_once(deposited: Transfer, maker: User) -> None:
    for _ in range(2):
        shown = run(deposited, "--by", maker.username, "--request-id", "one", "--amount", "40")
        assert "is pending: it needs 1 of compliance_officer" in shown

    assert ApprovalRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--amount", "101"], "correction_too_large"),
        (["--amount", "0"], "invalid_number"),
        (["--amount", "much"], "no amount"),
        (["--by", "nobody"], "nobody may not correct transfers"),
    ],
)
def test_what_cannot_be_is_said(deposited: Transfer, maker: User, options: list[str], words: str) -> None:
    before = picture()

    with pytest.raises(CommandError, match=words):
        run(deposited, "--by", maker.username, *options)

    assert picture() == before


def test_an_unknown_transfer_and_somebody_without_the_right(deposited: Transfer, maker: User) -> None:
    with pytest.raises(CommandError, match="not_found"):
        run(2**40, "--by", maker.username)
    with pytest.raises(CommandError, match="may not correct"):
        run(deposited, "--by", make_user(Role.COMPLIANCE_OFFICER).username)
