"""Buttons on a person's login: set a password, take a lost second factor away, shut out and let in.

With staff all but shutting out wait for another person's agreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.models import Role, User
from accounts.services import people, second_factor, staff_requests
from audit.admin.acting import actor_of
from audit.admin.asking import sent, waits_for
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm


def password_field(label: str) -> forms.CharField:
    """Typed, never shown again."""
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, max_length=128, strip=False, widget=widget)


class PasswordForm(ReasonForm):
    """The new password, twice."""

    password = password_field("New password")
    again = password_field("New password again")

    def clean(self) -> dict[str, Any]:
        """Both must be the same."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("password") != cleaned.get("again"):
            self.add_error("again", "The two passwords differ.")
        return cleaned


class SetPassword(Button):
    """A new password, told to the person by another way."""

    name, label, icon = "password", "Set login password", "key"
    permission = "accounts.change_user"
    form_class = PasswordForm

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends."""
        return [
            Effect("Password", "the old one", "the one below; it is recorded nowhere"),
            Effect("Sessions in the back office", "go on", "end at once"),
            *waits_with_staff(staff_requests.PASSWORD, obj),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Set it, or ask for it."""
        approval = staff_requests.ask_password(
            user_id=obj.pk,
            password=data["password"],
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        if approval is not None:
            return sent(approval, f"The new password of {obj}")
        return Done(f"{obj} has a new password.")


class ResetSecondFactor(Button):
    """For somebody who has lost their authenticator app or passkeys, and their recovery codes."""

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
            Effect("A login needs", "a second factor", "the password alone, until they set another up"),
            Effect("Authenticator app, passkeys, recovery codes", "work", "forgotten"),
            *waits_with_staff(staff_requests.RESET, obj),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Take it away, or ask for that."""
        approval = staff_requests.ask_reset(
            user_id=obj.pk,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        if approval is not None:
            return sent(approval, f"The reset of {obj}'s second factor")
        return Done(f"{obj} logs in by password alone until they set another second factor up.")


class Deactivate(Button):
    """Shut a person out."""

    name, label, icon = "deactivate", "Deactivate login", "person_off"
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
        people.set_active(
            user_id=obj.pk,
            active=False,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} is shut out from now on.")


class Activate(Button):
    """Let a person in again."""

    name, label, icon = "activate", "Activate login", "person_check"
    permission = "accounts.change_user"

    def shown(self, obj: User) -> bool:
        """While not active."""
        return not obj.is_active

    def why_not(self, obj: User) -> str:
        """Already so."""
        return f"{obj} is active already." if obj.is_active else ""

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What works again."""
        return [
            Effect("Login", "refused", "works, with the password as it was"),
            *waits_with_staff(staff_requests.REOPEN, obj),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Let in, or ask for that."""
        approval = staff_requests.ask_reopening(
            user_id=obj.pk,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        if approval is not None:
            return sent(approval, f"The login of {obj}")
        return Done(f"{obj} may log in again.")


def waits_with_staff(action: str, obj: User, role: Role | None = None) -> list[Effect]:
    """Whom it would wait for, where it is about staff."""
    return waits_for(action, now=timezone.now()) if staff_requests.waits(action, obj, role=role) else []
