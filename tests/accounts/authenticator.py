"""A device that makes passkeys and signs with them, as a browser would hand its answers on."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from django.test import RequestFactory
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from accounts.models import Passkey, User
from accounts.services import passkeys
from accounts.services.login import check_second_factor
from accounts.services.passkeys import Asked
from accounts.services.second_factor import Proof
from audit.actor import Actor
from tests.factories import NOW
from tradeplatform.common.errors import Refusal

_FLAG = AuthenticatorData.FLAG


@dataclass
class Device:
    """Holds one key. What a test changes of it makes it wrong in just that."""

    rp_id: str = field(default_factory=lambda: settings.WEBAUTHN_RP_ID)
    origin: str = field(default_factory=lambda: settings.WEBAUTHN_ORIGINS[0])
    count: int = 0
    verifies: bool = True
    present: bool = True
    framed: bool = False
    counts: bool = True

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.create` would give."""
        public_key = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]
        made = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public_key)
        data = AuthenticatorData.create(self._rp_hash, self._flags | _FLAG.AT, self.count, made)
        response = {
            "clientDataJSON": websafe_encode(self._client_data("webauthn.create", options)),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
            "transports": ["internal"],
        }
        return self._answer(response)

    def sign(self, options: dict[str, Any], *, kind: str = "webauthn.get") -> dict[str, Any]:
        """What `navigator.credentials.get` would give."""
        self.count += int(self.counts)
        client_data = self._client_data(kind, options)
        data = AuthenticatorData.create(self._rp_hash, self._flags, self.count)
        signature = self.key.sign(data + sha256(client_data), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client_data),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature),
            "userHandle": None,
        }
        return self._answer(response)

    @property
    def _rp_hash(self) -> bytes:
        return sha256(self.rp_id.encode())

    @property
    def _flags(self) -> Any:
        return (_FLAG.UP if self.present else _FLAG(0)) | (_FLAG.UV if self.verifies else _FLAG(0))

    def _client_data(self, kind: str, options: dict[str, Any]) -> CollectedClientData:
        challenge = websafe_decode(options["challenge"])
        return CollectedClientData.create(kind, challenge, self.origin, cross_origin=self.framed)

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        name = websafe_encode(self.credential_id)
        answer = {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }
        plain: dict[str, Any] = json.loads(json.dumps(answer))
        return plain


def added(person: User, device: Device | None = None, name: str = "laptop") -> Device:
    """A device whose passkey was added."""
    device, now = device or Device(), timezone.now()
    options = passkeys.begin_adding(person, name=name, session="s", now=now)
    actor = Actor.user(user_id=person.pk, label=person.username)
    passkeys.add(person, name=name, answer=device.make(options), session="s", actor=actor, now=now)
    return device


def passkey_of(person: User) -> Passkey:
    """A passkey of theirs, whoever has the device."""
    added(person)
    return passkeys.of(person).get()


def refusal_of_check(person: User, proof: Proof, asked: Asked) -> Refusal:
    """What a wrong second factor is told, from an address of its own, all in one window of the counters."""
    request = RequestFactory().post(
        "/", REMOTE_ADDR=f"10.1.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    )
    with pytest.raises(Refusal) as caught:
        check_second_factor(person, proof, asked=asked, request=request, ip=None, now=NOW)
    return caught.value
