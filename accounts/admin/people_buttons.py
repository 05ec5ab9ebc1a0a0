"""Buttons on a person: who they are and what they may; those of their login are in login_buttons.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES

from accounts.admin.login_buttons import password_field, waits_with_staff
from accounts.backends import roles_of
from accounts.models import Role, User, UserRole
from accounts.permissions import STAFF_ROLES
from accounts.services import identity, people, roles, staff_requests
from audit.admin.acting import actor_of
from audit.admin.asking import sent, waits_for
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.fields import choice_field, model_fields
from tradeplatform.common.admin.filters import midnight
from tradeplatform.common.changes import Seen
from tradeplatform.common.errors import Code, Refusal

_CreateFields = type("_CreateFields", (ReasonForm,), model_fields(User, ["username", *people.USER_FIELDS]))


class CreateForm(_CreateFields):  # type: ignore[misc, valid-type]  # a form made from the model's columns
    """A new person with a first password."""

    password = password_field("First password")


class GrantForm(ReasonForm):
    """Which role, and until when."""

    role = choice_field("Role", Role.choices)
    until = forms.DateField(
        label="Until (UTC)",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}),
        help_text="The role ends when this day begins. Leave empty for good.",
    )


class RevokeForm(ReasonForm):
    """Which of the roles the person has."""

    role = choice_field("Role", ())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen, held = self.fields["role"], UserRole.objects.filter(user_id=self.obj.pk if self.obj else 0)
        if isinstance(chosen, forms.ChoiceField):
            chosen.choices = [(role.role, role.get_role_display()) for role in held.order_by("role")]


class CreateUser(Button):
    """A person without roles; the next step is to grant one."""

    name, label, icon = "create", "Add person", "person_add"
    permission = "accounts.add_user"
    form_class = CreateForm

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Create the person."""
        user = people.create_user(
            username=data["username"],
            values={name: data[name] for name in people.USER_FIELDS},
            password=data["password"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{user} was added without any role: grant one next.", show.page_of(user, user.pk))


class EditUser(Edit):
    """Details; the identity check has a button of its own."""

    permission = "accounts.change_user"
    fields = people.USER_FIELDS
    form_class = edit_form(User, fields)

    def save(self, obj: User, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change it."""
        people.change_user(
            user_id=obj.pk,
            changes=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} was changed.")


class ChangeIdentity(Edit):
    """The identity check and its level, once another person has agreed."""

    name, label, icon = "identity", "Change identity check", "badge"
    permission = identity.RIGHT
    fields = identity.IDENTITY_FIELDS
    form_class = edit_form(User, fields)

    def intro(self, obj: User) -> str:
        """Why two persons."""
        return "The level says how much this person may withdraw, so another person has to agree."

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What differs, and whom it waits for."""
        return [*super().effects(obj, data), *waits_for(identity.ACTION, now=timezone.now())]

    def save(self, obj: User, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Ask for it."""
        approval = identity.ask_identity_change(
            user_id=obj.pk,
            changes=changes,
            seen=seen,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return sent(approval, f"The change of {obj}")


class GrantRole(Button):
    """Give a role."""

    name, label, icon = "grant", "Grant role", "add_moderator"
    permission = "accounts.grant_role"
    form_class = GrantForm
    previews = True

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Roles before and after."""
        held, added = roles_of(obj), Role(data["role"])
        if added in held:
            raise Refusal(Code.NO_CHANGE, f"{obj} is {added.label.lower()} already.", field="role")
        return [*_effects(held, held | {added}), *waits_with_staff(staff_requests.GRANT, obj, added)]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Grant it, or ask for it."""
        role = Role(data["role"])
        approval = staff_requests.ask_role(
            user_id=obj.pk,
            role=role,
            expires_at=midnight(data["until"]) if data["until"] else None,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        if approval is not None:
            return sent(approval, f"The role of {obj}")
        return Done(f"{obj} is {role.label.lower()} from now on.")


class RevokeRole(Button):
    """Take a role away."""

    name, label, icon = "revoke", "Revoke role", "remove_moderator"
    permission = "accounts.grant_role"
    form_class = RevokeForm
    previews = True
    danger = True

    def why_not(self, obj: User) -> str:
        """There is none."""
        return "" if UserRole.objects.filter(user=obj).exists() else f"{obj} has no role."

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Roles before and after."""
        held = roles_of(obj)
        return _effects(held, held - {Role(data["role"])})

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Revoke it."""
        role = Role(data["role"])
        roles.revoke_role(
            user_id=obj.pk, role=role, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"{obj} is no longer {role.label.lower()}.")


def _effects(before: set[Role], after: set[Role]) -> list[Effect]:
    return [
        Effect("Roles", _words(before), _words(after)),
        Effect("May open the back office", _yes(before & STAFF_ROLES), _yes(after & STAFF_ROLES)),
        Effect("May do everything", _yes(Role.SUPER_ADMIN in before), _yes(Role.SUPER_ADMIN in after)),
    ]


def _words(held: set[Role]) -> str:
    return ", ".join(role.label for role in Role if role in held) or "none"


def _yes(value: object) -> str:
    return "Yes" if value else "No"
