"""Buttons on a person: grant and revoke roles, edit, identity check, set a password, let in and shut out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES, UnfoldAdminPasswordWidget

from accounts.backends import roles_of
from accounts.models import Role, User, UserRole
from accounts.permissions import STAFF_ROLES
from accounts.services import identity, people, roles, second_factor
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


def _password(label: str) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, max_length=128, strip=False, widget=widget)


class CreateForm(_CreateFields):  # type: ignore[misc, valid-type]  # a form made from the model's columns
    """A new person with a first password."""

    password = _password("First password")


class PasswordForm(ReasonForm):
    """The new password, twice."""

    password = _password("New password")
    again = _password("New password again")

    def clean(self) -> dict[str, Any]:
        """Both must be the same."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("password") != cleaned.get("again"):
            self.add_error("again", "The two passwords differ.")
        return cleaned


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
        return _effects(held, held | {added})

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Grant it."""
        role = Role(data["role"])
        roles.grant_role(
            user_id=obj.pk,
            role=role,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
            expires_at=midnight(data["until"]) if data["until"] else None,
        )
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


class SetPassword(Button):
    """A new password, told to the person by another way."""

    name, label, icon = "password", "Set password", "key"
    permission = "accounts.change_user"
    form_class = PasswordForm

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends."""
        return [
            Effect("Password", "the old one", "the one below; it is recorded nowhere"),
            Effect("Sessions in the back office", "go on", "end at once"),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Set it."""
        people.set_password(
            user_id=obj.pk,
            password=data["password"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} has a new password.")


class ResetSecondFactor(Button):
    """For somebody who has lost their authenticator app and their recovery codes."""

    name, label, icon = "reset-factor", "Reset second factor", "phonelink_erase"
    permission = "accounts.change_user"
    danger = True

    def shown(self, obj: User) -> bool:
        """While there is one."""
        return second_factor.is_on(obj)

    def why_not(self, obj: User) -> str:
        """There is none."""
        return "" if second_factor.is_on(obj) else f"{obj} has no second factor."

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What a login needs."""
        return [
            Effect("A login needs", "password and code", "the password alone, until they set another up"),
            Effect("Recovery codes", "work", "forgotten"),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Take it away."""
        actor, now = actor_of(self.request), timezone.now()
        second_factor.reset(user_id=obj.pk, actor=actor, now=now, reason=data["reason"])
        return Done(f"{obj} logs in by password alone until they set another second factor up.")


class Deactivate(Button):
    """Shut a person out."""

    name, label, icon = "deactivate", "Deactivate", "person_off"
    permission = "accounts.change_user"
    danger = True

    def shown(self, obj: User) -> bool:
        """While active."""
        return obj.is_active

    def why_not(self, obj: User) -> str:
        """Already so."""
        return "" if obj.is_active else f"{obj} is deactivated already."

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends and what goes on."""
        return [
            Effect("Login, sessions, API tokens", "work", "refused from the next request on"),
            Effect("Trading accounts", "as they are", "as they are: lock them by their own button"),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Shut out."""
        return _set_active(self, obj, data, active=False)


class Activate(Button):
    """Let a person in again."""

    name, label, icon = "activate", "Activate", "person_check"
    permission = "accounts.change_user"

    def shown(self, obj: User) -> bool:
        """While not active."""
        return not obj.is_active

    def why_not(self, obj: User) -> str:
        """Already so."""
        return f"{obj} is active already." if obj.is_active else ""

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What works again."""
        return [Effect("Login", "refused", "works, with the password as it was")]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Let in."""
        return _set_active(self, obj, data, active=True)


def _set_active(button: Button, obj: User, data: Mapping[str, Any], *, active: bool) -> Done:
    people.set_active(
        user_id=obj.pk,
        active=active,
        actor=actor_of(button.request),
        now=timezone.now(),
        reason=data["reason"],
    )
    return Done(f"{obj} may log in again." if active else f"{obj} is shut out from now on.")


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
