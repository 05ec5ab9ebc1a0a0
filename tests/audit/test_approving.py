"""Maker and checker: done once, by others, in time, with everything or nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import Role, User, UserRole
from audit.approvable import house
from audit.models import ApprovalDecision, ApprovalRequest, ApprovalState, AuditRecord
from audit.selectors import waiting, waiting_for
from audit.services.approving import cancel, decide, expire_due
from audit.services.policies import change_policy
from instruments.models import Asset
from tests.audit.naming import add_naming_policy as policy
from tests.audit.naming import ask_for as asked
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, make_asset, make_user
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def asset() -> Asset:
    return make_asset(code="LETTERS")


@pytest.fixture
def maker() -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def checker() -> User:
    return make_user(Role.COMPLIANCE_OFFICER)


def waits(asset: Asset, maker: User, letter: str = "!", *, approvers: int = 1) -> ApprovalRequest:
    """A request under a policy for so many approvers."""
    policy(approvers=approvers)
    found = asked(asset, maker, letter)
    assert found is not None
    return found


def yes(approval: ApprovalRequest, user: User, **changes: Any) -> ApprovalRequest:
    values: dict[str, Any] = {"approve": True, "actor": by(user), "now": LATER, "reason": "seen"}
    return decide(approval_id=approval.pk, **(values | changes))


def name(asset: Asset) -> str:
    return Asset.objects.values_list("name", flat=True).get(id=asset.id)


def picture() -> object:
    """All that approvals write, and what they act on."""
    return (
        sorted(ApprovalRequest.objects.values_list("id", "state")),
        ApprovalDecision.objects.count(),
        AuditRecord.objects.count(),
        sorted(Asset.objects.values_list("id", "name")),
    )


def refused(act: Callable[[], Any]) -> Refusal:
    before = picture()
    with pytest.raises(Refusal) as caught:
        act()
    assert picture() == before
    return caught.value


class TestAsking:
    def test_without_a_policy_nothing_waits(self, asset: Asset, maker: User) -> None:
        assert asked(asset, maker) is None
        assert ApprovalRequest.objects.count() == 0

    def test_keeps_the_exact_effect_and_the_terms(self, asset: Asset, maker: User) -> None:
        approval = waits(asset, maker, approvers=2)

        stored = ApprovalRequest.objects.get()
        assert stored.effects == [["Name", "LETTERS", "LETTERS!"]]
        assert (stored.payload, stored.reason) == ({"asset": asset.id, "letter": "!"}, "it lacks a letter")
        assert (stored.needed, stored.role, stored.state) == (2, "compliance_officer", "pending")
        assert (stored.created_at, stored.expires_at) == (NOW, NOW + timedelta(days=1))
        record = AuditRecord.objects.get(action="audit.approval.ask")
        assert (record.actor_id, record.target_id) == (maker.id, str(approval.pk))

    @pytest.mark.parametrize(
        ("amount", "unit", "waiting_for_it"),
        [
            ("100", "LETTERS", False),
            ("100.00000001", "LETTERS", True),
            ("-100.00000001", "LETTERS", True),
            ("-100", "LETTERS", False),
            # Nobody knows what it is worth: it counts as above.
            ("0.00000001", "UNKNOWN", True),
            (None, "", False),
        ],
    )
    def test_a_policy_counts_above_its_amount(
        self, asset: Asset, maker: User, amount: str | None, unit: str, waiting_for_it: bool
    ) -> None:
        policy(above=Decimal(100), asset="LETTERS")

        size = None if amount is None else Decimal(amount)
        found = asked(asset, maker, amount=size, asset=unit)

        assert (found is not None) == waiting_for_it

    def test_the_strictest_policy_that_applies_counts(self, asset: Asset, maker: User) -> None:
        policy()
        policy(approvers=3, above=Decimal(100), asset="LETTERS")
        policy(approvers=2, above=Decimal(10), asset="LETTERS")

        needed = []
        for number, amount in enumerate(["10", "10.5", "101"]):
            found = asked(asset, maker, amount=Decimal(amount), asset="LETTERS", request_id=str(number))
            assert found is not None
            needed.append(found.needed)

        assert needed == [1, 2, 3]

    def test_a_policy_that_is_off_does_not_count(self, asset: Asset, maker: User) -> None:
        change_policy(policy_id=policy(), changes={"active": False}, actor=ACTOR, now=NOW, reason="off")

        assert asked(asset, maker) is None

    def test_the_same_request_again_is_the_same_request(self, asset: Asset, maker: User) -> None:
        first = waits(asset, maker)
        before = picture()

        assert asked(asset, maker) == first
        assert picture() == before

    def test_another_payload_under_the_same_id_is_a_conflict(self, asset: Asset, maker: User) -> None:
        waits(asset, maker)

        assert refused(lambda: asked(asset, maker, "?")).code == Code.REQUEST_ID_CONFLICT

    def test_only_a_person_can_need_approval(self, asset: Asset, maker: User) -> None:
        with pytest.raises(ValueError, match="person"):
            asked(asset, maker, actor=ACTOR)


class TestDeciding:
    def test_the_last_approval_does_the_act_once(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker)

        decided = yes(approval, checker)

        assert (decided.state, decided.closed_at, name(asset)) == ("done", LATER, "LETTERS!")
        record = AuditRecord.objects.get(action="audit.approval.approve")
        assert (record.actor_id, record.reason) == (checker.id, "seen")
        assert record.after == {"approvals": 1, "needed": 1}

    def test_nothing_happens_before_enough_have_agreed(self, asset: Asset, maker: User) -> None:
        approval = waits(asset, maker, approvers=2)
        first, second = make_user(Role.COMPLIANCE_OFFICER), make_user(Role.COMPLIANCE_OFFICER)

        yes(approval, first)
        assert (name(asset), ApprovalRequest.objects.get().state) == ("LETTERS", "pending")
        assert refused(lambda: yes(approval, first)).code == Code.ALREADY_DECIDED

        yes(approval, second)
        assert (name(asset), ApprovalRequest.objects.get().state) == ("LETTERS!", "done")

    def test_one_no_ends_it(self, asset: Asset, maker: User) -> None:
        approval = waits(asset, maker, approvers=2)
        first, second = make_user(Role.COMPLIANCE_OFFICER), make_user(Role.COMPLIANCE_OFFICER)
        yes(approval, first)

        yes(approval, second, approve=False, reason="no such letter")

        assert (name(asset), ApprovalRequest.objects.get().state) == ("LETTERS(rejected)", "rejected")
        assert refused(lambda: yes(approval, make_user(Role.COMPLIANCE_OFFICER))).context["state"] == (
            "rejected"
        )

    def test_a_second_decision_is_a_conflict(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker)
        yes(approval, checker)

        refusal = refused(lambda: yes(approval, make_user(Role.COMPLIANCE_OFFICER)))

        assert (refusal.code, refusal.status) == (Code.APPROVAL_NOT_PENDING, 409)
        assert refusal.context == {"approval": str(approval.pk), "state": "done"}

    def test_nobody_checks_themselves(self, asset: Asset, maker: User) -> None:
        UserRole.objects.create(user=maker, role=Role.COMPLIANCE_OFFICER)
        approval = waits(asset, maker)

        assert refused(lambda: yes(approval, maker)).code == Code.MAKER_IS_CHECKER
        assert refused(lambda: yes(approval, maker, actor=ACTOR)).code == Code.MAKER_IS_CHECKER

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.ADMIN, Role.TRADER])
    def test_only_the_policys_role_decides(self, asset: Asset, maker: User, role: Role) -> None:
        approval = waits(asset, maker)

        refusal = refused(lambda: yes(approval, make_user(role)))

        assert (refusal.code, refusal.message) == (
            Code.PERMISSION_DENIED,
            "Only a compliance officer decides about this.",
        )

    def test_the_role_counts_when_deciding(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker)
        UserRole.objects.filter(user=checker).delete()

        assert refused(lambda: yes(approval, checker)).code == Code.PERMISSION_DENIED

        UserRole.objects.create(user=checker, role=Role.COMPLIANCE_OFFICER)
        User.objects.filter(id=checker.id).update(is_active=False)
        assert refused(lambda: yes(approval, checker)).code == Code.PERMISSION_DENIED

    def test_the_makers_right_counts_when_it_is_done(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker)
        UserRole.objects.filter(user=maker).delete()

        assert refused(lambda: yes(approval, checker)).code == Code.MAKER_LOST_RIGHT

        yes(approval, checker, approve=False)
        assert name(asset) == "LETTERS(rejected)"

    def test_a_refused_effect_leaves_it_pending_and_says_why(
        self, asset: Asset, maker: User, checker: User
    ) -> None:
        approval = waits(asset, maker, "?")

        refusal = refused(lambda: yes(approval, checker))

        assert (refusal.code, refusal.message) == (Code.INSUFFICIENT_FUNDS, "The letters are spent.")
        assert ApprovalRequest.objects.get().state == "pending"

    @pytest.mark.parametrize("reason", ["", "  ", "a\0b"])
    def test_wants_a_reason(self, asset: Asset, maker: User, checker: User, reason: str) -> None:
        approval = waits(asset, maker)

        refusal = refused(lambda: yes(approval, checker, reason=reason))

        assert refusal.code == Code.REASON_REQUIRED

    def test_about_nothing(self, checker: User) -> None:
        assert refused(lambda: yes(ApprovalRequest(id=404), checker)).code == Code.NOT_FOUND


class TestEnding:
    def test_the_maker_takes_it_back(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker)
        assert (
            refused(lambda: cancel(approval_id=approval.pk, actor=by(checker), now=LATER, reason="no")).code
            == Code.PERMISSION_DENIED
        )

        cancel(approval_id=approval.pk, actor=by(maker), now=LATER, reason="a mistake")

        assert (name(asset), ApprovalRequest.objects.get().state) == ("LETTERS(cancelled)", "cancelled")
        assert refused(lambda: yes(approval, checker)).code == Code.APPROVAL_NOT_PENDING

    def test_its_time_is_over_at_its_very_moment(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker)
        last = approval.expires_at - timedelta(microseconds=1)

        assert approval.state_at(last) == ApprovalState.PENDING
        assert approval.state_at(approval.expires_at) == ApprovalState.EXPIRED
        assert expire_due(now=last) == []
        assert expire_due(now=approval.expires_at) == [approval.pk]
        assert expire_due(now=approval.expires_at) == []
        assert (name(asset), ApprovalRequest.objects.get().state) == ("LETTERS(expired)", "expired")
        assert AuditRecord.objects.filter(action="audit.approval.expire").count() == 1

    def test_a_late_decision_finds_it_expired_and_writes_that_down(
        self, asset: Asset, maker: User, checker: User
    ) -> None:
        approval = waits(asset, maker)

        with pytest.raises(Refusal) as late:
            yes(approval, checker, now=approval.expires_at)

        assert (late.value.code, late.value.context["state"]) == (Code.APPROVAL_NOT_PENDING, "expired")
        assert (name(asset), ApprovalRequest.objects.get().state) == ("LETTERS(expired)", "expired")
        assert ApprovalDecision.objects.count() == 0


class TestWaiting:
    def test_shows_what_a_person_may_decide(self, asset: Asset, maker: User, checker: User) -> None:
        approval = waits(asset, maker, approvers=2)
        boss = make_user()
        User.objects.filter(id=boss.id).update(is_superuser=True)

        def whose(user: User) -> list[int]:
            return [row.pk for row in waiting_for(user.id, house().roles_of(user.id), now=LATER)]

        assert (whose(checker), whose(boss), whose(maker)) == ([approval.pk], [approval.pk], [])
        assert whose(make_user(Role.SUPPORT)) == []
        yes(approval, checker)
        assert (whose(checker), whose(boss)) == ([], [approval.pk])
        assert not waiting(now=approval.expires_at).exists()


class TestTheDatabase:
    """It refuses whoever comes by another road."""

    @pytest.fixture
    def approval(self, asset: Asset, maker: User) -> ApprovalRequest:
        return waits(asset, maker)

    def insert(self, approval: ApprovalRequest, *, maker: int, checker: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_approvaldecision"
                " (request_id, maker_id, checker_id, checker_label, approved, reason, at)"
                " VALUES (%s, %s, %s, 'x', true, 'x', now())",
                [approval.pk, maker, checker],
            )
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_the_maker_as_checker(self, approval: ApprovalRequest, maker: User) -> None:
        with pytest.raises(IntegrityError, match="approval_checker_is_not_maker"):
            self.insert(approval, maker=maker.id, checker=maker.id)

    def test_a_maker_that_is_not_the_requests(self, approval: ApprovalRequest, maker: User) -> None:
        with pytest.raises(IntegrityError, match="approval_decision_of_request_and_maker"):
            self.insert(approval, maker=maker.id + 1, checker=maker.id)

    def test_two_decisions_of_one_person(self, approval: ApprovalRequest, maker: User) -> None:
        self.insert(approval, maker=maker.id, checker=maker.id + 1)
        with pytest.raises(IntegrityError, match="approval_decision_once"):
            self.insert(approval, maker=maker.id, checker=maker.id + 1)

    @pytest.mark.parametrize(
        "change", ["maker_id = maker_id + 1", "payload = '{}'", "amount = 1", "needed = 2", "role = 'user'"]
    )
    def test_any_change_of_what_was_asked(self, approval: ApprovalRequest, change: str) -> None:
        with pytest.raises(DatabaseError, match="Cannot update rows"), transaction.atomic():
            _change(change)

    def test_opening_what_is_closed_and_deleting(
        self, approval: ApprovalRequest, maker: User, checker: User
    ) -> None:
        yes(approval, checker)

        for sql in (
            "UPDATE audit_approvalrequest SET state = 'pending', closed_at = NULL",
            "DELETE FROM audit_approvalrequest",
            "UPDATE audit_approvaldecision SET approved = false",
            "DELETE FROM audit_approvaldecision",
        ):
            with pytest.raises(DatabaseError, match="pgtrigger: Cannot"), transaction.atomic():
                _sql(sql)

    @pytest.mark.parametrize("change", ["state = 'done'", "state = 'rejected'", "closed_at = now()"])
    def test_a_state_without_its_time(self, approval: ApprovalRequest, change: str) -> None:
        with (
            pytest.raises(IntegrityError, match="approval_request_closed_with_its_state"),
            transaction.atomic(),
        ):
            _change(change)


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Several connections at once: one effect, and everybody is told."""

    def outcome(self, act: Callable[[], ApprovalRequest]) -> Callable[[], str]:
        def done() -> str:
            try:
                return act().state
            except Refusal as refusal:
                return refusal.code

        return done

    @pytest.mark.parametrize("needed", [1, 2, 3])
    def test_eight_approvers_at_once_make_one_effect(self, asset: Asset, maker: User, needed: int) -> None:
        approval = waits(asset, maker, approvers=needed)
        checkers = [make_user(Role.COMPLIANCE_OFFICER) for _ in range(8)]

        def press(user: User) -> Callable[[], str]:
            return self.outcome(lambda: yes(approval, user))

        results = all_at_once([press(user) for user in checkers])

        assert sorted(map(str, results)) == sorted(
            ["pending"] * (needed - 1) + ["done"] + [Code.APPROVAL_NOT_PENDING] * (8 - needed)
        )
        assert (name(asset), ApprovalDecision.objects.count()) == ("LETTERS!", needed)

    def test_one_approver_who_presses_eight_times_decides_once(
        self, asset: Asset, maker: User, checker: User
    ) -> None:
        approval = waits(asset, maker, approvers=2)

        results = all_at_once([self.outcome(lambda: yes(approval, checker))] * 8)

        assert sorted(map(str, results)) == sorted(["pending"] + [Code.ALREADY_DECIDED] * 7)
        assert name(asset) == "LETTERS"

    @pytest.mark.parametrize("number", range(12))
    def test_approve_reject_cancel_and_expire_at_once_end_it_once(
        self, asset: Asset, maker: User, checker: User, number: int
    ) -> None:
        approval, other = waits(asset, maker), make_user(Role.COMPLIANCE_OFFICER)
        back = {"approval_id": approval.pk, "actor": by(maker), "now": LATER, "reason": "back"}
        ways: list[Callable[[], Any]] = [
            self.outcome(lambda: yes(approval, checker)),
            self.outcome(lambda: yes(approval, other, approve=False)),
            self.outcome(lambda: cancel(**back)),  # type: ignore[arg-type]
            lambda: expire_due(now=approval.expires_at),
        ]
        first = number % 4

        results = all_at_once(ways[first:] + ways[:first], threads=4)

        state = ApprovalRequest.objects.get().state
        assert name(asset) == ("LETTERS!" if state == "done" else f"LETTERS({state})")
        ended = [approval.pk] if state == "expired" else []
        assert (ended in results, results.count(Code.APPROVAL_NOT_PENDING)) == (
            True,
            3 if state == "expired" else 2,
        )


def _sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _change(what: str) -> None:
    _sql(f"UPDATE audit_approvalrequest SET {what}")  # noqa: S608 - our own words
