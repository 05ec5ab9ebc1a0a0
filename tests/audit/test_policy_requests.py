"""Policies are added and changed by two persons: nobody frees himself of the second one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounts.models import Role, User, UserRole
from audit.models import ApprovalDecision, ApprovalPolicy, ApprovalRequest, AuditRecord
from audit.services.policies import change_policy
from audit.services.policy_requests import ask_policy, ask_policy_change
from tests.audit.agreeing import agree
from tests.audit.naming import ACTION, add_naming_policy, by
from tests.factories import ACTOR, NOW, make_user
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

TERMS: dict[str, Any] = {
    "above": Decimal("100.50"), "asset": "USD", "approvers": 2, "role": "compliance_officer",
    "expires_after": timedelta(hours=36), "active": True,
}  # fmt: skip


@pytest.fixture
def maker() -> User:
    return make_user(Role.ADMIN)


def asked_to_add(maker: User, request_id: str = "one", **changes: Any) -> ApprovalRequest:
    return ask_policy(
        action=ACTION, values=TERMS | changes, request_id=request_id, actor=by(maker), now=NOW, reason="rules"
    )


def asked_to_change(
    policy_id: int, maker: User, request_id: str = "one", seen: dict[str, Any] | None = None, **changes: Any
) -> ApprovalRequest:
    return ask_policy_change(
        policy_id=policy_id,
        changes=changes,
        seen=seen,
        request_id=request_id,
        actor=by(maker),
        now=NOW,
        reason="rules",
    )


def picture() -> object:
    return (
        sorted(ApprovalPolicy.objects.values_list()),
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


class TestAdding:
    def test_waits_and_is_in_force_when_another_agrees(self, maker: User) -> None:
        approval = asked_to_add(maker)
        assert ApprovalPolicy.objects.count() == 0
        assert approval.effects == [
            ["Act", "", "Name an asset"],
            ["Above", "", "100.5 USD"],
            ["Needs", "", "2 x compliance officer, within 1 day, 12:00:00"],
        ]

        officer = make_user(Role.COMPLIANCE_OFFICER)
        agree(approval, officer)

        policy = ApprovalPolicy.objects.get()
        assert {name: getattr(policy, name) for name in TERMS} == TERMS
        record = AuditRecord.objects.get(action="audit.policy.add")
        assert (record.actor_id, record.reason, record.after["approval"]) == (
            officer.pk,
            "rules",
            approval.pk,
        )

    def test_of_two_alike_the_second_is_told(self, maker: User) -> None:
        first, second = asked_to_add(maker), asked_to_add(maker, "two", approvers=1)
        agree(first)

        refusal = refused(lambda: agree(second))

        assert (refusal.code, ApprovalPolicy.objects.get().approvers) == (Code.INVALID_FIELD, 2)

    @pytest.mark.parametrize(
        "terms", [{"approvers": 0}, {"role": "trader"}, {"asset": ""}, {"expires_after": timedelta(0)}]
    )
    def test_what_makes_no_sense_asks_nothing(self, maker: User, terms: dict[str, Any]) -> None:
        assert refused(lambda: asked_to_add(maker, **terms)).code == Code.INVALID_FIELD

    def test_what_is_no_term_asks_nothing(self, maker: User) -> None:
        assert refused(lambda: asked_to_add(maker, id=1)).code == Code.FIELD_IS_FIXED


class TestChanging:
    def test_waits_and_counts_when_another_agrees(self, maker: User) -> None:
        policy = add_naming_policy(approvers=2)

        approval = asked_to_change(policy, maker, active=False, expires_after=timedelta(hours=1))
        assert approval.effects == [
            ["Active", "yes", "no"], ["Expires after", "1 day, 0:00:00", "1:00:00"],
        ]  # fmt: skip
        assert ApprovalPolicy.objects.get().active
        agree(approval)

        changed = ApprovalPolicy.objects.get()
        assert (changed.active, changed.expires_after, changed.approvers) == (False, timedelta(hours=1), 2)
        record = AuditRecord.objects.get(action="audit.policy.change")
        assert (record.before, record.after) == (
            {"active": True, "expires_after": "1 day, 0:00:00"},
            {"active": False, "expires_after": "1:00:00", "approval": approval.pk},
        )

    def test_the_maker_alone_changes_nothing(self, maker: User) -> None:
        UserRole.objects.create(user=maker, role=Role.COMPLIANCE_OFFICER)
        approval = asked_to_change(add_naming_policy(), maker, active=False)

        assert refused(lambda: agree(approval, maker)).code == Code.MAKER_IS_CHECKER

    def test_who_lost_the_right_changes_nothing(self, maker: User) -> None:
        approval = asked_to_change(add_naming_policy(), maker, active=False)
        UserRole.objects.filter(user=maker).delete()

        assert refused(lambda: agree(approval)).code == Code.MAKER_LOST_RIGHT

    def test_the_second_of_two_at_once_is_a_conflict(self, maker: User) -> None:
        """Whatever they are about: who agreed to the second had seen the first policy."""
        policy = add_naming_policy()
        first = asked_to_change(policy, maker, approvers=3)
        second = asked_to_change(policy, maker, "two", active=False)
        agree(first)

        refusal = refused(lambda: agree(second))

        assert (refusal.code, refusal.status) == (Code.ROW_CHANGED, 409)
        assert refusal.context["fields"] == {"approvers": {"seen": 1, "now": 3}}
        assert "approvers was 1 and is 3 now" in refusal.message

    def test_what_moved_since_the_form_was_opened_asks_nothing(self, maker: User) -> None:
        policy = add_naming_policy()
        change_policy(policy_id=policy, changes={"approvers": 2}, actor=ACTOR, now=NOW, reason="stricter")

        refusal = refused(lambda: asked_to_change(policy, maker, seen={"approvers": 1}, active=False))

        assert refusal.code == Code.ROW_CHANGED

    def test_the_same_request_again_is_the_same(self, maker: User) -> None:
        policy = add_naming_policy()
        first = asked_to_change(policy, maker, approvers=3)

        assert asked_to_change(policy, maker, approvers=3) == first
        assert refused(lambda: asked_to_change(policy, maker, approvers=4)).code == Code.REQUEST_ID_CONFLICT

    @pytest.mark.parametrize("action", ["audit.policy.add", "audit.policy.change"])
    def test_no_policy_frees_the_change_of_policies(self, maker: User, action: str) -> None:
        """The one policy about it is off: its first default one counts."""
        (policy,) = ApprovalPolicy.objects.bulk_create(
            [ApprovalPolicy(action=action, role=Role.COMPLIANCE_OFFICER, active=False)]
        )

        asked = (
            asked_to_add(maker) if action.endswith("add") else asked_to_change(policy.pk, maker, approvers=2)
        )

        assert (asked.state, asked.needed, asked.role) == ("pending", 1, "compliance_officer")

    def test_about_nothing(self, maker: User) -> None:
        assert refused(lambda: asked_to_change(404, maker, approvers=2)).code == Code.NOT_FOUND


@pytest.mark.django_db(transaction=True)
def test_eight_changes_agreed_at_once_change_once(maker: User) -> None:
    policy = add_naming_policy()
    asked = [asked_to_change(policy, maker, str(number), approvers=number) for number in range(2, 10)]
    officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in asked]

    results = all_at_once([partial(agree, *pair) for pair in zip(asked, officers, strict=True)])

    assert [r.code for r in results if isinstance(r, Refusal)] == [Code.ROW_CHANGED] * 7
    assert AuditRecord.objects.filter(action="audit.policy.change").count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_additions_agreed_at_once_add_once(maker: User) -> None:
    asked = [asked_to_add(maker, str(number), approvers=number) for number in range(1, 9)]
    officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in asked]

    results = all_at_once([partial(agree, *pair) for pair in zip(asked, officers, strict=True)])

    assert [r.code for r in results if isinstance(r, Refusal)] == [Code.INVALID_FIELD] * 7
    assert ApprovalPolicy.objects.count() == 1
