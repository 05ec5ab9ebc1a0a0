"""A correction is made by two persons: one asks, another agrees, and only then money moves, once."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Role, TradingAccount, Transfer, User, UserRole
from accounts.services.correcting import correct, left_to_correct
from accounts.services.correction_requests import ask_correction
from accounts.services.funding import withdraw
from accounts.services.standing import close_account
from audit.models import ApprovalPolicy, ApprovalRequest, AuditRecord
from audit.services.policies import change_policy, seed_policies
from instruments.models import Asset
from tests.accounts.wishing import picture, refused
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, fund, make_account, make_asset, make_user, money
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def asset() -> Asset:
    return make_asset(decimals=8)


@pytest.fixture
def account(asset: Asset) -> TradingAccount:
    account = make_account(currency=asset)
    fund(account, asset, 100)
    return account


@pytest.fixture
def deposited(account: TradingAccount) -> Transfer:
    return Transfer.objects.get(credit__account=account)


@pytest.fixture
def maker() -> User:
    return make_user(Role.ADMIN)


def ask(transfer: Transfer, maker: User, amount: str = "40", **changes: Any) -> ApprovalRequest:
    values: dict[str, Any] = {
        "transfer_id": transfer.pk,
        "amount": Decimal(amount),
        "reason": "entered twice",
        "request_id": "one",
        "actor": by(maker),
        "now": NOW,
    }
    return ask_correction(**(values | changes))


def spend(account: TradingAccount, amount: str) -> None:
    withdraw(
        account_id=account.pk, asset=account.currency.code, amount=Decimal(amount), reason="rent",
        request_id="rent", actor=ACTOR, now=NOW,
    )  # fmt: skip


def test_waits_and_moves_nothing(
    account: TradingAccount, asset: Asset, deposited: Transfer, maker: User
) -> None:
    approval = ask(deposited, maker)

    assert (approval.state, approval.role, approval.needed) == ("pending", "compliance_officer", 1)
    assert approval.effects == [
        [f"{account} balance", f"100.00000000 {asset.code}", f"60.00000000 {asset.code}"],
        ["Funding (outside world) balance", f"-100.00000000 {asset.code}", f"-60.00000000 {asset.code}"],
        ["Left to correct", f"100.00000000 {asset.code}", f"60.00000000 {asset.code}"],
    ]
    assert (money(account, asset), Transfer.objects.count()) == (("100", "0"), 1)


def test_entry_approval_and_audit_are_one(
    account: TradingAccount, asset: Asset, deposited: Transfer, maker: User
) -> None:
    officer = make_user(Role.COMPLIANCE_OFFICER)

    approval = agree(ask(deposited, maker), officer)

    correction = Transfer.objects.latest("id")
    assert approval.state == "done"
    assert (correction.corrects_id, correction.amount, correction.actor_id) == (
        deposited.pk,
        Decimal(40),
        maker.pk,
    )
    assert (correction.reason, correction.request_id) == ("entered twice", "one")
    assert (money(account, asset), left_to_correct(deposited)) == (("60", "0"), Decimal(60))
    record = AuditRecord.objects.get(action="accounts.money.correction")
    assert (record.actor_id, record.reason, record.after["approval"], record.after["transfer"]) == (
        officer.pk,
        "entered twice",
        approval.pk,
        correction.pk,
    )


def test_what_cannot_be_recorded_does_not_move(
    deposited: Transfer, maker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = ask(deposited, maker)
    before = picture()

    def breaks(**_values: Any) -> None:
        raise OSError("the trail is full")

    monkeypatch.setattr("accounts.services.correcting.record", breaks)
    with pytest.raises(OSError, match="full"):
        agree(approval)

    assert picture() == before


def test_a_no_leaves_everything(account: TradingAccount, asset: Asset, deposited: Transfer) -> None:
    approval = agree(ask(deposited, make_user(Role.ADMIN)), approve=False)

    assert (approval.state, money(account, asset), left_to_correct(deposited)) == (
        "rejected",
        ("100", "0"),
        Decimal(100),
    )


def test_no_policy_can_free_it(deposited: Transfer, maker: User) -> None:
    seeded()
    policy = ApprovalPolicy.objects.get(action="accounts.money.correction")
    assert (policy.above, policy.approvers, policy.role) == (None, 1, "compliance_officer")

    change_policy(policy_id=policy.pk, changes={"active": False}, actor=ACTOR, now=NOW, reason="off")

    assert ask(deposited, maker).state == "pending"


def test_a_stricter_policy_counts(deposited: Transfer, maker: User) -> None:
    seeded()
    policy = ApprovalPolicy.objects.get(action="accounts.money.correction")
    change_policy(policy_id=policy.pk, changes={"approvers": 2}, actor=ACTOR, now=NOW, reason="stricter")
    approval = ask(deposited, maker)

    assert agree(approval).state == "pending"
    assert agree(approval).state == "done"


def test_nobody_agrees_with_themselves(deposited: Transfer, maker: User) -> None:
    UserRole.objects.create(user=maker, role=Role.COMPLIANCE_OFFICER)
    approval = ask(deposited, maker)

    assert refused(lambda: agree(approval, maker)).code == Code.MAKER_IS_CHECKER


def test_who_lost_the_right_makes_nothing_happen(deposited: Transfer, maker: User) -> None:
    approval = ask(deposited, maker)
    UserRole.objects.filter(user=maker).delete()

    assert refused(lambda: agree(approval)).code == Code.MAKER_LOST_RIGHT


def test_what_was_spent_meanwhile_is_refused_and_waits(
    account: TradingAccount, deposited: Transfer, maker: User
) -> None:
    approval = ask(deposited, maker)
    spend(account, "70")

    assert refused(lambda: agree(approval)).code == Code.INSUFFICIENT_FUNDS
    assert ApprovalRequest.objects.get().state == "pending"


def test_what_was_taken_back_meanwhile_is_refused(deposited: Transfer, maker: User) -> None:
    first, second = ask(deposited, maker, "70"), ask(deposited, maker, "40", request_id="two")
    agree(first)

    refusal = refused(lambda: agree(second))

    assert (refusal.code, refusal.context["left"]) == (Code.CORRECTION_TOO_LARGE, "30")


def test_a_closed_account_receives_nothing(account: TradingAccount, deposited: Transfer, maker: User) -> None:
    spend(account, "100")
    withdrawal = Transfer.objects.latest("id")
    close_account(account_id=account.pk, actor=ACTOR, now=NOW, reason="gone")

    assert refused(lambda: ask(withdrawal, maker)).code == Code.ACCOUNT_INACTIVE


def test_the_same_request_is_the_same_before_and_after(
    account: TradingAccount, asset: Asset, deposited: Transfer, maker: User
) -> None:
    first = ask(deposited, maker, "100")
    assert ask(deposited, maker, "100") == first
    agree(first)

    assert ask(deposited, maker, "100") == first
    assert refused(lambda: ask(deposited, maker, "99")).code == Code.REQUEST_ID_CONFLICT
    assert money(account, asset) == ("0", "0")


@pytest.mark.parametrize(
    ("amount", "changes", "code"),
    [
        ("0", {}, Code.INVALID_NUMBER),
        ("-1", {}, Code.INVALID_NUMBER),
        ("NaN", {}, Code.INVALID_NUMBER),
        ("1e40", {}, Code.INVALID_NUMBER),
        ("0.000000001", {}, Code.INVALID_NUMBER),
        ("100.00000001", {}, Code.CORRECTION_TOO_LARGE),
        ("1", {"reason": " "}, Code.REASON_REQUIRED),
        ("1", {"request_id": ""}, Code.INVALID_FIELD),
        ("1", {"transfer_id": 2**40}, Code.NOT_FOUND),
    ],
)
def test_bad_input_asks_nothing(
    deposited: Transfer, maker: User, amount: str, changes: dict[str, Any], code: Code
) -> None:
    assert refused(lambda: ask(deposited, maker, amount, **changes)).code == code


@pytest.mark.django_db(transaction=True)
def test_sixteen_who_agree_at_once_take_back_no_more_than_there_was(
    account: TradingAccount, asset: Asset, deposited: Transfer, maker: User
) -> None:
    asked = [ask(deposited, maker, "30", request_id=f"r{number}") for number in range(16)]
    officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in asked]
    fund(account, asset, 1_000)

    results = all_at_once([partial(agree, *pair) for pair in zip(asked, officers, strict=True)])

    refusals = [result.code for result in results if isinstance(result, Refusal)]
    assert refusals == [Code.CORRECTION_TOO_LARGE] * 13
    assert (money(account, asset), left_to_correct(deposited)) == (("1010", "0"), Decimal(10))
    states = list(ApprovalRequest.objects.values_list("state", flat=True))
    assert (states.count("done"), states.count("pending")) == (3, 13)


def test_the_service_itself_serves_the_platform(deposited: Transfer) -> None:
    """Without a person there is nobody to ask."""
    correct(
        transfer_id=deposited.pk, amount=Decimal(1), reason="test", request_id="x", actor=ACTOR, now=NOW
    )  # fmt: skip

    assert left_to_correct(deposited) == 99


def seeded() -> None:
    with transaction.atomic():
        seed_policies()
