"""What browsers send of passkeys, as `PublicKeyCredential.toJSON()` makes it, and what they are told to ask.

Both are WebAuthn's own JSON. Of what browsers send, fields that prove nothing are not looked at, for each
browser adds some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from accounts.models import Passkey
from accounts.services.second_factor import Proof
from tradeplatform.common.api_input import StrictSerializer, TextField
from tradeplatform.common.times import rfc3339

#: WebAuthn knows one.
CREDENTIAL_TYPES = [("public-key", "public-key")]
_NAME = "Your own name for it, unique among yours."


_ALPHABET = RegexValidator(r"\A[A-Za-z0-9_-]+\Z", "Base64url, without padding.")


class Base64Url(TextField):
    """Bytes in base64url without padding, at most so many characters."""

    def __init__(self, *, most: int) -> None:
        super().__init__(max_length=most, validators=[_ALPHABET])


class AssertedInput(serializers.Serializer[Any]):
    """AuthenticatorAssertionResponseJSON."""

    clientDataJSON = Base64Url(most=4_096)  # noqa: N815 - WebAuthn's name
    authenticatorData = Base64Url(most=4_096)  # noqa: N815
    signature = Base64Url(most=2_048)


class AssertionInput(serializers.Serializer[Any]):
    """AuthenticationResponseJSON: what `navigator.credentials.get` gave."""

    id = Base64Url(most=1_364)
    rawId = Base64Url(most=1_364)  # noqa: N815
    type = serializers.ChoiceField(choices=CREDENTIAL_TYPES)
    response = AssertedInput()


class AttestedInput(serializers.Serializer[Any]):
    """AuthenticatorAttestationResponseJSON."""

    clientDataJSON = Base64Url(most=4_096)  # noqa: N815
    attestationObject = Base64Url(most=32_768)  # noqa: N815


class AttestationInput(serializers.Serializer[Any]):
    """RegistrationResponseJSON: what `navigator.credentials.create` gave."""

    id = Base64Url(most=1_364)
    rawId = Base64Url(most=1_364)  # noqa: N815
    type = serializers.ChoiceField(choices=CREDENTIAL_TYPES)
    response = AttestedInput()


class AskNewInput(StrictSerializer):
    """What the new passkey will be called."""

    name = TextField(max_length=64, help_text=_NAME)


class NewPasskeyInput(StrictSerializer):
    """The new passkey and its name."""

    name = TextField(max_length=64, help_text=_NAME)
    passkey = AttestationInput()


class AskLoginInput(StrictSerializer):
    """Whose passkeys are to be asked."""

    username = TextField(max_length=150)
    password = TextField(max_length=1_024, write_only=True)


class OptionsShape(serializers.Serializer[Any]):
    """For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."""

    publicKey = serializers.DictField(  # noqa: N815
        help_text="PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON."
    )


class PasskeyShape(serializers.Serializer[Any]):
    """A passkey of mine."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class AddedPasskeyShape(PasskeyShape):
    """A new passkey; recovery codes with the first second factor, never shown again."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


def passkey_json(passkey: Passkey) -> dict[str, Any]:
    """A passkey, as its owner sees it."""
    return {
        "id": passkey.pk,
        "name": passkey.name,
        "created_at": rfc3339(passkey.created_at),
        "last_used_at": rfc3339(passkey.last_used_at) if passkey.last_used_at else None,
    }


def proof_of(given: Mapping[str, Any]) -> Proof:
    """The second factor in a body that was read."""
    return Proof(code=given.get("code", ""), passkey=given.get("passkey"))
