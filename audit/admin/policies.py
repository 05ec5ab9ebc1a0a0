"""The policies of approval: read by all who oversee; some may ask for changes, and another person agrees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldBooleanWidget

from audit.admin.acting import actor_of
from audit.admin.approval_buttons import role_name
from audit.admin.asking import sent, waits_for
from audit.approvable import act_of, acts, house
from audit.models import ApprovalPolicy
from audit.services.policies import POLICY_FIELDS
from audit.services.policy_requests import (
    ADD,
    CHANGE,
    RIGHT,
    ask_policy,
    ask_policy_change,
    preview_add,
)
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import Edit, EditForm
from tradeplatform.common.admin.fields import amount_field, choice_field, text_field, whole_field
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone
from tradeplatform.common.changes import Seen, plain

_HOUR = timedelta(hours=1)


class TermsForm(ReasonForm):
    """The terms of a policy."""

    above = amount_field("Above this amount", required=False, help_text="Empty: whatever the amount.")
    asset = text_field("Asset of that amount", max_length=16, required=False)
    approvers = whole_field("Approvers", least=1, most=9)
    role = choice_field("Each of them a", ())
    hours = whole_field("Expires after (hours)", least=1, most=8_784)
    active = forms.BooleanField(label="Active", required=False, widget=UnfoldBooleanWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = house().roles  # type: ignore[attr-defined]


class EditPolicyForm(EditForm, TermsForm):
    """Those of one that is there."""


class NewPolicyForm(TermsForm):
    """The same for an act that is chosen."""

    action = choice_field("Act", ())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["action"].choices = [  # type: ignore[attr-defined]
            (act.name, act.title) for act in acts()
        ]
        self.order_fields(["action", *self.fields])


def terms(data: Mapping[str, Any]) -> dict[str, Any]:
    """The answers of the form, as the policy's fields."""
    return {name: data[name] for name in ("above", "asset", "approvers", "role", "active")} | {
        "expires_after": data["hours"] * _HOUR
    }


def plain_terms(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a request for approval holds them."""
    return plain(ApprovalPolicy(**terms(data)), POLICY_FIELDS)


class AddPolicy(Button):
    """A policy more, once another person has agreed."""

    name, label, icon = "add", "Add policy", "add"
    permission = RIGHT
    form_class = NewPolicyForm
    previews = rehearsed = True

    def initial(self, obj: None) -> Mapping[str, Any]:
        """What is usual."""
        return {"approvers": 1, "hours": 72, "active": True}

    def effects(self, obj: None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The new row, and whom it waits for."""
        rows = preview_add({"action": data["action"], "values": plain_terms(data)})
        return [*(Effect(*row) for row in rows), *waits_for(ADD, now=timezone.now())]

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Ask for it."""
        approval = ask_policy(
            action=data["action"],
            values=terms(data),
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return sent(approval, "The policy")


class EditPolicy(Edit):
    """Other terms, for what is asked for once another person has agreed to them."""

    permission = RIGHT
    fields = POLICY_FIELDS
    form_class = EditPolicyForm

    def shown_values(self, obj: ApprovalPolicy) -> dict[str, Any]:
        """What it is now, with its time in hours."""
        values = super().shown_values(obj)
        return values | {"hours": values.pop("expires_after") // _HOUR}

    def typed_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The answers, with the time as one."""
        return terms(data)

    def effects(self, obj: ApprovalPolicy, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The fields that differ, what counts without it, and whom it waits for."""
        rows = [*super().effects(obj, data)]
        act = act_of(obj.action)
        if act.always and not data["active"]:
            one = act.policies[0]
            who = f"{one.approvers} {role_name(one.role, one.approvers)}, whatever the policies say"
            rows.append(Effect("Without any policy it waits for", "", who))
        return [*rows, *waits_for(CHANGE, now=timezone.now())]

    def save(self, obj: ApprovalPolicy, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Ask for it."""
        approval = ask_policy_change(
            policy_id=obj.pk,
            changes=changes,
            seen=seen,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return sent(approval, "The change of the policy")


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(DetailMixin, BackOfficeList):
    """All policies, by act."""

    question = "Which acts need a second person, above which amount, and who?"
    when_empty = "There is no policy: every act is done at once. Add one, or run `manage.py seed`."
    ordering = ("action", "asset", "above")
    list_display = ("act", "threshold", "who", "within", "in_force")
    list_display_links = ("act",)
    buttons: ClassVar[list[type[Button]]] = [EditPolicy]
    list_buttons: ClassVar[list[type[Button]]] = [AddPolicy]

    @admin.display(description="Act")
    def act(self, policy: ApprovalPolicy) -> str:
        """In words."""
        return act_of(policy.action).title

    @admin.display(description="Above")
    def threshold(self, policy: ApprovalPolicy) -> SafeString | str:
        """From where it counts."""
        return above(policy)

    @admin.display(description="Approvers")
    def who(self, policy: ApprovalPolicy) -> str:
        """How many of whom."""
        return f"{policy.approvers} {role_name(policy.role, policy.approvers)}"

    @admin.display(description="Within")
    def within(self, policy: ApprovalPolicy) -> str:
        """How long it waits."""
        return f"{policy.expires_after // _HOUR} h"

    @admin.display(description="State")
    def in_force(self, policy: ApprovalPolicy) -> SafeString:
        """Whether it counts."""
        return show.badge("Active", Tone.GOOD) if policy.active else show.badge("Off")

    def heading(self, policy: ApprovalPolicy) -> str:
        """The act."""
        return act_of(policy.action).title

    def badges(self, policy: ApprovalPolicy) -> Iterable[SafeString]:
        """Whether it counts."""
        return [self.in_force(policy)]

    def panels(self, request: HttpRequest, policy: ApprovalPolicy) -> Iterable[Panel]:
        """Its terms."""
        yield Facts(
            "Policy",
            [
                Fact("Act", show.mono(policy.action)),
                Fact("Above", above(policy), "An amount in another asset is valued at the platform's rate."),
                Fact("Approvers", self.who(policy), "Never the person who asked."),
                Fact("Within", self.within(policy), "After that the request expires."),
            ],
            wide=True,
        )


def above(policy: ApprovalPolicy) -> SafeString | str:
    """The threshold."""
    return "whatever the amount" if policy.above is None else show.decimal(policy.above, policy.asset)
