"""Roles, details, passwords, login of people; and that nobody rises by changing somebody above them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.backends import roles_of
from accounts.models import KycStatus, Role, User, UserRole
from audit.actor import Actor
from audit.models import ApprovalRequest
from tests.admin.conftest import SignIn, operator
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import make_user

REASON = "hired for the desk"
PASSWORD = "a-long-first-word-42"
DETAILS = ["first_name", "email"]


def of(user: User) -> User:
    return User.objects.get(pk=user.pk)


def agree_in_the_inbox(sign_in: SignIn) -> ApprovalRequest:
    """A compliance officer says yes to the one act that waits."""
    approval = ApprovalRequest.objects.get(state="pending")
    answer = press(
        sign_in(Role.COMPLIANCE_OFFICER), act(ApprovalRequest, approval.pk, "approve"), reason="asked them"
    )
    assert answer.status_code == 302
    return ApprovalRequest.objects.get(pk=approval.pk)


class TestGrant:
    def test_gives_the_role_and_the_back_office_with_it_once_another_agrees(self, sign_in: SignIn) -> None:
        client, user = sign_in(Role.SUPER_ADMIN), make_user()

        answer = press(client, act(User, user.pk, "grant"), confirm=True, role="support", reason=REASON)

        assert answer.status_code == 302
        assert (roles_of(user), of(user).is_staff) == (set(), False)
        agreed = agree_in_the_inbox(sign_in)
        assert (roles_of(user), of(user).is_staff, of(user).is_superuser) == ({Role.SUPPORT}, True, False)
        granted = UserRole.objects.get(user=user)
        assert (granted.granted_by, granted.expires_at) == (client.user, None)  # type: ignore[attr-defined]
        (record,) = [row for row in recorded("accounts.role.grant") if row.target_id == str(user.pk)]
        after = {"roles": ["support"], "role": "support", "approval": agreed.pk}
        assert (record.before, record.after) == ({"roles": []}, after)
        assert (record.reason, agreed.maker_id) == (REASON, client.user.id)  # type: ignore[attr-defined]
        (decision,) = agreed.decisions.all()
        assert record.actor_id == decision.checker_id

    def test_of_a_client_is_given_at_once(self, boss: Client) -> None:
        user = make_user()

        press(boss, act(User, user.pk, "grant"), confirm=True, role="trader", reason=REASON)

        assert roles_of(user) == {Role.TRADER}
        assert not ApprovalRequest.objects.exists()

    def test_for_a_time_ends_when_that_day_begins(self, boss: Client, sign_in: SignIn) -> None:
        user = make_user()
        last = (timezone.now() + timedelta(days=3)).date()

        press(boss, act(User, user.pk, "grant"), confirm=True, role="support", until=last, reason=REASON)
        agree_in_the_inbox(sign_in)

        ends = UserRole.objects.get(user=user).expires_at
        assert ends == datetime(last.year, last.month, last.day, tzinfo=UTC)

    def test_shows_roles_before_and_after_and_whom_it_waits_for(self, boss: Client) -> None:
        user = make_user(Role.TRADER)

        answer = press(boss, act(User, user.pk, "grant"), role="admin", reason=REASON)

        assert [(e.before, e.after) for e in answer.context["effects"]] == [
            ("Trader", "Trader, Admin"),
            ("No", "Yes"),
            ("No", "No"),
            ("", "waits for 1 compliance officer: nothing moves before"),
        ]
        assert roles_of(user) == {Role.TRADER}

    def test_pressed_twice_asks_and_grants_once(self, boss: Client, sign_in: SignIn) -> None:
        user = make_user()
        button = act(User, user.pk, "grant")
        data = filled(boss, button, role="support", reason=REASON) | {"confirm": "1"}

        boss.post(button, data)
        assert boss.post(button, data).status_code == 302
        agree_in_the_inbox(sign_in)
        second = boss.post(button, data)

        assert second.status_code == 400
        assert errors(second) == {"role": [f"{user} is support already."]}
        assert UserRole.objects.filter(user=user).count() == 1

    @pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
    def test_an_admin_makes_no_admins(self, role: Role, sign_in: SignIn) -> None:
        client, user = sign_in(Role.ADMIN), make_user()

        answer = press(client, act(User, user.pk, "grant"), confirm=True, role=role, reason=REASON)

        assert answer.status_code == 403
        assert errors(answer) == {"__all__": ["Only a super admin may do this to a person with such rights."]}
        assert roles_of(user) == set()

    def test_super_admin_is_never_lent(self, boss: Client) -> None:
        user = make_user()
        until = (timezone.now() + timedelta(days=3)).date()

        answer = press(
            boss, act(User, user.pk, "grant"), confirm=True, role="super_admin", until=until, reason=REASON
        )

        assert answer.status_code == 400
        assert (roles_of(user), of(user).is_superuser) == (set(), False)

    def test_of_the_past_is_refused(self, boss: Client) -> None:
        user = make_user()

        answer = press(
            boss, act(User, user.pk, "grant"), confirm=True, role="support", until="2020-01-01", reason=REASON
        )

        assert answer.status_code == 400
        assert roles_of(user) == set()

    def test_wants_a_reason(self, boss: Client) -> None:
        user = make_user()

        answer = press(boss, act(User, user.pk, "grant"), confirm=True, role="support", reason=" ")

        assert errors(answer) == {"reason": ["This field is required."]}
        assert roles_of(user) == set()

    def test_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        user = make_user()
        data = {"role": "support", "reason": REASON, "request_id": "x", "confirm": "1"}

        answer = sign_in(Role.COMPLIANCE_OFFICER).post(act(User, user.pk, "grant"), data)

        assert answer.status_code == 403
        assert roles_of(user) == set()


class TestRevoke:
    def test_takes_the_role_and_the_back_office_with_it(self, boss: Client, sign_in: SignIn) -> None:
        user = operator(Role.SUPPORT)
        theirs = sign_in(user=user)
        assert theirs.get(reverse("admin:index")).status_code == 200

        answer = press(boss, act(User, user.pk, "revoke"), confirm=True, role="support", reason=REASON)

        assert answer.status_code == 302
        assert (roles_of(user), of(user).is_staff) == (set(), False)
        assert theirs.get(reverse("admin:index")).status_code == 302
        (record,) = recorded("accounts.role.revoke")
        assert record.before == {"roles": ["support"]}
        assert record.after == {"roles": [], "role": "support"}

    def test_pressed_twice_revokes_once(self, boss: Client) -> None:
        user = operator(Role.SUPPORT)
        button = act(User, user.pk, "revoke")
        data = filled(boss, button, role="support", reason=REASON) | {"confirm": "1"}

        boss.post(button, data)
        second = boss.post(button, data)

        assert f"{user} has no role." in said(second)
        assert len(recorded("accounts.role.revoke")) == 1

    def test_the_last_super_admin_stays(self, sign_in: SignIn) -> None:
        client = sign_in(Role.SUPER_ADMIN)
        me: User = client.user  # type: ignore[attr-defined]

        answer = press(client, act(User, me.pk, "revoke"), confirm=True, role="super_admin", reason=REASON)

        assert answer.status_code == 403
        assert of(me).is_superuser

    def test_an_admin_takes_nothing_from_a_super_admin(self, sign_in: SignIn) -> None:
        superior = operator(Role.SUPER_ADMIN, Role.TRADER)

        answer = press(
            sign_in(Role.ADMIN), act(User, superior.pk, "revoke"), confirm=True, role="trader", reason=REASON
        )

        assert answer.status_code == 403
        assert roles_of(superior) == {Role.SUPER_ADMIN, Role.TRADER}

    def test_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        user = operator(Role.TRADER)
        data = {"role": "trader", "reason": REASON, "request_id": "x", "confirm": "1"}

        assert sign_in(Role.SUPPORT).post(act(User, user.pk, "revoke"), data).status_code == 403
        assert roles_of(user) == {Role.TRADER}


class TestEdit:
    def test_changes_and_records_only_what_differs(self, sign_in: SignIn) -> None:
        user = make_user()

        answer = press(
            sign_in(Role.ADMIN),
            act(User, user.pk, "edit"),
            confirm=True,
            first_name="Łukasz",
            is_verified="on",
            reason=REASON,
        )

        assert answer.status_code == 302
        assert (of(user).first_name, of(user).is_verified) == ("Łukasz", True)
        (record,) = recorded("accounts.user.change")
        assert record.before == {"first_name": "", "is_verified": False}
        assert record.after == {"first_name": "Łukasz", "is_verified": True}

    def test_the_identity_check_waits_for_another_person(self, sign_in: SignIn) -> None:
        user = make_user()
        url = act(User, user.pk, "identity")
        answers: dict[str, Any] = {"kyc_status": "approved", "kyc_level": 2, "reason": REASON}

        shown = press(sign_in(Role.ADMIN), url, **answers)
        press(sign_in(Role.ADMIN), url, confirm=True, **answers)

        labels = [effect.label for effect in shown.context["effects"]]
        assert labels == ["KYC status", "KYC level", "Approval"]
        assert [label for label, _answer in shown.context["answers"]] == ["KYC status", "KYC level", "Reason"]
        assert (of(user).kyc_status, of(user).kyc_level) == (KycStatus.PENDING, 0)
        approval = ApprovalRequest.objects.get()
        press(sign_in(Role.COMPLIANCE_OFFICER), act(ApprovalRequest, approval.pk, "approve"), reason="seen")
        assert (of(user).kyc_status, of(user).kyc_level) == (KycStatus.APPROVED, 2)

    def test_without_a_difference_says_so(self, boss: Client) -> None:
        answer = press(boss, act(User, make_user().pk, "edit"), confirm=True, reason=REASON)

        assert answer.status_code == 400
        assert recorded("accounts.user.change") == []

    def test_an_admin_edits_no_super_admin(self, sign_in: SignIn) -> None:
        superior = operator(Role.SUPER_ADMIN)

        answer = press(
            sign_in(Role.ADMIN), act(User, superior.pk, "edit"), confirm=True, email="m@e.org", reason=REASON
        )

        assert answer.status_code == 403
        assert of(superior).email == superior.email

    def test_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        user = make_user()
        data = {"email": "other@example.com", "reason": REASON, "request_id": "x", "confirm": "1"}

        assert sign_in(Role.SUPPORT).post(act(User, user.pk, "edit"), data).status_code == 403
        assert of(user).email == user.email


class TestPassword:
    def answers(self, **changes: str) -> dict[str, Any]:
        return {"password": PASSWORD, "again": PASSWORD, "reason": REASON} | changes

    def test_of_staff_waits_then_ends_sessions_and_is_nowhere_in_the_record(
        self, boss: Client, sign_in: SignIn
    ) -> None:
        user = operator(Role.SUPPORT)
        theirs = sign_in(user=user)

        answer = press(boss, act(User, user.pk, "password"), **self.answers())

        assert answer.status_code == 302
        assert not of(user).check_password(PASSWORD)
        assert theirs.get(reverse("admin:index")).status_code == 200
        asked = agree_in_the_inbox(sign_in)
        assert of(user).check_password(PASSWORD)
        assert theirs.get(reverse("admin:index")).status_code == 302
        (record,) = recorded("accounts.user.set_password")
        assert PASSWORD not in f"{record.before}{record.after}{record.reason}{asked.payload}{asked.effects}"

    def test_of_a_client_is_set_at_once(self, boss: Client) -> None:
        user = make_user()

        press(boss, act(User, user.pk, "password"), **self.answers())

        assert of(user).check_password(PASSWORD)
        assert not ApprovalRequest.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "field"),
        [({"again": "other"}, "again"), ({"password": "short", "again": "short"}, "password")],
    )
    def test_must_be_good_and_typed_twice(self, changes: dict[str, str], field: str, boss: Client) -> None:
        user = make_user(password="the-old-password")

        answer = press(boss, act(User, user.pk, "password"), **self.answers(**changes))

        assert list(errors(answer)) == [field]
        assert of(user).check_password("the-old-password")
        assert recorded("accounts.user.set_password") == []

    def test_of_a_super_admin_is_not_for_admins(self, sign_in: SignIn) -> None:
        superior = operator(Role.SUPER_ADMIN)

        answer = press(sign_in(Role.ADMIN), act(User, superior.pk, "password"), **self.answers())

        assert answer.status_code == 403
        assert not of(superior).check_password(PASSWORD)

    def test_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        user = make_user()

        answer = sign_in(Role.SUPPORT).post(act(User, user.pk, "password"), self.answers(request_id="x"))

        assert answer.status_code == 403
        assert not of(user).check_password(PASSWORD)


class TestDeactivateAndActivate:
    def test_shuts_out_and_lets_in_again(self, boss: Client, sign_in: SignIn) -> None:
        user = operator(Role.SUPPORT)
        theirs = sign_in(user=user)

        press(boss, act(User, user.pk, "deactivate"), reason=REASON)

        assert not of(user).is_active
        assert theirs.get(reverse("admin:index")).status_code == 302
        (record,) = recorded("accounts.user.deactivate")
        assert (record.before, record.after) == ({"is_active": True}, {"is_active": False})

        press(boss, act(User, user.pk, "activate"), reason=REASON)

        assert not of(user).is_active
        agree_in_the_inbox(sign_in)
        assert of(user).is_active
        assert len(recorded("accounts.user.activate")) == 1

    def test_pressed_twice_shuts_out_once(self, boss: Client) -> None:
        user = make_user()
        button = act(User, user.pk, "deactivate")
        data = filled(boss, button, reason=REASON)

        boss.post(button, data)
        second = boss.post(button, data)

        assert f"{user} is deactivated already." in said(second)
        assert len(recorded("accounts.user.deactivate")) == 1

    def test_nobody_shuts_themselves_out(self, sign_in: SignIn) -> None:
        client = sign_in(Role.SUPER_ADMIN)
        me: User = client.user  # type: ignore[attr-defined]

        answer = press(client, act(User, me.pk, "deactivate"), reason=REASON)

        assert answer.status_code == 403
        assert of(me).is_active

    @pytest.mark.parametrize("name", ["activate", "deactivate"])
    def test_is_forbidden_without_the_right(self, name: str, sign_in: SignIn) -> None:
        user = make_user()

        answer = sign_in(Role.RISK_MANAGER).post(
            act(User, user.pk, name), {"reason": REASON, "request_id": "x"}
        )

        assert answer.status_code == 403
        assert of(user).is_active


class TestCreate:
    @property
    def button(self) -> str:
        return address(User, "new", "create")

    def answers(self, **changes: str) -> dict[str, Any]:
        return {
            "username": "nora",
            "email": "nora@example.com",
            "password": PASSWORD,
            "reason": REASON,
        } | changes

    def test_adds_a_person_without_rights(self, sign_in: SignIn) -> None:
        answer = press(sign_in(Role.ADMIN), self.button, **self.answers())

        nora = User.objects.get(username="nora")
        assert answer.headers["Location"] == address(User, "change", nora.pk)
        assert (roles_of(nora), nora.is_staff, nora.check_password(PASSWORD)) == (set(), False, True)
        (record,) = recorded("accounts.user.create")
        assert PASSWORD not in str(record.after)

    def test_pressed_twice_adds_one(self, boss: Client) -> None:
        data = filled(boss, self.button, **self.answers())

        boss.post(self.button, data)
        second = boss.post(self.button, data)

        assert second.status_code == 400
        assert User.objects.filter(username="nora").count() == 1

    def test_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        answer = sign_in(Role.SUPPORT).post(self.button, self.answers(request_id="x"))

        assert answer.status_code == 403
        assert not User.objects.filter(username="nora").exists()


def test_the_platform_itself_has_authority(db: None) -> None:
    from accounts.services.roles import grant_role  # noqa: PLC0415

    user = make_user()
    grant_role(
        user_id=user.id, role=Role.SUPER_ADMIN, actor=Actor.system("seed"), now=timezone.now(), reason="first"
    )

    assert of(user).is_superuser
