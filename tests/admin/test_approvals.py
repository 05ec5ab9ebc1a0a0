"""The inbox: what waits and what it would do, who may say yes or no, and who is told that it was too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, User
from audit.models import ApprovalPolicy, ApprovalRequest
from audit.services.approving import decide, expire_due
from instruments.models import Asset
from tests.admin.conftest import SignIn, operator
from tests.admin.pressing import errors, press, recorded, said
from tests.admin.registry import act, address
from tests.audit.naming import ACTION, add_naming_policy, ask_for, by
from tests.factories import make_asset, make_user

REASON = "looked at it"
OFFICER = Role.COMPLIANCE_OFFICER


@pytest.fixture
def asset(db: None) -> Asset:
    return make_asset(code="LETTERS")


@pytest.fixture
def waits(asset: Asset) -> ApprovalRequest:
    add_naming_policy(approvers=2)
    approval = ask_for(asset, operator(Role.ADMIN), now=timezone.now())
    assert approval is not None
    return approval


def button(approval: ApprovalRequest, name: str) -> str:
    return act(ApprovalRequest, approval.pk, name)


def page(client: Client, approval: ApprovalRequest) -> str:
    return str(client.get(address(ApprovalRequest, "change", approval.pk)).content.decode())


def inbox(client: Client, query: str = "") -> list[int]:
    answer = client.get(address(ApprovalRequest, "changelist") + query)
    return [row.pk for row in answer.context["cl"].result_list]


def badge(client: Client) -> str:
    groups = client.get(reverse("admin:index")).context["sidebar_navigation"]
    (found,) = [item["badge"] for group in groups for item in group["items"] if item["title"] == "Approvals"]
    return str(found)


def rows(effects: Any) -> list[tuple[str, str, str]]:
    return [(effect.label, effect.before, effect.after) for effect in effects]


class TestInbox:
    def test_shows_what_waits_and_the_rest_when_asked(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        client = sign_in(OFFICER)
        assert inbox(client) == [waits.pk]

        press(client, button(waits, "reject"), reason=REASON)

        assert (inbox(client), inbox(client, "?state=rejected"), inbox(client, "?state=all")) == (
            [],
            [waits.pk],
            [waits.pk],
        )

    def test_the_badge_counts_what_waits_for_this_person(
        self, sign_in: SignIn, waits: ApprovalRequest
    ) -> None:
        officer, risk = sign_in(OFFICER), sign_in(Role.RISK_MANAGER)
        assert (badge(officer), badge(risk)) == ("1", "")

        press(officer, button(waits, "approve"), reason=REASON)

        assert (badge(officer), badge(sign_in(OFFICER)), badge(sign_in(Role.SUPER_ADMIN))) == ("", "1", "1")

    def test_a_page_shows_the_effect_the_terms_and_the_decisions(
        self, sign_in: SignIn, waits: ApprovalRequest
    ) -> None:
        client = sign_in(OFFICER)
        press(client, button(waits, "approve"), reason=REASON)

        shown = page(client, waits)

        for words in (
            "LETTERS!",
            "it lacks a letter",
            waits.maker_label,
            "2, each a compliance officer",
            REASON,
        ):
            assert words in shown
        assert address(Asset, "change", waits.target_id) in shown


class TestWhomToAsk:
    """Who waits for a second person must learn which, without knowing the policies."""

    def test_the_page_of_what_waits_says_it(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        client = sign_in(user=User.objects.get(pk=waits.maker_id))

        shown = client.get(address(ApprovalRequest, "change", waits.pk)).context["subheading"]

        assert shown.endswith("and waits for 2 compliance officers other than who asked")

    def test_so_does_the_answer_to_who_asked(self, sign_in: SignIn, asset: Asset) -> None:
        address_ = address(ApprovalPolicy, "new", "add")
        terms = {"action": ACTION, "approvers": 2, "role": Role.RISK_MANAGER, "expires_hours": 1}

        answer = press(sign_in(Role.SUPER_ADMIN), address_, confirm=True, reason="rules", **terms)

        assert said(answer).endswith("It waits for 1 compliance officer.")


class TestClosed:
    """A closed request has no buttons any more: its page says what was decided, by whom and when."""

    def ended(self, client: Client, approval: ApprovalRequest) -> tuple[str, str]:
        """What stands under the effects, with the moment it was closed as AT; and what has no decisions."""
        shown = client.get(address(ApprovalRequest, "change", approval.pk)).context["panels"]
        effects, decisions = shown[0], shown[2]
        approval.refresh_from_db()
        closed = approval.closed_at or approval.expires_at
        assert effects.title.endswith("changed, as it was when it was asked for")
        assert "of each button" not in effects.note
        return effects.note.replace(f"{closed:%Y-%m-%d %H:%M:%S} UTC", "AT"), decisions.empty

    def test_done(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        first, second = operator(OFFICER), operator(OFFICER)
        for officer in (first, second):
            press(sign_in(user=officer), button(waits, "approve"), reason=REASON)

        note, _ = self.ended(sign_in(OFFICER), waits)

        assert note == f"Approved by {first.username}, {second.username} and done at AT."

    def test_rejected(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        officer = operator(OFFICER)
        press(sign_in(user=officer), button(waits, "reject"), reason=REASON)

        note, _ = self.ended(sign_in(OFFICER), waits)

        assert note == f"Rejected by {officer.username} at AT: nothing was done."

    def test_taken_back(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        maker = User.objects.get(pk=waits.maker_id)
        press(sign_in(user=maker), button(waits, "cancel"), reason=REASON)

        assert self.ended(sign_in(OFFICER), waits) == (
            f"Taken back by {maker.username} at AT: nothing was done.",
            "Nobody decided.",
        )

    def test_expired_whether_or_not_that_was_written_down(self, sign_in: SignIn, asset: Asset) -> None:
        add_naming_policy(approvers=2)
        early = ask_for(asset, operator(Role.ADMIN), now=timezone.now() - timedelta(days=2))
        assert early is not None
        said_before = self.ended(sign_in(OFFICER), early)

        expire_due(now=timezone.now())

        note = "Expired at AT, approved by nobody: nothing was done."
        assert said_before == self.ended(sign_in(OFFICER), early) == (note, "Nobody decided.")


class TestDeciding:
    def test_the_effect_is_shown_before_the_press_that_does_it(
        self, sign_in: SignIn, waits: ApprovalRequest, asset: Asset
    ) -> None:
        first, second = sign_in(OFFICER), sign_in(OFFICER)
        shown = first.get(button(waits, "approve")).context["effects"]
        assert rows(shown)[0] == ("Approvals", "0 of 2", "1 of 2")
        assert "another approver" in rows(shown)[1][2]
        assert "Approved. It waits for another approver." in said(
            press(first, button(waits, "approve"), reason=REASON)
        )

        shown = second.get(button(waits, "approve")).context["effects"]
        assert rows(shown) == [("Approvals", "1 of 2", "2 of 2"), ("Name", "LETTERS", "LETTERS!")]
        answer = press(second, button(waits, "approve"), reason=REASON)

        assert "Approved and done: name an asset, LETTERS." in said(answer)
        asset.refresh_from_db()
        assert asset.name == "LETTERS!"
        assert [record.reason for record in recorded("audit.approval.approve")] == [REASON, REASON]

    def test_the_second_press_of_two_is_told(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        late = sign_in(OFFICER)
        data = {"reason": REASON, "request_id": "x"}
        assert late.get(button(waits, "approve")).status_code == 200
        decide(
            approval_id=waits.pk, approve=False, actor=by(make_user(OFFICER)), now=timezone.now(), reason="no"
        )

        answer = late.post(button(waits, "approve"), data)

        assert "It is rejected already." in said(answer)
        assert len(recorded("audit.approval.approve")) == 0

    @pytest.mark.parametrize("name", ["approve", "reject"])
    def test_wants_a_reason(self, name: str, sign_in: SignIn, waits: ApprovalRequest) -> None:
        answer = press(sign_in(OFFICER), button(waits, name), reason="")

        assert errors(answer) == {"reason": ["This field is required."]}
        assert ApprovalRequest.objects.get().state == "pending"

    def test_the_maker_may_only_take_it_back(self, sign_in: SignIn, asset: Asset) -> None:
        add_naming_policy(role=Role.ADMIN)
        maker = sign_in(Role.ADMIN)
        approval = ask_for(asset, maker.user, now=timezone.now())  # type: ignore[attr-defined]
        assert approval is not None

        shown = maker.get(address(ApprovalRequest, "change", approval.pk)).context["buttons"]
        assert [item["button"].name for item in shown] == ["cancel"]
        said_no = said(maker.post(button(approval, "approve"), {"reason": REASON, "request_id": "x"}))
        assert said_no == "You asked for it: it waits for 1 admin other than you."
        press(maker, button(approval, "cancel"), reason="a mistake")

        assert ApprovalRequest.objects.get().state == "cancelled"

    def test_another_role_is_told_whom_it_needs(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        answer = sign_in(Role.RISK_MANAGER).get(button(waits, "approve"))

        assert said(answer) == "Only a compliance officer decides about this."

    def test_what_is_over_cannot_be_pressed(self, sign_in: SignIn, waits: ApprovalRequest) -> None:
        client = sign_in(OFFICER)
        past = timezone.now() - timedelta(days=3)
        late = ask_for(make_asset(), operator(Role.ADMIN), now=past, request_id="late")
        assert late is not None

        assert said(client.get(button(late, "approve"))) == "It is expired already."
        assert "Expired" in page(client, late)


def approved_by_an_officer(sign_in: SignIn) -> Client:
    """The only request there is, in the inbox."""
    officer = sign_in(OFFICER)
    press(officer, button(ApprovalRequest.objects.get(), "approve"), reason="agreed")
    return officer


class TestPolicies:
    def test_are_added_with_a_reason_and_recorded(self, sign_in: SignIn) -> None:
        client = sign_in(Role.ADMIN)
        answers: dict[str, Any] = {
            "action": ACTION,
            "above": "100",
            "asset": "USD",
            "approvers": 2,
            "role": OFFICER,
        }

        url = address(ApprovalPolicy, "new", "add")
        answer = press(client, url, confirm=True, hours=24, reason=REASON, **answers)

        assert (answer.status_code, ApprovalPolicy.objects.count()) == (302, 0)
        assert "The policy was sent for approval" in said(answer)
        officer = approved_by_an_officer(sign_in)
        policy = ApprovalPolicy.objects.get()
        assert (policy.action, policy.above, policy.asset, policy.approvers) == (ACTION, 100, "USD", 2)
        assert (policy.role, policy.expires_after, policy.active) == (OFFICER, timedelta(days=1), True)
        (record,) = recorded("audit.policy.add")
        assert (record.actor_id, record.reason) == (officer.user.id, REASON)  # type: ignore[attr-defined]

    def test_edits_show_what_differs_first(self, sign_in: SignIn) -> None:
        client = sign_in(Role.ADMIN)
        edit = act(ApprovalPolicy, add_naming_policy(), "edit")

        shown = press(client, edit, approvers=3, active="", reason=REASON)
        waits = ("Approval", "", "waits for 1 compliance officer: nothing moves before")
        assert rows(shown.context["effects"]) == [("Approvers", 1, 3), ("Active", "Yes", "No"), waits]
        press(client, edit, confirm=True, approvers=3, active="", reason=REASON)
        assert ApprovalPolicy.objects.get().active
        approved_by_an_officer(sign_in)

        policy = ApprovalPolicy.objects.get()
        assert (policy.approvers, policy.active) == (3, False)
        (record,) = recorded("audit.policy.change")
        approval = ApprovalRequest.objects.get()
        assert record.after == {"approvers": 3, "active": False, "approval": approval.pk}

    @pytest.mark.parametrize(
        ("answers", "complaint"),
        [
            ({"above": "100"}, "A threshold is an amount"),
            ({"asset": "USD"}, "A threshold is an amount"),
            ({"above": "-1", "asset": "USD"}, "greater than or equal to 0"),
            ({"approvers": 0}, "greater than or equal to 1"),
            ({"role": "trader"}, "Select a valid choice"),
            ({}, "There is a policy for this action and threshold"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, answers: dict[str, Any], complaint: str, sign_in: SignIn
    ) -> None:
        add_naming_policy()
        usual: dict[str, Any] = {
            "action": ACTION,
            "approvers": 1,
            "role": OFFICER,
            "hours": 24,
            "reason": REASON,
        }

        answer = press(sign_in(Role.ADMIN), address(ApprovalPolicy, "new", "add"), **(usual | answers))

        assert complaint in str(errors(answer))
        assert ApprovalPolicy.objects.count() == 1

    def test_are_changed_by_admins_alone(self, sign_in: SignIn) -> None:
        edit = act(ApprovalPolicy, add_naming_policy(), "edit")

        for role in (OFFICER, Role.RISK_MANAGER):
            assert sign_in(role).get(edit).status_code == 403
