"""Requests about money that race: one effect for one id, limits that see each other, one end for each."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import MoneyKind, MoneyRequest, Role, Transfer
from accounts.services.limits import change_limit
from accounts.services.money_requests import cancel_money
from audit.services.approving import expire_due
from tests.accounts.wishing import ask_money, client_account, decided, needs_approval
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, fund, make_account, make_user, money
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])

WITHDRAWAL = MoneyKind.WITHDRAWAL


def outcome(act: Callable[[], Any]) -> Callable[[], str]:
    """The state a request has then, or the code of its refusal."""

    def done() -> str:
        try:
            answer = act()
        except Refusal as refusal:
            return refusal.code.value
        return str(getattr(answer, "state", answer))

    return done


def proven() -> None:
    codes = ["iM2", "iM4-balance", "iM4-chain", "iM4-held", "iM5", "iA2-money", "iA5", "iA6"]
    assert [finding.code for finding in check_all(only=codes) if not finding.holds] == []


@pytest.mark.parametrize("waits", [False, True])
def test_one_request_sent_eight_times_has_one_effect(waits: bool) -> None:
    account = client_account()
    fund(account, account.currency, 1000)
    if waits:
        needs_approval(WITHDRAWAL)

    results = all_at_once([lambda: ask_money(WITHDRAWAL, account, 80).request.pk] * 8)

    assert len(set(results)) == 1
    assert money(account, account.currency) == (("1000", "80") if waits else ("920", "0"))
    proven()


def test_withdrawals_of_two_accounts_see_each_others_limit() -> None:
    first = client_account()
    second = make_account(currency=first.currency, user=first.user)
    change_limit(level=3, changes={"daily": Decimal(100)}, actor=ACTOR, now=NOW, reason="test")
    for account in (first, second):
        fund(account, account.currency, 1000)

    results = all_at_once(
        [
            outcome(lambda n=n: ask_money(WITHDRAWAL, (first, second)[n % 2], 80, f"w{n}").request)  # type: ignore[misc]
            for n in range(8)
        ]
    )

    assert sorted(map(str, results)) == ["done"] + [Code.KYC_LIMIT_EXCEEDED.value] * 7
    proven()


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("round_number", range(3))
def test_approve_reject_take_back_and_expire_at_once_pay_or_release_once(
    first: int, round_number: int
) -> None:
    account = client_account()
    fund(account, account.currency, 1000)
    needs_approval(WITHDRAWAL)
    asked = ask_money(WITHDRAWAL, account, 80).request
    assert asked.approval is not None
    over = asked.approval.expires_at
    officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in range(2)]
    take_back = {"money_id": asked.pk, "account_id": account.pk, "actor": by(account.user), "now": NOW}
    ways = [
        outcome(lambda: decided(asked, by_whom=officers[0])),
        outcome(lambda: decided(asked, approve=False, by_whom=officers[1])),
        outcome(lambda: cancel_money(**take_back, reason="no more")),  # type: ignore[arg-type]
        outcome(lambda: expire_due(now=over)),
    ]

    all_at_once(ways[first:] + ways[:first], threads=4)

    state = MoneyRequest.objects.get().state
    paid = Transfer.objects.filter(kind="withdrawal").count()
    assert (state == "done", money(account, account.currency)) == (
        (True, ("920", "0")) if paid else (False, ("1000", "0"))
    )
    assert paid <= 1
    assert state in {"done", "rejected", "cancelled", "expired"}
    proven()


def test_transfers_to_and_fro_at_once_do_not_deadlock() -> None:
    here = client_account()
    there = make_account(currency=here.currency, user=here.user)
    for account in (here, there):
        fund(account, account.currency, 100)

    def move(number: int) -> Callable[[], str]:
        source, target = (here, there) if number % 2 else (there, here)
        return outcome(
            lambda: ask_money(MoneyKind.TRANSFER, source, 1, f"t{number}", to_account_id=target.pk).request
        )

    results = all_at_once([move(number) for number in range(48)])

    assert set(results) == {"done"}
    assert (money(here, here.currency), money(there, there.currency)) == (("100", "0"), ("100", "0"))
    proven()
