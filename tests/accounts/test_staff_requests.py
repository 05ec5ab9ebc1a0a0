"""One admin cannot become two persons: staff logins and rights change by two, and one hand is one hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from accounts.backends import roles_of
from accounts.models import Role, SecondFactor, Secret, User, UserRole
from accounts.services import people, second_factor
from accounts.services.desk_sessions import Step, note
from accounts.services.identity import ask_identity_change
from accounts.services.people import create_user, set_active
from accounts.services.roles import grant_role, revoke_role
from accounts.services.staff_requests import ask_password, ask_reopening, ask_reset, ask_role
from audit.models import ApprovalDecision, ApprovalRequest, ApprovalState, AuditRecord
from audit.services.approving import cancel, expire_due
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, make_user
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

PHRASE = "a long enough phrase 7!"


def staff(*roles: Role) -> User:
    """A member of staff, by the platform itself."""
    user = make_user()
    for role in roles:
        grant_role(user_id=user.pk, role=role, actor=ACTOR, now=NOW, reason="hired")
    return fresh(user)


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


@pytest.fixture
def maker() -> User:
    return staff(Role.SUPER_ADMIN)


@pytest.fixture
def officer() -> User:
    return staff(Role.COMPLIANCE_OFFICER)


def role(
    user: User, maker: User, role: Role = Role.RISK_MANAGER, *, ends: datetime | None = None
) -> ApprovalRequest | None:
    return ask_role(
        user_id=user.pk,
        role=role,
        expires_at=ends,
        request_id=f"role-{role}",
        actor=by(maker),
        now=NOW,
        reason="new desk",
    )


def _asked(ask: Callable[..., ApprovalRequest | None], user: User, maker: User, **more: Any) -> Any:
    return ask(user_id=user.pk, request_id="one", actor=by(maker), now=NOW, reason="told us by phone", **more)


password = partial(_asked, ask_password, password=PHRASE)
reset = partial(_asked, ask_reset)
reopening = partial(_asked, ask_reopening)


def picture() -> object:
    return (
        sorted(User.objects.values_list("id", "password", "is_active", "is_staff", "password_set_by")),
        sorted(UserRole.objects.values_list("user_id", "role")),
        sorted(ApprovalRequest.objects.values_list("id", "state")),
        sorted(SecondFactor.objects.values_list("user_id")),
        ApprovalDecision.objects.count(),
        AuditRecord.objects.count(),
    )


def refused(act: Callable[[], Any]) -> Refusal:
    before = picture()
    with pytest.raises(Refusal) as caught:
        act()
    assert picture() == before
    return caught.value


def shut(user: User) -> User:
    return set_active(user_id=user.pk, active=False, actor=ACTOR, now=NOW, reason="left")


class TestStaffChangesByTwo:
    def test_every_act_waits_for_another_person(self, maker: User) -> None:
        """The four by which a login comes into other hands; none has an effect before."""
        clerk, lost, gone = (staff(Role.SUPPORT) for _ in range(3))
        SecondFactor.objects.create(user=lost, created_at=NOW, confirmed_at=NOW, last_step=0)
        shut(gone)
        before = picture()

        asked = [role(clerk, maker), password(clerk, maker), reset(lost, maker), reopening(gone, maker)]

        assert [approval.state for approval in asked if approval] == [ApprovalState.PENDING] * 4
        assert picture()[:2] == before[:2]  # type: ignore[index]
        assert SecondFactor.objects.filter(user=lost).exists()
        for approval in asked:
            assert approval is not None
            assert refused(partial(agree, approval, maker)).code == Code.MAKER_IS_CHECKER
            agree(approval)
        assert roles_of(clerk) == {Role.SUPPORT, Role.RISK_MANAGER}
        assert fresh(clerk).check_password(PHRASE)
        assert not SecondFactor.objects.filter(user=lost).exists()
        assert fresh(gone).is_active

    def test_about_clients_each_is_done_at_once(self, maker: User) -> None:
        client = make_user(Role.USER)
        SecondFactor.objects.create(user=client, created_at=NOW, confirmed_at=NOW, last_step=0)

        answers = [role(client, maker, Role.TRADER), password(client, maker), reset(client, maker)]
        shut(client)
        answers.append(reopening(client, maker))

        assert answers == [None] * 4
        assert not ApprovalRequest.objects.exists()
        assert (fresh(client).check_password(PHRASE), fresh(client).is_active) == (True, True)

    @pytest.mark.parametrize("act", ["password", "reset", "reopening"])
    def test_the_service_itself_does_nothing_of_one_person(self, act: str, maker: User) -> None:
        """Whatever door comes next: without its approval a person's act on staff is an error of ours."""
        clerk = staff(Role.SUPPORT)
        SecondFactor.objects.create(user=clerk, created_at=NOW, confirmed_at=NOW, last_step=0)
        if act == "reopening":
            shut(clerk)
        alone: dict[str, Callable[[], object]] = {
            "password": lambda: people.set_password(
                user_id=clerk.pk, password=PHRASE, actor=by(maker), now=NOW, reason="x"
            ),
            "reset": lambda: second_factor.reset(user_id=clerk.pk, actor=by(maker), now=NOW, reason="x"),
            "reopening": lambda: set_active(
                user_id=clerk.pk, active=True, actor=by(maker), now=NOW, reason="x"
            ),
        }
        before = picture()

        with pytest.raises(ValueError, match="another person's agreement"):
            alone[act]()

        assert picture() == before

    def test_nobody_agrees_about_themselves(self, maker: User, officer: User) -> None:
        asked = role(officer, maker)
        assert asked is not None

        assert refused(lambda: agree(asked, officer)).code == Code.PERMISSION_DENIED

    def test_who_asked_must_still_be_above_the_person(self, officer: User) -> None:
        """An admin asks about a clerk; until it is decided the clerk has become a super admin."""
        admin, clerk = staff(Role.ADMIN), staff(Role.SUPPORT)
        asked = password(clerk, admin)
        grant_role(user_id=clerk.pk, role=Role.SUPER_ADMIN, actor=ACTOR, now=NOW, reason="promoted")

        assert refused(lambda: agree(asked, officer)).code == Code.PERMISSION_DENIED
        assert not fresh(clerk).check_password(PHRASE)

    def test_who_asked_and_lost_the_right_makes_nothing_happen(self, officer: User) -> None:
        admin, clerk = staff(Role.ADMIN), staff(Role.SUPPORT)
        asked = role(clerk, admin)
        assert asked is not None
        revoke_role(user_id=admin.pk, role=Role.ADMIN, actor=ACTOR, now=NOW, reason="left")

        assert refused(lambda: agree(asked, officer)).code == Code.MAKER_LOST_RIGHT

    def test_a_role_granted_meanwhile_is_no_change(self, maker: User, officer: User) -> None:
        clerk = staff(Role.SUPPORT)
        asked = role(clerk, maker)
        assert asked is not None
        grant_role(user_id=clerk.pk, role=Role.RISK_MANAGER, actor=ACTOR, now=NOW, reason="by hand")

        assert refused(lambda: agree(asked, officer)).code == Code.NO_CHANGE

    @pytest.mark.parametrize(
        ("wanted", "ends", "code"),
        [
            (Role.SUPPORT, None, Code.NO_CHANGE),
            (Role.ADMIN, NOW - timedelta(seconds=1), Code.INVALID_FIELD),
            (Role.SUPER_ADMIN, NOW + timedelta(days=1), Code.INVALID_FIELD),
        ],
    )
    def test_what_makes_no_sense_asks_nothing(
        self, wanted: Role, ends: datetime | None, code: Code, maker: User
    ) -> None:
        clerk = staff(Role.SUPPORT)

        assert refused(lambda: role(clerk, maker, wanted, ends=ends)).code == code

    def test_a_weak_password_asks_nothing(self, maker: User) -> None:
        clerk = staff(Role.SUPPORT)

        refusal = refused(lambda: _asked(ask_password, clerk, maker, password="short"))

        assert (refusal.code, refusal.context["field"]) == (Code.INVALID_FIELD, "password")


class TestPasswordThatWaits:
    def living(self) -> int:
        return Secret.objects.filter(purpose="password", destroyed_at__isnull=True).count()

    def test_is_in_the_vault_until_it_is_decided_and_nowhere_else(self, maker: User, officer: User) -> None:
        clerk = staff(Role.SUPPORT)

        asked = password(clerk, maker)
        again = password(clerk, maker)

        assert (again.pk, self.living(), asked.payload) == (asked.pk, 1, {"user": clerk.pk})
        agree(asked, officer)
        assert self.living() == 0
        assert Secret.objects.get(purpose="password").sealed is None

    @pytest.mark.parametrize("end", ["rejected", "cancelled", "expired"])
    def test_is_forgotten_however_it_ends(self, end: str, maker: User) -> None:
        clerk = staff(Role.SUPPORT)
        asked = password(clerk, maker)

        match end:
            case "rejected":
                agree(asked, approve=False)
            case "cancelled":
                cancel(approval_id=asked.pk, actor=by(maker), now=NOW, reason="not needed")
            case _:
                expire_due(now=NOW + timedelta(days=4))

        assert ApprovalRequest.objects.get().state == end
        assert self.living() == 0
        assert not fresh(clerk).check_password(PHRASE)


class TestOneHand:
    """Who chose a person's password counts as that person, until they have chosen one of their own."""

    def puppet(self, maker: User, *roles: Role) -> User:
        """A login that `maker` made, with roles that others have agreed to."""
        user = create_user(
            username="puppet",
            values={"email": "p@example.com"},
            password=PHRASE,
            actor=by(maker),
            now=NOW,
            reason="new colleague",
        )
        for wanted in roles:
            asked = role(user, maker, wanted)
            if asked is not None:
                agree(asked)
        return fresh(user)

    def an_act_of(self, maker: User) -> ApprovalRequest:
        return ask_identity_change(
            user_id=make_user().pk,
            changes={"kyc_level": 1},
            request_id="identity",
            actor=by(maker),
            now=NOW,
            reason="papers",
        )

    def test_who_made_a_login_is_not_checked_by_it(self, maker: User) -> None:
        puppet = self.puppet(maker, Role.COMPLIANCE_OFFICER)

        asked = self.an_act_of(maker)

        assert refused(lambda: agree(asked, puppet)).code == Code.MAKER_IS_CHECKER

    def test_nor_does_he_check_what_it_asked_for(self, maker: User) -> None:
        puppet = self.puppet(maker, Role.ADMIN)

        asked = self.an_act_of(puppet)

        assert refused(lambda: agree(asked, maker)).code == Code.MAKER_IS_CHECKER

    def test_two_logins_of_one_hand_are_one(self, maker: User, officer: User) -> None:
        puppet = self.puppet(maker, Role.ADMIN)
        agree(password(officer, maker), staff(Role.COMPLIANCE_OFFICER))

        asked = self.an_act_of(puppet)

        assert refused(lambda: agree(asked, officer)).code == Code.MAKER_IS_CHECKER

    def test_a_password_of_ones_own_ends_it(self, maker: User) -> None:
        puppet = self.puppet(maker, Role.COMPLIANCE_OFFICER)

        note(Step.PASSWORD, user=puppet, ip=None, now=NOW)

        assert agree(self.an_act_of(maker), puppet).state == ApprovalState.DONE

    def test_whoever_agrees_to_a_role_sees_who_chose_the_password(self, maker: User) -> None:
        puppet = self.puppet(maker)

        asked = role(puppet, maker, Role.COMPLIANCE_OFFICER)

        assert asked is not None
        assert asked.effects == [
            ["Roles", "none", "Compliance officer"],
            ["New role", "", "Compliance officer"],
            ["Password", "", f"chosen by {maker}, who could log in as puppet"],
        ]


@pytest.mark.django_db(transaction=True)
def test_eight_agreed_at_once_grant_once(maker: User) -> None:
    clerk = staff(Role.SUPPORT)
    asked = role(clerk, maker)
    assert asked is not None
    officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in range(8)]

    results = all_at_once([partial(agree, asked, officer) for officer in officers])

    assert [r.code for r in results if isinstance(r, Refusal)] == [Code.APPROVAL_NOT_PENDING] * 7
    assert UserRole.objects.filter(user=clerk, role=Role.RISK_MANAGER).count() == 1
