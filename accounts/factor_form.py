"""The part of a form that asks for a second factor: a code to type, or a passkey that a script asks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.api.webauthn_shapes import AssertionInput
from accounts.models import Ceremony, User
from accounts.services.login import check_second_factor
from accounts.services.passkeys import Asked
from accounts.services.second_factor import Proof
from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_input import parse
from tradeplatform.common.errors import Refusal
from tradeplatform.common.json_codec import decode


class FactorForm(forms.Form):
    """Code or passkey; both empty for those who have no second factor."""

    code = forms.CharField(
        label="Code",
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "text"}),
        help_text="Of your authenticator app, or a recovery code. Leave it empty if you have none.",
    )
    passkey = forms.CharField(max_length=16_384, required=False, widget=forms.HiddenInput)

    def clean_passkey(self) -> dict[str, Any] | None:
        """What the browser gave, as its JSON."""
        text: str = self.cleaned_data["passkey"]
        try:
            return parse(AssertionInput, decode(text.encode())) if text else None
        except Refusal as refusal:
            raise ValidationError("The browser's answer cannot be read: try again.") from refusal

    def require_factor(self, user: User, request: HttpRequest, ceremony: Ceremony) -> None:
        """Raise ValidationError unless the second factor is proven, where the person has one."""
        proof = Proof(code=self.cleaned_data.get("code") or "", passkey=self.cleaned_data.get("passkey"))
        asked = Asked(ceremony, request.session.session_key or "")
        ip, now = client_address(request), timezone.now()
        try:
            check_second_factor(user, proof, asked=asked, request=request, ip=ip, now=now)
        except Refusal as refusal:
            raise ValidationError(refusal.message) from refusal
