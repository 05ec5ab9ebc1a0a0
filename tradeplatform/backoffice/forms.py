"""The login form of the back office."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from accounts.factor_form import FactorForm
from accounts.models import Ceremony, User
from accounts.services import second_factor

_MISSING = (
    "Operators need a second factor here, and this login has none: docs/security.md says how to set it up."
)


class LoginForm(FactorForm, AuthenticationForm):
    """Name, password and, of those who have one, the second factor."""

    field_order = ("username", "password", "code", "passkey")

    def clean_username(self) -> str:
        """Refuse a name that nobody can have: Django tells the browser the length, but does not check it."""
        name: str = self.cleaned_data["username"]
        if len(name) > (User._meta.get_field("username").max_length or 0):
            raise self.get_invalid_login_error()
        return name

    def clean(self) -> dict[str, Any]:
        """The password, then the second factor."""
        cleaned: dict[str, Any] = super().clean() or {}
        # None where name or password is missing, whatever the stubs say.
        user, request = cast("User | None", self.get_user()), self.request
        if user is not None and request is not None:
            if second_factor.is_missing(user):
                raise ValidationError(_MISSING)
            self.require_factor(user, request, Ceremony.DESK_LOGIN)
        return cleaned
