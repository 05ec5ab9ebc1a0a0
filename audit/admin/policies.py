"""The policies of approval: read by all who oversee, changed by those who may, each change with a reason."""

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
from audit.approvable import act_of, acts, house
from audit.models import ApprovalPolicy
from audit.services import policies
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import differences
from tradeplatform.common.admin.fields import amount_field, choice_field, text_field, whole_field
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone

_HOUR = timedelta(hours=1)


class PolicyForm(ReasonForm):
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


class NewPolicyForm(PolicyForm):
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


class AddPolicy(Button):
    """A policy more."""

    name, label, icon = "add", "Add policy", "add"
    permission = "audit.change_approvalpolicy"
    form_class = NewPolicyForm

    def initial(self, obj: None) -> Mapping[str, Any]:
        """What is usual."""
        return {"approvers": 1, "hours": 72, "active": True}

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Add it."""
        policy = policies.add_policy(
            action=data["action"],
            values=terms(data),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{policy} is in force.", show.page_of(policy, policy.pk))


class EditPolicy(Button):
    """Other terms, for what is asked for from now on."""

    name, label, icon = "edit", "Edit", "edit"
    permission = "audit.change_approvalpolicy"
    form_class = PolicyForm
    previews = True

    def initial(self, obj: ApprovalPolicy) -> Mapping[str, Any]:
        """What it is now."""
        now = {name: getattr(obj, name) for name in ("above", "asset", "approvers", "role", "active")}
        return now | {"hours": obj.expires_after // _HOUR}

    def effects(self, obj: ApprovalPolicy, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The fields that differ."""
        return differences(obj, terms(data), policies.POLICY_FIELDS) if data else []

    def act(self, obj: ApprovalPolicy, data: Mapping[str, Any]) -> Done:
        """Change it."""
        policies.change_policy(
            policy_id=obj.pk,
            changes=terms(data),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done("The policy was changed. What waits already keeps its terms.")


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
