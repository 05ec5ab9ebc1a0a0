"""The login form of the back office."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User
from accounts.services import second_factor
from accounts.services.login import check_second_factor
from tradeplatform.common.addresses import client_address
from tradeplatform.common.errors import Refusal

_MISSING = (
    "Operators need a second factor here, and this login has none: docs/security.md says how to set it up."
)


class LoginForm(AuthenticationForm):
    """Name, password and, of those who have a second factor, its code."""

    code = forms.CharField(
        label="Code",
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "text"}),
        help_text="Of your authenticator app, or a recovery code. Leave it empty if you have none.",
    )

    def clean_username(self) -> str:
        """Refuse a name that nobody can have: Django tells the browser the length, but does not check it."""
        name: str = self.cleaned_data["username"]
        if len(name) > (User._meta.get_field("username").max_length or 0):
            raise self.get_invalid_login_error()
        return name

    def clean(self) -> dict[str, Any]:
        """The password, then the code."""
        cleaned: dict[str, Any] = super().clean() or {}
        # None where name or password is missing, whatever the stubs say.
        user, request = cast("User | None", self.get_user()), self.request
        if user is not None and request is not None:
            if second_factor.is_missing(user):
                raise ValidationError(_MISSING)
            try:
                code, ip = cleaned.get("code") or "", client_address(request)
                check_second_factor(user, code, request=request, ip=ip, now=timezone.now())
            except Refusal as refusal:
                raise ValidationError(refusal.message) from refusal
        return cleaned
