"""Withdrawal limits and identity checks are changed by two persons: nobody lets himself withdraw more."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounts.models import KycLimit, MoneyKind, Role, User, UserRole
from accounts.services.identity import ask_identity_change
from accounts.services.limit_requests import ask_limit_change
from accounts.services.limits import change_limit
from accounts.services.people import USER_FIELDS, change_user
from audit.models import ApprovalDecision, ApprovalRequest, AuditRecord
from tests.accounts.wishing import ask_money, client_account, known_client
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, fund, make_user
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker() -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def client() -> User:
    """Of level 1; the levels have their limits."""
    return known_client(1)


def picture() -> object:
    return (
        sorted(KycLimit.objects.values_list()),
        sorted(User.objects.exclude(kyc_level=0).values_list("id", "kyc_status", "kyc_level")),
        sorted(ApprovalRequest.objects.values_list("id", "state")),
        ApprovalDecision.objects.count(),
        AuditRecord.objects.count(),
    )


def refused(act: Callable[[], Any]) -> Refusal:
    before = picture()
    with pytest.raises(Refusal) as caught:
        act()
    assert picture() == before
    return caught.value


def limits(level: int, maker: User, request_id: str = "one", **changes: Any) -> ApprovalRequest:
    return ask_limit_change(
        level=level,
        changes={name: Decimal(value) for name, value in changes.items()},
        request_id=request_id,
        actor=by(maker),
        now=NOW,
        reason="reviewed",
    )


def identity(user: User, maker: User, request_id: str = "one", **changes: Any) -> ApprovalRequest:
    return ask_identity_change(
        user_id=user.pk, changes=changes, request_id=request_id, actor=by(maker), now=NOW, reason="papers"
    )


class TestLimits:
    def test_count_when_another_agrees(self, client: User, maker: User) -> None:
        approval = limits(1, maker, daily="5000.5")
        assert approval.effects == [["Daily", "2000", "5000.5"]]
        assert KycLimit.objects.get(level=1).daily == 2_000

        agree(approval)

        assert KycLimit.objects.get(level=1).daily == Decimal("5000.5")
        record = AuditRecord.objects.get(action="accounts.limit.change")
        assert (record.before, record.after) == (
            {"daily": "2000"},
            {"daily": "5000.5", "approval": approval.pk},
        )

    def test_an_admin_alone_does_not_pay_himself(self, maker: User) -> None:
        """The way that was open: raise one's own limit, then withdraw."""
        account = client_account(1)
        fund(account, account.currency, 100_000)
        UserRole.objects.create(user=account.user, role=Role.ADMIN)
        UserRole.objects.create(user=account.user, role=Role.COMPLIANCE_OFFICER)

        approval = limits(1, account.user, daily="100000", monthly="100000")
        assert refused(lambda: agree(approval, account.user)).code == Code.MAKER_IS_CHECKER
        assert refused(lambda: identity(account.user, account.user, kyc_level=3)).code == (
            Code.PERMISSION_DENIED
        )

        refusal = refused(lambda: ask_money(MoneyKind.WITHDRAWAL, account, 50_000))
        assert (refusal.code, refusal.context["limit"]) == (Code.KYC_LIMIT_EXCEEDED, "2000")

    def test_the_second_of_two_at_once_is_a_conflict(self, client: User, maker: User) -> None:
        first, second = limits(1, maker, daily="3000"), limits(1, maker, "two", monthly="20000")
        agree(first)

        refusal = refused(lambda: agree(second))

        assert refusal.code == Code.ROW_CHANGED
        assert refusal.context["fields"] == {"daily": {"seen": "2000", "now": "3000"}}

    @pytest.mark.parametrize(
        ("level", "changes", "code"),
        [
            (1, {"daily": "20000"}, Code.INVALID_FIELD),
            (0, {"monthly": "1"}, Code.INVALID_FIELD),
            (1, {"daily": "2000"}, Code.NO_CHANGE),
            (7, {"daily": "1"}, Code.NOT_FOUND),
            (1, {"id": "2"}, Code.FIELD_IS_FIXED),
        ],
    )
    def test_what_makes_no_sense_asks_nothing(
        self, client: User, maker: User, level: int, changes: dict[str, str], code: Code
    ) -> None:
        assert refused(lambda: limits(level, maker, **changes)).code == code

    def test_what_makes_no_sense_any_more_is_refused(self, client: User, maker: User) -> None:
        approval = limits(1, maker, daily="9000")
        change_limit(level=1, changes={"monthly": Decimal(5_000)}, actor=ACTOR, now=NOW, reason="less")

        assert refused(lambda: agree(approval)).code == Code.ROW_CHANGED

    @pytest.mark.django_db(transaction=True)
    def test_eight_agreed_at_once_change_once(self, client: User, maker: User) -> None:
        asked = [limits(1, maker, str(number), daily=str(3_000 + number)) for number in range(8)]
        officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in asked]

        results = all_at_once([partial(agree, *pair) for pair in zip(asked, officers, strict=True)])

        assert [r.code for r in results if isinstance(r, Refusal)] == [Code.ROW_CHANGED] * 7


class TestIdentity:
    def test_counts_when_another_agrees(self, client: User, maker: User) -> None:
        approval = identity(client, maker, kyc_level=2)
        assert approval.effects == [
            ["KYC level", "1", "2"],
            [
                "May withdraw in 24 hours and 30 days",
                "2\u202f000 and 10\u202f000 USD",
                "50\u202f000 and 250\u202f000 USD",
            ],
        ]
        assert User.objects.get(pk=client.pk).kyc_level == 1

        officer = make_user(Role.COMPLIANCE_OFFICER)
        agree(approval, officer)

        assert User.objects.get(pk=client.pk).kyc_level == 2
        record = AuditRecord.objects.get(action="accounts.user.identity")
        assert (record.actor_id, record.before, record.after) == (
            officer.pk,
            {"kyc_level": 1},
            {"kyc_level": 2, "approval": approval.pk},
        )

    def test_the_status_says_what_the_level_is_worth(self, client: User, maker: User) -> None:
        approval = identity(client, maker, kyc_status="rejected")

        assert approval.effects[0] == ["KYC status", "Approved", "Rejected"]
        assert approval.effects[1][2] == "0 and 0 USD"

    def test_nobody_agrees_about_himself(self, maker: User) -> None:
        officer = make_user(Role.COMPLIANCE_OFFICER)
        approval = identity(officer, maker, kyc_level=3)

        assert refused(lambda: agree(approval, officer)).code == Code.PERMISSION_DENIED

    def test_the_second_of_two_at_once_is_a_conflict(self, client: User, maker: User) -> None:
        first, second = identity(client, maker, kyc_level=3), identity(client, maker, "two", kyc_level=2)
        agree(first)

        assert refused(lambda: agree(second)).code == Code.ROW_CHANGED
        assert User.objects.get(pk=client.pk).kyc_level == 3

    def test_a_powerful_person_is_changed_by_a_super_admin_only(self, maker: User) -> None:
        assert refused(lambda: identity(make_user(Role.ADMIN), maker, kyc_level=1)).code == (
            Code.PERMISSION_DENIED
        )

    def test_a_detail_is_no_way_around(self, client: User) -> None:
        assert not {"kyc_level", "kyc_status"} & set(USER_FIELDS)
        refusal = refused(
            lambda: change_user(
                user_id=client.pk, changes={"kyc_level": 3}, actor=ACTOR, now=NOW, reason="quick"
            )
        )
        assert refusal.code == Code.FIELD_IS_FIXED

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"kyc_level": 4}, Code.INVALID_FIELD),
            ({"kyc_status": "fine"}, Code.INVALID_FIELD),
            ({"kyc_level": 1}, Code.NO_CHANGE),
            ({"is_superuser": True}, Code.FIELD_IS_FIXED),
        ],
    )
    def test_what_makes_no_sense_asks_nothing(
        self, client: User, maker: User, changes: dict[str, Any], code: Code
    ) -> None:
        assert refused(lambda: identity(client, maker, **changes)).code == code
